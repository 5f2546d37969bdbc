//! Counters are written by their shard alone, with a plain load and store: however many answers of
//! whatever kind there are, and whoever reads meanwhile, each is counted once, by its own shard.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use shards::failure::RowFailure;
use shards::shard::ShardShared;
use shards::telemetry::counters::STATUSES;
use shards::telemetry::{Counter, LaneTelemetry};

use crate::support::{Client, Over, Response, Served, Setup, pause, post, post_to, wait_until};

const CLIENTS_PER_SHARD: usize = 3;
const ROUNDS: usize = 200;
const RELOADS: usize = 8;
/// More than the queue holds.
const BURST: usize = 12;
const USER: &str = "{\"user_id\": \"user-001\"}";
const NOBODY: &str = "{\"user_id\": \"nobody\"}";
const USERS: &str = "[{\"user_id\": \"user-001\"}, {\"user_id\": \"user-002\"}]";

/// What clients were answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    statuses: BTreeMap<u16, u64>,
    scores: u64,
    unknown_users: u64,
}

impl Tally {
    fn count(&mut self, answer: &Response) {
        *self.statuses.entry(answer.status).or_default() += 1;
        self.scores += answer.body.matches("\"score\"").count() as u64;
    }

    fn merge(&mut self, other: &Self) {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.scores += other.scores;
        self.unknown_users += other.unknown_users;
    }

    /// What a shard says that it answered, by all the lanes that it ever had.
    fn counted(shared: &ShardShared, lanes: &[Arc<LaneTelemetry>]) -> Self {
        let sum =
            |cells: &dyn Fn(&LaneTelemetry) -> u64| lanes.iter().map(|lane| cells(lane)).sum();
        let unknown = RowFailure::REASONS.iter().position(|reason| *reason == "unknown_user");
        let responses = shared.telemetry.counters.responses.iter().map(Counter::get);
        Self {
            statuses: STATUSES.into_iter().zip(responses).filter(|(_, count)| *count > 0).collect(),
            scores: sum(&|lane| lane.counters.rows.iter().map(Counter::get).sum()),
            unknown_users: sum(&|lane| lane.counters.rows_failed[unknown.unwrap()].get()),
        }
    }
}

fn shard() -> Served {
    let manifest = crate::support::served::bundled().join("demo-logistic/model.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let manifest = format!("{manifest}\n[policies]\non_missing = \"reject\"\n");
    let setup = Setup::with_manifest(&manifest).settings(|settings| {
        settings.queue_rows_max = BURST - 4;
        settings.http.body_bytes_max = 10_000;
    });
    setup.serve()
}

/// Asks for all kinds of answers, one round after another.
fn ask_for_everything(address: SocketAddr) -> Tally {
    let mut tally = Tally::default();
    let mut kept = Client::connect(address);
    for _ in 0..ROUNDS {
        // In one segment, so that what the queue cannot hold is refused.
        kept.send(post(USER).repeat(BURST));
        for _ in 0..BURST {
            tally.count(&kept.receive());
        }
        for request in [
            post(USERS),
            post("{}"),
            post("{{{"),
            post_to("/predict", "x-deadline-ms: 0\r\n", USER),
            post_to("/nowhere", "", USER),
            post_to("/v2/models/demo-logistic/infer", "", "{}"),
            b"GET /v2/health/ready HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(),
            b"GET /predict HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(),
            b"BREW /predict HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(),
        ] {
            tally.count(&kept.ask(request));
        }
        let answer = kept.predict(NOBODY);
        tally.unknown_users += u64::from(answer.status == 404);
        tally.count(&answer);
        // After this one the connection ends.
        let mut fresh = Client::connect(address);
        tally.count(
            &fresh.ask("POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: 10001\r\n\r\n"),
        );
        fresh.expect_end();
    }
    tally
}

/// Reads all counters as fast as it can; none ever goes back.
fn read_tightly(shards: &[Arc<ShardShared>], is_over: &AtomicBool) -> u64 {
    let mut before = vec![[0; STATUSES.len()]; shards.len()];
    let mut readings = 0;
    while !is_over.load(Ordering::Relaxed) {
        for (shard, before) in shards.iter().zip(&mut before) {
            for (cell, before) in shard.telemetry.counters.responses.iter().zip(before) {
                let now = cell.get();
                assert!(now >= *before, "{now} after {before}");
                *before = now;
            }
        }
        readings += 1;
    }
    readings
}

/// Asks for all histograms, as a scrape does.
fn scrape(shards: &[Arc<ShardShared>], is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let asked: Vec<_> = shards.iter().map(|shard| shard.telemetry.ask()).collect();
        for one in asked {
            drop(one.wait(Duration::from_secs(1)));
        }
    }
}

/// The lanes that a shard has had, after each of some reloads.
fn reload(shards: &[Served]) -> Vec<Vec<Arc<LaneTelemetry>>> {
    let mut lanes: Vec<_> = shards.iter().map(|shard| vec![shard.lane()]).collect();
    for _ in 0..RELOADS {
        for (shard, lanes) in shards.iter().zip(&mut lanes) {
            shard.reload();
            lanes.push(shard.lane());
        }
        pause(Duration::from_millis(20));
    }
    lanes
}

#[test]
fn every_answer_is_counted_once() {
    let shards = [shard(), shard()];
    for shard in &shards {
        wait_until("a model is served", || !shard.shared.telemetry.lanes().is_empty());
    }
    let shared = shards.each_ref().map(|shard| Arc::clone(&shard.shared));
    let is_over = AtomicBool::new(false);
    let (received, lanes) = thread::scope(|scope| {
        let over = Over(&is_over);
        let readings = scope.spawn(|| read_tightly(&shared, &is_over));
        scope.spawn(|| scrape(&shared, &is_over));
        let clients = shards.each_ref().map(|shard| {
            let address = shard.address;
            [(); CLIENTS_PER_SHARD].map(|()| scope.spawn(move || ask_for_everything(address)))
        });
        let lanes = reload(&shards);
        let received = clients.map(|clients| {
            let mut received = Tally::default();
            for client in clients {
                received.merge(&client.join().expect("the client has its answers"));
            }
            received
        });
        drop(over);
        assert!(readings.join().expect("no counter goes back") > 100);
        (received, lanes)
    });
    for shard in shards {
        shard.stop();
    }
    for ((shared, lanes), received) in shared.iter().zip(&lanes).zip(&received) {
        for status in [200, 400, 404, 405, 413, 429, 501, 504] {
            assert!(received.statuses.contains_key(&status), "no {status}: {received:?}");
        }
        let of_each = (BURST + 11) as u64;
        let sum: u64 = received.statuses.values().sum();
        assert_eq!(sum, (CLIENTS_PER_SHARD * ROUNDS) as u64 * of_each, "every request is answered");
        assert_eq!(&Tally::counted(shared, lanes), received);
    }
}
