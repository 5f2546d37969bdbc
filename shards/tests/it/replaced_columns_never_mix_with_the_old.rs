//! A store's columns change only where the import says so, and a plan that was bound to the old
//! ones reads nothing from then on.

use shards::features::embedded::{EmbeddedError, EmbeddedReader};
use shards::features::import::{ImportError, OnBadRow, import_embedded};
use shards::features::inputs::FeaturePolicies;
use shards::features::{FetchRequests, Fetched, Joined};
use shards::provenance::FeatureStatus;

use crate::stores::{Heard, column, fetch, import, options, plan_of, store_of};

#[test]
fn another_type_is_refused_by_name() {
    let (_folder, store) = store_of("user_id,a,b\nu,1,2\n");
    for (csv, said) in [
        ("user_id,a,b:int\nu,1,2\n", "column `b` is float in the store and int in the import"),
        ("user_id,b:double,c\nu,1,2\n", "column `b` is float in the store and double"),
    ] {
        let error = import(&store, csv).unwrap_err();
        let differs = matches!(error, ImportError::Store(EmbeddedError::SchemaDiffers { .. }));
        assert!(differs && error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_header_in_another_order_is_the_same_schema() {
    let (_folder, store) = store_of("user_id,a:int,b\nu,1,2\n");
    import(&store, "b,user_id,a\n3,u,4\n").unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("b")], &FeaturePolicies::default());
    assert_eq!(crate::stores::row(&fetch(&reader, &plan, &["u"]), 0), [3.0]);
}

#[test]
fn an_old_plan_joins_nothing_after_a_replacement() {
    let (_folder, store) = store_of("user_id,a\nu,1\n");
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_of(&reader, &[column("a")], &FeaturePolicies::default());
    assert_eq!(fetch(&reader, &plan, &["u"]).outcomes[0].status, FeatureStatus::Stored);
    // The new record is as long as the old one: only the generation tells them apart.
    let options = options(OnBadRow::Fatal, true);
    let csv = "user_id,z:int\nu,7\n";
    import_embedded(&store, csv.as_bytes(), &options, &mut Heard::default()).unwrap();
    let (mut requests, mut joined) = (FetchRequests::new(0), Joined::new(&plan));
    requests.push(b"u", &[]);
    assert_eq!(reader.fetch(&plan, &requests, 0, &mut joined), Fetched::SchemaChanged);
    assert_eq!(joined.outcomes[0].status, FeatureStatus::Error);

    assert_eq!(reader.schema().columns()[0].name, "z");
    let mut z = column("z");
    z.column_type = shards::features::column::ColumnType::Int;
    let plan = plan_of(&reader, &[z], &FeaturePolicies::default());
    assert_eq!(crate::stores::row(&fetch(&reader, &plan, &["u"]), 0), [7.0]);
}

#[test]
fn a_store_is_opened_only_where_there_is_one() {
    use shards::features::embedded::EmbeddedStore;
    let (folder, _store) = store_of("user_id,a\nu,1\n");
    assert_eq!(EmbeddedStore::open(folder.path()).unwrap().rows().unwrap(), 1);
    let nowhere = tempfile::tempdir().unwrap();
    let none = EmbeddedStore::open(nowhere.path());
    assert!(matches!(none, Err(EmbeddedError::NoStore { .. })), "{none:?}");
}
