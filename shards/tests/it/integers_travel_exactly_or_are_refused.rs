//! A model whose tensor holds integers gets integers: what is null, broken or too large to have
//! come through unrounded is refused, and the message names the column.

use std::path::Path;

use shards::features::Precision;
use shards::features::inputs::{FeaturePolicies, IntegerRange};
use shards::features::join::{JoinError, JoinPlan, ModelInputs};
use shards::features::schema::{Schema, StoreColumn};

use crate::support::{Served, Setup, post_to};

/// `integer-keys`: 1 for 16777216, 2 for its neighbour, 3 for 900000001, -1 for all else.
fn file() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators/integer-keys");
    std::fs::read(folder.join("model.onnx")).expect("the graph is there")
}

fn of_request(column: &str) -> Served {
    let manifest = format!("[[columns]]\nname = \"id\"\nsource = \"request\"\n{column}\n");
    Setup::with_model(&manifest, &file()).serve()
}

const WRONG: [&str; 6] =
    ["null", "3.7", "1e30", "9007199254740992", "-9007199254740993", "18446744073709551615"];

#[test]
fn a_request_field_is_an_integer() {
    let served = of_request("type = \"double\"\nnan = \"missing\"");
    let mut client = served.client();
    let body = |id: &str| format!("{{\"user_id\": \"user-001\", \"id\": {id}}}");
    for (id, score) in
        [("16777217", 2.0), ("900000001.0", 3.0), ("16777218", -1.0), ("9007199254740991", -1.0)]
    {
        let found = client.predict(&body(id)).score();
        assert_eq!(found.to_bits(), f64::to_bits(score), "{id}");
    }
    let absent = "{\"user_id\": \"user-001\"}".to_owned();
    for body in WRONG.map(body).into_iter().chain([absent]) {
        let answer = client.predict(&body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.error().starts_with("`id` must be a whole number"), "{answer:?}");
    }
}

#[test]
fn a_default_takes_the_place_of_what_is_missing_alone() {
    let served = of_request("type = \"double\"\ndefault = 16777216");
    let mut client = served.client();
    for body in ["{\"user_id\": \"u\"}", "{\"user_id\": \"u\", \"id\": null}"] {
        assert_eq!(client.predict(body).score().to_bits(), 1_f64.to_bits());
    }
    assert_eq!(client.predict("{\"user_id\": \"u\", \"id\": 0.5}").status, 400);
}

fn tensor(name: &str, datatype: &str, data: &str) -> Vec<u8> {
    let body = format!(
        "{{\"inputs\": [{{\"name\": \"{name}\", \"datatype\": \"{datatype}\", \"shape\": [2, 1], \
         \"data\": [16777217, {data}]}}]}}"
    );
    post_to("/v2/models/demo-logistic/infer", "", &body)
}

#[test]
fn a_cell_of_a_tensor_is_an_integer() {
    let served = of_request("type = \"double\"");
    let mut client = served.client();
    // The whole matrix, and its only column.
    for (name, datatype) in [("input", "FP64"), ("id", "FP64"), ("input", "INT64")] {
        let answer = client.ask(tensor(name, datatype, "900000001"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("[2.0, 3.0]"), "{answer:?}");
        for wrong in WRONG {
            let answer = client.ask(tensor(name, datatype, wrong));
            assert_eq!(answer.status, 400, "{name} {datatype} {wrong}: {answer:?}");
            let is_fraction = wrong == "3.7" && datatype == "INT64";
            let said = if is_fraction { "not elements of INT64" } else { "column `id` of row 1" };
            assert!(answer.error().contains(said), "{answer:?}");
        }
    }
}

#[test]
fn a_stored_value_is_an_integer_that_is_exact() {
    let manifest = "[[columns]]\nname = \"id\"\ntype = \"bigint\"\nnan = \"missing\"\n";
    let csv = "user_id,id:bigint\nright,16777217\nlarge,9007199254740993\nnull,\n";
    let served = Setup::with_model(manifest, &file()).csv(csv).serve();
    let mut client = served.client();
    let score = client.predict("{\"user_id\": \"right\"}").score();
    assert_eq!(score.to_bits(), 2_f64.to_bits());
    for user in ["large", "null"] {
        let answer = client.predict(&format!("{{\"user_id\": \"{user}\"}}"));
        assert_eq!(answer.status, 503, "{user}: {answer:?}");
        assert!(answer.error().contains("stored `id` is no whole number"), "{answer:?}");
    }
}

fn bind(store: &str, manifest: &str) -> Result<JoinPlan, JoinError> {
    let column = StoreColumn { name: "id".to_owned(), column_type: store.parse().expect("a type") };
    let schema = Schema::new(vec![column]).expect("a schema");
    let manifest: shards::model::manifest::Manifest = toml::from_str(manifest).expect("TOML");
    let columns = manifest.columns.expect("columns");
    let inputs = ModelInputs::Columns(&columns);
    JoinPlan::bind(inputs, &schema, &FeaturePolicies::default(), Precision::F64)?
        .with_integers(&[Some(IntegerRange::new(0.0, 100.0))])
}

#[test]
fn what_can_hold_anything_else_is_refused_at_load() {
    for (store, manifest, said) in [
        ("float", "[[columns]]\nname = 'id'\n", "`id` is float in the store and the model's"),
        ("double", "[[columns]]\nname = 'id'\ntype = 'double'\n", "`id` is double in the store"),
        ("int", "[[columns]]\nname = 'id'\ntype = 'int'\ndefault = 0.5\n", "`id`: default 0.5"),
        ("int", "[[columns]]\nname = 'id'\ntype = 'int'\ndefault = 101\n", "`id`: default 101"),
        (
            "int",
            "[[columns]]\nname = 'id'\ntype = 'int'\nnan = 'missing'\ndefault = nan\n",
            "`id`: default NaN is none of the integers from 0 to 100",
        ),
    ] {
        let text = bind(store, manifest).expect_err("it does not fit").to_string();
        assert!(text.contains(said), "{text}");
    }
    bind("bigint", "[[columns]]\nname = 'id'\ntype = 'bigint'\n").expect("it fits");
}
