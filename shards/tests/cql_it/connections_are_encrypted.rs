//! Encrypted connections: rows come from a node whose certificate the given authority signed, and
//! to a client whose certificate the node accepts; anything else is refused at start in one line.

use shards::features::inputs::FeaturePolicies;
use shards::features::scylla::{ScyllaError, ScyllaSettings, TlsSettings};
use shards::provenance::FeatureStatus::{Missing, Stored};

use crate::cql::{
    cassandra, certified, fetch, on_shard, open, profile_plan, row, settings, trusting,
    with_passwords,
};
use crate::importing::{creating, import};

const CSV: &str = "user_id,feature_1,feature_2,feature_3\nuser-001,0.5,1.25,-0.75\n";

fn with(tls: TlsSettings, settings: &ScyllaSettings) -> ScyllaSettings {
    ScyllaSettings { tls: Some(tls), ..settings.clone() }
}

/// Imports a row and reads it back, both by encrypted connections.
fn is_read(settings: ScyllaSettings) {
    assert_eq!(import(&settings, CSV, &creating()).unwrap(), 1);
    on_shard(move || async move {
        let store = open(settings).await.unwrap();
        let plan = profile_plan(&store, &FeaturePolicies::default());
        let joined = fetch(&store, &plan, &["user-001", "nobody"]).await;
        let statuses: Vec<_> = joined.outcomes.iter().map(|outcome| outcome.status).collect();
        assert_eq!((statuses, row(&joined, 0)), (vec![Stored, Missing], vec![0.5, 1.25, -0.75]));
    });
}

/// Checks that the store is refused, in one line that says this.
fn is_refused(settings: ScyllaSettings, said: &str) {
    let error = on_shard(move || async move { open(settings).await.err() }).expect("it opened");
    let line = error.to_string();
    assert!(matches!(error, ScyllaError::Tls { .. }), "{error:?}");
    assert!(!line.contains('\n') && line.contains(said), "{line}");
}

#[test]
fn to_a_node_that_the_authority_signed() {
    cassandra(&["start", "one"]);
    let base = settings("127.0.0.1:19043".parse().unwrap(), "cql_encrypted");
    is_read(with(trusting("ca.pem"), &base));
    let said =
        "no encrypted connection to 127.0.0.1:19043: invalid peer certificate: UnknownIssuer";
    is_refused(with(trusting("other-ca.pem"), &base), said);
    let plain = settings("127.0.0.1:19042".parse().unwrap(), "cql_encrypted");
    is_refused(with(trusting("ca.pem"), &plain), "no encrypted connection to 127.0.0.1:19042: ");
}

#[test]
fn by_a_client_that_the_node_accepts() {
    with_passwords(|_| {
        let base = ScyllaSettings {
            user: Some("cassandra".to_owned()),
            password: Some("cassandra".to_owned().into()),
            ..settings("127.0.0.1:19242".parse().unwrap(), "cql_certified")
        };
        is_read(with(certified(), &base));
        // `CertificateRequired`, and of a node before 4.0 `BadCertificate`.
        let said = "no encrypted connection to 127.0.0.1:19242: received fatal alert: ";
        is_refused(with(trusting("ca.pem"), &base), said);
    });
}
