//! Messages in a stream of bytes: each has a byte that says whether it is compressed and its length
//! in four bytes before it.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// How long the prefix of a message is, in bytes.
pub const PREFIX_BYTES: usize = 5;

/// Why a stream of bytes has no next message. Nothing of it can be read after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FramingError {
    /// The message is compressed.
    #[error("the message is compressed, and is taken only as it is: send it by identity")]
    Compressed,
    /// The first byte is none that gRPC has.
    #[error("the message begins with the byte {0}, expected 0 or 1")]
    Flag(u8),
    /// The message is longer than the limit.
    #[error("the message has {found} bytes, at most {limit} are taken")]
    TooLarge {
        /// Its length, in bytes.
        found: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The stream ends within a message.
    #[error("the stream ends within a message")]
    Cut,
}

/// Bytes that have arrived and are not read yet, in one piece where they came as one.
#[derive(Debug, Default)]
pub struct MessageReader {
    whole: Bytes,
    /// What came in pieces; empty where `whole` is not.
    pieces: BytesMut,
}

impl MessageReader {
    /// Takes bytes that have arrived.
    pub fn push(&mut self, bytes: Bytes) {
        if self.is_empty() {
            self.whole = bytes;
            return;
        }
        if !self.whole.is_empty() {
            self.pieces.extend_from_slice(&std::mem::take(&mut self.whole));
        }
        self.pieces.extend_from_slice(&bytes);
    }

    /// How many bytes wait to be read.
    pub fn len(&self) -> usize {
        self.whole.len() + self.pieces.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory they take, in bytes.
    pub fn buffered_bytes(&self) -> usize {
        self.whole.len() + self.pieces.capacity()
    }

    /// Takes all bytes, whatever they are.
    pub fn take_all(&mut self) -> Bytes {
        if self.pieces.is_empty() {
            return std::mem::take(&mut self.whole);
        }
        std::mem::take(&mut self.pieces).freeze()
    }

    /// Copies what would keep a larger buffer of the connection from being used again.
    pub fn settle(&mut self) {
        if !self.whole.is_empty() {
            self.pieces = BytesMut::from(&*std::mem::take(&mut self.whole));
        }
    }

    /// Takes the next message; `None` where it has not wholly arrived.
    ///
    /// # Errors
    /// Bytes that are no message of at most `bytes_max` bytes.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<Bytes>, FramingError> {
        let read: &[u8] = if self.whole.is_empty() { &self.pieces } else { &self.whole };
        let Some((prefix, rest)) = read.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        match flag {
            0 => {}
            1 => return Err(FramingError::Compressed),
            other => return Err(FramingError::Flag(other)),
        }
        let found = u32::from_be_bytes(length) as usize;
        if found > bytes_max {
            return Err(FramingError::TooLarge { found, limit: bytes_max });
        }
        if rest.len() < found {
            return Ok(None);
        }
        Ok(Some(if self.whole.is_empty() {
            self.pieces.advance(PREFIX_BYTES);
            self.pieces.split_to(found).freeze()
        } else {
            self.whole.advance(PREFIX_BYTES);
            self.whole.split_to(found)
        }))
    }
}

/// Appends a message that `write` writes, behind its prefix.
pub fn frame<T>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let at = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    let written = write(out);
    let length = (out.len() - at - PREFIX_BYTES) as u32;
    out[at + 1..at + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    written
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{FramingError, MessageReader, frame};

    proptest! {
        #[test]
        fn messages_come_back_however_they_were_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1_usize..30, 0..20),
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                frame(&mut stream, |out| out.extend_from_slice(message));
            }
            let (mut reader, mut found, mut rest) = (MessageReader::default(), Vec::new(), &*stream);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                rest = later;
                reader.push(Bytes::copy_from_slice(now));
                reader.settle();
                while let Some(message) = reader.next(100).expect("messages") {
                    found.push(message.to_vec());
                }
            }
            prop_assert_eq!(found, messages);
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let next = |bytes: &'static [u8]| {
            let mut reader = MessageReader::default();
            reader.push(Bytes::from_static(bytes));
            reader.next(4)
        };
        assert_eq!(next(&[0, 0, 0, 0]), Ok(None));
        assert_eq!(next(&[0, 0, 0, 0, 4, 1, 2, 3]), Ok(None));
        assert_eq!(next(&[1, 0, 0, 0, 0]), Err(FramingError::Compressed));
        assert_eq!(next(&[7, 0, 0, 0, 0]), Err(FramingError::Flag(7)));
        let large = FramingError::TooLarge { found: 5, limit: 4 };
        assert_eq!(next(&[0, 0, 0, 0, 5]), Err(large));
    }
}
