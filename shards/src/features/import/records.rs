//! Cuts CSV into records of fields: what a quote holds, where a line ends, and at which line each
//! record stands.
//!
//! A fault of quotes hides the lines after it, so it is told apart from a line that is no row:
//! [`RecordError`] ends the reading. What a field means is not known here.

use std::io::{BufRead, BufReader, Read};

use memchr::{memchr, memchr_iter, memchr2};

use super::dialect::BYTE_ORDER_MARK;

/// The longest record, in bytes: beyond it the input is no CSV, or a quote is not closed.
pub(super) const RECORD_BYTES_MAX: usize = 16 << 20;

const BUFFER_BYTES: usize = 1 << 18;

/// Why there is no further record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A quote is opened and the input ends, or goes on for too long, before it is closed.
    #[error(
        "line {line}, column {column}: a quote (\") is opened and not closed: the {lines} lines after \
         it would belong to that cell; close it, or write \"\" for a quote inside of quotes"
    )]
    Unterminated {
        /// The line, from 1, where the quote is opened.
        line: u64,
        /// The column's position, from 1.
        column: usize,
        /// How many lines there are after it, until the end or where reading was given up.
        lines: u64,
    },
    /// A line is longer than [`RECORD_BYTES_MAX`].
    #[error("line {line} is longer than {RECORD_BYTES_MAX} bytes: is the file CSV?")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
    /// Reading failed.
    #[error("reading failed: {0}")]
    Read(#[from] std::io::Error),
}

/// Where a record stands, and how its quotes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordPlace {
    /// The line, from 1, where it begins.
    pub(super) line: u64,
    /// The line where it ends, which is another one where a quote holds a line break.
    pub(super) last_line: u64,
    /// The first field, from 0, that goes on after its closing quote.
    pub(super) goes_on: Option<usize>,
}

/// Reads records one by one; the last one read is kept.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: BufReader<R>,
    delimiter: u8,
    quote: u8,
    /// The last line ended in CR: a LF that follows belongs to it.
    ended_in_cr: bool,
    lines_read: u64,
    /// The record as it stands in the input, its line's end left out.
    raw: Vec<u8>,
    /// The record's fields without quotes, one after the other, where it has any quotes.
    unquoted: Vec<u8>,
    has_quotes: bool,
    /// Where each field begins and ends, in `unquoted` or in `raw`.
    fields: Vec<(usize, usize)>,
}

impl<R: Read> Records<R> {
    /// Records of fields that `delimiter` separates and `quote` may enclose.
    pub(super) fn new(input: R, delimiter: u8, quote: u8) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            delimiter,
            quote,
            ended_in_cr: false,
            lines_read: 0,
            raw: Vec::new(),
            unquoted: Vec::new(),
            has_quotes: false,
            fields: Vec::new(),
        }
    }

    /// Reads the first record, without the byte-order mark before it.
    pub(super) fn first(&mut self) -> Result<Option<RecordPlace>, RecordError> {
        if !self.next_line()? {
            return Ok(None);
        }
        if self.raw.starts_with(BYTE_ORDER_MARK) {
            self.raw.drain(..BYTE_ORDER_MARK.len());
        }
        self.split().map(Some)
    }

    /// The record as it stands in the input.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Reads the next record that is not an empty line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordPlace>, RecordError> {
        if !self.next_line()? {
            return Ok(None);
        }
        self.split().map(Some)
    }

    /// How many fields the record has.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The field at a position of the record, from 0, below [`Self::len`].
    pub(super) fn field(&self, at: usize) -> &[u8] {
        let (start, end) = self.fields[at];
        let bytes = if self.has_quotes { &self.unquoted } else { &self.raw };
        &bytes[start..end]
    }

    /// Fills `raw` with the next line that is not empty; false at the end.
    fn next_line(&mut self) -> Result<bool, RecordError> {
        self.raw.clear();
        while self.raw.is_empty() {
            if !self.append_line()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Appends a line without its end to `raw`; false where the input has ended before it.
    fn append_line(&mut self) -> Result<bool, RecordError> {
        let mut is_begun = false;
        loop {
            let buffer = match self.input.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                self.lines_read += u64::from(is_begun);
                return Ok(is_begun);
            }
            if std::mem::take(&mut self.ended_in_cr) && buffer[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            is_begun = true;
            let end = memchr2(b'\n', b'\r', buffer);
            let taken = end.unwrap_or(buffer.len());
            if self.raw.len() + taken > RECORD_BYTES_MAX {
                return Err(RecordError::TooLong { line: self.lines_read + 1 });
            }
            self.raw.extend_from_slice(&buffer[..taken]);
            self.ended_in_cr = end.is_some_and(|at| buffer[at] == b'\r');
            self.input.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                self.lines_read += 1;
                return Ok(true);
            }
        }
    }

    fn split(&mut self) -> Result<RecordPlace, RecordError> {
        let line = self.lines_read;
        self.fields.clear();
        self.has_quotes = memchr(self.quote, &self.raw).is_some();
        let mut goes_on = None;
        if self.has_quotes {
            goes_on = self.split_quoted()?;
        } else {
            let mut start = 0;
            for end in memchr_iter(self.delimiter, &self.raw) {
                self.fields.push((start, end));
                start = end + 1;
            }
            self.fields.push((start, self.raw.len()));
        }
        Ok(RecordPlace { line, last_line: self.lines_read, goes_on })
    }

    /// Cuts a record with quotes, reading on where they hold line breaks; returns the first field
    /// that goes on after its closing quote.
    fn split_quoted(&mut self) -> Result<Option<usize>, RecordError> {
        self.unquoted.clear();
        let mut goes_on = None;
        let mut at = 0;
        loop {
            let start = self.unquoted.len();
            let is_quoted = self.raw.get(at) == Some(&self.quote);
            if is_quoted {
                at = self.unquote(at + 1)?;
            }
            let rest = &self.raw[at..];
            let length = memchr(self.delimiter, rest).unwrap_or(rest.len());
            // Spaces between a closing quote and what separates fields mean nothing.
            if !is_quoted || !rest[..length].iter().all(u8::is_ascii_whitespace) {
                self.unquoted.extend_from_slice(&rest[..length]);
                if is_quoted {
                    goes_on = goes_on.or(Some(self.fields.len()));
                }
            }
            self.fields.push((start, self.unquoted.len()));
            at += length + 1;
            if at > self.raw.len() {
                return Ok(goes_on);
            }
        }
    }

    /// Appends what the quotes hold that were opened before `at`; returns the place after the
    /// closing one.
    fn unquote(&mut self, mut at: usize) -> Result<usize, RecordError> {
        let opened = self.lines_read;
        loop {
            let Some(length) = memchr(self.quote, &self.raw[at..]) else {
                self.unquoted.extend_from_slice(&self.raw[at..]);
                at = self.raw.len();
                self.raw.push(b'\n');
                match self.append_line() {
                    Ok(true) => continue,
                    Ok(false) | Err(RecordError::TooLong { .. }) => {
                        return Err(RecordError::Unterminated {
                            line: opened,
                            column: self.fields.len() + 1,
                            lines: self.lines_read - opened,
                        });
                    }
                    Err(error) => return Err(error),
                }
            };
            let end = at + length;
            self.unquoted.extend_from_slice(&self.raw[at..end]);
            if self.raw.get(end + 1) != Some(&self.quote) {
                return Ok(end + 1);
            }
            self.unquoted.push(self.quote);
            at = end + 2;
        }
    }
}
