//! How numbers are written in CSV cells.

/// Words for "yes" and "no".
pub(in crate::features) const TRUE_WORDS: [&str; 3] = ["true", "True", "TRUE"];
pub(in crate::features) const FALSE_WORDS: [&str; 3] = ["false", "False", "FALSE"];

/// Whether a text that was read as an infinite number was meant so: a number that is too great is
/// read as one.
pub(super) fn means_infinity(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).starts_with(['i', 'I'])
}

/// `3.0` is written for 3 where a data frame keeps whole numbers beside missing ones.
pub(super) fn without_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((number, fraction))
            if number.ends_with(|last: char| last.is_ascii_digit())
                && fraction.bytes().all(|digit| digit == b'0') =>
        {
            number
        }
        _ => text,
    }
}
