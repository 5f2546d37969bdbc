//! Content codings: which one a client takes, and bodies packed and unpacked by gzip (RFC 9110
//! sections 8.4 and 12.5.3, RFC 1952).

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use thiserror::Error;

use super::head::ContentCoding;

/// The fixed head of a gzip member: deflate, no name, no time, no system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Whether an `Accept-Encoding` field has gzip taken, and not liked less than no coding.
pub fn takes_gzip(value: &[u8]) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for part in value.split(|byte| *byte == b',') {
        let mut pieces = part.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let coding = pieces.next().unwrap_or_default();
        let weight = pieces.find_map(quality).unwrap_or(1_000);
        let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("gzip") || is("x-gzip") => gzip = Some(weight),
            () if is("*") => any = Some(weight),
            () if is("identity") => identity = Some(weight),
            () => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// The weight of `q=0.5`, in thousandths; one that cannot be read is 0, as nothing was allowed.
fn quality(parameter: &[u8]) -> Option<u32> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let weight = std::str::from_utf8(value).ok().and_then(|value| value.parse::<f32>().ok());
    let weight = weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
    Some((weight * 1_000.0) as u32)
}

/// Packs bodies one after the other, with one state.
#[derive(Debug, Default)]
pub struct GzipPacker {
    /// Made by the first body.
    state: Option<Box<Compress>>,
    packed: Vec<u8>,
}

impl GzipPacker {
    /// The body as a gzip member; `None` where that is no shorter.
    pub fn pack(&mut self, body: &[u8]) -> Option<&[u8]> {
        let state =
            self.state.get_or_insert_with(|| Box::new(Compress::new(Compression::fast(), false)));
        state.reset();
        self.packed.clear();
        // What does not fit here is no shorter.
        self.packed.reserve_exact(body.len());
        self.packed.extend_from_slice(&GZIP_HEAD);
        let ended = state.compress_vec(body, &mut self.packed, FlushCompress::Finish);
        if !matches!(ended, Ok(Status::StreamEnd)) || self.packed.len() + 8 >= body.len() {
            return None;
        }
        let mut sum = Crc::new();
        sum.update(body);
        self.packed.extend_from_slice(&sum.sum().to_le_bytes());
        self.packed.extend_from_slice(&(body.len() as u32).to_le_bytes());
        Some(&self.packed)
    }

    /// Gives back the memory of an unusually long body.
    pub fn shrink_to(&mut self, bytes_max: usize) {
        self.packed.clear();
        self.packed.shrink_to(bytes_max);
    }
}

/// Why a coded body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnpackError {
    /// Its coding is none that is taken here.
    #[error(
        "the body has a Content-Encoding that is not taken: send it by gzip or deflate, or as it is"
    )]
    Coding,
    /// It is not what its coding says.
    #[error("the body is not what its Content-Encoding says, or is cut short")]
    Damaged,
    /// It is longer than the limit once it is unpacked.
    #[error("the body is longer than {limit} bytes once it is unpacked")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl UnpackError {
    /// The status that it is answered with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Coding => 415,
            Self::Damaged => 400,
            Self::TooLong { .. } => 413,
        }
    }
}

/// Unpacks a body into `out`, which is emptied first, up to `bytes_max`.
///
/// # Errors
/// Everything that [`UnpackError`] lists; `out` is of no use then.
pub fn unpack(
    body: &[u8],
    coding: ContentCoding,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), UnpackError> {
    out.clear();
    let limit = bytes_max as u64 + 1;
    let read = match coding {
        ContentCoding::Identity => body.take(limit).read_to_end(out),
        ContentCoding::Gzip => MultiGzDecoder::new(body).take(limit).read_to_end(out),
        ContentCoding::Deflate => ZlibDecoder::new(body).take(limit).read_to_end(out),
        ContentCoding::Other => return Err(UnpackError::Coding),
    };
    if out.len() > bytes_max {
        return Err(UnpackError::TooLong { limit: bytes_max });
    }
    read.map_err(|_| UnpackError::Damaged).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{GzipPacker, UnpackError, takes_gzip, unpack};
    use crate::http1::head::ContentCoding;

    #[test]
    fn gzip_is_taken_as_the_field_weighs_it() {
        for (value, is_taken) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, *;q=0", true),
            ("*", true),
            ("x-gzip", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=x", false),
            ("*;q=0", false),
            ("gzip;q=0.2, identity", false),
            ("identity;q=0.2, gzip;q=0.2", true),
            ("br, deflate", false),
            ("", false),
            ("gzipped", false),
        ] {
            assert_eq!(takes_gzip(value.as_bytes()), is_taken, "{value}");
        }
    }

    #[test]
    fn packed_bodies_come_back_and_noise_is_not_packed() {
        let mut packer = GzipPacker::default();
        let mut out = Vec::new();
        for length in [100, 5_000, 300_000] {
            let body: Vec<u8> = (0..length).map(|at| b"0.123, "[at % 7]).collect();
            let packed = packer.pack(&body).expect("shorter").to_vec();
            assert!(packed.len() < body.len() / 2, "{length}");
            assert_eq!(unpack(&packed, ContentCoding::Gzip, length, &mut out), Ok(()));
            assert_eq!(out, body);
            for cut in [0, 5, packed.len() / 2, packed.len() - 1] {
                let cut = unpack(&packed[..cut], ContentCoding::Gzip, length, &mut out);
                assert_eq!(cut, Err(UnpackError::Damaged), "{length}");
            }
            let limit = length - 1;
            assert_eq!(
                unpack(&packed, ContentCoding::Gzip, limit, &mut out),
                Err(UnpackError::TooLong { limit })
            );
        }
        let mut number = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (number >> 56) as u8
        })
        .take(4_096)
        .collect();
        assert!(packer.pack(&noise).is_none());
        assert!(packer.pack(b"").is_none());
    }

    #[test]
    fn a_body_that_grows_without_end_takes_no_more_than_the_limit() {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&vec![0; 64 << 20]).expect("packed");
        let bomb = encoder.finish().expect("packed");
        let (mut out, limit) = (Vec::new(), 1 << 20);
        let found = unpack(&bomb, ContentCoding::Deflate, limit, &mut out);
        assert_eq!(found, Err(UnpackError::TooLong { limit }));
        assert!(out.capacity() <= 4 << 20, "{}", out.capacity());
    }
}
