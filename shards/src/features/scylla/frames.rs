//! How long a node's frames are: a frame says so in its head, and the driver makes room for all of
//! it before it reads on. Pure: bytes in, decisions out.
//!
//! A node that is broken, or something else that listens in its place, may announce four gigabytes.
//! So each head is looked at before the driver gets it, and of a compressed body also its beginning,
//! which says how long it is without compression.

use super::settings::Compression;

/// Version, flags, stream, opcode and length.
const HEAD_BYTES: usize = 9;
/// The flag of a compressed body.
const COMPRESSED: u8 = 0x01;
/// A length as Snappy writes it: seven bits in each byte.
const VARINT_BYTES_MAX: usize = 5;

/// What frames may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameLimit {
    /// The longest body, in bytes, compressed or not.
    pub(super) bytes_max: u32,
    /// How bodies that say that they are compressed are.
    pub(super) compression: Compression,
}

/// A frame that is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Oversize {
    /// How long its body is said to be, in bytes.
    pub(super) bytes: u64,
}

/// What comes next on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expecting {
    /// A head, of which this much is there.
    Head { have: usize },
    /// The length without compression, of which this much is there; and the body's length.
    Uncompressed { have: usize, length: u32 },
    /// The rest of a body.
    Body { left: u32 },
}

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct FrameReader {
    limit: FrameLimit,
    expecting: Expecting,
    /// A head, or the length without compression, as far as it has come.
    part: [u8; HEAD_BYTES],
}

impl FrameReader {
    pub(super) fn new(limit: FrameLimit) -> Self {
        Self { limit, expecting: Expecting::Head { have: 0 }, part: [0; HEAD_BYTES] }
    }

    /// Takes what has come, in order.
    ///
    /// # Errors
    /// A frame that is longer than the limit, as soon as it has said so.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Oversize> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            self.expecting = match self.expecting {
                Expecting::Body { left } => {
                    let taken = rest.len().min(left as usize);
                    rest = &rest[taken..];
                    body(left - taken as u32)
                }
                Expecting::Head { have } => {
                    self.part[have] = *byte;
                    rest = behind;
                    if have + 1 < HEAD_BYTES {
                        Expecting::Head { have: have + 1 }
                    } else {
                        self.begin()?
                    }
                }
                Expecting::Uncompressed { have, length } => {
                    self.part[have] = *byte;
                    rest = behind;
                    self.unpack(have + 1, length)?
                }
            };
        }
        Ok(())
    }

    /// What follows a whole head.
    fn begin(&self) -> Result<Expecting, Oversize> {
        let [_, flags, _, _, _, length @ ..] = self.part;
        let length = u32::from_be_bytes(length);
        self.check(u64::from(length))?;
        let is_compressed = flags & COMPRESSED != 0 && self.limit.compression != Compression::None;
        Ok(match (length, is_compressed) {
            (1.., true) => Expecting::Uncompressed { have: 0, length },
            _ => body(length),
        })
    }

    /// What follows the first `have` bytes of a compressed body.
    fn unpack(&self, have: usize, length: u32) -> Result<Expecting, Oversize> {
        let known = &self.part[..have];
        let uncompressed = match (self.limit.compression, known) {
            (Compression::Lz4, &[a, b, c, d]) => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
            (Compression::Snappy, &[.., last]) if last & 0x80 == 0 || have == VARINT_BYTES_MAX => {
                let add = |sum: u64, byte: &u8| (sum << 7) | u64::from(byte & 0x7f);
                Some(known.iter().rev().fold(0, add))
            }
            _ => None,
        };
        if let Some(bytes) = uncompressed {
            self.check(bytes)?;
        }
        let left = length - have as u32;
        Ok(match uncompressed {
            None if left > 0 => Expecting::Uncompressed { have, length },
            _ => body(left),
        })
    }

    fn check(&self, bytes: u64) -> Result<(), Oversize> {
        if bytes > u64::from(self.limit.bytes_max) { Err(Oversize { bytes }) } else { Ok(()) }
    }
}

/// The rest of a body, or the next head.
const fn body(left: u32) -> Expecting {
    if left > 0 { Expecting::Body { left } } else { Expecting::Head { have: 0 } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: u32 = 1_000;

    fn frame(flags: u8, length: u32, body: &[u8]) -> Vec<u8> {
        [&[0x84, flags, 0, 1, 8][..], &length.to_be_bytes(), body].concat()
    }

    /// Whether frames pass that arrive in pieces of `step` bytes, and where they did not.
    fn read(compression: Compression, bytes: &[u8], step: usize) -> Result<(), (usize, u64)> {
        let mut reader = FrameReader::new(FrameLimit { bytes_max: MAX, compression });
        for (at, piece) in bytes.chunks(step).enumerate() {
            reader.take(piece).map_err(|oversize| (at * step, oversize.bytes))?;
        }
        Ok(())
    }

    #[test]
    fn a_frame_that_is_too_long_is_seen_with_its_head() {
        let whole = frame(0, MAX, &[0xff; MAX as usize]);
        for length in [MAX + 1, 1 << 31, u32::MAX] {
            let bytes = [&whole[..], &frame(1, length, &[])].concat();
            for compression in [Compression::None, Compression::Lz4, Compression::Snappy] {
                let last = bytes.len() - 1;
                assert_eq!(read(compression, &bytes, 1), Err((last, u64::from(length))));
            }
        }
    }

    #[test]
    fn a_body_that_grows_too_long_is_seen_with_its_beginning() {
        let lz4 = |bytes: u32| frame(1, 10, &[&bytes.to_be_bytes()[..], &[0; 6]].concat());
        let snappy = |varint: &[u8]| frame(1, 10, &[varint, &[0; 10][varint.len()..]].concat());
        assert_eq!(read(Compression::Lz4, &lz4(MAX), 1), Ok(()));
        assert_eq!(read(Compression::Lz4, &lz4(MAX + 1), 1), Err((12, u64::from(MAX) + 1)));
        assert_eq!(read(Compression::Snappy, &snappy(&[0xe8, 0x07]), 1), Ok(()));
        assert_eq!(read(Compression::Snappy, &snappy(&[0xe9, 0x07]), 1), Err((10, 1_001)));
        let four_gib = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let found = read(Compression::Snappy, &snappy(&four_gib), 1);
        assert_eq!(found, Err((13, u64::from(u32::MAX))));
        // Without compression, or without its flag, these are bytes like any other.
        assert_eq!(read(Compression::None, &lz4(u32::MAX), 1), Ok(()));
        let plain = frame(0, 10, &[0xff; 10]);
        assert_eq!(read(Compression::Lz4, &plain, 1), Ok(()));
    }

    proptest! {
        #[test]
        fn frames_pass_however_they_are_cut(
            frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 1..9),
            step in 1_usize..60,
            compression in prop::sample::select(vec![
                Compression::None, Compression::Lz4, Compression::Snappy,
            ]),
        ) {
            let mut bytes = Vec::new();
            for (flags, body) in &frames {
                bytes.extend(frame(flags & !COMPRESSED, body.len() as u32, body));
                // Compressed, and short without.
                let start: &[u8] =
                    if compression == Compression::Lz4 { &[0, 0, 0, 9] } else { &[0x80, 1] };
                let body = [start, body].concat();
                bytes.extend(frame(flags | COMPRESSED, body.len() as u32, &body));
            }
            prop_assert_eq!(read(compression, &bytes, step), Ok(()));
            bytes.extend(frame(0, MAX + 1, &[]));
            prop_assert!(read(compression, &bytes, step).is_err());
        }

        #[test]
        fn any_bytes_pass_or_are_refused(bytes in any::<Vec<u8>>(), step in 1_usize..9) {
            for compression in [Compression::None, Compression::Lz4, Compression::Snappy] {
                let whole = read(compression, &bytes, bytes.len().max(1)).is_ok();
                prop_assert_eq!(read(compression, &bytes, step).is_ok(), whole);
            }
        }
    }
}
