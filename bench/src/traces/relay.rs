//! A relay that makes a server on this machine as far away as another machine's: what the server
//! sends is passed on a set time later, in order.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const READ_BYTES: usize = 256 * 1024;

/// Between whom, and how late.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RelayArgs {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// The server.
    #[arg(long)]
    to: SocketAddr,
    /// How long each of its answers is held back, in µs.
    #[arg(long)]
    delay_us: u64,
}

/// Relays until the process is ended.
pub(crate) fn run(args: &RelayArgs) -> Result<()> {
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("the relay can't listen on {}", args.listen))?;
    serve(&listener, args.to, Duration::from_micros(args.delay_us))
}

fn serve(listener: &TcpListener, to: SocketAddr, delay: Duration) -> Result<()> {
    loop {
        let (client, _) = listener.accept().context("accept")?;
        thread::spawn(move || {
            // Who goes away ends this connection only.
            let _ = relay(client, to, delay);
        });
    }
}

/// Passes on what both sides send, until the client ends.
fn relay(mut client: TcpStream, to: SocketAddr, delay: Duration) -> io::Result<()> {
    let mut server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (answers, held_back) = mpsc::channel();
    let (mut from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(read @ 1..) = from_server.read(&mut buffer)
            && answers.send((Instant::now() + delay, buffer[..read].to_vec())).is_ok()
        {}
    });
    thread::spawn(move || {
        let _ = pass_on(&held_back, &to_client);
        // Nothing comes any more: neither from the server, nor from a client that has gone.
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return server.shutdown(Shutdown::Both);
        }
        server.write_all(&buffer[..read])?;
    }
}

#[expect(clippy::disallowed_methods, reason = "no shard here: a thread that only waits")]
fn pass_on(held_back: &Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream) -> io::Result<()> {
    for (due, bytes) in held_back {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        to.write_all(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_get_what_the_other_sent_and_its_end() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (echo, relay) = (listen(), listen());
        let (to, address) = (echo.local_addr().unwrap(), relay.local_addr().unwrap());
        thread::spawn(move || serve(&relay, to, Duration::from_micros(10)));
        let server = thread::spawn(move || {
            let (mut stream, _) = echo.accept().unwrap();
            let mut word = [0; 5];
            stream.read_exact(&mut word).unwrap();
            stream.write_all(&word).unwrap();
            stream.read(&mut word).unwrap()
        });
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"hello").unwrap();
        let mut word = [0; 5];
        client.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"hello");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.join().unwrap(), 0, "the server sees the client's end");
        assert_eq!(client.read(&mut word).unwrap(), 0, "the client sees the server's end");
    }
}
