//! About how many different things there are: `HyperLogLog` with 128 registers (Flajolet et al. 2007), and
//! its linear counting while there are few. The standard error is 9 % of many, and 8 % of 20.

/// Registers, as a power of two.
const PRECISION: u32 = 7;
const REGISTERS: usize = 1 << PRECISION;
/// Words of eight registers each.
pub(super) const WORDS: usize = REGISTERS / 8;
/// Corrects the harmonic mean of 128 registers.
const ALPHA: f64 = 0.7213 / (1.0 + 1.079 / REGISTERS as f64);

/// Counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sketch([u8; REGISTERS]);

impl Default for Sketch {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

/// Where a thing of this hash is counted, and how it counts.
pub(super) fn place_of(hash: u64) -> (usize, u8) {
    let at = (hash >> (u64::BITS - PRECISION)) as usize;
    let rank = (hash << PRECISION | 1 << (PRECISION - 1)).leading_zeros() + 1;
    (at, rank as u8)
}

impl Sketch {
    /// Takes all that another one has, by its registers.
    pub(super) fn merge(&mut self, registers: &[u8]) {
        for (own, other) in self.0.iter_mut().zip(registers) {
            *own = (*own).max(*other);
        }
    }

    /// How many different things there are, about.
    pub(super) fn estimate(&self) -> u64 {
        let (mut zeros, mut sum) = (0_u32, 0.0);
        for register in self.0 {
            zeros += u32::from(register == 0);
            sum += 2.0_f64.powi(-i32::from(register));
        }
        let registers = REGISTERS as f64;
        let raw = ALPHA * registers * registers / sum;
        let count = if raw <= 2.5 * registers && zeros > 0 {
            registers * (registers / f64::from(zeros)).ln()
        } else {
            raw
        };
        count.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{REGISTERS, Sketch, place_of};
    use crate::features::embedded::value_hash;

    #[test]
    fn counts_are_as_near_as_they_are_said_to_be() {
        let mut worst = [0.0_f64; 2];
        let mut squares = [0.0; 2];
        let (rounds, sizes) = (200, [20_u64, 5_000]);
        for round in 0..rounds {
            for (at, size) in sizes.into_iter().enumerate() {
                let mut registers = [0_u8; REGISTERS];
                for thing in 0..size {
                    let (place, rank) = place_of(value_hash(format!("{round}/{thing}").as_bytes()));
                    registers[place] = registers[place].max(rank);
                }
                let mut sketch = Sketch::default();
                sketch.merge(&registers);
                let error = sketch.estimate() as f64 / size as f64 - 1.0;
                squares[at] += error * error;
                worst[at] = worst[at].max(error.abs());
            }
        }
        let deviations = squares.map(|sum| (sum / f64::from(rounds)).sqrt());
        assert!(deviations[0] < 0.1 && deviations[1] < 0.11, "{deviations:?} {worst:?}");
        assert_eq!(Sketch::default().estimate(), 0);
    }
}
