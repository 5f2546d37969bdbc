//! Whatever keeps a shard from reading its table is said at start, in one line that names it.

use crate::cql::{PROFILES, cassandra, certified, keyspace, node, on_shard, open, settings};
use shards::features::scylla::{ScyllaError, ScyllaSettings};

fn error_of(settings: ScyllaSettings) -> (ScyllaError, String) {
    let error = on_shard(move || async move { open(settings).await.err() });
    let error = error.expect("it opened");
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 400, "{line}");
    (error, line)
}

#[test]
fn what_is_not_there_or_of_another_type() {
    let node = node();
    let tables = [
        PROFILES,
        "CREATE TABLE other_key (user_id int PRIMARY KEY, feature_1 float)",
        "CREATE TABLE other_column (user_id text PRIMARY KEY, feature_1 float, tags set<text>, \
         last_updated timestamp)",
        "CREATE TABLE other_time (user_id text PRIMARY KEY, a float, last_updated bigint)",
    ];
    keyspace(node, "cql_faults", &tables);
    let base = settings(node, "cql_faults");
    let table = |table: &str| ScyllaSettings { table: table.to_owned(), ..base.clone() };
    for (settings, said) in [
        (settings(node, "nowhere"), "there is no keyspace `nowhere`"),
        (table("nothing"), "there is no table `nothing` in the keyspace `cql_faults`"),
        (
            table("other_key"),
            "column `user_id` of the table `other_key` is int, and has to be text",
        ),
        (table("other_column"), "column `tags` of the table `other_column` is "),
        (table("other_time"), "column `last_updated` of the table `other_time` is bigint"),
        (
            ScyllaSettings { key_column: "uid".to_owned(), ..base.clone() },
            "the table `user_profiles` has no column `uid`; it has user_id, feature_1",
        ),
        (
            ScyllaSettings { columns: vec!["feature_9".to_owned()], ..base.clone() },
            "the table `user_profiles` has no column `feature_9`",
        ),
        (ScyllaSettings { group_keys_max: 101, ..base.clone() }, "group_keys_max"),
    ] {
        let (_, line) = error_of(settings);
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (error, line) = error_of(settings(address, "k"));
    assert!(matches!(error, ScyllaError::Connect { .. }), "{line}");
    assert!(line.contains(&address.to_string()), "{line}");
}

#[test]
fn wrong_credentials() {
    cassandra(&["start", "password"]);
    let base = settings("127.0.0.1:19242".parse().unwrap(), "system");
    let with = |user: Option<&str>| ScyllaSettings {
        user: user.map(str::to_owned),
        password: user.map(|_| "wrong".to_owned()),
        tls: Some(certified()),
        ..base.clone()
    };
    for (user, said) in [(Some("cassandra"), "`cassandra`"), (None, "(none given)")] {
        let (error, line) = error_of(with(user));
        assert!(matches!(error, ScyllaError::Credentials { .. }), "{line}");
        assert!(line.contains(said), "{line}");
    }
    let right =
        ScyllaSettings { password: Some("cassandra".to_owned()), ..with(Some("cassandra")) };
    let (_, line) = error_of(ScyllaSettings { table: "no_such".to_owned(), ..right });
    assert!(line.contains("no table `no_such`"), "{line}");
    cassandra(&["stop", "password"]);
}
