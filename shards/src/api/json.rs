//! The parts of JSON documents that several endpoints write.

use crate::escape::escaped;

/// Writes `{"error": "…"}`.
pub(crate) fn write_error(body: &mut Vec<u8>, message: &str) {
    body.extend_from_slice(b"{\"error\": ");
    write_message(body, message);
    body.push(b'}');
}

/// Writes a message with its active characters escaped. A client may show it as it is, and JSON
/// alone leaves half of the control characters in it.
pub(super) fn write_message(body: &mut Vec<u8>, message: &str) {
    write_string(body, &escaped(message));
}

/// Writes a string with its quotes.
pub(super) fn write_string(body: &mut Vec<u8>, text: &str) {
    // A str always serialises, and a Vec takes every write.
    let _ = serde_json::to_writer(body, text);
}

/// Writes the shortest digits that give the same number back; a whole one without its fraction, and
/// null for what JSON has no number for.
pub(super) fn write_number(body: &mut Vec<u8>, number: f64) {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT_MAX {
        let _ = serde_json::to_writer(body, &(number as i64));
    } else {
        let _ = serde_json::to_writer(body, &number);
    }
}

/// Writes the shortest digits that give the same float back: of an f32's score as an f32.
pub(super) fn write_score(body: &mut Vec<u8>, score: f64, is_f32: bool) {
    let _ = if is_f32 {
        serde_json::to_writer(&mut *body, &(score as f32))
    } else {
        serde_json::to_writer(&mut *body, &score)
    };
}
