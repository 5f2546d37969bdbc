//! A model of three entities answers the same, byte for byte, from tables of a cluster and from those of
//! the embedded store: with keys of text, of integers and of several columns.

use shards::features::cache::CacheSettings;
use shards::features::scylla::ScyllaSettings;

use crate::cql::{keyspace, node, settings};
use crate::support::{Setup, post_to};

const MANIFEST: &str = "[output]\ntensor = \"probabilities\"\nclass = 1\n\n\
     [[entities]]\nname = \"merchant\"\ntable = \"merchants\"\nkey = \"merchant_id\"\n\
     max_age_s = 3600\non_expired = \"use\"\n\n\
     [[entities]]\nname = \"bin\"\ntable = \"bins\"\nkey = [\"country\", \"bin\"]\n\
     on_missing = \"reject\"\n\n\
     [[columns]]\nname = \"feature_1\"\n\n\
     [[columns]]\nname = \"rate\"\nentity = \"merchant\"\ndefault = 0.25\n\n\
     [[columns]]\nname = \"risk\"\nentity = \"bin\"\ncolumn = \"feature_3\"\ndefault = -0.5\n";

const USERS: &str = "user_id,feature_1\nu-1,0.5\nu-2,-1.75\nu-3,\n";
const MERCHANTS: &str = "merchant:bigint,rate\n17,1.2\n-9007199254740993,2.5\n18,\n";
const BINS: &str = "country,bin:int,feature_3\nNL,411111,-0.8\nN,2,3.5\nNL4,11111,9\n";

/// The same rows as statements; they were written when those of the embedded store were.
fn statements() -> Vec<String> {
    let written = shards_written_ms();
    let mut statements = vec![
        "CREATE TABLE user_profiles (user_id text PRIMARY KEY, feature_1 float, \
         last_updated timestamp)"
            .to_owned(),
        "CREATE TABLE merchants (merchant bigint PRIMARY KEY, rate float, last_updated timestamp)"
            .to_owned(),
        "CREATE TABLE bins (country text, bin int, feature_3 float, last_updated timestamp, \
         PRIMARY KEY ((country, bin)))"
            .to_owned(),
    ];
    for (table, csv) in [("user_profiles", USERS), ("merchants", MERCHANTS), ("bins", BINS)] {
        let mut lines = csv.lines();
        let header: Vec<_> = lines.next().unwrap().split(',').collect();
        for line in lines {
            let cells = header.iter().zip(line.split(','));
            let cells = cells.map(|(name, cell)| match *name {
                "user_id" | "country" => format!("'{cell}'"),
                _ if cell.is_empty() => "null".to_owned(),
                _ => cell.to_owned(),
            });
            let cells: Vec<_> = cells.collect();
            let names = header.iter().map(|name| name.split(':').next().unwrap());
            let names: Vec<_> = names.collect();
            statements.push(format!(
                "INSERT INTO {table} ({}, last_updated) VALUES ({}, {written})",
                names.join(", "),
                cells.join(", ")
            ));
        }
    }
    statements
}

fn shards_written_ms() -> i64 {
    crate::stores::WRITTEN_US / 1000
}

const BODIES: [&str; 9] = [
    r#"{"user_id": "u-1", "merchant_id": 17, "country": "NL", "bin": 411111}"#,
    r#"{"user_id": "u-2", "merchant_id": -9007199254740993, "country": "N", "bin": "2"}"#,
    r#"{"user_id": "u-3", "merchant_id": "18", "country": "NL4", "bin": 11111}"#,
    r#"{"user_id": "u-9", "merchant_id": 99, "country": "N", "bin": 2}"#,
    r#"{"user_id": "u-1", "merchant_id": 17, "country": "N", "bin": 3}"#,
    r#"{"user_id": "u-1", "merchant_id": 17, "country": "N"}"#,
    r#"{"user_id": "u-1", "country": "N", "bin": 2}"#,
    r#"{"merchant_id": 17, "country": "N", "bin": 2}"#,
    r#"{"country": "N", "bin": 2}"#,
];

#[test]
fn in_every_answer() {
    let node = node();
    let statements = statements();
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    keyspace(node, "cql_entities", &statements);
    let uncached = CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() };
    let settings = ScyllaSettings { cache: uncached, ..settings(node, "cql_entities") };
    let setup = || {
        let setup = Setup::with_manifest(MANIFEST).csv(USERS);
        setup.and_table("merchants", &["merchant"], MERCHANTS).and_table(
            "bins",
            &["country", "bin"],
            BINS,
        )
    };
    let (cluster, embedded) = (setup().cluster(settings).serve(), setup().serve());
    let (mut cluster, mut embedded) = (cluster.client(), embedded.client());
    let mut features = Vec::new();
    for body in BODIES {
        let (ours, theirs) = (cluster.predict(body), embedded.predict(body));
        assert_eq!(ours.without_date(), theirs.without_date(), "{body}");
        features.push(ours.field("x-features").unwrap_or_default().to_owned());
    }
    assert_eq!(features[0], "user=stored, merchant=expired, bin=stored");
    assert_eq!(features[3], "user=missing, merchant=missing, bin=stored");
    assert_eq!(features[4], "bin=missing");
    assert_eq!(features[6], "user=stored, merchant=missing, bin=stored");
    let body = format!("[{}]", BODIES.join(","));
    let (ours, theirs) = (cluster.predict(&body), embedded.predict(&body));
    assert_eq!(ours.without_date(), theirs.without_date());
    let body = r#"{"inputs": [
        {"name": "user_id", "datatype": "BYTES", "shape": [2], "data": ["u-1", "u-2"]},
        {"name": "merchant_id", "datatype": "INT64", "shape": [2], "data": [17, -9007199254740993]},
        {"name": "country", "datatype": "BYTES", "shape": [2], "data": ["NL", "N"]},
        {"name": "bin", "datatype": "INT32", "shape": [2], "data": [411111, 2]}]}"#;
    let ask = || post_to("/v2/models/demo-logistic/infer", "", body);
    let (ours, theirs) = (cluster.ask(ask()), embedded.ask(ask()));
    assert_eq!((ours.status, ours.without_date()), (200, theirs.without_date()));
}

#[test]
fn an_integer_key_that_is_none_is_refused_by_its_entity_alone() {
    let node = node();
    let statements = statements();
    let statements: Vec<_> = statements.iter().map(String::as_str).collect();
    keyspace(node, "cql_entities_types", &statements);
    let settings = settings(node, "cql_entities_types");
    let served = Setup::with_manifest(MANIFEST).csv(USERS).cluster(settings).serve();
    let mut client = served.client();
    for (body, name) in [
        (r#"{"user_id": "u-1", "merchant_id": "x", "country": "N", "bin": 2}"#, "merchant"),
        (r#"{"user_id": "u-1", "merchant_id": 17, "country": "N", "bin": "x"}"#, "bin"),
    ] {
        let answer = client.predict(body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().contains(name) && answer.error().contains("int"), "{answer:?}");
    }
    // A batch's other rows are answered.
    let wrong = r#"{"user_id": "u-1", "merchant_id": "x", "country": "N", "bin": 2}"#;
    let answer = client.predict(&format!("[{wrong}, {}]", BODIES[0]));
    let members: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(members[0]["status"], 400, "{answer:?}");
    assert!(members[1]["score"].is_f64(), "{answer:?}");
}
