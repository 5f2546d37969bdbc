//! The way out: responses that are ready are rendered in the order of their requests, and written.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_lite::AsyncWrite;

use super::Connection;
use crate::http::front::Scratch;
use crate::http::pending_response::{Packing, PendingResponse};
use crate::http::rendered::{Protocol, RenderedResponse};
use crate::http::response;
use crate::mutation::{Mutation, is_in_force};

/// How much is rendered at a time, in bytes, to within one response: the rest for a slow reader is
/// kept.
const OUTPUT_BYTES_MAX: usize = 262_144;

impl<S: AsyncWrite + Unpin> Connection<S> {
    /// Renders each response that is ready and in turn, and writes; true if anything moved.
    pub(super) fn poll_output(&mut self, context: &mut Context<'_>) -> std::io::Result<bool> {
        let front = Rc::clone(&self.front);
        if self.is_unflushed && !self.poll_flushed(context)? {
            return Ok(false);
        }
        if self.invites && self.pending.is_empty() {
            self.invites = false;
            self.output.extend_from_slice(response::CONTINUE);
        }
        if self.output.is_empty() {
            let mut scratch = front.scratch.borrow_mut();
            let scratch = &mut *scratch;
            scratch.clear();
            if !self.render(scratch) {
                return Ok(false);
            }
            let sent = match Pin::new(&mut self.stream).poll_write(context, &scratch.output) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            if sent == scratch.output.len() {
                self.finish_write(context)?;
            } else {
                self.output.extend_from_slice(&scratch.output[sent..]);
                self.written = 0;
            }
            return Ok(true);
        }
        match Pin::new(&mut self.stream).poll_write(context, &self.output[self.written..]) {
            Poll::Pending => Ok(false),
            Poll::Ready(sent) => {
                self.written += sent?;
                if self.written == self.output.len() {
                    self.output = Vec::new();
                    self.written = 0;
                    self.finish_write(context)?;
                }
                Ok(true)
            }
        }
    }

    /// Has what an encrypted stream holds back sent; true when nothing is left.
    fn poll_flushed(&mut self, context: &mut Context<'_>) -> std::io::Result<bool> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.is_unflushed = flushed.is_pending();
        match flushed {
            Poll::Ready(flushed) => flushed.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Records how long the written responses took, and half-closes after the last.
    fn finish_write(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        self.poll_flushed(context)?;
        let now_ns = self.front.context.clock.now_ns();
        self.start_over();
        let write_ns = now_ns.saturating_sub(self.rendered_ns);
        for rendered in self.rendered.drain(..) {
            rendered.record(&self.front, now_ns, write_ns);
        }
        if self.closing && self.pending.is_empty() && !self.end_of_input {
            // The client sees the end at once. Bytes that it still sends are read and thrown away:
            // a close with unread input would reset the connection under the response.
            let _ = Pin::new(&mut self.stream).poll_close(context);
        }
        Ok(())
    }

    /// Appends the responses at the front that are ready; true if there was one.
    fn render(&mut self, scratch: &mut Scratch) -> bool {
        let Scratch { output: out, body, packer, .. } = scratch;
        let front = Rc::clone(&self.front);
        let date = front.date.borrow();
        let bytes_min = front.limits().compressed_bytes_min;
        let mut any = false;
        while out.len() < OUTPUT_BYTES_MAX
            && self.pending.front_mut().is_some_and(PendingResponse::is_ready)
            && let Some(response) = self.pending.pop_front()
        {
            if !any {
                self.rendered_ns = front.context.clock.now_ns();
            }
            any = true;
            self.held_bytes -= response.held_bytes();
            let status = response.render(out, body, &date, Packing { packer, bytes_min });
            if is_in_force(Mutation::AnswerTwice) && status == 504 {
                out.extend_from_within(..);
            }
            // The Open Inference Protocol says 503 of a passed deadline.
            self.answered += 1;
            self.refused += u32::from(matches!(status, 429 | 503 | 504));
            self.rendered.push(RenderedResponse::new(
                response.answered(Protocol::Http1),
                status,
                &front,
            ));
        }
        any
    }
}
