//! The named tables of an embedded store: each has its own columns and keys, an import into one leaves
//! the others alone, and what is wrong with one is said of the store.

use shards::features::column::ColumnType;
use shards::features::composite::key_of_parts;
use shards::features::embedded::{
    EmbeddedError, EmbeddedReader, EmbeddedStore, EmbeddedWriter, TableName,
};
use shards::features::entities::Entity;
use shards::features::import::{CsvOptions, ImportOptions, OnBadRow, import_embedded};
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::schema::{Schema, StoreColumn};
use shards::features::{FetchRequests, Fetched, Joined, Precision, StoreSource};

use crate::stores::{Heard, WRITTEN_US, column, fetch, import, plan_of, row, store_of};

fn name(name: &str) -> TableName {
    name.parse().unwrap()
}

/// Imports `csv` with keys of these columns.
fn import_by(store: &EmbeddedStore, csv: &str, keys: &[&str]) -> Result<(), String> {
    let key_columns = keys.iter().map(|key| (*key).to_owned()).collect();
    let csv_options =
        CsvOptions { key_columns, last_updated_us: WRITTEN_US, ..CsvOptions::default() };
    let options = ImportOptions { csv: csv_options, on_bad_row: OnBadRow::Fatal, replace: false };
    let imported = import_embedded(store, csv.as_bytes(), &options, &mut Heard::default());
    imported.map(|_| ()).map_err(|error| error.to_string())
}

fn cells(store: &EmbeddedStore, column_name: &str, key: &[u8]) -> Vec<f64> {
    let reader = EmbeddedReader::new(store).unwrap();
    let schema = reader.schema();
    let fields = schema.keys().iter().map(|key| format!("of_{key}")).collect();
    let entity = Entity { key: fields, ..Entity::user(&FeaturePolicies::default()) };
    let columns = [column(column_name)];
    let inputs = ModelInputs::Columns(&columns);
    let plan = JoinPlan::bind_entities(inputs, &[entity], &schema, Precision::F64).unwrap();
    let mut requests = FetchRequests::new(0);
    requests.push(key, &[]);
    let mut joined = Joined::new(&plan);
    assert_eq!(reader.fetch(&plan, &requests, WRITTEN_US, &mut joined), Fetched::Joined);
    row(&joined, 0)
}

#[test]
fn each_table_has_rows_and_columns_of_its_own() {
    let (folder, store) = store_of("user_id,age\nu,30\n");
    for (table, csv) in [("merchants", "m,rate\nu,0.5\n"), ("devices", "d,seen\nu,7\n")] {
        let table = EmbeddedStore::open_or_create_table(folder.path(), Some(&name(table))).unwrap();
        import(&table, csv).unwrap();
    }
    assert_eq!(store.tables().unwrap(), [name("devices"), name("merchants")]);
    assert_eq!(cells(&store, "age", b"u"), [30.0]);
    assert_eq!(cells(&store.table(&name("merchants")), "rate", b"u"), [0.5]);
    let StoreSource::Embedded(devices) =
        StoreSource::Embedded(store.clone()).table(Some("devices")).unwrap()
    else {
        panic!("an embedded store")
    };
    assert_eq!(cells(&devices, "seen", b"u"), [7.0]);
    let absent = EmbeddedStore::open_table(folder.path(), Some(&name("cards"))).unwrap_err();
    assert!(matches!(&absent, EmbeddedError::NoTable { .. }) && absent.is_absent());
    assert!(absent.to_string().contains("--table cards --store embedded:"), "{absent}");
}

#[test]
fn an_import_into_a_table_is_seen_by_its_readers_alone() {
    let (folder, store) = store_of("user_id,age\nu,30\n");
    let table = store.table(&name("merchants"));
    EmbeddedStore::open_or_create_table(folder.path(), Some(&name("merchants"))).unwrap();
    import(&table, "m,rate\na,1\n").unwrap();
    let (users, merchants) =
        (EmbeddedReader::new(&store).unwrap(), EmbeddedReader::new(&table).unwrap());
    let policies = FeaturePolicies::default();
    let plan = plan_of(&users, &[column("age")], &policies);
    let table_plan = plan_of(&merchants, &[column("rate")], &policies);
    import(&table, "m,rate\na,2\n").unwrap();
    assert_eq!(row(&fetch(&merchants, &table_plan, &["a"]), 0), [2.0]);
    assert_eq!(row(&fetch(&users, &plan, &["u"]), 0), [30.0]);
}

#[test]
fn trouble_of_a_table_is_trouble_of_the_store() {
    let (folder, store) = store_of("user_id,age\nu,30\n");
    let table =
        EmbeddedStore::open_or_create_table(folder.path(), Some(&name("merchants"))).unwrap();
    import(&table, "m,rate\na,1\n").unwrap();
    assert_eq!(store.table(&name("merchants")).rows().unwrap(), 1);
    assert_eq!(store.trouble(), None);
    let file = folder.path().join("tables/merchants/features.store");
    let bytes = std::fs::read(&file).unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, &bytes[..bytes.len() - 1]).unwrap();
    std::fs::rename(&other, &file).unwrap();
    assert!(store.trouble().unwrap().contains("merchants"), "{:?}", store.trouble());
}

#[test]
fn several_columns_make_one_key_and_typed_ones_have_one_spelling() {
    let (_folder, store) = store_of("user_id,age\nu,30\n");
    let bins = store.table(&name("bins"));
    std::fs::create_dir_all(bins.path()).unwrap();
    import_by(&bins, "country,bin:int,risk\nDE,0411,0.25\nD,E411,1\n", &["country", "bin"])
        .expect_err("E411 is no integer");
    import_by(&bins, "country,bin:int,risk\nDE,0411,0.25\nD,411,1\n", &["country", "bin"]).unwrap();
    assert_eq!(cells(&bins, "risk", &key_of_parts(&[b"DE", b"411"])), [0.25]);
    assert_eq!(cells(&bins, "risk", &key_of_parts(&[b"D", b"411"])), [1.0]);
    let again = import_by(&bins, "country,bin,risk\nDE,1,1\n", &["bin", "bin"]).unwrap_err();
    assert_eq!(again, "line 1: there is more than one column `bin`");
    let typed = store.table(&name("typed"));
    std::fs::create_dir_all(typed.path()).unwrap();
    import_by(&typed, "id:uuid,a\n550E8400-E29B-41D4-A716-446655440000,5\n", &["id"]).unwrap();
    assert_eq!(cells(&typed, "a", b"550e8400-e29b-41d4-a716-446655440000"), [5.0]);
}

#[test]
fn a_key_is_that_of_its_table_in_number_and_order() {
    let (_folder, store) = store_of("user_id,age\nu,30\n");
    let bins = store.table(&name("bins"));
    std::fs::create_dir_all(bins.path()).unwrap();
    import_by(&bins, "country,bin,risk\nNL,4,0.5\n", &["country", "bin"]).unwrap();
    let schema = EmbeddedReader::new(&bins).unwrap().schema();
    let columns = [column("risk")];
    let bind = |fields: &[&str]| {
        let key = fields.iter().map(|field| (*field).to_owned()).collect();
        let entity = Entity { key, ..Entity::user(&FeaturePolicies::default()) };
        let inputs = ModelInputs::Columns(&columns);
        JoinPlan::bind_entities(inputs, &[entity], &schema, Precision::F64).map(|_| ())
    };
    assert_eq!(bind(&["country", "bin"]), Ok(()));
    assert_eq!(bind(&["land", "card_bin"]), Ok(()));
    for (fields, said) in [
        (&["bin", "country"][..], "its `key` is bin,country in model.toml, and that of its table"),
        (&["land", "country"], "its `key` is land,country"),
        (&["bin"], "its `key` has 1 fields in model.toml"),
        (&["country", "bin", "day"], "its `key` has 3 fields"),
    ] {
        let error = bind(fields).expect_err("another key").to_string();
        assert!(error.contains(said), "{error}");
    }
    // So it is with an import of other columns.
    let error = import_by(&bins, "country,bin,b\nNL,4,1\n", &["bin", "country"]).unwrap_err();
    assert!(error.contains("its key is `country,bin` in the store and `bin,country`"), "{error}");
    import_by(&bins, "country,bin,b\nNL,4,1\n", &["country", "bin"]).unwrap();
    let schema = EmbeddedReader::new(&bins).unwrap().schema();
    assert_eq!(
        (schema.keys(), schema.columns().len()),
        (&["country", "bin"].map(String::from)[..], 2)
    );
}

#[test]
fn a_store_without_users_is_whole_until_they_were_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    assert!(store.trouble().is_some(), "there is nothing at all");
    let cards = EmbeddedStore::open_or_create_table(folder.path(), Some(&name("cards"))).unwrap();
    import(&cards, "card,a\nc,1\n").unwrap();
    assert_eq!(store.trouble(), None);
    import(&store, "user_id,age\nu,30\n").unwrap();
    EmbeddedReader::new(&store).unwrap();
    assert_eq!(store.trouble(), None);
    std::fs::remove_file(folder.path().join("features.store")).unwrap();
    assert!(store.trouble().is_some(), "they are gone");
}

#[test]
fn a_table_that_no_import_made_takes_any_key_until_one_names_it() {
    let (folder, store) = store_of("user_id,age\nu,30\n");
    // As a start makes the table of an aggregate.
    let bins = EmbeddedStore::open_or_create_table(folder.path(), Some(&name("bins"))).unwrap();
    let tile = StoreColumn { name: "tiles".to_owned(), column_type: ColumnType::Bigint };
    let schema = Schema::new(vec![tile]).unwrap();
    EmbeddedWriter::begin(&bins, &schema, false).unwrap().commit().unwrap();
    let bound = |fields: &[&str]| {
        let key = fields.iter().map(|field| (*field).to_owned()).collect();
        let entity = Entity { key, ..Entity::user(&FeaturePolicies::default()) };
        let columns = [InputColumn { column_type: ColumnType::Bigint, ..column("tiles") }];
        let schema = EmbeddedReader::new(&bins).unwrap().schema();
        let inputs = ModelInputs::Columns(&columns);
        JoinPlan::bind_entities(inputs, &[entity], &schema, Precision::F64).map(|_| ())
    };
    assert_eq!((bound(&["country", "bin"]), bound(&["bin"])), (Ok(()), Ok(())));
    import_by(&bins, "country,bin,risk\nNL,4,0.5\n", &["country", "bin"]).unwrap();
    assert_eq!(bound(&["country", "bin"]), Ok(()));
    bound(&["bin"]).expect_err("one of two");
    assert_eq!(EmbeddedReader::new(&store).unwrap().schema().keys(), ["user_id"]);
}
