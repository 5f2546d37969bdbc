//! The least hop limit (TTL) that a packet must have for a socket to take it.
//!
//! A packet that has crossed a router, or left a Linux host with its default of 64, has fewer than
//! [`UNREACHED`] hops left. A listener that asks for that many takes no new connection: the kernel
//! drops each SYN unanswered, and its sender repeats it a second later. The last segment of a
//! handshake that has begun still passes, as that is for the half-open connection. A socket filter
//! would do the same, but Linux 6.18 allows one on TCP only with `CAP_NET_ADMIN`.

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};

use socket2::{Domain, SockRef};

/// More hops than a packet of an ordinary sender has left.
pub const UNREACHED: u8 = 255;
/// Every packet is taken: what sockets have from the start.
pub const ANY: u8 = 0;

/// Has `socket` take only packets with at least `hops` hops left, by IPv4 and IPv6. A connection
/// that a listener makes inherits it.
///
/// # Errors
/// The socket is none of IPv4 or IPv6, or the system doesn't have the option.
pub fn require(socket: &impl AsFd, hops: u8) -> io::Result<()> {
    let is_ipv6 = SockRef::from(socket).domain()? == Domain::IPV6;
    // A socket of IPv6 may serve clients of IPv4 as well.
    set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, hops)?;
    if is_ipv6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, hops)?;
    }
    Ok(())
}

fn set(socket: &impl AsFd, level: libc::c_int, option: libc::c_int, hops: u8) -> io::Result<()> {
    let value = libc::c_int::from(hops);
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the kernel reads as
    // many bytes as `value` has, which lives through the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::{ANY, UNREACHED, require};

    fn connects(address: SocketAddr) -> bool {
        match TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                false
            }
        }
    }

    #[test]
    fn a_listener_takes_no_connection_until_it_may_again() {
        for (listens, asks) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")] {
            // A machine without IPv6 has nothing to try there.
            let Ok(listener) = TcpListener::bind((listens, 0)) else { continue };
            let port = listener.local_addr().unwrap().port();
            let address = SocketAddr::new(asks.parse().unwrap(), port);
            assert!(connects(address));
            require(&listener, UNREACHED).unwrap();
            assert!(!connects(address), "{listens} took a connection from {asks}");
            require(&listener, ANY).unwrap();
            assert!(connects(address));
        }
    }
}
