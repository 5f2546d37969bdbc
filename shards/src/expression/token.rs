//! The words of an expression, as CEL has them.

use super::error::Fault;

/// A word, and the bytes that it has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A name; parts of it are joined by dots in the grammar.
    Name(String),
    /// A name in backticks: never a keyword.
    Quoted(String),
    /// Digits without a point: they may be 2^63 if a minus stands before them.
    Int(u64),
    Double(f64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

impl TokenKind {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Quoted(name) => format!("the name `{name}`"),
            Self::Int(number) => format!("`{number}`"),
            Self::Double(number) => format!("`{number}`"),
            Self::Text(_) => "a text".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer signs stand before those that they start with.
const SIGNS: [&str; 23] = [
    "<=", ">=", "==", "!=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")",
    "[", "]", ",", ".", "=",
];

/// The byte of a fault, and the fault.
pub(super) type Located = (usize, Fault);

/// The words of `text`, an end behind them.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Located> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blanks(text, at);
        let start = at;
        let Some(first) = text[at..].chars().next() else {
            tokens.push(Token { start, end: start, kind: TokenKind::End });
            return Ok(tokens);
        };
        let next = text[at..].chars().nth(1);
        let kind = match (first, next) {
            ('"' | '\'', _) => TokenKind::Text(quoted(text, &mut at, false)?),
            ('r' | 'R', Some('"' | '\'')) => {
                at += 1;
                TokenKind::Text(quoted(text, &mut at, true)?)
            }
            ('`', _) => TokenKind::Quoted(quoted(text, &mut at, true)?),
            ('0'..='9', _) | ('.', Some('0'..='9')) => number(text, &mut at)?,
            _ if first == '_' || first.is_ascii_alphabetic() => {
                let is_part = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
                at += text[at..].find(|letter| !is_part(letter)).unwrap_or(text.len() - at);
                TokenKind::Name(text[start..at].to_owned())
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| text[at..].starts_with(sign));
                let sign = sign.ok_or((at, Fault::Character(first)))?;
                at += sign.len();
                TokenKind::Sign(sign)
            }
        };
        tokens.push(Token { start, end: at, kind });
    }
}

/// Past blanks, and comments up to the end of their line.
fn skip_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']).len();
        at += blanks;
        if !text[at..].starts_with("//") {
            return at;
        }
        at += text[at..].find('\n').unwrap_or(text.len() - at);
    }
}

/// The text in quotes at `at`, which moves behind it.
fn quoted(text: &str, at: &mut usize, is_raw: bool) -> Result<String, Located> {
    let start = *at;
    let mut letters = text[start..].char_indices();
    let quote = letters.next().map(|(_, quote)| quote);
    let mut value = String::new();
    while let Some((place, letter)) = letters.next() {
        if Some(letter) == quote {
            *at = start + place + letter.len_utf8();
            return Ok(value);
        }
        match letter {
            '\n' => break,
            '\\' if !is_raw => value.push(escaped(&mut letters).ok_or_else(|| {
                let end = letters.offset().min(text.len() - start);
                (start + place, Fault::Escape(text[start + place..start + end].to_owned()))
            })?),
            letter => value.push(letter),
        }
    }
    Err((start, Fault::UnclosedText))
}

/// The letter that stands behind a backslash.
fn escaped(letters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let (_, letter) = letters.next()?;
    let mut coded = |digits: usize, radix: u32, first: u32| {
        let mut code = first;
        for _ in 0..digits {
            let digit = letters.next()?.1.to_digit(radix)?;
            code = code.checked_mul(radix)?.checked_add(digit)?;
        }
        char::from_u32(code)
    };
    match letter {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'v' => Some('\u{b}'),
        '\\' | '"' | '\'' | '`' | '?' => Some(letter),
        'x' | 'X' => coded(2, 16, 0),
        'u' => coded(4, 16, 0),
        'U' => coded(8, 16, 0),
        '0'..='3' => coded(2, 8, letter.to_digit(8)?),
        _ => None,
    }
}

/// The number at `at`, which moves behind it.
fn number(text: &str, at: &mut usize) -> Result<TokenKind, Located> {
    let start = *at;
    let rest = &text[start..];
    let digits_from =
        |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count() + from;
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut end = digits_from(0);
    let mut is_double = false;
    if is_hex {
        end = 2 + rest[2..].bytes().take_while(u8::is_ascii_hexdigit).count();
    } else {
        if rest[end..].starts_with('.') && digits_from(end + 1) > end + 1 {
            (end, is_double) = (digits_from(end + 1), true);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let past = digits_from(end + 1 + sign);
            if past > end + 1 + sign {
                (end, is_double) = (past, true);
            }
        }
    }
    // `12ab` is no number and no name.
    let tail = rest[end..].bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric());
    let whole = end + tail.count();
    *at = start + whole;
    let written = &rest[..whole];
    let wrong = || (start, Fault::Number(written.to_owned()));
    if whole != end {
        return Err(wrong());
    }
    if is_double {
        let number = written.parse().ok().filter(|number: &f64| number.is_finite());
        return number.map(TokenKind::Double).ok_or_else(wrong);
    }
    let number = match written.strip_prefix("0x").or_else(|| written.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => written.parse(),
    };
    number.ok().filter(|it| *it <= 1 << 63).map(TokenKind::Int).ok_or_else(wrong)
}
