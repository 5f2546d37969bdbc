//! Text that another party wrote, fit for one line of a log or a terminal.
//!
//! A model's server, a database or the name of a file may hold line ends, which forge lines of a
//! log; escape sequences, which drive the terminal that shows it; and marks that turn the order of
//! writing around. All of these are written as Rust writes them in a literal: `\n`, `\u{1b}`.
//!
//! What is *not* here: quotes and backslashes, which forge nothing; and JSON, which has its own
//! escapes.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Whether a character does something else than to be read.
pub const fn is_active(character: char) -> bool {
    // Control characters; line and paragraph separators; and of bidirectional text the marks,
    // embeddings, overrides and isolates.
    matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')
        || matches!(character, '\u{2028}' | '\u{2029}')
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes text on with its active characters escaped.
#[derive(Debug)]
pub struct Escaping<W>(pub W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_active) {
            let (plain, behind) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = behind.chars();
            if let Some(active) = characters.next() {
                write!(self.0, "{}", active.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Shows a value with the active characters of its text escaped.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(formatter), "{}", self.0)
    }
}

/// The text with its active characters escaped; as it is where it has none.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = Escaping(String::with_capacity(text.len() + 16));
    // Writing to a String cannot fail.
    let _ = out.write_str(text);
    Cow::Owned(out.0)
}

/// The beginning of what another party sent, up to `bytes_max` of its bytes, escaped; an ellipsis
/// says that there was more.
pub fn excerpt(bytes: &[u8], bytes_max: usize) -> String {
    let shown = &bytes[..bytes.len().min(bytes_max)];
    let mut out = escaped(&String::from_utf8_lossy(shown)).into_owned();
    if shown.len() < bytes.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Escaped, escaped, excerpt, is_active};

    #[test]
    fn what_drives_a_terminal_or_ends_a_line_is_escaped() {
        for (text, expected) in [
            ("plain, \"quoted\" \\ é 漢", "plain, \"quoted\" \\ é 漢"),
            ("a\r\nERROR forged", "a\\r\\nERROR forged"),
            ("\u{1b}[31mred\u{9b}0m", "\\u{1b}[31mred\\u{9b}0m"),
            ("\u{7}\u{8}\0\t\u{7f}", "\\u{7}\\u{8}\\u{0}\\t\\u{7f}"),
            ("user \u{202e}nimda", "user \\u{202e}nimda"),
            ("one\u{2028}two", "one\\u{2028}two"),
        ] {
            assert_eq!(escaped(text), expected);
            assert_eq!(Escaped(text).to_string(), expected);
        }
    }

    #[test]
    fn an_excerpt_is_cut_by_bytes_and_says_so() {
        assert_eq!(excerpt(b"abc", 3), "abc");
        assert_eq!(excerpt(b"ab\nc", 3), "ab\\n…");
        assert_eq!(excerpt("é".as_bytes(), 1), "\u{fffd}…");
    }

    proptest! {
        #[test]
        fn no_active_character_is_left(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            prop_assert!(!escaped(&text).contains(is_active));
            prop_assert!(!excerpt(&bytes, 20).contains(is_active));
        }
    }
}
