//! Of two processes that begin to listen on one address at once, one gives way.
//!
//! With `SO_REUSEPORT` the kernel lets both listen, and neither sees the other before: sockets that
//! are bound and do not listen yet are in nobody's way. So whoever is about to look and to listen
//! claims the address by a name that the kernel gives to one alone, and drops again with the process.

use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as Name, UnixListener};
use std::time::{Duration, Instant};

use anyhow::bail;
use socket2::{Domain, SockAddr, Socket, Type};

use super::peer;

/// How long another process may take from its claim to its listening.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// The right to listen on an address, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Claim {
    /// `None` where the system gives no such names: then nobody has one.
    _name: Option<UnixListener>,
}

impl Claim {
    /// Waits for the claim on `address`.
    ///
    /// # Errors
    /// Another process of this user, or of root, holds it.
    pub(crate) fn on(address: SocketAddr) -> anyhow::Result<Self> {
        let text = format!("shardgate-listens-{address}");
        let give_up = Instant::now() + PATIENCE;
        loop {
            match Name::from_abstract_name(&text).and_then(|name| UnixListener::bind_addr(&name)) {
                Ok(listener) => return Ok(Self { _name: Some(listener) }),
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    tracing::debug!(%error, "no claim on the address is possible");
                    return Ok(Self { _name: None });
                }
                Err(_) => {}
            }
            match holder(&text) {
                // Another user's sockets cannot join this one's on an address: the name is not
                // held for them.
                Ok(holder) if !holder.is_trusted() => {
                    let user = holder.user;
                    tracing::warn!(user, %address, "another user holds the claim on the address");
                    return Ok(Self { _name: None });
                }
                Ok(holder) if Instant::now() >= give_up => bail!(
                    "cannot listen on {address}: process {} begins to listen there, and this one \
                     gives way",
                    holder.process
                ),
                Err(error) if Instant::now() >= give_up => {
                    bail!("cannot listen on {address}: another process begins to: {error}")
                }
                // Or it has gone since.
                Ok(_) | Err(_) => std::thread::park_timeout(LOOK),
            }
        }
    }
}

/// Who holds the claim of this name.
fn holder(name: &str) -> io::Result<peer::Peer> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A queue that is full must not hold this one up.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(format!("\0{name}"))?)?;
    peer::of(&socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_gives_way() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let first = Claim::on(address).unwrap();
        let error = Claim::on(address).expect_err("it is held").to_string();
        let own = format!("process {} begins to listen there", std::process::id());
        assert!(error.contains(&own), "{error}");
        drop(first);
        Claim::on(address).unwrap();
    }
}
