//! A shard that has as many connections as it may takes another all the same, as long as one of them
//! is idle: nobody is kept out by those who say nothing.

use std::net::{SocketAddr, TcpStream};

use shards::http1::HttpLimits;
use socket2::{Domain, Socket, Type};

use crate::support::{Client, Served, Setup, wait_until};

const USER: &str = "{\"user_id\": \"user-001\"}";

/// A shard that has patience with idle connections, and these limits.
fn shard(change: impl FnOnce(&mut HttpLimits)) -> Served {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http.idle_timeout_ms = 3_600_000;
        change(&mut settings.http);
    });
    setup.serve()
}

/// Whether the server has ended the connection.
fn has_ended(client: &Client) -> bool {
    client.stream().set_nonblocking(true).unwrap();
    let ended = matches!(client.stream().peek(&mut [0]), Ok(0));
    client.stream().set_nonblocking(false).unwrap();
    ended
}

/// Whether a new client is served.
fn is_served(served: &Served) -> bool {
    let mut client = served.client();
    client.send_what_goes(crate::support::post(USER));
    matches!(client.stream().peek(&mut [0]), Ok(1))
}

#[test]
fn those_that_never_asked_anything() {
    let served = shard(|limits| limits.connections_max = 20);
    let held: Vec<_> = (0..20).map(|_| served.client()).collect();
    wait_until("another is served", || is_served(&served));
    wait_until("one is ended", || held.iter().any(has_ended));
    assert!(served.counters().connections_evicted.get() > 0);
    assert!(served.counters().connections_open.get() <= 20);
}

#[test]
fn the_longest_idle_first() {
    let served = shard(|limits| limits.connections_max = 3);
    let mut clients: Vec<_> = (0..3).map(|_| served.client()).collect();
    for client in &mut clients {
        assert_eq!(client.predict(USER).status, 200);
        // Time is counted by ticks.
        let ticks = served.counters().heartbeat.get();
        wait_until("two ticks", || served.counters().heartbeat.get() > ticks + 2);
    }
    wait_until("another is served", || is_served(&served));
    wait_until("the first is ended", || has_ended(&clients[0]));
    assert!(!has_ended(&clients[1]) && !has_ended(&clients[2]));
    // What goes by itself leaves a place, and nobody has to make room.
    wait_until("there is a place", || served.counters().connections_open.get() == 2);
    let evicted = served.counters().connections_evicted.get();
    assert_eq!(served.client().predict(USER).status, 200);
    assert_eq!(served.counters().connections_evicted.get(), evicted);
    assert_eq!(clients[1].predict(USER).status, 200);
}

#[test]
fn requests_that_come_too_slowly_make_room_too() {
    let served = shard(|limits| {
        limits.connections_max = 4;
        limits.head_timeout_ms = 3_600_000;
        limits.body_timeout_ms = 3_600_000;
    });
    let mut held: Vec<_> = (0..4).map(|_| served.client()).collect();
    for client in &mut held[..2] {
        client.send("POST /predict HTTP/1.1\r\nhost: a\r\n");
    }
    for client in &mut held[2..] {
        client.send("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{");
    }
    wait_until("another is served", || is_served(&served));
    let mut told = held.into_iter().filter(|client| {
        client.stream().set_nonblocking(true).unwrap();
        let has_answer = matches!(client.stream().peek(&mut [0]), Ok(1));
        client.stream().set_nonblocking(false).unwrap();
        has_answer
    });
    assert_eq!(told.next().expect("one was told").receive().status, 408);
}

/// A client at this address of the machine.
fn client_at(address: &str, server: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&own.into()).unwrap();
    socket.connect(&server.into()).unwrap();
    TcpStream::from(socket).into()
}

#[test]
fn an_address_may_be_limited_by_itself() {
    let served = shard(|limits| limits.connections_per_address_max = Some(2));
    let mut held = [client_at("127.0.0.1", served.address), client_at("127.0.0.1", served.address)];
    for client in &mut held {
        assert_eq!(client.predict(USER).status, 200);
    }
    client_at("127.0.0.1", served.address).expect_end();
    assert_eq!(served.counters().connections_refused.get(), 1);
    assert_eq!(client_at("127.0.0.2", served.address).predict(USER).status, 200);
    let [first, mut second] = held;
    drop(first);
    wait_until("a place is free", || served.counters().connections_open.get() == 1);
    assert_eq!(client_at("127.0.0.1", served.address).predict(USER).status, 200);
    assert_eq!(second.predict(USER).status, 200);
}
