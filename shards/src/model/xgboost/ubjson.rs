//! Reads UBJSON (`model.ubj`) into the same values as JSON: the part of the format that `XGBoost`
//! writes. Lists of one type of number are packed; every count is checked against the bytes left.

use crate::model::forest::NativeError;
use crate::model::json::{Builder, Value};

/// The value that the bytes are.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, NativeError> {
    let mut reader = Reader { bytes, at: 0, builder: Builder::default(), counts: Vec::new() };
    let read = reader.run();
    let offset = reader.at;
    let failed = |reason: &str| NativeError::Syntax { offset, reason: reason.to_owned() };
    read.map_err(failed)?;
    reader.builder.finish().ok_or_else(|| failed("the UBJSON is cut short"))
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    builder: Builder,
    /// For each open list or object, how many values are still to come, if the file says so.
    counts: Vec<Option<usize>>,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        loop {
            self.close_counted()?;
            if self.builder.wants_key() && self.bytes.get(self.at) != Some(&b'}') {
                if self.at == self.bytes.len() {
                    return Ok(());
                }
                let key = self.text()?;
                self.builder.key(key)?;
                continue;
            }
            if self.at == self.bytes.len() {
                return Ok(());
            }
            let marker = self.byte()?;
            match marker {
                b'{' => {
                    self.builder.open_object()?;
                    self.counts.push(None);
                }
                b'[' => self.open_list()?,
                b'}' | b']' => {
                    if (marker == b']') != self.builder.in_list() {
                        return Err("expected a value, not the end of a list or object");
                    }
                    self.counts.pop();
                    self.builder.close()?;
                    self.count_one();
                }
                b'N' => {}
                _ => {
                    let value = self.value(marker)?;
                    self.builder.add(value)?;
                    self.count_one();
                }
            }
        }
    }

    /// Counts a value of the innermost list that has a count.
    fn count_one(&mut self) {
        if let Some(Some(count)) = self.counts.last_mut() {
            *count = count.saturating_sub(1);
        }
    }

    /// Closes lists that have all of their values.
    fn close_counted(&mut self) -> Result<(), &'static str> {
        while self.counts.last() == Some(&Some(0)) {
            self.counts.pop();
            self.builder.close()?;
            self.count_one();
        }
        Ok(())
    }

    fn open_list(&mut self) -> Result<(), &'static str> {
        let mut kind = None;
        if self.bytes.get(self.at) == Some(&b'$') {
            self.at += 1;
            kind = Some(self.byte()?);
        }
        let mut count = None;
        if self.bytes.get(self.at) == Some(&b'#') {
            self.at += 1;
            count = Some(self.length()?);
        }
        match (kind, count) {
            (Some(kind), Some(count)) => {
                let numbers = self.packed(kind, count)?;
                self.builder.add(Value::Numbers(numbers))?;
                self.count_one();
                Ok(())
            }
            (Some(_), None) => Err("expected the count of a list of one type"),
            (None, count) => {
                // Each value takes a byte at least.
                if count.is_some_and(|count| count > self.bytes.len() - self.at) {
                    return Err("a list is said to have more values than the file has bytes");
                }
                self.counts.push(count);
                self.builder.open_list()
            }
        }
    }

    fn packed(&mut self, kind: u8, count: usize) -> Result<Vec<f64>, &'static str> {
        let size = size_of(kind).ok_or("a list of a type that is not read")?;
        let bytes = count.checked_mul(size).ok_or("a list is too long")?;
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("a list is said to be longer than the file")?;
        let numbers = self.bytes[self.at..end].chunks_exact(size).map(|cell| number(kind, cell));
        let numbers = numbers.collect();
        self.at = end;
        Ok(numbers)
    }

    fn value(&mut self, marker: u8) -> Result<Value, &'static str> {
        Ok(match marker {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'S' | b'H' => Value::Text(self.text()?),
            b'C' => Value::Text(char::from(self.byte()?).to_string()),
            kind => {
                let size = size_of(kind).ok_or("a type that is not read")?;
                Value::Number(number(kind, self.take(size)?))
            }
        })
    }

    /// A length and as many bytes of text.
    fn text(&mut self) -> Result<String, &'static str> {
        let length = self.length()?;
        let text = self.take(length)?.to_vec();
        String::from_utf8(text).map_err(|_| "the text before is not UTF-8")
    }

    fn length(&mut self) -> Result<usize, &'static str> {
        let kind = self.byte()?;
        let size = size_of(kind).filter(|_| !matches!(kind, b'd' | b'D'));
        let size = size.ok_or("expected a length")?;
        let length = number(kind, self.take(size)?);
        if (0.0..=1e15).contains(&length) { Ok(length as usize) } else { Err("a length below 0") }
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, length: usize) -> Result<&[u8], &'static str> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("the UBJSON is cut short")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

/// How many bytes a number of this type takes.
fn size_of(kind: u8) -> Option<usize> {
    match kind {
        b'i' | b'U' => Some(1),
        b'I' => Some(2),
        b'l' | b'd' => Some(4),
        b'L' | b'D' => Some(8),
        _ => None,
    }
}

/// A number of a type of [`size_of`], from as many bytes.
fn number(kind: u8, bytes: &[u8]) -> f64 {
    let mut wide = [0; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    let unsigned = u64::from_be_bytes(wide);
    match kind {
        b'U' => unsigned as f64,
        b'i' => f64::from(unsigned as u8 as i8),
        b'I' => f64::from(unsigned as u16 as i16),
        b'l' => f64::from(unsigned as u32 as i32),
        b'd' => f64::from(f32::from_bits(unsigned as u32)),
        b'D' => f64::from_bits(unsigned),
        _ => unsigned as i64 as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, parse};

    #[test]
    fn what_xgboost_writes_is_read() {
        let bytes = b"{i\x01a[$l#L\0\0\0\0\0\0\0\x02\0\0\0\x05\xff\xff\xff\xff\
            i\x01b[#i\x02Si\x01xSi\x01yi\x01cd\x3f\x80\0\0i\x01d[TU\xff]i\x01e[#i\x00}";
        let Ok(Value::Object(members)) = parse(bytes) else { panic!("it is an object") };
        let values: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(values[0], Value::Numbers(vec![5.0, -1.0]));
        assert_eq!(values[1], Value::List(vec![text("x"), text("y")]));
        assert_eq!(values[2], Value::Number(1.0));
        assert_eq!(values[3], Value::List(vec![Value::Bool(true), Value::Number(255.0)]));
        assert_eq!(values[4], Value::Numbers(vec![]));
    }

    #[test]
    fn counts_beyond_the_file_take_no_memory() {
        for bytes in [
            &b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff"[..],
            b"[$d#L\0\0\0\xff\xff\xff\xff\xff",
            b"[#L\0\0\0\xff\xff\xff\xff\xff",
            b"{L\0\0\0\xff\xff\xff\xff\xff",
            b"S",
            b"[$S#i\x02",
            b"[$l",
            b"{i\x01a}",
            b"]",
        ] {
            assert!(parse(bytes).is_err());
        }
        assert!(parse(&vec![b'['; 100_000]).is_err());
    }
}
