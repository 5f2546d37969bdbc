//! With `--steering cpu` a connection is accepted on the core that its first packet arrived on:
//! over loopback, the core of the client that connects. A process that takes over goes on so.

use std::net::SocketAddr;
use std::process::Command;

use crate::support::{Client, Gateway, Launch};

const BODY: &str = "{\"user_id\": \"user-001\"}";
/// Enough that a hash would not send all of them to one of two shards.
const CONNECTIONS: u64 = 24;

/// A gateway with a shard on each core, and the cores of its shards in order.
fn start(steering: &str, change: impl FnOnce(&mut Command)) -> (Gateway, Vec<usize>) {
    let cores: Vec<_> =
        core_affinity::get_core_ids().expect("cores").iter().map(|c| c.id).collect();
    // Another order than that of the cores, so that a shard's number is not its core's.
    let cores: Vec<_> = cores.into_iter().rev().collect();
    let list = cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let gateway = Launch::demo().with(|command| {
        command.args(["--steering", steering, "--cores", &list]);
        change(command);
    });
    (gateway.start(), cores)
}

/// How many connections each shard has accepted.
fn accepted(gateway: &Gateway) -> Vec<u64> {
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let text = Client::connect(gateway.admin).ask(request).body;
    let values = text.lines().filter_map(|line| {
        let (_, value) =
            line.strip_prefix("shardgate_connections_accepted_total{")?.split_once(' ')?;
        Some(value.parse().expect("a count"))
    });
    values.collect()
}

/// Connects from a thread that is pinned to `core`.
fn connect_from(core: usize, address: SocketAddr) {
    let client = std::thread::spawn(move || {
        let core = core_affinity::get_core_ids().unwrap().into_iter().find(|id| id.id == core);
        assert!(core_affinity::set_for_current(core.unwrap()), "not pinned");
        for _ in 0..CONNECTIONS {
            assert_eq!(Client::connect(address).predict(BODY).status, 200);
        }
    });
    client.join().unwrap();
}

/// Connects from each core in turn; each shard accepts what came from its own.
fn ensure_steered(gateway: &Gateway, cores: &[usize]) {
    for (shard, core) in cores.iter().enumerate() {
        let mut expected = accepted(gateway);
        connect_from(*core, gateway.address);
        expected[shard] += CONNECTIONS;
        assert_eq!(accepted(gateway), expected, "from core {core}, of shard {shard}");
    }
}

#[test]
fn by_the_core_that_connects() {
    let (gateway, cores) = start("cpu", |_| {});
    ensure_steered(&gateway, &cores);
}

#[test]
fn also_after_a_takeover() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let takeover = |command: &mut Command| _ = command.arg("--takeover").arg(&path);
    // The sockets come from a process that did not steer, then from one that did.
    let (first, _) = start("hash", takeover);
    let (second, cores) = start("cpu", takeover);
    assert_eq!(first.wait().0.code(), Some(0));
    ensure_steered(&second, &cores);
    let (third, cores) = start("cpu", takeover);
    assert_eq!(second.wait().0.code(), Some(0));
    ensure_steered(&third, &cores);
}

#[test]
fn a_core_without_a_shard_is_served_by_the_others() {
    // A shard on the first core alone.
    let gateway = Launch::demo().with(|command| _ = command.args(["--steering", "cpu"])).start();
    let cores = core_affinity::get_core_ids().expect("cores");
    for core in &cores {
        connect_from(core.id, gateway.address);
    }
    assert_eq!(accepted(&gateway), [CONNECTIONS * cores.len() as u64]);
}
