//! Why an expression cannot be used: which one, where in it, and what was found there.

use thiserror::Error;

/// An expression that cannot be used, with a picture of the place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expression `{name}`, character {}: {fault}\n{}", character(text, *at), picture(text, *at))]
pub struct ExpressionError {
    /// Whose expression it is: a column's name, or a rule's place.
    pub name: String,
    /// The expression.
    pub text: String,
    /// The byte where the fault is.
    pub at: usize,
    /// What is wrong.
    pub fault: Box<Fault>,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Nothing there.
    #[error("nothing is there, expected an expression")]
    Empty,
    /// More bytes than are read.
    #[error("it has {found} bytes, {allowed} at most are read")]
    TooLong {
        /// The bytes that it has.
        found: usize,
        /// The most.
        allowed: usize,
    },
    /// Parentheses or operators within each other beyond measure.
    #[error("parts lie more than {allowed} deep within each other: make two expressions of it")]
    TooDeep {
        /// The most.
        allowed: usize,
    },
    /// More steps than a model's expressions may have.
    #[error("all expressions of a model together take more than {allowed} steps")]
    TooLarge {
        /// The most.
        allowed: usize,
    },
    /// A character that means nothing.
    #[error("`{}` means nothing here", .0.escape_default())]
    Character(char),
    /// A text without its end.
    #[error("the text that starts here has no end")]
    UnclosedText,
    /// A backslash before something else than what may follow it.
    #[error("found `{}`, expected one of \\n \\t \\r \\\\ \\\" \\' \\` \\x41 \\u0041 \\U0001F600 \\101", .0.escape_debug())]
    Escape(String),
    /// A number that 64 bits do not hold.
    #[error("`{0}` is no number of 64 bits")]
    Number(String),
    /// Another token than the grammar has here.
    #[error("found {found}, expected {expected}")]
    Unexpected {
        /// What is there.
        found: String,
        /// What may be there.
        expected: &'static str,
    },
    /// A name that nothing has.
    #[error("nothing is named `{found}`; there are {available}")]
    UnknownName {
        /// The name.
        found: String,
        /// The names that there are.
        available: String,
    },
    /// A function that there is not.
    #[error("there is no function `{found}`; there are {available}")]
    UnknownFunction {
        /// Its name.
        found: String,
        /// Those that there are.
        available: String,
    },
    /// Values of other types than a function or an operator takes.
    #[error("`{function}` of ({found}): expected {expected}")]
    Types {
        /// The function or operator.
        function: String,
        /// The types that it was given.
        found: String,
        /// Those that it takes.
        expected: String,
    },
    /// `null` where nothing says of which type.
    #[error("`null` with `{function}` is always null: write is_null(…) or coalesce(…)")]
    BareNull {
        /// The function or operator.
        function: String,
    },
    /// The whole is of another type than what it is for.
    #[error("it gives {found}, expected {expected}")]
    Result {
        /// What it gives.
        found: String,
        /// What it may give.
        expected: &'static str,
    },
    /// Expressions that need each other.
    #[error("it needs itself: {0}")]
    Cycle(String),
}

/// The character at a byte, from 1.
fn character(text: &str, at: usize) -> usize {
    text.char_indices().take_while(|(byte, _)| *byte < at).count() + 1
}

/// The most characters of a line that are shown.
const PICTURE_CHARS: usize = 96;

/// The line of a byte, and a caret below it.
fn picture(text: &str, at: usize) -> String {
    let bytes = text.as_bytes();
    let at = at.min(bytes.len());
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |line| line + 1);
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let before = line.char_indices().take_while(|(byte, _)| start + byte < at).count();
    let skipped = before.saturating_sub(PICTURE_CHARS * 3 / 4);
    let shown: String = line.chars().skip(skipped).take(PICTURE_CHARS).map(printable).collect();
    format!("    {shown}\n    {}^", " ".repeat(before - skipped))
}

fn printable(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}
