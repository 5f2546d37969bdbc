//! A relay before a node that can be cut the way networks are: connections that were open stay open
//! and dead, those that are made meanwhile too, and only what is made afterwards works.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A relay; dropping it ends its connections and its listener.
pub(crate) struct Switched {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    is_over: AtomicBool,
    /// How often it was cut: a connection of an earlier time is dead.
    cuts: AtomicU64,
}

impl Switched {
    pub(crate) fn before(node: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_over.load(Ordering::Acquire) {
                    return;
                }
                let (client, state) = (client.unwrap(), Arc::clone(&shared));
                let server = TcpStream::connect(node).unwrap();
                let born = state.cuts.load(Ordering::Acquire);
                let is_cut = state.is_cut.load(Ordering::Acquire);
                // Whatever it was born into, it is dead with the next cut.
                let born = if is_cut { u64::MAX } else { born };
                let ways = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
                for (from, to) in ways {
                    let (from, to, state) = (from.unwrap(), to.unwrap(), Arc::clone(&state));
                    std::thread::spawn(move || pass(from, to, &state, born));
                }
            }
        });
        Self { address, state }
    }

    /// From now on nothing gets through.
    pub(crate) fn cut(&self) {
        self.state.cuts.fetch_add(1, Ordering::AcqRel);
        self.state.is_cut.store(true, Ordering::Release);
    }

    /// From now on new connections work.
    pub(crate) fn mend(&self) {
        self.state.is_cut.store(false, Ordering::Release);
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
        // Whoever waits in `accept` sees it.
        let _ = TcpStream::connect(self.address);
    }
}

/// Passes what comes on, as long as the connection is alive.
fn pass(mut from: TcpStream, mut to: TcpStream, state: &State, born: u64) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut bytes = vec![0; 65_536];
    while !state.is_over.load(Ordering::Acquire) {
        let read = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        };
        let is_dead = born != state.cuts.load(Ordering::Acquire);
        if !is_dead && to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
