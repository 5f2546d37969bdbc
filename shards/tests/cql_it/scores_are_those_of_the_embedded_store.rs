//! What a gateway answers is the same, byte for byte, whether its features come from a cluster or
//! from the embedded store; and it is what scikit-learn says.

use crate::cql::{node, on_tokio, plain_session, settings};
use crate::importing::{creating, drop_keyspace, import};
use crate::support::served::{bundled, golden};
use crate::support::{Client, Setup};
use shards::features::cache::CacheSettings;
use shards::features::scylla::ScyllaSettings;

/// A feature store as the documentation makes it, statement by statement.
const DOCUMENTED: [&str; 4] = [
    "CREATE KEYSPACE model_features \
     WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE model_features.user_profiles (user_id text PRIMARY KEY, \
     feature_1 float, feature_2 float, feature_3 float, last_updated timestamp)",
    "INSERT INTO model_features.user_profiles \
     (user_id, feature_1, feature_2, feature_3, last_updated) \
     VALUES ('user-001', 0.5, 1.2, -0.8, toTimestamp(now()))",
    "INSERT INTO model_features.user_profiles \
     (user_id, feature_1, feature_2, feature_3, last_updated) \
     VALUES ('user-002', -1.1, 0.3, 2.5, toTimestamp(now()))",
];

/// Asks both for each user; returns the answers of the cluster's gateway.
fn ask_both(cluster: &mut Client, embedded: &mut Client, users: &[(String, f64)]) {
    for (user, expected) in users {
        let body = format!("{{\"user_id\": \"{user}\"}}");
        let (ours, theirs) = (cluster.predict(&body), embedded.predict(&body));
        let score = ours.score();
        assert!((score - expected).abs() < 1e-5, "{user}: {score}, not {expected}");
        assert_eq!(ours.without_date(), theirs.without_date(), "{user}");
    }
}

#[test]
fn for_the_documented_statements_and_a_user_who_is_not_among_them() {
    drop_keyspace("model_features");
    on_tokio(async {
        let session = plain_session(node()).await;
        for statement in DOCUMENTED {
            session.query_unpaged(statement, ()).await.unwrap();
        }
    });
    let settings = settings(node(), "model_features");
    let cluster = Setup::of("demo-logistic").cluster(settings).serve();
    let embedded = Setup::of("demo-logistic").serve();
    let users = golden("demo-logistic");
    assert!(users.iter().any(|(user, _)| user == "unknown"));
    ask_both(&mut cluster.client(), &mut embedded.client(), &users);
}

#[test]
fn for_all_applicants_of_credit_risk() {
    drop_keyspace("cql_golden");
    let settings = settings(node(), "cql_golden");
    let csv = std::fs::read_to_string(bundled().join("credit-risk/features.csv")).unwrap();
    import(&settings, &csv, &creating()).unwrap();

    let uncached = ScyllaSettings {
        cache: CacheSettings { ttl_ms: 0, ..CacheSettings::default() },
        ..settings
    };
    let cluster = Setup::of("credit-risk").cluster(uncached).serve();
    let embedded = Setup::of("credit-risk").serve();
    let users = golden("credit-risk");
    assert_eq!(users.len(), 1_000);
    ask_both(&mut cluster.client(), &mut embedded.client(), &users);
}
