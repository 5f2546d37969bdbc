//! Reads JSON.

use super::value::{Builder, Value};
use crate::model::forest::NativeError;

/// The largest whole number up to which floats hold all.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The value that the text is.
pub(in crate::model) fn parse(bytes: &[u8]) -> Result<Value, NativeError> {
    let mut reader = Reader { bytes, at: 0, builder: Builder::default() };
    match reader.run() {
        Ok(()) => {}
        Err(reason) => {
            let (offset, reason) = (reader.at, reason.to_owned());
            return Err(NativeError::Syntax { offset, reason });
        }
    }
    let offset = bytes.len();
    let cut = || NativeError::Syntax { offset, reason: "the JSON is cut short".to_owned() };
    reader.builder.finish().ok_or_else(cut)
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    builder: Builder,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        // Whether a value must follow: after a comma or a key, and at the start.
        let mut must_follow = true;
        loop {
            self.skip_spaces();
            let Some(&byte) = self.bytes.get(self.at) else { return Ok(()) };
            match byte {
                b',' if self.builder.depth() > 0 && !must_follow => {
                    must_follow = true;
                    self.at += 1;
                    continue;
                }
                b']' | b'}' => {
                    let is_list = self.builder.in_list();
                    if (byte == b']') != is_list || (must_follow && !self.builder.is_empty()) {
                        return Err("expected a value, not the end of a list or object");
                    }
                    self.at += 1;
                    self.builder.close()?;
                    must_follow = false;
                    continue;
                }
                _ if !must_follow => return Err("expected a comma, or the end of what is open"),
                b'"' if self.builder.wants_key() => {
                    let key = self.text()?;
                    self.skip_spaces();
                    if self.bytes.get(self.at) != Some(&b':') {
                        return Err("expected a colon after the key");
                    }
                    self.at += 1;
                    self.builder.key(key)?;
                    continue;
                }
                _ if self.builder.wants_key() => return Err("expected a key"),
                b'[' => {
                    self.at += 1;
                    self.builder.open_list()?;
                    continue;
                }
                b'{' => {
                    self.at += 1;
                    self.builder.open_object()?;
                    continue;
                }
                b'"' => {
                    let text = self.text()?;
                    self.builder.add(Value::Text(text))?;
                }
                _ => {
                    let value = self.word()?;
                    self.builder.add(value)?;
                }
            }
            must_follow = false;
        }
    }

    fn skip_spaces(&mut self) {
        let spaces = self.bytes[self.at..].iter();
        self.at += spaces.take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// A number or a literal.
    fn word(&mut self) -> Result<Value, &'static str> {
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-._".contains(*byte);
        let length = self.bytes[self.at..].iter().take_while(is_word).count();
        let word = std::str::from_utf8(&self.bytes[self.at..self.at + length]);
        let word = word.map_err(|_| "expected a value")?;
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "NaN" | "nan" | "-nan" => Value::Number(f64::NAN),
            "Infinity" | "inf" => Value::Number(f64::INFINITY),
            "-Infinity" | "-inf" => Value::Number(f64::NEG_INFINITY),
            number => {
                if !number.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                    return Err("expected a value");
                }
                let parsed: f64 = number.parse().map_err(|_| "expected a number")?;
                let is_whole = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                if is_whole && parsed.abs() > EXACT_MAX {
                    Value::Text(number.to_owned())
                } else {
                    Value::Number(parsed)
                }
            }
        };
        self.at += length;
        Ok(value)
    }

    /// A text, the quotation mark at `at`.
    fn text(&mut self) -> Result<String, &'static str> {
        self.at += 1;
        let start = self.at;
        let mut text = Vec::new();
        loop {
            let Some(&byte) = self.bytes.get(self.at) else {
                self.at = start;
                return Err("the text that starts here does not end");
            };
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let character = self.escaped()?;
                    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => text.push(other),
            }
        }
        String::from_utf8(text).map_err(|_| "the text before is not UTF-8")
    }

    /// The character after a backslash.
    fn escaped(&mut self) -> Result<char, &'static str> {
        let byte = *self.bytes.get(self.at).ok_or("the text ends in a backslash")?;
        self.at += 1;
        Ok(match byte {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let is_pair = (0xd800..0xdc00).contains(&first)
                    && self.bytes.get(self.at..self.at + 2) == Some(b"\\u");
                let code = if is_pair {
                    self.at += 2;
                    let second = self.unit()?;
                    0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
                } else {
                    first
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => char::from(other),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, &'static str> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or("expected four digits")?;
        let digits = std::str::from_utf8(digits).map_err(|_| "expected four digits")?;
        let unit = u32::from_str_radix(digits, 16).map_err(|_| "expected four digits")?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, parse};

    fn read(text: &str) -> Result<Value, String> {
        parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_libraries_write_is_read() {
        let text = r#" {"a": [1, -2.5e3, NaN, Infinity, 1E-45], "b": [true, 1, {}], "c": [],
            "d": "x\n\u00e9\ud83d\ude00\"", "e": 18446744073709551615, "f": null} "#;
        let Ok(Value::Object(members)) = read(text) else { panic!("it is an object") };
        let value = |at: usize| &members[at].1;
        let Value::Numbers(numbers) = value(0) else { panic!("packed") };
        assert_eq!(numbers[..2], [1.0, -2500.0]);
        assert!(numbers[2].is_nan() && numbers[3] == f64::INFINITY && numbers[4] > 0.0);
        let mixed = vec![Value::Bool(true), Value::Number(1.0), Value::Object(vec![])];
        assert_eq!(*value(1), Value::List(mixed));
        assert_eq!(*value(2), Value::Numbers(vec![]));
        assert_eq!(*value(3), Value::Text("x\né😀\"".to_owned()));
        assert_eq!(*value(4), Value::Text("18446744073709551615".to_owned()));
        assert_eq!(*value(5), Value::Null);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "[",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1 2]",
            "1 2",
            "]",
            "[}",
            "{\"a\":1]",
            "\"x",
            "\"\\",
            "\"\\u12",
            "tru",
            "-",
            "[,1]",
            "{1:2}",
            "+1",
            "{\"a\" 1}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&format!("{}{}", "[".repeat(500), "]".repeat(500))).is_ok());
    }
}
