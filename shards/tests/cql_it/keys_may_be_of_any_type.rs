//! A user is named by text in a request, whatever type the table's key has.

use shards::failure::Refusal;
use shards::features::Precision;
use shards::features::column::ColumnType;
use shards::features::inputs::FeaturePolicies;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::provenance::FeatureStatus::{Cached, Missing, Stored};

use crate::cql::{column, fetch, keyspace, node, on_shard, open, row, settings};

#[test]
fn a_text_becomes_the_key_or_is_refused() {
    let node = node();
    for (place, (key_type, literal, keys, wrong)) in [
        ("int", "7", ["7", "007"], "seven"),
        ("bigint", "-9007199254740993", ["-9007199254740993", "-09007199254740993"], "1e3"),
        (
            "uuid",
            "00112233-4455-6677-8899-aabbccddeeff",
            ["00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF"],
            "00112233",
        ),
        ("blob", "0xcafe", ["0xcafe", "0xCAFE"], "cafe"),
        ("ascii", "'user'", ["user", "user"], ""),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("cql_keys_{place}");
        let table = format!(
            "CREATE TABLE user_profiles (user_id {key_type} PRIMARY KEY, a double, \
             last_updated timestamp)"
        );
        let insert = format!("INSERT INTO user_profiles (user_id, a) VALUES ({literal}, 1.5)");
        keyspace(node, &name, &[&table, &insert]);
        on_shard(move || async move {
            let store = open(settings(node, &name)).await.unwrap();
            let columns = [column("a", ColumnType::Double)];
            let (inputs, policies) = (ModelInputs::Columns(&columns), FeaturePolicies::default());
            let plan = JoinPlan::bind(inputs, &store.schema(), &policies, Precision::F64).unwrap();
            for status in [Stored, Cached] {
                let joined = fetch(&store, &plan, &[keys[0], keys[1], wrong]).await;
                for (at, key) in keys.iter().enumerate() {
                    assert_eq!(joined.outcomes[at].status, status, "{key_type} {key}");
                    assert_eq!(row(&joined, at), [1.5], "{key_type} {key}");
                }
                let refusal = joined.outcomes[2].refusal;
                let is_refused = matches!(refusal, Some(Refusal::KeyNotOfType { .. }));
                assert_eq!(is_refused, key_type != "ascii", "{key_type}: {refusal:?}");
                assert_eq!(joined.outcomes[2].status, Missing);
            }
        });
    }
}
