//! The types of tensors, and their elements in the binary-tensor extension: little-endian numbers
//! in a row, and byte strings each behind its length in four bytes.

use std::ops::RangeInclusive;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned integers of 8 bits.
    Uint8,
    /// Unsigned integers of 16 bits.
    Uint16,
    /// Unsigned integers of 32 bits.
    Uint32,
    /// Unsigned integers of 64 bits.
    Uint64,
    /// Integers of 8 bits.
    Int8,
    /// Integers of 16 bits.
    Int16,
    /// Integers of 32 bits.
    Int32,
    /// Integers of 64 bits.
    Int64,
    /// Floats of 32 bits.
    Fp32,
    /// Floats of 64 bits.
    Fp64,
    /// Byte strings.
    Bytes,
}

impl Datatype {
    /// Every type that is read.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The protocol's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// The integers that the type holds; `None` where it holds others than integers.
    pub fn integers(self) -> Option<RangeInclusive<i128>> {
        Some(match self {
            Self::Uint8 => 0..=u8::MAX.into(),
            Self::Uint16 => 0..=u16::MAX.into(),
            Self::Uint32 => 0..=u32::MAX.into(),
            Self::Uint64 => 0..=u64::MAX.into(),
            Self::Int8 => i8::MIN.into()..=i8::MAX.into(),
            Self::Int16 => i16::MIN.into()..=i16::MAX.into(),
            Self::Int32 => i32::MIN.into()..=i32::MAX.into(),
            Self::Int64 => i64::MIN.into()..=i64::MAX.into(),
            Self::Bool | Self::Fp32 | Self::Fp64 | Self::Bytes => return None,
        })
    }

    /// The type that a word means.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.as_str() == word)
    }
}

/// The numbers that `bytes` hold; `None` for byte strings, and for bytes that are no whole number
/// of elements. Integers beyond 53 bits are rounded.
pub fn numbers(datatype: Datatype, bytes: &[u8]) -> Option<Vec<f64>> {
    match datatype {
        Datatype::Bool => read(bytes, |[byte]: [u8; 1]| f64::from(u8::from(byte != 0))),
        Datatype::Uint8 => read(bytes, |[byte]: [u8; 1]| f64::from(byte)),
        Datatype::Uint16 => read(bytes, |element| f64::from(u16::from_le_bytes(element))),
        Datatype::Uint32 => read(bytes, |element| f64::from(u32::from_le_bytes(element))),
        Datatype::Uint64 => read(bytes, |element| u64::from_le_bytes(element) as f64),
        Datatype::Int8 => read(bytes, |element| f64::from(i8::from_le_bytes(element))),
        Datatype::Int16 => read(bytes, |element| f64::from(i16::from_le_bytes(element))),
        Datatype::Int32 => read(bytes, |element| f64::from(i32::from_le_bytes(element))),
        Datatype::Int64 => read(bytes, |element| i64::from_le_bytes(element) as f64),
        Datatype::Fp32 => read(bytes, |element| f64::from(f32::from_le_bytes(element))),
        Datatype::Fp64 => read(bytes, f64::from_le_bytes),
        Datatype::Bytes => None,
    }
}

/// The integers that `bytes` hold, exactly; `None` for types of others, and for bytes that are no
/// whole number of elements.
pub fn integers(datatype: Datatype, bytes: &[u8]) -> Option<Vec<i128>> {
    match datatype {
        Datatype::Uint8 => read(bytes, |element| u8::from_le_bytes(element).into()),
        Datatype::Uint16 => read(bytes, |element| u16::from_le_bytes(element).into()),
        Datatype::Uint32 => read(bytes, |element| u32::from_le_bytes(element).into()),
        Datatype::Uint64 => read(bytes, |element| u64::from_le_bytes(element).into()),
        Datatype::Int8 => read(bytes, |element| i8::from_le_bytes(element).into()),
        Datatype::Int16 => read(bytes, |element| i16::from_le_bytes(element).into()),
        Datatype::Int32 => read(bytes, |element| i32::from_le_bytes(element).into()),
        Datatype::Int64 => read(bytes, |element| i64::from_le_bytes(element).into()),
        Datatype::Bool | Datatype::Fp32 | Datatype::Fp64 | Datatype::Bytes => None,
    }
}

/// Elements of so many bytes each; `None` where the last one is cut off.
fn read<const WIDTH: usize, T>(bytes: &[u8], value: impl Fn([u8; WIDTH]) -> T) -> Option<Vec<T>> {
    let (elements, rest) = bytes.as_chunks::<WIDTH>();
    rest.is_empty().then(|| elements.iter().map(|element| value(*element)).collect())
}

/// The byte strings that `bytes` hold; `None` where the last one is cut off.
pub fn byte_strings(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (element, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        found.push(element);
        rest = behind;
    }
    Some(found)
}

/// Appends a byte string as [`byte_strings`] reads it. It is shorter than 4 GiB.
pub fn push_byte_string(out: &mut Vec<u8>, element: &[u8]) {
    out.extend_from_slice(&(element.len() as u32).to_le_bytes());
    out.extend_from_slice(element);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Datatype, byte_strings, integers, numbers, push_byte_string};

    proptest! {
        #[test]
        fn byte_strings_are_read_as_written_and_never_cut_short(
            elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for element in &elements {
                push_byte_string(&mut bytes, element);
                ends.push(bytes.len());
            }
            let whole: Vec<_> = elements.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(byte_strings(&bytes), Some(whole));
            let cut = cut.index(bytes.len() + 1);
            prop_assert_eq!(byte_strings(&bytes[..cut]).is_some(), ends.contains(&cut));
        }

        #[test]
        fn any_bytes_are_numbers_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for datatype in Datatype::ALL {
                let width = match numbers(datatype, &[0; 8]) {
                    Some(eight) => 8 / eight.len(),
                    None => continue,
                };
                let found = numbers(datatype, &bytes).map(|found| found.len());
                let expected = bytes.len().is_multiple_of(width).then_some(bytes.len() / width);
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn integers_are_read_exactly_where_numbers_are_rounded(bytes in any::<[u8; 8]>()) {
            for datatype in Datatype::ALL {
                let read = integers(datatype, &bytes);
                prop_assert_eq!(read.is_some(), datatype.integers().is_some());
                let (Some(read), Some(range)) = (read, datatype.integers()) else { continue };
                let rounded: Vec<_> = read.iter().map(|integer| *integer as f64).collect();
                prop_assert_eq!(numbers(datatype, &bytes), Some(rounded));
                prop_assert!(read.iter().all(|integer| range.contains(integer)));
            }
            let exact = i128::from(i64::from_le_bytes(bytes));
            prop_assert_eq!(integers(Datatype::Int64, &bytes), Some(vec![exact]));
        }

        #[test]
        fn numbers_keep_their_value(value in any::<i32>(), float in any::<f32>()) {
            let read = numbers(Datatype::Int32, &value.to_le_bytes());
            prop_assert_eq!(read, Some(vec![f64::from(value)]));
            let read = numbers(Datatype::Fp32, &float.to_le_bytes()).expect("one float");
            prop_assert_eq!(read[0].to_bits(), f64::from(float).to_bits());
        }
    }

    #[test]
    fn each_word_names_its_type() {
        for datatype in Datatype::ALL {
            assert_eq!(Datatype::named(datatype.as_str()), Some(datatype));
        }
        assert_eq!(Datatype::named("FP16"), None);
    }
}
