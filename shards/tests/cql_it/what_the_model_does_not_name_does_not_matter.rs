//! Other tables of the keyspace, and other columns of the table, may be of any type: only what a
//! model or an import names has to be one that can be read.

use shards::features::Precision;
use shards::features::column::ColumnType;
use shards::features::import::CqlImportOptions;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::provenance::FeatureStatus;

use crate::cql::{column, fetch, keyspace, node, on_shard, open, row, settings};
use crate::importing::import;

const TABLE: &str = "CREATE TABLE user_profiles (user_id text PRIMARY KEY, f1 double, f2 double, \
     note text, size smallint, \"What\" frozen<\"My Type\">, last_updated timestamp)";
const INSERT: &str = "INSERT INTO user_profiles (user_id, f1, f2) VALUES ('u', 5, 7)";

#[test]
fn to_a_shard_that_reads() {
    let node = node();
    let statements = [
        "CREATE TYPE \"My Type\" (a int)",
        "CREATE TYPE \"select\" (a int)",
        "CREATE TABLE quoted (k int PRIMARY KEY, v frozen<\"My Type\">, w frozen<\"select\">)",
        "CREATE TABLE custom (k int PRIMARY KEY, \
         v 'org.apache.cassandra.db.marshal.LexicalUUIDType')",
        TABLE,
        INSERT,
    ];
    keyspace(node, "cql_others", &statements);
    on_shard(move || async move {
        let store = open(settings(node, "cql_others")).await.unwrap();
        let schema = store.schema();
        let bind =
            |inputs| JoinPlan::bind(inputs, &schema, &FeaturePolicies::default(), Precision::F64);
        let columns = [column("f1", ColumnType::Double), column("f2", ColumnType::Double)];
        let plan = bind(ModelInputs::Columns(&columns)).unwrap();
        let joined = fetch(&store, &plan, &["u"]).await;
        let found = (joined.outcomes[0].status, row(&joined, 0));
        assert_eq!(found, (FeatureStatus::Stored, vec![5.0, 7.0]));

        let named = [column("note", ColumnType::Float)];
        let said = bind(ModelInputs::Columns(&named)).unwrap_err().to_string();
        assert!(said.contains("`note` is text in the store"), "{said}");
        // Which two of its columns a model means that names none can't be known.
        let said = bind(ModelInputs::Width(2)).unwrap_err().to_string();
        assert!(said.contains("which is not read: name the columns"), "{said}");
    });
}

#[test]
fn to_an_import() {
    let node = node();
    keyspace(node, "cql_others_filled", &["CREATE TYPE \"My Type\" (a int)", TABLE]);
    let settings = settings(node, "cql_others_filled");
    let options = CqlImportOptions { concurrency: 1, ..CqlImportOptions::default() };
    let csv = "user_id,f1:double,f2:double\nu,5,7\n";
    assert_eq!(import(&settings, csv, &options).unwrap(), 1);
    let csv = "user_id,f1:double,size:int\nu,5,7\n";
    let said = import(&settings, csv, &options).unwrap_err().to_string();
    assert!(said.contains("has `size` as smallint"), "{said}");
}
