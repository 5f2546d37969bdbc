//! The way out of one stream: what its client's window has no room for is held back here, where it
//! is counted, and not in `h2`.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, Response};

/// The stream is over: it was reset, or its connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over;

impl From<h2::Error> for Over {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// The way out of one stream.
pub(super) struct Sender {
    respond: SendResponse<Bytes>,
    /// Behind the head.
    stream: Option<SendStream<Bytes>>,
    unsent: Bytes,
    /// What comes behind all data, once that is known: trailers, or just the end.
    end: Option<Option<HeaderMap>>,
    is_done: bool,
}

impl Sender {
    pub(super) fn new(respond: SendResponse<Bytes>) -> Self {
        Self { respond, stream: None, unsent: Bytes::new(), end: None, is_done: false }
    }

    /// Whether the head has been sent.
    pub(super) fn has_begun(&self) -> bool {
        self.stream.is_some() || self.is_done
    }

    /// Whether all that there is to send is known.
    pub(super) fn is_ended(&self) -> bool {
        self.is_done || self.end.is_some()
    }

    /// How much waits for the client's window, in bytes.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Whether something waits for the client's window.
    pub(super) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends the head, which may be all.
    pub(super) fn head(&mut self, head: Response<()>, is_all: bool) -> Result<(), Over> {
        let stream = self.respond.send_response(head, is_all)?;
        self.is_done = is_all;
        self.stream = (!is_all).then_some(stream);
        Ok(())
    }

    /// Sends data behind what was sent before, as far as the window goes.
    pub(super) fn data(&mut self, data: Bytes) {
        if self.unsent.is_empty() {
            self.unsent = data;
        } else if !data.is_empty() {
            self.unsent = [&*self.unsent, &*data].concat().into();
        }
    }

    /// Ends the response behind its data, with or without trailers.
    pub(super) fn end(&mut self, trailers: Option<HeaderMap>) {
        self.end = Some(trailers);
    }

    /// Sends what the window has room for; true when all is sent.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let Some(stream) = &mut self.stream else { return Ok(self.is_done) };
        while !self.unsent.is_empty() {
            stream.reserve_capacity(self.unsent.len());
            let room = stream.capacity().min(self.unsent.len());
            if room == 0 {
                match stream.poll_capacity(context) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Some(Ok(_))) => continue,
                    Poll::Ready(_) => return Err(Over),
                }
            }
            let is_last = room == self.unsent.len() && matches!(self.end, Some(None));
            stream.send_data(self.unsent.split_to(room), is_last)?;
            if is_last {
                self.is_done = true;
                return Ok(true);
            }
        }
        match self.end.take() {
            None => {}
            Some(Some(trailers)) => {
                stream.send_trailers(trailers)?;
                self.is_done = true;
            }
            Some(None) => {
                stream.send_data(Bytes::new(), true)?;
                self.is_done = true;
            }
        }
        Ok(self.is_done)
    }

    /// Asks to be woken when the client resets the stream; `Over` where it has.
    pub(super) fn poll_reset(&mut self, context: &mut Context<'_>) -> Result<(), Over> {
        let polled = match &mut self.stream {
            Some(stream) => stream.poll_reset(context),
            None => self.respond.poll_reset(context),
        };
        if polled.is_ready() { Err(Over) } else { Ok(()) }
    }

    /// Gives the stream up.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }
}
