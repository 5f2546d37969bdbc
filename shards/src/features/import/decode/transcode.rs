//! Text of other encodings as UTF-8, piece by piece.

use std::io::{self, Read};

use super::Encoding;

/// How many bytes are taken from the input at a time.
const PIECE_BYTES: usize = 1 << 16;
/// The windows-1252 characters of the bytes 0x80 to 0x9f, `\0` for the five that are none.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// Reads text of an encoding as UTF-8.
pub(super) struct Transcoded<R> {
    inner: R,
    encoding: Encoding,
    /// What was read and not yet decoded: at first the start of the file.
    raw: Vec<u8>,
    /// What was decoded, and how much of it has been given.
    text: Vec<u8>,
    given: usize,
    /// How many bytes have been decoded.
    decoded: u64,
    is_at_end: bool,
}

impl<R: Read> Transcoded<R> {
    /// Reads `start`, then `inner`.
    pub(super) fn new(inner: R, start: Vec<u8>, encoding: Encoding) -> Self {
        let (mut raw, mut text) = (start, Vec::new());
        match encoding {
            Encoding::Utf8 => std::mem::swap(&mut raw, &mut text),
            Encoding::Utf16Le if raw.starts_with(b"\xff\xfe") => drop(raw.drain(..2)),
            Encoding::Utf16Be if raw.starts_with(b"\xfe\xff") => drop(raw.drain(..2)),
            _ => {}
        }
        Self { inner, encoding, raw, text, given: 0, decoded: 0, is_at_end: false }
    }

    /// Decodes the next piece, which is empty at the end only.
    fn decode_more(&mut self) -> io::Result<()> {
        self.text.clear();
        self.given = 0;
        while self.text.is_empty() && !(self.is_at_end && self.raw.is_empty()) {
            if !self.is_at_end {
                let have = self.raw.len();
                self.raw.resize(have + PIECE_BYTES, 0);
                let read = self.inner.read(&mut self.raw[have..]);
                self.raw.truncate(have + read.as_ref().map_or(0, |bytes| *bytes));
                self.is_at_end = read? == 0;
            }
            let used = match self.encoding {
                Encoding::Windows1252 => self.decode_windows_1252()?,
                _ => self.decode_utf16()?,
            };
            self.raw.drain(..used);
            self.decoded += used as u64;
        }
        Ok(())
    }

    fn decode_windows_1252(&mut self) -> io::Result<usize> {
        let mut utf8 = [0; 4];
        for (at, &byte) in self.raw.iter().enumerate() {
            let character = match byte {
                0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
                byte => char::from(byte),
            };
            if character == '\0' {
                return Err(wrong(self.decoded + at as u64, byte.into(), "windows-1252"));
            }
            self.text.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
        Ok(self.raw.len())
    }

    fn decode_utf16(&mut self) -> io::Result<usize> {
        let big = self.encoding == Encoding::Utf16Be;
        let unit =
            |pair: [u8; 2]| if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
        let (pairs, rest) = self.raw.as_chunks();
        if self.is_at_end && !rest.is_empty() {
            return Err(wrong(self.decoded + self.raw.len() as u64 - 1, rest[0].into(), "UTF-16"));
        }
        let mut units = pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>();
        // The first half of a character whose second half is not read yet waits for it.
        if !self.is_at_end && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        let (mut utf8, mut at) = ([0; 4], 0);
        for character in char::decode_utf16(units.iter().copied()) {
            let character = character.map_err(|error| {
                wrong(self.decoded + 2 * at, error.unpaired_surrogate().into(), "UTF-16")
            })?;
            if character == '\0' {
                return Err(wrong(self.decoded + 2 * at, 0, "UTF-16"));
            }
            at += character.len_utf16() as u64;
            self.text.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
        Ok(2 * units.len())
    }
}

fn wrong(place: u64, value: u32, encoding: &str) -> io::Error {
    let text =
        format!("byte {} (0x{value:02X}) is no {encoding}: --encoding names another", place + 1);
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            if self.encoding == Encoding::Utf8 {
                return self.inner.read(out);
            }
            self.decode_more()?;
        }
        let bytes = out.len().min(self.text.len() - self.given);
        out[..bytes].copy_from_slice(&self.text[self.given..self.given + bytes]);
        self.given += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::Encoding::{Utf16Be, Utf16Le, Windows1252};
    use super::{Transcoded, WINDOWS_1252};

    /// Gives one byte at a time.
    struct Bytes<'a>(&'a [u8]);

    impl Read for Bytes<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let taken = out.len().min(1);
            self.0.read(&mut out[..taken])
        }
    }

    fn decoded(bytes: &[u8], encoding: super::Encoding) -> std::io::Result<String> {
        let mut text = String::new();
        let (start, rest) = bytes.split_at(bytes.len().min(4));
        let mut input = Transcoded::new(Bytes(rest), start.to_vec(), encoding);
        input.read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn every_character_comes_back() {
        let text = "id,name\nu,Zoë 𝄞 €\n";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(&le, Utf16Le).unwrap(), text);
        assert_eq!(decoded(&[b"\xff\xfe", &le[..]].concat(), Utf16Le).unwrap(), text);
        assert_eq!(decoded(&[b"\xfe\xff", &be[..]].concat(), Utf16Be).unwrap(), text);
        assert_eq!(decoded(b"Zo\xeb \x80 \x9f", Windows1252).unwrap(), "Zoë € Ÿ");
        assert_eq!(WINDOWS_1252.iter().filter(|character| **character == '\0').count(), 5);
    }

    #[test]
    fn what_is_no_character_is_refused_with_its_byte() {
        for (bytes, encoding, said) in [
            (&b"a\x81"[..], Windows1252, "byte 2 (0x81) is no windows-1252"),
            (b"a\0\x00\xd8b\0", Utf16Le, "byte 3 (0xD800) is no UTF-16"),
            (b"a\0b", Utf16Le, "byte 3 (0x62) is no UTF-16"),
            (b"a\0\x00\xd8", Utf16Le, "byte 3 (0xD800) is no UTF-16"),
            (b"abcd\0\0", Utf16Le, "byte 5 (0x00) is no UTF-16"),
        ] {
            let error = decoded(bytes, encoding).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
