//! What an import wrote to a cluster is what shards read there, bit for bit what the embedded store
//! gives; and one that broke off goes on where it was.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cql::{keyspace, node, on_shard, on_tokio, open, plain_session};
use crate::importing::{creating, drop_keyspace, import};
use crate::stores::{Heard, options};
use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::import::{CqlImportOptions, OnBadRow, import_embedded};
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::scylla::{ScyllaSettings, find_table};
use shards::features::stored::StoredRow;
use shards::features::{FetchRequests, Fetched, Joined, Precision};

#[test]
fn a_thousand_applicants_come_back_bit_for_bit_from_either_store() {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models");
    let csv = std::fs::read_to_string(models.join("bench-credit-numeric/features.csv")).unwrap();
    let keys: Vec<_> =
        csv.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(keys.len(), 1000);

    drop_keyspace("cql_applicants");
    let settings = crate::cql::settings(node(), "cql_applicants");
    assert_eq!(import(&settings, &csv, &creating()).unwrap(), 1000);
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let fatal = options(OnBadRow::Fatal, false);
    import_embedded(&store, csv.as_bytes(), &fatal, &mut Heard::default()).unwrap();

    on_shard(move || async move {
        let embedded = EmbeddedReader::new(&store).unwrap();
        let names: Vec<_> =
            embedded.schema().columns().iter().map(|column| column.name.clone()).collect();
        let settings = ScyllaSettings { columns: names, ..settings };
        let cluster = open(settings).await.unwrap();
        assert_eq!(*cluster.schema(), *embedded.schema());
        let inputs = ModelInputs::Width(embedded.schema().columns().len());
        let policies = FeaturePolicies::default();
        let plan = JoinPlan::bind(inputs, &embedded.schema(), &policies, Precision::F32).unwrap();
        for batch in keys.chunks(100) {
            let mut requests = FetchRequests::new(0);
            for key in batch {
                requests.push(key.as_bytes(), &[]);
            }
            let (mut ours, mut theirs) = (Joined::new(&plan), Joined::new(&plan));
            assert_eq!(embedded.fetch(&plan, &requests, 0, &mut ours), Fetched::Joined);
            let fetched = cluster.fetch(&plan, &requests, 0, &mut theirs).await;
            assert_eq!(fetched, Fetched::Joined);
            assert_eq!(ours.outcomes, theirs.outcomes);
            for (row, key) in batch.iter().enumerate() {
                for column in 0..plan.columns() {
                    let cells = (ours.matrix.get(row, column), theirs.matrix.get(row, column));
                    assert_eq!(cells.0.to_bits(), cells.1.to_bits(), "{key} {column}");
                }
            }
        }
    });
}

#[test]
fn a_keyspace_is_copied_as_it_was_asked() {
    drop_keyspace("cql_copied");
    let settings = crate::cql::settings(node(), "cql_copied");
    let create = Some("datacenter1=1".parse().unwrap());
    let cql = CqlImportOptions { create, concurrency: 1, stored: None, resume: None };
    assert_eq!(import(&settings, "user_id,a\nu,1\n", &cql).unwrap(), 1);
    let found: (BTreeMap<String, String>,) = on_tokio(async {
        let session = plain_session(node()).await;
        let statement = "SELECT replication FROM system_schema.keyspaces \
                         WHERE keyspace_name = 'cql_copied'";
        let found = session.query_unpaged(statement, ()).await.unwrap();
        found.into_rows_result().unwrap().single_row().unwrap()
    });
    assert!(found.0["class"].ends_with("NetworkTopologyStrategy"), "{found:?}");
    assert_eq!(found.0["datacenter1"], "1");
}

#[test]
fn a_table_that_does_not_fit_is_named() {
    drop_keyspace("cql_unfit");
    let settings = crate::cql::settings(node(), "cql_unfit");
    let existing = CqlImportOptions { concurrency: 1, ..CqlImportOptions::default() };
    let error = import(&settings, "user_id,a\nu,1\n", &existing).unwrap_err().to_string();
    assert!(error.contains("there is no keyspace `cql_unfit`"), "{error}");
    import(&settings, "user_id,a,b:int\nu,1,2\n", &creating()).unwrap();
    for (csv, said) in [
        ("user_id,a:double,c\nu,1,2\n", "has `a` as float"),
        ("user_id,a:double\nu,1\n", "has `a` as float"),
        ("user_id,a\nu,x\n", "line 2, column 2 (`a`): `x` is not of type float"),
    ] {
        let error = import(&settings, csv, &existing).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn new_columns_are_added_to_the_table_and_others_keep_their_values() {
    drop_keyspace("cql_merged");
    let settings = crate::cql::settings(node(), "cql_merged");
    import(&settings, "user_id,a,b:int\nu,1,2\nv,3,4\n", &creating()).unwrap();
    let addresses = || settings.resolve().unwrap();
    let stored = find_table(&settings, addresses()).unwrap();
    let existing = CqlImportOptions { concurrency: 1, stored, ..CqlImportOptions::default() };
    // The type of `b` is the table's.
    let csv = "user_id,last_updated,c:bigint,b\nu,2026-01-31T12:00:00Z,9,20\nw,,8,\n";
    assert_eq!(import(&settings, csv, &existing).unwrap(), 2);
    let cells = |key| {
        let row = StoredRow::in_table(&settings, addresses(), key).unwrap()?;
        let cells = row.cells.iter().map(|(name, value)| format!("{name} {value}"));
        Some((row.last_updated, cells.collect::<Vec<_>>().join(", ")))
    };
    let (last_updated, row) = cells("u").unwrap();
    assert_eq!(row, "a 1.0, b 20, c 9");
    assert_eq!(last_updated.as_deref(), Some("2026-01-31T12:00:00Z"));
    assert_eq!(cells("v").unwrap().1, "a 3.0, b 4, c null");
    assert_eq!(cells("w").unwrap().1, "a null, b null, c 8");
    assert_eq!(cells("x"), None);
    drop_keyspace("cql_merged");
    assert_eq!(find_table(&settings, addresses()).unwrap(), None);
}

#[test]
fn of_a_key_that_occurs_often_the_last_row_stays() {
    drop_keyspace("cql_repeated");
    let settings = crate::cql::settings(node(), "cql_repeated");
    // Written at once, some of so many pairs would change places.
    let line = |user: usize| format!("user-{user},0\nuser-{user},1\n");
    let rows: String = (0..1000).map(line).collect();
    assert_eq!(import(&settings, &format!("user_id,a\n{rows}"), &creating()).unwrap(), 2000);
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let policies = FeaturePolicies::default();
        let inputs = ModelInputs::Width(1);
        let plan = JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F32).unwrap();
        let keys: Vec<_> = (0..1000).map(|user| format!("user-{user}")).collect();
        let joined = crate::cql::fetch(&store, &plan, &keys).await;
        let is_first = |user: &usize| crate::cql::row(&joined, *user) != [1.0];
        assert_eq!((0..1000).filter(is_first).count(), 0, "the first row stayed");
    });
}

#[test]
fn an_import_that_broke_off_goes_on_after_its_last_checkpoint() {
    let node = node();
    keyspace(
        node,
        "cql_resume",
        &["CREATE TABLE user_profiles (user_id text PRIMARY KEY, a float, last_updated timestamp)"],
    );
    let settings = crate::cql::settings(node, "cql_resume");
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("import.rows");
    let resuming = CqlImportOptions {
        create: None,
        concurrency: 64,
        stored: None,
        resume: Some(kept.clone()),
    };
    let line = |user: usize| format!("user-{user},{user}\n");
    let rows: String = (0..5000).map(line).collect();
    let broken = rows.replace("user-4500,4500", "user-4500,broken");
    let error = import(&settings, &format!("user_id,a\n{broken}"), &resuming).unwrap_err();
    assert!(error.to_string().starts_with("line 4502"), "{error}");
    let checkpoint: u64 = std::fs::read_to_string(&kept).unwrap().parse().unwrap();
    assert!(checkpoint > 0 && checkpoint <= 4500, "{checkpoint}");

    // Rows before the checkpoint are not written again: had they been, these would be seen.
    let changed = rows.replace("user-0,0\n", "user-0,-1\n");
    assert_eq!(import(&settings, &format!("user_id,a\n{changed}"), &resuming).unwrap(), 5000);
    assert!(!kept.exists());
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let inputs = ModelInputs::Width(1);
        let policies = FeaturePolicies::default();
        let plan = JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F32).unwrap();
        let keys: Vec<_> = (0..5000).map(|user| format!("user-{user}")).collect();
        let joined = crate::cql::fetch(&store, &plan, &keys).await;
        for user in 0..5000_u16 {
            assert_eq!(crate::cql::row(&joined, usize::from(user)), [f64::from(user)]);
        }
    });
}
