//! Under load, every request is answered while a node of the cluster, or all of it, is killed and
//! comes back: with the right score, or with the one that the defaults give and a status to say so.

mod cql;
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cql::{PROFILES, cassandra, keyspace_with};
use shards::features::cache::CacheSettings;
use shards::features::scylla::ScyllaSettings;
use support::{Over, Served, Setup, pause, wait_until};

/// Users `user-0` to `user-63` are in the table; their first feature is their number over 64.
const USERS: usize = 64;
const CLIENTS: usize = 4;

fn fill(node: SocketAddr, name: &str, copies: u8) {
    let inserts: Vec<_> = (0..USERS)
        .map(|user| {
            let feature = user as f32 / USERS as f32;
            format!(
                "INSERT INTO user_profiles (user_id, feature_1, feature_2, feature_3) \
                 VALUES ('user-{user}', {feature}, 0.25, 0)"
            )
        })
        .collect();
    let statements: Vec<_> =
        std::iter::once(PROFILES).chain(inserts.iter().map(String::as_str)).collect();
    keyspace_with(node, name, copies, &statements);
    // The nodes write their logs out twice a second; what came since is lost with a killed one.
    pause(Duration::from_secs(2));
}

/// `demo-logistic` on the table; a value that was once read is known for an hour, and used only
/// when the cluster cannot be asked.
fn serve(node: SocketAddr, keyspace: &str) -> Served {
    let settings = ScyllaSettings {
        fetch_deadline_ms: 300,
        cache: CacheSettings { ttl_ms: 0, negative_ttl_ms: 0, ..CacheSettings::default() },
        ..cql::settings(node, keyspace)
    };
    Setup::of("demo-logistic").cluster(settings).serve()
}

/// What the clients have been told.
#[derive(Default)]
struct Told {
    answers: AtomicU64,
    /// Answers in a row whose features the cluster gave.
    stored_in_a_row: AtomicU64,
    /// Answers that stood on the last known features.
    stale: AtomicU64,
    enough: AtomicBool,
}

/// The scores by user that the embedded store's gateway gives, and that of a stranger.
fn expected_scores() -> (BTreeMap<usize, String>, String) {
    let header = "user_id,feature_1,feature_2,feature_3".to_owned();
    let row = |user| format!("user-{user},{},0.25,0", user as f32 / USERS as f32);
    let lines: Vec<_> = std::iter::once(header).chain((0..USERS).map(row)).collect();
    let csv = lines.join("\n");
    let served = Setup::of("demo-logistic").csv(&csv).serve();
    let mut client = served.client();
    let mut score = |user: &str| {
        let answer = client.predict(&format!("{{\"user_id\": \"{user}\"}}"));
        answer.score().to_string()
    };
    let scores = (0..USERS).map(|user| (user, score(&format!("user-{user}")))).collect();
    let stranger = score("nobody");
    (scores, stranger)
}

/// Asks for one user after the other until told to stop, and holds each answer against what it has
/// to be.
fn press(
    served: &Served,
    from: usize,
    told: &Told,
    (scores, stranger): &(BTreeMap<usize, String>, String),
) {
    let mut client = served.client();
    let mut user = from;
    while !told.enough.load(Ordering::Acquire) {
        user = (user + 1) % USERS;
        // The nodes share the cores with the clients, and have to come back on them.
        pause(Duration::from_millis(1));
        let answer = client.predict(&format!("{{\"user_id\": \"user-{user}\"}}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let status = answer.field("x-features").expect("a status").to_owned();
        let score = answer.score().to_string();
        let expected = if status == "error" { stranger } else { &scores[&user] };
        assert_eq!(&score, expected, "user-{user}, features {status}");
        assert!(["stored", "stale", "error"].contains(&status.as_str()), "{status}");
        told.answers.fetch_add(1, Ordering::AcqRel);
        told.stale.fetch_add(u64::from(status == "stale"), Ordering::AcqRel);
        match status.as_str() {
            "stored" => told.stored_in_a_row.fetch_add(1, Ordering::AcqRel),
            _ => told.stored_in_a_row.swap(0, Ordering::AcqRel),
        };
    }
}

/// Runs `events` while clients ask.
fn under_load(served: &Served, events: impl FnOnce(&Told)) {
    let (told, expected) = (Told::default(), expected_scores());
    std::thread::scope(|scope| {
        let _over = Over(&told.enough);
        for client in 0..CLIENTS {
            let (told, expected) = (&told, &expected);
            scope.spawn(move || press(served, client * USERS / CLIENTS, told, expected));
        }
        wait_until_stored(&told, "the cluster answers");
        events(&told);
    });
    println!("{} answers", told.answers.into_inner());
}

/// Waits until the cluster gives every user's features, several times over.
fn wait_until_stored(told: &Told, what: &str) {
    told.stored_in_a_row.store(0, Ordering::Release);
    wait_until(what, || {
        told.stored_in_a_row.load(Ordering::Acquire) > 10 * (CLIENTS * USERS) as u64
    });
}

#[test]
fn one_of_three_while_another_has_its_users() {
    cassandra(&["start", "three"]);
    let node = "127.0.0.1:19142".parse().unwrap();
    fill(node, "cql_three", 2);
    let served = serve(node, "cql_three");
    under_load(&served, |told| {
        cassandra(&["kill", "three", "2"]);
        wait_until_stored(told, "the other nodes answer for the dead one");
        cassandra(&["revive", "three", "2"]);
        wait_until_stored(told, "all three answer");
    });
    served.stop();
    cassandra(&["stop", "three"]);
}

#[test]
fn the_only_one() {
    cassandra(&["start", "lone"]);
    let node = "127.0.0.1:19342".parse().unwrap();
    fill(node, "cql_lone", 1);
    let served = serve(node, "cql_lone");
    under_load(&served, |told| {
        cassandra(&["kill", "lone", "1"]);
        wait_until("answers stand on what is known", || told.stale.load(Ordering::Acquire) > 1000);
        cassandra(&["revive", "lone", "1"]);
        wait_until_stored(told, "it answers again");
    });
    served.stop();
    cassandra(&["stop", "lone"]);
}
