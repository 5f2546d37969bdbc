//! Whether a float32 keeps the number that was written.

/// Whether a float32 says another number than the digits it was read from: 16777217 and
/// 0.123456789012 do, 0.1 does not, as it is the number that comes back.
#[expect(clippy::float_cmp, reason = "it is about the last bit")]
pub(super) fn is_rounded(text: &[u8], value: f32) -> bool {
    // A float32 that is not subnormal gives this many digits back.
    const SHORT: usize = f32::DIGITS as usize;
    let is_usual = value.abs() >= f32::MIN_POSITIVE;
    if !value.is_finite() || (is_usual && text.len() <= SHORT) {
        return false;
    }
    let digits = significant_digits(text);
    if digits == 0 || (is_usual && digits <= SHORT) {
        return false;
    }
    let Some(meant) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok())
    else {
        return false;
    };
    // A fraction comes back where it is the shortest number that reads as the float32: nine digits
    // at most. A whole number that is written out is meant exactly.
    f64::from(value) != meant
        && (!is_usual
            || digits > 9
            || (meant.fract() == 0.0 && !text.iter().any(|byte| matches!(byte, b'e' | b'E')))
            || value.to_string().parse::<f64>().is_ok_and(|back| back != meant))
}

/// How many digits of a number count: zeros in front and at its end do not.
fn significant_digits(text: &[u8]) -> usize {
    let (mut digits, mut zeros) = (0, 0);
    for byte in text {
        match byte {
            b'0' if digits == 0 => {}
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                digits += zeros + 1;
                zeros = 0;
            }
            b'e' | b'E' => break,
            _ => {}
        }
    }
    digits
}
