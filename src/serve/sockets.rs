//! The shards' listening sockets: one each, on one address, made before any thread starts.

use std::io;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

/// Handshakes that may wait for a shard to accept them.
const BACKLOG: i32 = 4_096;

/// Binds `count` sockets to one address with `SO_REUSEPORT`; port 0 is resolved once. None of them
/// listens yet, so nothing is accepted before every shard is ready.
pub(crate) fn bind(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Socket>> {
    // With SO_REUSEPORT a forgotten process would silently share the port. A bind without it
    // fails where anybody listens.
    let probe = socket(address).context("no socket could be made")?;
    probe.set_reuse_address(true)?;
    let in_use = || format!("cannot listen on {address}");
    probe.bind(&address.into()).with_context(in_use)?;
    let resolved = probe.local_addr()?.as_socket().context("not an internet address")?;
    drop(probe);
    (0..count)
        .map(|_| {
            let socket = socket(resolved)?;
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            socket.bind(&resolved.into())?;
            Ok(socket)
        })
        .collect::<io::Result<Vec<_>>>()
        .with_context(in_use)
}

/// Lets a socket accept connections.
pub(crate) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
}
