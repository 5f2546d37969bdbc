//! Cuts what is read into lines: as many as have come.

use std::io::{ErrorKind, Read};

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;
/// The longest line.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// What was read and is no whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    number: u64,
}

/// Some whole lines.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    first_number: u64,
}

impl Lines {
    /// Reads what has come; false at the end of the input.
    pub(super) fn fill(&mut self, input: &mut impl Read) -> std::io::Result<bool> {
        loop {
            let before = self.bytes.len();
            self.bytes.resize(before + READ_BYTES, 0);
            let read = input.read(&mut self.bytes[before..]);
            self.bytes.truncate(before + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Ok(false),
                Ok(_) if self.bytes[before..].contains(&b'\n') => return Ok(true),
                Ok(_) if self.bytes.len() > LINE_BYTES_MAX => {
                    let message = format!("line {} is longer than 16 MiB", self.number + 1);
                    return Err(std::io::Error::new(ErrorKind::InvalidData, message));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the whole lines; at the end of the input, the last one without its end too.
    pub(super) fn take(&mut self, is_end: bool) -> Piece {
        let end = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = if is_end { Vec::new() } else { self.bytes.split_off(end) };
        let piece = Piece {
            bytes: std::mem::replace(&mut self.bytes, rest),
            first_number: self.number + 1,
        };
        self.number += piece.iter().count() as u64;
        piece
    }
}

impl Piece {
    /// The lines, empty ones too.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let text = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let count = if self.bytes.is_empty() { 0 } else { usize::MAX };
        text.split(|byte| *byte == b'\n').take(count)
    }

    /// The number of the first line, from 1.
    pub(super) fn first_number(&self) -> u64 {
        self.first_number
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn lines_are_whole_however_they_come() {
        let text = b"one\n\ntwo\nthree";
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            let mut pieces = text.chunks(size);
            loop {
                let mut piece = pieces.next().unwrap_or_default();
                let is_end = piece.is_empty();
                if !is_end {
                    // A piece without the end of a line waits for the next.
                    lines.bytes.extend_from_slice(piece);
                    piece = &[];
                }
                let _ = piece;
                let taken = lines.take(is_end);
                assert_eq!(taken.first_number(), found.len() as u64 + 1);
                found.extend(taken.iter().map(<[u8]>::to_vec));
                if is_end {
                    break;
                }
            }
            let expected = ["one", "", "two", "three"].map(|line| line.as_bytes().to_vec());
            assert_eq!(found, expected, "{size}");
        }
    }
}
