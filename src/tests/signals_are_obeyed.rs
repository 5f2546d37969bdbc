//! SIGUSR1 prints histograms, SIGTERM drains, a second one does not wait, and a shard that hangs
//! is named: under load, and as often as an operator likes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Client, Gateway, Launch, Over};

const BODY: &str = "{\"user_id\": \"user-001\"}";

/// One printed report: for each title the numbers of each line.
type Report = HashMap<String, HashMap<String, Vec<f64>>>;

/// Asks for a report and reads it from the standard error.
fn report(gateway: &Gateway) -> Report {
    gateway.signal(libc::SIGUSR1);
    read_report(gateway)
}

fn read_report(gateway: &Gateway) -> Report {
    let head = gateway.wait_for_line("shardgate latency report");
    // The first one has nothing that it could be compared with.
    let last = if head.ends_with("since start") { "since start" } else { "since the last print" };
    let mut report = Report::new();
    loop {
        let title = gateway.wait_for_line("since ");
        let columns = gateway.wait_for_line("count");
        let names: Vec<_> = columns.split_whitespace().collect();
        assert_eq!(names, ["count", "mean", "p50", "p90", "p99", "p99.9", "max"]);
        let mut lines = HashMap::new();
        for label in ["request µs", "queue µs", "features µs", "model µs", "write µs", "batch rows"]
        {
            let line = gateway.wait_for_line(label);
            let (_, numbers) = line.split_once(label).unwrap();
            let numbers: Vec<f64> =
                numbers.split_whitespace().map(|number| number.parse().unwrap()).collect();
            assert_eq!(numbers.len(), names.len(), "{line}");
            let quantiles = &numbers[2..];
            assert!(quantiles.is_sorted(), "{line}");
            lines.insert(label.to_owned(), numbers);
        }
        let is_last = title == format!("all shards, {last}");
        report.insert(title, lines);
        if is_last {
            return report;
        }
    }
}

fn count(report: &Report, title: &str, label: &str) -> u64 {
    let title = report.keys().find(|known| known.contains(title)).expect("the title");
    report[title][label][0] as u64
}

#[test]
fn a_report_counts_what_was_answered() {
    let gateway = Launch::demo().start();
    let mut client = gateway.client();
    for _ in 0..100 {
        assert_eq!(client.predict(BODY).status, 200);
    }
    let first = report(&gateway);
    for label in ["request µs", "queue µs", "features µs", "model µs", "write µs"] {
        assert_eq!(count(&first, "all shards, since start", label), 100, "{label}");
        assert_eq!(count(&first, "shard 0 ", label), 100, "{label}");
    }
    assert_eq!(count(&first, "all shards, since start", "batch rows"), 100);
    assert!(first.keys().all(|title| title.ends_with("since start")), "{:?}", first.keys());
    for _ in 0..7 {
        client.predict(BODY);
    }
    let second = report(&gateway);
    assert_eq!(count(&second, "all shards, since start", "request µs"), 107);
    assert_eq!(count(&second, "all shards, since the last print", "request µs"), 7);
    let third = report(&gateway);
    assert_eq!(count(&third, "all shards, since the last print", "request µs"), 0);
}

#[test]
fn a_report_after_a_reload_of_the_same_version() {
    let gateway = Launch::demo().start();
    let mut client = gateway.client();
    for _ in 0..100 {
        client.predict(BODY);
    }
    report(&gateway);
    gateway.signal(libc::SIGHUP);
    gateway.wait_for_line("reloaded");
    for _ in 0..5 {
        client.predict(BODY);
    }
    let after = report(&gateway);
    assert_eq!(count(&after, "all shards, since the last print", "model µs"), 5);
}

/// Keeps asking until told to stop; counts the answers.
fn load(address: SocketAddr, done: &AtomicBool, answered: &AtomicU64) {
    let mut client = Client::connect(address);
    while !done.load(Ordering::Relaxed) {
        assert_eq!(client.predict(BODY).status, 200);
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn ten_reports_in_a_row_under_load() {
    let gateway = Launch::demo().start();
    let address = gateway.address;
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&done);
        for _ in 0..4 {
            scope.spawn(|| load(address, &done, &answered));
        }
        for _ in 0..10 {
            gateway.signal(libc::SIGUSR1);
        }
        // Signals that arrive together may be answered together; the last one is answered.
        let mut last = report(&gateway);
        for _ in 0..10 {
            let next = report(&gateway);
            let title = "all shards, since start";
            assert!(count(&next, title, "request µs") >= count(&last, title, "request µs"));
            last = next;
        }
    });
    let all = answered.load(Ordering::Relaxed);
    let last = report(&gateway);
    assert_eq!(count(&last, "all shards, since start", "request µs"), all);
}

#[test]
fn ten_signals_during_a_drain() {
    let gateway = Launch::demo().start();
    // A silent connection keeps the drain going for a second.
    let silent = gateway.client();
    assert_eq!(gateway.client().predict(BODY).status, 200);
    gateway.signal(libc::SIGTERM);
    gateway.wait_for_line("stopping");
    for _ in 0..10 {
        gateway.signal(libc::SIGUSR1);
    }
    read_report(&gateway);
    let (status, _) = gateway.wait();
    assert_eq!(status.code(), Some(0));
    drop(silent);
}

#[test]
fn a_stop_while_idle_is_clean() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let gateway = Launch::demo().start();
        gateway.signal(signal);
        let (status, said) = gateway.wait();
        assert_eq!(status.code(), Some(0), "{said:?}");
        assert!(said.iter().any(|line| line.contains("stopped")), "{said:?}");
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    let gateway = Launch::demo().config("[http]\ndrain_idle_ms = 600000\ndrain_ms_max = 600000\n");
    let gateway = gateway.start();
    let mut silent = gateway.client();
    assert_eq!(silent.predict(BODY).status, 200);
    gateway.signal(libc::SIGTERM);
    gateway.wait_for_line("stopping");
    gateway.signal(libc::SIGTERM);
    let (status, said) = gateway.wait();
    assert_eq!(status.code(), Some(128 + libc::SIGTERM), "{said:?}");
    assert_eq!(status.signal(), None);
}

#[test]
fn a_shard_that_hangs_is_named_and_the_report_goes_on_without_it() {
    let gateway = Launch::demo().start();
    assert_eq!(gateway.client().predict(BODY).status, 200);
    let stopped = Stopped::new(gateway.shard_thread());
    let line = gateway.wait_for_line("no heartbeat");
    assert!(line.contains("shard=0"), "{line}");
    gateway.signal(libc::SIGUSR1);
    gateway.wait_for_line("shard 0");
    drop(stopped);
    gateway.wait_for_line("the shard is back");
    assert_eq!(gateway.client().predict(BODY).status, 200);
    assert_eq!(gateway.stop().0.code(), Some(0));
}

/// One thread of a child, stopped until this is dropped.
struct Stopped {
    thread: libc::pid_t,
}

impl Stopped {
    fn new(thread: libc::pid_t) -> Self {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: plain system calls on a thread of this test's own child.
        unsafe {
            let seized = libc::ptrace(libc::PTRACE_SEIZE, thread, none, none);
            assert_eq!(seized, 0, "{}", std::io::Error::last_os_error());
            assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, thread, none, none), 0);
            let mut status = 0;
            assert_eq!(libc::waitpid(thread, &raw mut status, libc::__WALL), thread);
        }
        Self { thread }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: as above; the thread was stopped by this tracer.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.thread, none, none) };
    }
}

#[test]
fn the_client_is_not_needed_for_a_stop() {
    let gateway = Launch::demo().start();
    let mut clients: Vec<Client> = (0..50).map(|_| gateway.client()).collect();
    for client in &mut clients {
        assert_eq!(client.predict(BODY).status, 200);
    }
    drop(clients);
    assert_eq!(gateway.stop().0.code(), Some(0));
}
