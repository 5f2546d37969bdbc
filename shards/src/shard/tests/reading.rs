//! When connections are read whose requests can only be refused.

use std::io::Read;

use super::*;
use crate::http::handles::UNREAD_NS_MIN;

/// A client whose request waits to be read.
async fn waiting_client(shard: &Rc<ShardState>, fields: &str) -> TcpStream {
    let before = shard.front.shedding.waiting();
    let mut client = connect(shard);
    client.write_all(request(fields).as_bytes()).expect("sent");
    until("it waits", || shard.front.shedding.waiting() == before + 1).await;
    client
}

/// The status line of the answer that is there, or comes soon.
async fn status_line(client: &mut TcpStream) -> String {
    client.set_nonblocking(true).expect("a socket");
    let mut answer = [0; 4_096];
    for _ in 0..5_000 {
        if let Ok(length) = client.read(&mut answer) {
            let text = String::from_utf8_lossy(&answer[..length]);
            return text.lines().next().unwrap_or_default().to_owned();
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("no answer");
}

fn is_unanswered(client: &TcpStream) -> bool {
    client.set_nonblocking(true).expect("a socket");
    client.peek(&mut [0]).is_err()
}

/// Has a shard have spent too long on refusing.
fn spend(shard: &Rc<ShardState>) {
    shard.tick(&Shutdown::default());
    shard.front.shedding.charge(1, Some(1_000_000_000));
}

/// A shard that has spent too long on refusing.
fn with_spent_shard<F: Future<Output = ()>>(test: impl FnOnce(Rc<ShardState>) -> F) {
    with_shard(
        |_| (),
        |shard| {
            spend(&shard);
            test(shard)
        },
    );
}

#[test]
fn those_are_read_first_that_came_last() {
    with_spent_shard(|shard| async move {
        let mut clients = [
            waiting_client(&shard, "").await,
            waiting_client(&shard, "").await,
            waiting_client(&shard, "").await,
        ];
        sleep(Duration::from_millis(20)).await;
        assert!(clients.iter().all(is_unanswered));
        shard.front.read_newest(2);
        assert_eq!(shard.context.counters().connections_unread.get(), 1);
        for client in &mut clients[1..] {
            assert_eq!(status_line(client).await, "HTTP/1.1 200 OK");
        }
        // The batches that answered them let the first in.
        assert_eq!(status_line(&mut clients[0]).await, "HTTP/1.1 200 OK");
        assert_eq!(shard.front.shedding.waiting(), 0);
    });
}

#[test]
fn a_tick_reads_as_many_as_there_is_time_to_refuse() {
    with_spent_shard(|shard| async move {
        let mut clients = [waiting_client(&shard, "").await, waiting_client(&shard, "").await];
        shard.front.shedding.earn(1_100_000_000, 0);
        shard.tick(&Shutdown::default());
        for client in &mut clients {
            assert_eq!(status_line(client).await, "HTTP/1.1 200 OK");
        }
        assert!(shard.front.shedding.is_open());
    });
}

#[test]
fn a_tick_reads_those_who_came_last_and_first_by_turns() {
    with_spent_shard(|shard| async move {
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(waiting_client(&shard, "").await);
        }
        // A refusal is taken for 45 ms, so that there is time for two, whatever the tick adds or
        // takes.
        for _ in 0..40 {
            shard.front.shedding.charge(1, Some(1_000_000_000));
        }
        while shard.front.shedding.affordable() < 2 {
            shard.front.shedding.earn(1_000_000, 0);
        }
        shard.front.shedding.earn(20_000_000, 0);
        shard.tick(&Shutdown::default());
        assert_eq!(
            [shard.front.shedding.oldest(), shard.front.shedding.newest()],
            [Some(1), Some(2)]
        );
        assert_eq!(shard.front.shedding.waiting(), 0);
    });
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "as another process would, it keeps the thread from running"
)]
fn a_shard_whose_core_another_process_had_was_not_idle() {
    with_spent_shard(|shard| async move {
        // A shard that is itself kept waiting by others was idle for so long: then once more.
        for _ in 0..20 {
            let client = waiting_client(&shard, "").await;
            spend(&shard);
            std::thread::sleep(Duration::from_millis(100));
            sleep(Duration::from_millis(1)).await;
            shard.tick(&Shutdown::default());
            if !shard.front.shedding.is_open() && is_unanswered(&client) {
                return;
            }
            shard.front.shedding.charge(1, Some(1_000_000_000));
        }
        panic!("it was idle each time");
    });
}

#[test]
fn their_time_limits_count_from_when_they_could_have_been_read() {
    with_spent_shard(|shard| async move {
        let mut late = waiting_client(&shard, "x-deadline-ms: 30\r\n").await;
        let mut patient = waiting_client(&shard, "x-deadline-ms: 600000\r\n").await;
        sleep(Duration::from_millis(40)).await;
        shard.front.read_newest(2);
        assert_eq!(status_line(&mut late).await, "HTTP/1.1 504 Gateway Timeout");
        assert_eq!(status_line(&mut patient).await, "HTTP/1.1 200 OK");
    });
}

#[test]
fn the_client_is_not_the_slow_one_meanwhile() {
    with_spent_shard(|shard| async move {
        let mut client = waiting_client(&shard, "").await;
        shard.front.handles.sweep(u64::MAX - 1, true);
        sleep(Duration::from_millis(20)).await;
        assert_eq!(shard.front.handles.len(), 1, "it was closed as idle");
        shard.front.read_newest(1);
        assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
    });
}

#[test]
fn what_is_refused_is_charged() {
    let settings = |settings: &mut ShardSettings| settings.queue_rows_max = 1;
    with_endless_batch(settings, |shard, lane| async move {
        queue_row(&lane);
        shard.front.shedding.earn(0, 0);
        assert!(!shard.front.shedding.is_watched());
        let mut client = connect(&shard);
        client.write_all(request("").repeat(3).as_bytes()).expect("sent");
        let refused = "HTTP/1.1 429 Too Many Requests";
        assert_eq!(status_line(&mut client).await, refused);
        assert!(shard.front.shedding.is_watched());
    });
}

#[test]
fn one_that_has_sent_nothing_does_not_wait() {
    with_spent_shard(|shard| async move {
        let mut client = connect(&shard);
        sleep(Duration::from_millis(400)).await;
        assert_eq!(shard.front.shedding.waiting(), 0);
        client.write_all(request("x-deadline-ms: 350\r\n").as_bytes()).expect("sent");
        until("it waits", || shard.front.shedding.waiting() == 1).await;
        shard.front.read_newest(1);
        assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
    });
}

#[test]
fn one_that_went_away_takes_nobodys_turn() {
    with_spent_shard(|shard| async move {
        let mut client = waiting_client(&shard, "").await;
        let gone = waiting_client(&shard, "").await;
        drop(gone);
        sleep(Duration::from_nanos(UNREAD_NS_MIN)).await;
        shard.front.read_newest(1);
        assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
        until("it is let go", || shard.front.handles.len() == 1).await;
        let lane = shard.lanes.lane(None).expect("a model");
        assert_eq!(lane.counters().rows_abandoned.get(), 0, "it was read");
    });
}

#[test]
fn one_that_has_only_just_gone_is_read_and_not_computed() {
    with_endless_batch(
        |_| (),
        |shard, lane| async move {
            spend(&shard);
            drop(waiting_client(&shard, "").await);
            let number = shard.front.shedding.newest().expect("it waits");
            assert!(
                shard.front.handles.call(number, 0, true),
                "it has waited for too short a time"
            );
            until("it is let go", || shard.front.handles.len() == 0).await;
            assert_eq!(lane.counters().rows_abandoned.get(), 1);
        },
    );
}

#[test]
fn one_that_was_answered_and_went_away_takes_nobodys_turn() {
    with_shard(
        |_| (),
        |shard| async move {
            let mut gone = connect(&shard);
            gone.write_all(request("").as_bytes()).expect("sent");
            assert_eq!(status_line(&mut gone).await, "HTTP/1.1 200 OK");
            spend(&shard);
            let mut client = waiting_client(&shard, "").await;
            drop(gone);
            until("it waits", || shard.front.shedding.waiting() == 2).await;
            sleep(Duration::from_nanos(UNREAD_NS_MIN)).await;
            shard.front.read_newest(1);
            assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
            until("it is let go", || shard.front.handles.len() == 1).await;
        },
    );
}

#[test]
fn a_stop_reads_all_of_them() {
    with_spent_shard(|shard| async move {
        let mut client = waiting_client(&shard, "").await;
        shard.front.context.draining.set(true);
        shard.front.handles.wake_all();
        assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
    });
}

#[test]
fn one_that_was_to_give_memory_back_and_is_whole_after_all_is_answered_once() {
    with_shard(
        |_| (),
        |shard| async move {
            let mut client = connect(&shard);
            let request = request("");
            let (first, rest) = request.split_at(60);
            client.write_all(first.as_bytes()).expect("sent");
            let kept = &shard.context.counters().buffered_bytes;
            until("it is kept", || kept.get() > 0).await;
            // It is slow by then, and others have all the memory there is.
            shard.front.coarse_ms.set(1_000);
            let limit_bytes = shard.front.limits().buffered_bytes_max as u64;
            kept.add(limit_bytes);
            client.write_all(rest.as_bytes()).expect("sent");
            assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
            kept.subtract(limit_bytes);
            sleep(Duration::from_millis(20)).await;
            assert!(is_unanswered(&client), "it is answered again");
            client.write_all(request.as_bytes()).expect("sent");
            assert_eq!(status_line(&mut client).await, "HTTP/1.1 200 OK");
            assert_eq!(shard.front.handles.leaving_bytes(), 0);
        },
    );
}
