//! One hash for the bytes of a file, the names of users and the texts of a column.

/// FNV-1a of 64 bits (Fowler, Noll and Vo; <http://www.isthe.com/chongo/tech/comp/fnv/>).
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    fnv1a_more(FNV1A_START, bytes)
}

/// The hash of no bytes at all.
pub(crate) const FNV1A_START: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what `hash` is of, and these bytes behind it.
pub(crate) fn fnv1a_more(hash: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes
        .into_iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{fnv1a, fnv1a_more};

    #[test]
    fn it_is_what_others_compute() {
        assert_eq!(fnv1a(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1a_more(fnv1a(*b"foo"), *b"bar"), 0x8594_4171_f739_67e8);
    }
}
