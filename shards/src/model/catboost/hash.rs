//! How the library hashes a category: the low 32 bits of `CityHash64` (its first version) of the
//! text; whole numbers are hashed as their decimal text.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const K3: u64 = 0xc949_d7c7_509e_6557;
const MULTIPLIER: u64 = 0x9ddf_ea08_eb38_2d69;
/// What combines the hashes of several categories.
const COMBINER: u64 = 0x4906_ba49_4954_cb65;

/// Where the codes of texts begin: beyond all whole numbers that 64-bit floats hold.
const CODES: f64 = (1_u64 << 60) as f64;
/// The distance of two of these codes: that of two 64-bit floats of their size.
const CODE_STEP: f64 = 256.0;

/// The number that stands for a text in a row: no whole number that is a category itself.
pub(super) fn code(text: &[u8]) -> f64 {
    CODES + CODE_STEP * f64::from(category(text))
}

/// The hash of the text that a number stands for, if it does.
pub(super) fn of_code(code: f64) -> Option<u32> {
    let hash = (code - CODES) / CODE_STEP;
    let is_hash = hash.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&hash);
    is_hash.then_some(hash as u32)
}

/// The hash of a category's text.
pub(super) fn category(text: &[u8]) -> u32 {
    city(text) as u32
}

/// The hash of a category that is a whole number.
pub(super) fn number(number: i64) -> u32 {
    category(itoa::Buffer::new().format(number).as_bytes())
}

/// The hash of a combination that `value` is the next part of.
pub(super) fn combine(hash: u64, value: u64) -> u64 {
    COMBINER.wrapping_mul(hash.wrapping_add(COMBINER.wrapping_mul(value)))
}

fn word(text: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&text[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn half(text: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&text[at..at + 4]);
    u64::from(u32::from_le_bytes(bytes))
}

fn shift_mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn pair(low: u64, high: u64) -> u64 {
    let mixed = shift_mix((low ^ high).wrapping_mul(MULTIPLIER));
    shift_mix((high ^ mixed).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER)
}

fn city(text: &[u8]) -> u64 {
    match text.len() {
        0..=16 => up_to_16(text),
        17..=32 => up_to_32(text),
        33..=64 => up_to_64(text),
        _ => longer(text),
    }
}

fn up_to_16(text: &[u8]) -> u64 {
    let length = text.len();
    match length {
        0 => K2,
        1..=3 => {
            let [first, middle, last] = [text[0], text[length / 2], text[length - 1]];
            let y = u64::from(first) + (u64::from(middle) << 8);
            let z = length as u64 + (u64::from(last) << 2);
            shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K3)).wrapping_mul(K2)
        }
        4..=8 => pair(length as u64 + (half(text, 0) << 3), half(text, length - 4)),
        _ => {
            let (first, last) = (word(text, 0), word(text, length - 8));
            let turned = last.wrapping_add(length as u64).rotate_right(length as u32);
            pair(first, turned) ^ last
        }
    }
}

fn up_to_32(text: &[u8]) -> u64 {
    let length = text.len();
    let first = word(text, 0).wrapping_mul(K1);
    let second = word(text, 8);
    let last = word(text, length - 8).wrapping_mul(K2);
    let low = first.wrapping_sub(second).rotate_right(43);
    let low = low.wrapping_add(last.rotate_right(30));
    let low = low.wrapping_add(word(text, length - 16).wrapping_mul(K0));
    let high = first.wrapping_add((second ^ K3).rotate_right(20)).wrapping_sub(last);
    pair(low, high.wrapping_add(length as u64))
}

/// Half of what [`up_to_64`] mixes: from a start, what is added to it, and two words.
fn mixed(start: u64, z: u64, words: [u64; 2]) -> (u64, u64) {
    let mut a = start;
    let b = a.wrapping_add(z).rotate_right(52);
    let mut c = a.rotate_right(37);
    a = a.wrapping_add(words[0]);
    c = c.wrapping_add(a.rotate_right(7));
    a = a.wrapping_add(words[1]);
    (a.wrapping_add(z), b.wrapping_add(a.rotate_right(31)).wrapping_add(c))
}

fn up_to_64(text: &[u8]) -> u64 {
    let length = text.len();
    let scaled = (length as u64).wrapping_add(word(text, length - 16)).wrapping_mul(K0);
    let start = word(text, 0).wrapping_add(scaled);
    let (vf, vs) = mixed(start, word(text, 24), [word(text, 8), word(text, 16)]);
    let start = word(text, 16).wrapping_add(word(text, length - 32));
    let last = [word(text, length - 24), word(text, length - 16)];
    let (wf, ws) = mixed(start, word(text, length - 8), last);
    let both = vf.wrapping_add(ws).wrapping_mul(K2);
    let r = shift_mix(both.wrapping_add(wf.wrapping_add(vs).wrapping_mul(K0)));
    shift_mix(r.wrapping_mul(K0).wrapping_add(vs)).wrapping_mul(K2)
}

fn weak(text: &[u8], at: usize, first: u64, second: u64) -> (u64, u64) {
    let words = [0, 8, 16, 24].map(|step| word(text, at + step));
    let start = first.wrapping_add(words[0]);
    let turned = second.wrapping_add(start).wrapping_add(words[3]).rotate_right(21);
    let sum = start.wrapping_add(words[1]).wrapping_add(words[2]);
    let turned = turned.wrapping_add(sum.rotate_right(44));
    (sum.wrapping_add(words[3]), turned.wrapping_add(start))
}

fn longer(text: &[u8]) -> u64 {
    let length = text.len();
    // The three words and two pairs of words that are mixed on.
    let mut state = [word(text, 0), word(text, length - 16) ^ K1, word(text, length - 56) ^ K0];
    let mut low = weak(text, length - 64, length as u64, state[1]);
    let mut high = weak(text, length - 32, (length as u64).wrapping_mul(K1), K0);
    state[2] = state[2].wrapping_add(shift_mix(low.1).wrapping_mul(K1));
    state[0] = state[2].wrapping_add(state[0]).rotate_right(39).wrapping_mul(K1);
    state[1] = state[1].rotate_right(33).wrapping_mul(K1);
    for at in (0..(length - 1) / 64 * 64).step_by(64) {
        let sum = state[0].wrapping_add(state[1]).wrapping_add(low.0);
        let sum = sum.wrapping_add(word(text, at + 16));
        state[0] = sum.rotate_right(37).wrapping_mul(K1) ^ high.1;
        let sum = state[1].wrapping_add(low.1).wrapping_add(word(text, at + 48));
        state[1] = sum.rotate_right(42).wrapping_mul(K1) ^ low.0;
        state[2] = (state[2] ^ high.0).rotate_right(33);
        low = weak(text, at, low.1.wrapping_mul(K1), state[0].wrapping_add(high.0));
        high = weak(text, at + 32, state[2].wrapping_add(high.1), state[1]);
        state.swap(0, 2);
    }
    let mixed = pair(low.0, high.0).wrapping_add(shift_mix(state[1]).wrapping_mul(K1));
    pair(mixed.wrapping_add(state[2]), pair(low.1, high.1).wrapping_add(state[0]))
}

#[cfg(test)]
mod tests {
    use super::{category, code, number, of_code};

    /// What the library wrote into `cat_features_hash` for these categories.
    const KNOWN: &str = include_str!("../../../tests/native_hashes.csv");

    #[test]
    fn hashes_are_the_librarys_own() {
        let mut lengths = std::collections::BTreeSet::new();
        for line in KNOWN.lines() {
            let (hash, text) = line.split_once(',').expect("a hash and a text");
            let hash: u32 = hash.parse().expect("a hash");
            assert_eq!(category(text.as_bytes()), hash, "{text}");
            assert_eq!(of_code(code(text.as_bytes())), Some(hash), "{text}");
            if let Ok(whole) = text.parse::<i64>() {
                assert_eq!(number(whole), hash, "{text}");
            }
            lengths.insert(text.len());
        }
        for range in [0..1, 1..4, 4..9, 9..17, 17..33, 33..65, 65..129, 129..999] {
            assert!(lengths.range(range.clone()).next().is_some(), "no text of {range:?} bytes");
        }
    }

    #[test]
    fn no_number_is_taken_for_a_text() {
        let first = (1_u64 << 60) as f64;
        let last = first + 256.0 * f64::from(u32::MAX);
        assert_eq!([of_code(first), of_code(last)], [Some(0), Some(u32::MAX)]);
        for other in [0.0, 1e15, first.next_down(), last.next_up(), -first, f64::NAN, 1e300] {
            assert_eq!(of_code(other), None, "{other}");
        }
    }
}
