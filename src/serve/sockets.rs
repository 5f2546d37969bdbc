//! The shards' listening sockets, all on one address, made or inherited before any thread starts.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use listenfd::ListenFd;
use shards::http::hop_limit;
use socket2::{Domain, Protocol, Socket, Type};

use super::claim::Claim;
use super::takeover::ask::Offer;
use crate::config::Config;

/// Handshakes that may wait for a shard to accept them.
const BACKLOG: i32 = 4_096;

/// How long an address may be in use at start: the kernel takes some 100 ms to end a process that was
/// killed with thousands of connections.
const IN_USE_MAX: Duration = Duration::from_secs(1);
const IN_USE_LOOK: Duration = Duration::from_millis(10);

/// The sockets of all shards.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Each shard's: one, or more where a process with more shards was taken over.
    pub(crate) by_shard: Vec<Vec<Socket>>,
    /// What they listen on, its port resolved.
    pub(crate) address: SocketAddr,
    /// The process that they were taken over from, to be told when they are in use.
    pub(crate) offer: Option<Offer>,
    /// Whether somebody else holds them too, and passes them to the next process: systemd.
    pub(crate) held_elsewhere: bool,
    /// Whether they were made here, so that nobody else may listen there.
    made: bool,
}

impl Sockets {
    /// Takes over the sockets of the process that serves at `--takeover`, or those that systemd
    /// passed, or makes new ones.
    pub(crate) fn open(config: &Config, shards: usize) -> anyhow::Result<Self> {
        let mut offer = match &config.takeover {
            Some(path) => Offer::ask(path)?,
            None => None,
        };
        let (inherited, held_elsewhere) = match &mut offer {
            Some(offer) => {
                let admin = offer.sockets.len().saturating_sub(1);
                (offer.sockets.drain(..admin).collect(), offer.held_elsewhere)
            }
            None => (from_environment()?, true),
        };
        if inherited.is_empty() {
            let (made, address) = bind(config.listen, shards)?;
            let by_shard = made.into_iter().map(|socket| vec![socket]).collect();
            return Ok(Self { by_shard, address, offer, held_elsewhere: false, made: true });
        }
        let address = address_of(inherited.first())?;
        ensure!(
            offer.is_none() || config.listen.port() == 0 || address == config.listen,
            "listen: found {}, expected {address}, which the process to be taken over listens on",
            config.listen
        );
        let found = inherited.len();
        // One that is made here would be closed with this process, and what waits in its queue be
        // reset, where the others stay.
        if held_elsewhere && found < shards {
            tracing::warn!(
                found,
                expected = shards,
                "sockets that were passed: shards share them; have one passed for each"
            );
        }
        let by_shard = deal(inherited, shards, (!held_elsewhere).then_some(address))?;
        Ok(Self { by_shard, address, offer, held_elsewhere, made: false })
    }

    /// Fails where somebody began to listen on the address since the sockets were made: loading
    /// models and the store takes long enough for another start.
    pub(crate) fn ensure_still_free(&self) -> anyhow::Result<()> {
        if self.made {
            ensure_free(self.address)?;
        }
        Ok(())
    }

    /// The right to begin to listen on the address, where it is not inherited.
    pub(crate) fn claim(&self) -> anyhow::Result<Option<Claim>> {
        self.made.then(|| Claim::on(self.address)).transpose()
    }

    /// A second handle on each socket, to be offered to the next process; the admin port's last.
    pub(crate) fn share(&self, admin: &TcpListener) -> io::Result<Vec<Socket>> {
        let admin = admin.try_clone().map(Socket::from);
        self.by_shard.iter().flatten().map(Socket::try_clone).chain([admin]).collect()
    }

    /// The admin port's listener, of the process that is taken over.
    pub(crate) fn admin(&mut self) -> Option<TcpListener> {
        self.offer.as_mut()?.sockets.pop().map(TcpListener::from)
    }
}

/// Lets sockets accept connections; one that does already is left as it is.
pub(crate) fn listen(sockets: Vec<Socket>) -> io::Result<Vec<TcpListener>> {
    sockets
        .into_iter()
        .map(|socket| {
            // A process that was ended in its stop may have left one that takes no new connection.
            let _ = hop_limit::require(&socket, hop_limit::ANY);
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

/// The listening sockets of systemd's socket activation.
fn from_environment() -> anyhow::Result<Vec<Socket>> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        let listener = passed.take_tcp_listener(index);
        let listener = listener.with_context(|| format!("LISTEN_FDS: descriptor {index}"))?;
        sockets.extend(listener.map(Socket::from));
    }
    Ok(sockets)
}

/// Gives each shard at least one of `inherited`, and every one of them to some shard: what waits
/// in the queue of a socket that nobody accepts from would never be answered. Where there are fewer
/// than shards, more are made on `address`; without one they are shared.
fn deal(
    inherited: Vec<Socket>,
    shards: usize,
    address: Option<SocketAddr>,
) -> anyhow::Result<Vec<Vec<Socket>>> {
    let mut by_shard: Vec<Vec<Socket>> = (0..shards).map(|_| Vec::new()).collect();
    let count = inherited.len();
    for (index, socket) in inherited.into_iter().enumerate() {
        by_shard[index % shards].push(socket);
    }
    for index in count..shards {
        // A socket that was not made for sharing its address is shared itself.
        let socket = match address.and_then(|address| reuse_port(address).ok()) {
            Some(socket) => socket,
            None => by_shard[index % count][0].try_clone().context("a socket is not shared")?,
        };
        by_shard[index].push(socket);
    }
    Ok(by_shard)
}

/// Binds `count` sockets to one address with `SO_REUSEPORT`; port 0 is resolved once. None of
/// them listens yet, so nothing is accepted before every shard is ready.
fn bind(address: SocketAddr, count: usize) -> anyhow::Result<(Vec<Socket>, SocketAddr)> {
    let resolved = once_free(address, || ensure_free(address))?;
    let made = (0..count).map(|_| reuse_port(resolved)).collect::<io::Result<_>>();
    Ok((made.with_context(|| format!("cannot listen on {address}"))?, resolved))
}

/// What `bind` gives; where `address` is in use it is tried again for a second.
pub(crate) fn once_free<T>(
    address: SocketAddr,
    bind: impl Fn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let give_up = Instant::now() + IN_USE_MAX;
    let mut is_told = false;
    loop {
        let outcome = bind();
        let is_in_use = |error: &anyhow::Error| {
            let cause = error.downcast_ref::<io::Error>();
            cause.is_some_and(|cause| cause.kind() == io::ErrorKind::AddrInUse)
        };
        if !outcome.as_ref().is_err_and(is_in_use) || Instant::now() >= give_up {
            return outcome;
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!(%address, "the address is in use: tried again for a second");
        }
        std::thread::park_timeout(IN_USE_LOOK);
    }
}

/// Fails where anybody listens on `address`; returns it with port 0 resolved. With `SO_REUSEPORT`
/// a forgotten process would silently share the port; a bind without it does not.
fn ensure_free(address: SocketAddr) -> anyhow::Result<SocketAddr> {
    let in_use = || format!("cannot listen on {address}");
    let probe = socket(address).with_context(in_use)?;
    probe.set_reuse_address(true)?;
    probe.bind(&address.into()).with_context(in_use)?;
    address_of(Some(&probe))
}

fn reuse_port(address: SocketAddr) -> io::Result<Socket> {
    let socket = socket(address)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
}

fn address_of(socket: Option<&Socket>) -> anyhow::Result<SocketAddr> {
    let address = socket.context("no core to serve on")?.local_addr()?;
    address.as_socket().context("a socket that was passed is not an internet socket")
}
