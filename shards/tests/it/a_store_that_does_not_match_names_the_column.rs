//! A model and a store that don't fit are told apart before the first request, by column.

use shards::features::Precision;
use shards::features::column::ColumnType;
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::join::{JoinError, JoinPlan, ModelInputs};
use shards::features::schema::{Schema, StoreColumn};

fn schema() -> Schema {
    let column = |name: &str, column_type| StoreColumn { name: name.to_owned(), column_type };
    let columns = vec![column("age", ColumnType::Int), column("income", ColumnType::Double)];
    Schema::new(columns).unwrap()
}

fn bind(inputs: ModelInputs<'_>) -> Result<JoinPlan, JoinError> {
    JoinPlan::bind(inputs, &schema(), &FeaturePolicies::default(), Precision::F32)
}

fn columns(manifest: &str) -> Vec<InputColumn> {
    #[derive(serde::Deserialize)]
    struct Manifest {
        columns: Vec<InputColumn>,
    }
    toml::from_str::<Manifest>(manifest).unwrap().columns
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    for (manifest, said) in [
        (
            "columns = [{ name = 'agee', type = 'int' }]",
            "`agee` is not in the store, which has age, income",
        ),
        (
            "columns = [{ name = 'income' }]",
            "column `income` is double in the store and the model declares it as float",
        ),
        (
            "columns = [{ name = 'age', type = 'boolean' }]",
            "column `age` is int in the store and the model declares it as boolean",
        ),
    ] {
        let error = bind(ModelInputs::Columns(&columns(manifest))).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_model_without_columns_takes_those_of_the_store() {
    let plan = bind(ModelInputs::Width(2)).unwrap();
    assert_eq!(plan.column_names(), ["age", "income"]);
    for (width, column) in [(1, "income"), (3, "input 3")] {
        let error = bind(ModelInputs::Width(width)).unwrap_err();
        let expected = JoinError::Width { found: 2, expected: width, column: column.to_owned() };
        assert_eq!(error, expected);
    }
}

#[test]
fn a_model_without_columns_stays_with_the_names_that_it_was_bound_to() {
    let plan = bind(ModelInputs::Width(2)).unwrap();
    let again = |names: &[&str]| {
        let column =
            |name: &&str| StoreColumn { name: (*name).to_owned(), column_type: ColumnType::Double };
        let schema = Schema::new(names.iter().map(column).collect()).unwrap();
        plan.bind_again(ModelInputs::Width(2), &schema)
    };
    for names in [&["age", "income"][..], &["a", "age", "b", "income", "z"]] {
        assert_eq!(again(names).unwrap().column_names(), ["age", "income"]);
    }
    for names in [&["income", "age"][..], &["age", "outcome"], &["age"], &["income", "a", "age"]] {
        assert!(again(names).is_err(), "{names:?}");
    }
}

#[test]
fn a_type_that_holds_every_stored_value_is_accepted() {
    let manifest =
        "columns = [{ name = 'age', type = 'double' }, { name = 'age', type = 'bigint' }]";
    assert_eq!(bind(ModelInputs::Columns(&columns(manifest))).unwrap().columns(), 2);
}
