//! However requests of many connections are interleaved and batched, each is answered with its
//! own user's score, in the order in which its connection asked.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::support::{Client, Response, Served, Setup, post};
use proptest::prelude::*;

/// One shard for all cases, and every applicant's score as asked one by one.
fn shard() -> &'static (Served, HashMap<usize, f64>) {
    static SHARD: OnceLock<(Served, HashMap<usize, f64>)> = OnceLock::new();
    SHARD.get_or_init(|| {
        let served = Setup::of("credit-risk").serve();
        let mut client = served.client();
        let scores = (1..=1_000).map(|user| (user, client.predict(&body(user)).score())).collect();
        (served, scores)
    })
}

fn body(user: usize) -> String {
    format!("{{\"user_id\": \"applicant-{user:04}\"}}")
}

fn check(answer: &Response, user: usize, scores: &HashMap<usize, f64>) {
    let start = format!("{{\"user_id\": \"applicant-{user:04}\", ");
    assert!(answer.body.starts_with(&start), "asked for {user}: {}", answer.body);
    // The same row gives the same bits in any batch, at any position.
    assert_eq!(answer.score().to_bits(), scores[&user].to_bits(), "{user}");
}

#[test]
fn of_64_clients_at_once() {
    let (served, scores) = shard();
    std::thread::scope(|scope| {
        for client in 0..64 {
            scope.spawn(move || {
                let mut connection = served.client();
                for step in 0..100 {
                    let user = 1 + (client * 131 + step * 17) % 1_000;
                    check(&connection.predict(&body(user)), user, scores);
                }
            });
        }
    });
}

#[derive(Debug, Clone)]
enum Step {
    /// Sends so many requests on a connection, in one write or cut into two at a byte.
    Ask { connection: usize, users: Vec<usize>, cut: prop::sample::Index },
    /// Receives everything that a connection is owed.
    Receive { connection: usize },
    /// Ends a connection, whatever it is owed, and opens another in its place.
    Leave { connection: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let connection = 0_usize..8;
    prop_oneof![
        6 => (connection.clone(), prop::collection::vec(1_usize..=1_000, 1..12), any::<prop::sample::Index>())
            .prop_map(|(connection, users, cut)| Step::Ask { connection, users, cut }),
        3 => connection.clone().prop_map(|connection| Step::Receive { connection }),
        1 => connection.prop_map(|connection| Step::Leave { connection }),
    ]
}

/// A connection and the users whose scores it is owed.
struct Owed {
    client: Client,
    users: Vec<usize>,
    /// The part of a request that is held back until the next step.
    held: Vec<u8>,
}

impl Owed {
    fn new(served: &Served) -> Self {
        Self { client: served.client(), users: Vec::new(), held: Vec::new() }
    }

    fn ask(&mut self, users: &[usize], cut: prop::sample::Index) {
        let mut bytes = std::mem::take(&mut self.held);
        for user in users {
            bytes.extend(post(&body(*user)));
        }
        self.held = bytes.split_off(cut.index(bytes.len() + 1));
        self.client.send(bytes);
        self.users.extend(users);
    }

    fn receive(&mut self, scores: &HashMap<usize, f64>) {
        let held = std::mem::take(&mut self.held);
        self.client.send(held);
        for user in self.users.drain(..) {
            check(&self.client.receive(), user, scores);
        }
        self.client.expect_silence();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn of_any_interleaving(steps in prop::collection::vec(step(), 1..60)) {
        let (served, scores) = shard();
        let mut connections: Vec<_> = (0..8).map(|_| Owed::new(served)).collect();
        for step in steps {
            match step {
                Step::Ask { connection, users, cut } => connections[connection].ask(&users, cut),
                Step::Receive { connection } => connections[connection].receive(scores),
                Step::Leave { connection } => connections[connection] = Owed::new(served),
            }
        }
        for connection in &mut connections {
            connection.receive(scores);
        }
    }
}
