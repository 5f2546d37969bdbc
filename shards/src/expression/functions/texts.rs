//! Texts. Those that a function makes have up to 4,096 bytes; a longer one is null.

use std::io::Write;

use super::{Function, Kernel, Overload};
use crate::expression::frame::{Cell, Frame, Span};
use crate::expression::types::Type::{Bool, Double, Int, Text, Timestamp};
use crate::expression::types::Value;

/// One text behind the other.
pub(super) const CONCAT: Kernel = concat;

pub(super) fn concat(frame: &mut Frame, call: crate::expression::frame::Call) {
    frame.write_text(call, |frame, [one, other], to| {
        to.extend_from_slice(frame.bytes_at(Span::of(one)));
        to.extend_from_slice(frame.bytes_at(Span::of(other)));
        true
    });
}

/// Each letter of a text by itself: what stands beside it does not matter.
macro_rules! letters {
    ($change:expr, $change_ascii:expr) => {
        Overload::new(&[Text], Text, |frame, call| {
            frame.write_text(call, |frame, [text], to| {
                let text_bytes = frame.bytes_at(Span::of(text));
                if text_bytes.is_ascii() {
                    to.extend(text_bytes.iter().map($change_ascii));
                    return true;
                }
                let mut bytes = [0; 4];
                for letter in frame.text_at(Span::of(text)).chars().flat_map($change) {
                    to.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
                }
                true
            });
        })
    };
}

/// Whether a text has another one.
macro_rules! tests {
    ($holds:expr) => {
        Overload::new(&[Text, Text], Bool, |frame, call| {
            frame.read_texts(call, |[text, other]: [&str; 2]| Some($holds(text, other)));
        })
    };
}

/// The text of a value.
macro_rules! written {
    ($kind:ident, $value:ty) => {
        Overload::new(&[$kind], Text, |frame, call| {
            frame.write_text(call, |_, [bits], to| {
                write!(to, "{}", Value::$kind(<$value>::of(bits))).is_ok()
            });
        })
    };
}

/// The part of a text between separators, from 1; `None` where there is none.
fn part<'t>(text: &'t str, separator: &str, place: i64) -> Option<&'t str> {
    let place = usize::try_from(place.checked_sub(1)?).ok()?;
    if separator.is_empty() { None } else { text.split(separator).nth(place) }
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "lower",
        "in small letters, each by itself",
        &[letters!(char::to_lowercase, u8::to_ascii_lowercase)],
    ),
    Function::new(
        "upper",
        "in capital letters, each by itself",
        &[letters!(char::to_uppercase, u8::to_ascii_uppercase)],
    ),
    Function::new(
        "concat",
        "one behind the other; null if one of them is",
        &[Overload::new(&[Text, Text], Text, CONCAT)],
    )
    .folded(),
    Function::new(
        "split_part",
        "the part at a place, from 1, between separators; null where there is none",
        &[Overload::new(&[Text, Text, Int], Text, |frame, call| {
            frame.write_text(call, |frame, [text, separator, place], to| {
                let [text, separator] = [text, separator].map(|it| frame.text_at(Span::of(it)));
                let part = part(text, separator, i64::of(place));
                part.inspect(|part| to.extend_from_slice(part.as_bytes())).is_some()
            });
        })],
    ),
    Function::new(
        "contains",
        "whether the second text is in the first",
        &[tests!(|text: &str, part: &str| text.contains(part))],
    ),
    Function::new(
        "starts_with",
        "whether the first text begins with the second",
        &[tests!(|text: &str, part: &str| text.starts_with(part))],
    ),
    Function::new(
        "ends_with",
        "whether the first text ends with the second",
        &[tests!(|text: &str, part: &str| text.ends_with(part))],
    ),
    Function::new(
        "size",
        "how many letters a text has",
        &[Overload::new(&[Text], Int, |frame, call| {
            frame.read_texts(call, |[text]| Some(text.chars().count() as i64));
        })],
    ),
    Function::new(
        "string",
        "as text: a number in its shortest digits that are read as the same, without an exponent; a time as \
         `2026-01-31T12:00:00Z`",
        &[
            Overload::new(&[Text], Text, Frame::copy),
            written!(Bool, bool),
            written!(Int, i64),
            written!(Double, f64),
            written!(Timestamp, i64),
        ],
    ),
];
