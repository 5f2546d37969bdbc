//! Which connections are evicted where a shard has as many as it may, by a clock that
//! only the test moves on.

use super::*;

fn at_most(connections: usize) -> impl FnOnce(&mut ShardSettings) {
    move |settings| settings.http.connections_max = connections
}

/// How many connections were refused, and how many evicted.
fn counted(shard: &ShardState) -> (u64, u64) {
    let counters = shard.context.counters();
    (counters.connections_refused.get(), counters.connections_evicted.get())
}

/// Clients that have had an answer, one after the other, a ms apart from 0 on.
async fn answered(shard: &Rc<ShardState>, count: u64) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for now_ms in 0..count {
        shard.front.coarse_ms.set(now_ms);
        let mut client = connect(shard);
        client.write_all(request("").as_bytes()).expect("sent");
        until("it is answered", || {
            let asked: u64 = shard.context.counters().responses.iter().map(Counter::get).sum();
            asked > now_ms
        })
        .await;
        clients.push(client);
    }
    clients
}

#[test]
fn the_longest_idle_goes_once_it_has_been_so_for_a_second() {
    with_shard(at_most(2), |shard| async move {
        let _clients = answered(&shard, 2).await;
        shard.front.coarse_ms.set(999);
        let _refused = connect(&shard);
        assert_eq!(counted(&shard), (1, 0), "both may be about to ask again");
        shard.front.coarse_ms.set(1_000);
        let _first = connect(&shard);
        assert_eq!(counted(&shard), (1, 1));
        until("the first is gone", || shard.front.handles.len() == 2).await;
        let _refused = connect(&shard);
        assert_eq!(counted(&shard), (2, 1), "the others are younger");
    });
}

#[test]
fn whoever_waits_for_an_answer_stays() {
    with_endless_batch(at_most(2), |shard, lane| async move {
        let mut clients = [connect(&shard), connect(&shard)];
        for client in &mut clients {
            client.write_all(request("").as_bytes()).expect("sent");
        }
        until("they wait", || lane.waiting_rows() == 2).await;
        shard.front.coarse_ms.set(1 << 40);
        let _refused = connect(&shard);
        assert_eq!((counted(&shard), lane.waiting_rows()), ((1, 0), 2));
    });
}

#[test]
fn what_was_sent_in_time_is_answered() {
    with_shard(at_most(1), |shard| async move {
        let mut client = answered(&shard, 1).await.pop().expect("a client");
        shard.front.coarse_ms.set(60_000);
        client.write_all(request("").as_bytes()).expect("sent");
        // The shard has had no turn to read it.
        let _refused = connect(&shard);
        assert_eq!(counted(&shard), (1, 0));
        until("it is answered", || {
            shard.context.counters().responses.iter().map(Counter::get).sum::<u64>() == 2
        })
        .await;
    });
}
