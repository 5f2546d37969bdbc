//! An operator's connection: plain or encrypted, over a socket that blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection};

/// An operator's connection.
pub(super) struct Stream<'a> {
    socket: &'a TcpStream,
    session: Option<Box<ServerConnection>>,
}

impl<'a> Stream<'a> {
    /// A connection that is plain, or encrypted where there is a configuration for that.
    pub(super) fn new(
        socket: &'a TcpStream,
        encryption: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let session = encryption.map(ServerConnection::new).transpose();
        let session = session.map_err(io::Error::other)?.map(Box::new);
        Ok(Self { socket, session })
    }

    /// Reads some bytes, at the latest by `give_up`: also where its client sends what is none of the
    /// request, as for a handshake that does not end. 0 at the end of the stream.
    pub(super) fn read_by(&mut self, buffer: &mut [u8], give_up: Instant) -> io::Result<usize> {
        loop {
            if let Some(session) = &mut self.session {
                match session.reader().read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => return read,
                }
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            let mut socket = self.socket;
            let Some(session) = &mut self.session else { return socket.read(buffer) };
            if session.read_tls(&mut socket)? == 0 {
                return Ok(0);
            }
            let processed = session.process_new_packets();
            // An alert says why, where it failed.
            self.send_records()?;
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    /// Ends its own direction.
    pub(super) fn end(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            let _ = self.send_records();
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    fn send_records(&mut self) -> io::Result<()> {
        let mut socket = self.socket;
        let Some(session) = &mut self.session else { return Ok(()) };
        while session.wants_write() {
            session.write_tls(&mut socket)?;
        }
        Ok(())
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.socket;
        let Some(session) = &mut self.session else { return socket.write(bytes) };
        let taken = session.writer().write(bytes)?;
        self.send_records()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_records()
    }
}
