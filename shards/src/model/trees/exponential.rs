//! `exp` and the logistic function, of nothing but additions, multiplications and a division.
//!
//! The C library's `exp` differs in the last bit between CPUs with and without fused
//! multiply-add; a score must not.

const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding it rounds to the nearest integer, which is then in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// `e` to the power of `x`, within 2 units in the last place for `-708 <= x <= 709`; saturates
/// outside.
#[inline(always)]
pub(in crate::model) fn exponential(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 14] = inverse_factorials();
    let x = x.clamp(-708.0, 709.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
    let whole = shifted - ROUNDER;
    let rest = (x - whole * LN_2_HIGH) - whole * LN_2_LOW;
    let mut power = COEFFICIENTS[13];
    for coefficient in COEFFICIENTS[..13].iter().rev() {
        power = power * rest + coefficient;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()).wrapping_add(1023);
    power * f64::from_bits(exponent << 52)
}

/// `1 / (1 + exp(-x))`, without loss for large negative `x`.
#[inline(always)]
pub(in crate::model) fn logistic(x: f64) -> f64 {
    let power = exponential(-x.abs());
    let numerator = if x < 0.0 { power } else { 1.0 };
    numerator / (1.0 + power)
}

const fn inverse_factorials() -> [f64; 14] {
    let mut inverses = [1.0; 14];
    let mut factorial = 1.0;
    let mut n = 1;
    while n < 14 {
        factorial *= n as f64;
        inverses[n] = 1.0 / factorial;
        n += 1;
    }
    inverses
}

#[cfg(test)]
mod tests {
    use super::{exponential, logistic};

    #[test]
    fn agrees_with_the_standard_library() {
        for step in -7_000..=7_000 {
            let x = f64::from(step) * 0.101;
            if (-708.0..=709.0).contains(&x) {
                let (ours, theirs) = (exponential(x), x.exp());
                assert!(
                    (ours - theirs).abs() <= 4.0 * f64::EPSILON * theirs,
                    "{x}: {ours} {theirs}"
                );
            }
            let theirs = 1.0 / (1.0 + (-x).exp());
            assert!((logistic(x) - theirs).abs() <= 1e-15, "{x}");
        }
    }
}
