//! How a file separates, quotes and points: chosen by its first lines, or as it was asked for.
//!
//! Nothing here is guessed: where the lines allow two answers the file is refused, and where they
//! give no reason the usual one is taken, by which the other's cells are no values.

use std::io::{self, Read};
use std::str::FromStr;

use super::header::HeaderError;
use super::notes::ImportNote;

/// How much of a file is looked at, in bytes.
const SAMPLE_BYTES: usize = 1 << 16;
/// What may separate columns.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What stands before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecimalMark {
    /// `1.5`.
    #[default]
    Point,
    /// `1,5`.
    Comma,
}

/// A text that is no decimal mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a decimal mark is `.` or `,`")]
pub struct UnknownDecimalMark;

impl FromStr for DecimalMark {
    type Err = UnknownDecimalMark;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "." => Ok(Self::Point),
            "," => Ok(Self::Comma),
            _ => Err(UnknownDecimalMark),
        }
    }
}

/// What is asked for and not to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskedDialect {
    /// What separates columns: one ASCII character.
    pub delimiter: Option<u8>,
    /// What encloses cells: one ASCII character.
    pub quote: Option<u8>,
    /// What stands before the fraction of a number.
    pub decimal: Option<DecimalMark>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) decimal: DecimalMark,
}

impl Dialect {
    /// Chooses by the first lines of a file.
    pub(super) fn of(sample: &[u8], asked: AskedDialect) -> Result<Self, HeaderError> {
        let sample = sample.strip_prefix(BYTE_ORDER_MARK).unwrap_or(sample);
        let quote = asked.quote.unwrap_or_else(|| quote_of(sample));
        let lines = lines(sample, quote);
        let delimiter = match asked.delimiter {
            Some(delimiter) => delimiter,
            None => delimiter_of(&lines, quote)?,
        };
        let decimal = asked.decimal.unwrap_or_else(|| match delimiter {
            b',' => DecimalMark::Point,
            _ => decimal_of(&lines, delimiter, quote),
        });
        Ok(Self { delimiter, quote, decimal })
    }

    /// What is unusual and was not asked for.
    pub(super) fn notes(self, asked: AskedDialect) -> Vec<ImportNote> {
        let mut notes = Vec::new();
        if self.delimiter != b',' && asked.delimiter.is_none() {
            notes.push(ImportNote::Delimiter { found: char::from(self.delimiter) });
        }
        if self.quote != b'"' && asked.quote.is_none() {
            notes.push(ImportNote::Quote { found: char::from(self.quote) });
        }
        if self.decimal == DecimalMark::Comma && asked.decimal.is_none() {
            notes.push(ImportNote::DecimalComma);
        }
        notes
    }
}

/// Takes the first lines of a file: as much as is looked at, or where the input comes slowly its first
/// row.
pub(super) fn take_sample(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut sample = Vec::new();
    loop {
        let have = sample.len();
        sample.resize(SAMPLE_BYTES, 0);
        let read = input.read(&mut sample[have..]);
        sample.truncate(have + read.as_ref().map_or(0, |bytes| *bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(0) => return Ok(sample),
            Ok(_) if sample.len() == SAMPLE_BYTES || has_a_row(&sample) => return Ok(sample),
            Ok(_) => {}
        }
    }
}

/// Whether there are two lines that are not empty.
fn has_a_row(sample: &[u8]) -> bool {
    let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let whole = sample.iter().rposition(&ends).unwrap_or(0);
    sample[..whole].split(ends).filter(|line| !line.is_empty()).count() >= 2
}

/// The lines that are whole, without those that are empty.
fn lines(sample: &[u8], quote: u8) -> Vec<&[u8]> {
    let (mut lines, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, byte) in sample.iter().enumerate() {
        is_quoted ^= *byte == quote;
        if !is_quoted && matches!(byte, b'\n' | b'\r') {
            lines.push(&sample[start..at]);
            start = at + 1;
        }
    }
    // The last one may have been cut: it is looked at where there is no other row.
    if lines.iter().filter(|line| !line.is_empty()).count() < 2 {
        lines.push(&sample[start..]);
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// The fields of a line, with their quotes.
fn fields(line: &[u8], delimiter: u8, quote: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    line.split(move |byte| {
        is_quoted ^= *byte == quote;
        *byte == delimiter && !is_quoted
    })
}

/// A single quote where every one of the sample opens or closes a field, and there is no double one.
fn quote_of(sample: &[u8]) -> u8 {
    if sample.contains(&b'"') || !sample.contains(&b'\'') {
        return b'"';
    }
    let separates = |byte: Option<&u8>| {
        byte.is_none_or(|byte| matches!(byte, b'\n' | b'\r') || DELIMITERS.contains(byte))
    };
    let mut is_open = false;
    for (at, byte) in sample.iter().enumerate() {
        if *byte == b'\'' {
            let beside = if is_open { sample.get(at + 1) } else { sample[..at].last() };
            if !separates(beside) {
                return b'"';
            }
            is_open = !is_open;
        } else if is_open && *byte == b'\n' {
            return b'"';
        }
    }
    b'\''
}

/// The one of [`DELIMITERS`] that the header has; where it has several, the one by which all lines
/// have as many fields. A comma where it has none.
fn delimiter_of(lines: &[&[u8]], quote: u8) -> Result<u8, HeaderError> {
    let Some((header, rows)) = lines.split_first() else { return Ok(b',') };
    let count = |line: &[u8], delimiter| fields(line, delimiter, quote).count();
    let found: Vec<u8> = DELIMITERS.into_iter().filter(|it| count(header, *it) > 1).collect();
    let fits = |delimiter: &u8| {
        let expected = count(header, *delimiter);
        !rows.is_empty() && rows.iter().all(|row| count(row, *delimiter) == expected)
    };
    let fitting: Vec<u8> = found.iter().copied().filter(fits).collect();
    match (&found[..], &fitting[..]) {
        ([], _) => Ok(b','),
        ([delimiter], _) | (_, [delimiter]) => Ok(*delimiter),
        _ => {
            let name = |byte: &u8| match byte {
                b'\t' => "tabs".to_owned(),
                byte => format!("`{}`", char::from(*byte)),
            };
            let found: Vec<String> = found.iter().map(name).collect();
            Err(HeaderError::Delimiter { found: found.join(" and ") })
        }
    }
}

/// A comma where some number can have no other mark, and none can have a point.
fn decimal_of(lines: &[&[u8]], delimiter: u8, quote: u8) -> DecimalMark {
    let (mut commas, mut points) = (false, false);
    for line in lines.iter().skip(1) {
        for field in fields(line, delimiter, quote) {
            let field = field.trim_ascii();
            let bare = field.strip_prefix(&[quote]).and_then(|field| field.strip_suffix(&[quote]));
            match mark_of(bare.unwrap_or(field).trim_ascii()) {
                Some(b',') => commas = true,
                Some(_) => points = true,
                None => {}
            }
        }
    }
    if commas && !points { DecimalMark::Comma } else { DecimalMark::Point }
}

/// The decimal mark that a number must have: not that of `1,234` and `1.234`, which may be thousands.
fn mark_of(text: &[u8]) -> Option<u8> {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is_mark = |byte: &&u8| matches!(byte, b',' | b'.');
    if !text.iter().all(|byte| byte.is_ascii_digit() || is_mark(&byte)) {
        return None;
    }
    let last = text.iter().rposition(|byte| is_mark(&byte))?;
    let (whole, fraction) = (&text[..last], &text[last + 1..]);
    let other = whole.iter().find(is_mark);
    let is_clear = match other {
        // `1.234,5`: the other one separates thousands; `1.234.567` has none.
        Some(other) => *other != text[last],
        None => fraction.len() != 3 || whole.len() > 3 || whole.starts_with(b"0"),
    };
    (is_clear && !whole.is_empty() && !fraction.is_empty()).then_some(text[last])
}

#[cfg(test)]
mod tests {
    use super::{AskedDialect, DecimalMark, Dialect};

    fn of(sample: &str) -> Option<(char, char, bool)> {
        let dialect = Dialect::of(sample.as_bytes(), AskedDialect::default()).ok()?;
        let is_comma = dialect.decimal == DecimalMark::Comma;
        Some((char::from(dialect.delimiter), char::from(dialect.quote), is_comma))
    }

    #[test]
    fn the_first_lines_say_how_a_file_is_written() {
        for (sample, expected) in [
            ("id,a\nu,1\n", Some((',', '"', false))),
            ("id;a\nu;1,5\n", Some((';', '"', true))),
            ("id;a\nu;\"1,5\"\n", Some((';', '"', true))),
            ("id;a;b\nu;1.234,5;1\n", Some((';', '"', true))),
            ("id;a;b\nu;0,123;1\n", Some((';', '"', true))),
            // It may be thousands.
            ("id;a\nu;1,234\n", Some((';', '"', false))),
            ("id;a\nu;1,234.5\n", Some((';', '"', false))),
            ("id;a;b\nu;1,5;2.5\n", Some((';', '"', false))),
            ("id|a|b\nu|1|2\n", Some(('|', '"', false))),
            ("id\ta\tb\nu\t1\t2,5", Some(('\t', '"', true))),
            // The header has both; the rows say which.
            ("id;a,b;c\nu;1;2\n", Some((';', '"', false))),
            ("id;a,b\nu;1,5\n", None),
            ("id;a,b\n", None),
            ("id,\"a;b\"\nu,1\n", Some((',', '"', false))),
            ("id,a\nu,'car'\nv,'tv, radio'\n", Some((',', '\'', false))),
            ("'id','a'\n'u','1'\n", Some((',', '\'', false))),
            ("id,a\nu,O'Brien\n", Some((',', '"', false))),
            ("id,a\nu,'s-Gravenhage\nv,'t Zand'\n", Some((',', '"', false))),
            ("id,a\nu,'x'\nv,\"y\"\n", Some((',', '"', false))),
            ("", Some((',', '"', false))),
        ] {
            assert_eq!(of(sample), expected, "{sample:?}");
        }
    }
}
