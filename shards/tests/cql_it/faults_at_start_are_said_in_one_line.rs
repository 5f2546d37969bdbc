//! Whatever keeps a shard from reading its table is said at start, in one line that names it.

use crate::cql::{
    PROFILES, as_superuser, certified, keyspace, node, on_shard, open, settings, with_passwords,
};
use shards::features::scylla::{ScyllaError, ScyllaSettings, describe_table};

fn error_of(settings: ScyllaSettings) -> (ScyllaError, String) {
    let error = on_shard(move || async move { open(settings).await.err() });
    let error = error.expect("it opened");
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 420, "{line}");
    (error, line)
}

#[test]
fn what_is_not_there_or_of_another_type() {
    let node = node();
    let tables = [
        PROFILES,
        "CREATE TABLE other_key (user_id double PRIMARY KEY, feature_1 float)",
        "CREATE TABLE other_column (user_id text PRIMARY KEY, feature_1 float, tags set<text>, \
         last_updated timestamp)",
        "CREATE TABLE clustered (user_id text, at timestamp, part int, feature_1 float, \
         last_updated timestamp, PRIMARY KEY (user_id, at, part))",
        "CREATE TABLE composite (user_id text, region text, feature_1 float, \
         last_updated timestamp, PRIMARY KEY ((user_id, region)))",
        "CREATE TABLE indexed (id text PRIMARY KEY, user_id text, feature_1 float, \
         last_updated timestamp)",
        "CREATE INDEX ON indexed (user_id)",
        "CREATE MATERIALIZED VIEW viewed AS SELECT * FROM indexed \
         WHERE user_id IS NOT NULL AND id IS NOT NULL PRIMARY KEY (user_id, id)",
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
            "column `user_id` of the table `other_key` is double, and has to be text, int, bigint, uuid",
        ),
        (
            ScyllaSettings { columns: vec!["tags".to_owned()], ..table("other_column") },
            "column `tags` of the table `other_column` is set<text>, and has to be float",
        ),
        (
            table("clustered"),
            "the table `clustered` has the clustering columns (at, part) beside the key `user_id`",
        ),
        (table("composite"), "the partition key of the table `composite` is (user_id, region)"),
        (table("indexed"), "the partition key of the table `indexed` is (id)"),
        (table("viewed"), "`viewed` is a materialized view of the table `indexed`"),
        (table("other_time"), "column `last_updated` of the table `other_time` is bigint"),
        (
            ScyllaSettings { key_column: "uid".to_owned(), ..base.clone() },
            "the table `user_profiles` has no column `uid`; it has user_id, feature_1",
        ),
        (
            ScyllaSettings { columns: vec!["feature_9".to_owned()], ..base.clone() },
            "the table `user_profiles` has no column `feature_9`",
        ),
        (ScyllaSettings { group_keys_max: 101, ..base.clone() }, "max_group_keys"),
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
    with_passwords(|_| {
        let base = settings("127.0.0.1:19242".parse().unwrap(), "system");
        let with = |user: Option<&str>| ScyllaSettings {
            user: user.map(str::to_owned),
            password: user.map(|_| "wrong".to_owned().into()),
            tls: Some(certified()),
            ..base.clone()
        };
        for (user, said) in [(Some("cassandra"), "`cassandra`"), (None, "(none given)")] {
            let (error, line) = error_of(with(user));
            assert!(matches!(error, ScyllaError::Credentials { .. }), "{line}");
            assert!(line.contains(said), "{line}");
        }
        let right = ScyllaSettings {
            password: Some("cassandra".to_owned().into()),
            ..with(Some("cassandra"))
        };
        let (_, line) = error_of(ScyllaSettings { table: "no_such".to_owned(), ..right });
        assert!(line.contains("no table `no_such`"), "{line}");
    });
}

#[test]
fn a_role_that_may_not_read_the_table() {
    with_passwords(|node| {
        as_superuser(
            node,
            &[
                "DROP KEYSPACE IF EXISTS cql_no_select",
                "CREATE KEYSPACE cql_no_select WITH replication = \
                 {'class': 'SimpleStrategy', 'replication_factor': 1}",
                "CREATE TABLE cql_no_select.user_profiles (user_id text PRIMARY KEY, f float, \
                 last_updated timestamp)",
                "CREATE ROLE IF NOT EXISTS stranger WITH PASSWORD = 'stranger' AND LOGIN = true",
            ],
        );
        let settings = ScyllaSettings {
            user: Some("stranger".to_owned()),
            password: Some("stranger".to_owned().into()),
            ..settings(node, "cql_no_select")
        };
        let (error, line) = error_of(settings.clone());
        assert!(matches!(error, ScyllaError::Unauthorized { .. }), "{line}");
        for said in ["Unauthorized", "`stranger`", "cql_no_select", "GRANT SELECT ON"] {
            assert!(line.contains(said), "{line}");
        }
        // What `check` asks before any shard runs.
        let addresses = settings.resolve().unwrap();
        let checked = describe_table(settings, addresses).unwrap_err();
        assert!(matches!(checked, ScyllaError::Unauthorized { .. }), "{checked}");
    });
}
