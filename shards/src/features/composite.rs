//! Several key columns as one key of a store.
//!
//! A key of one column is that column's text as it is. Of several columns each part stands behind its
//! length in bytes: `DE` and `4111` are `2:DE4:4111`. No two lists of parts make the same key, and a key
//! of UTF-8 parts is UTF-8, so tools and logs show it as it is.
//!
//! What is *not* here: which columns a key has (`import`, or a model's entities).

/// Puts a part of a composite key at the end of `key`.
pub fn push_part(key: &mut Vec<u8>, part: &[u8]) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = part.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    key.extend_from_slice(&digits[at..]);
    key.push(b':');
    key.extend_from_slice(part);
}

/// The key of these parts: of one part it is that part alone.
pub fn key_of_parts(parts: &[&[u8]]) -> Vec<u8> {
    if let [part] = parts {
        return part.to_vec();
    }
    let mut key = Vec::new();
    for part in parts {
        push_part(&mut key, part);
    }
    key
}

/// The parts of a key, of which there have to be so many; `None` where there are others.
pub(crate) fn parts_of(key: &[u8], count: usize) -> Option<Vec<&[u8]>> {
    if count == 1 {
        return Some(vec![key]);
    }
    let (mut parts, mut rest) = (Vec::with_capacity(count), key);
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let length: usize = str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let (part, after) = rest[colon + 1..].split_at_checked(length)?;
        parts.push(part);
        rest = after;
    }
    (parts.len() == count).then_some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{key_of_parts, parts_of, push_part};

    #[test]
    fn parts_stand_behind_their_lengths() {
        assert_eq!(key_of_parts(&[b"DE", b"4111"]), b"2:DE4:4111");
        assert_eq!(key_of_parts(&[b"DE"]), b"DE");
        assert_eq!(key_of_parts(&[b"", b"a"]), b"0:1:a");
    }

    proptest! {
        #[test]
        fn other_parts_make_another_key(
            one in prop::collection::vec("[0-9:a]{0,12}", 2..4),
            other in prop::collection::vec("[0-9:a]{0,12}", 2..4),
        ) {
            let key = |parts: &[String]| {
                let mut key = Vec::new();
                for part in parts {
                    push_part(&mut key, part.as_bytes());
                }
                key
            };
            prop_assert_eq!(key(&one) == key(&other), one == other);
            let parts: Vec<_> = one.iter().map(std::string::String::as_bytes).collect();
            let key = key(&one);
            prop_assert_eq!(parts_of(&key, one.len()), Some(parts));
            prop_assert_eq!(parts_of(&key, one.len() + 1), None);
        }
    }
}
