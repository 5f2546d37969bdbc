//! The key of a table: what the text by which a request names a row becomes, column by column.

use std::borrow::Cow;

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;

use super::feast::FeastKey;
use super::keys::KeyType;
use crate::features::composite::parts_of;

/// The columns of a table's partition key, and what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyColumns {
    /// Their names, in the key's order.
    pub(crate) names: Vec<String>,
    pub(crate) key: TableKey,
}

/// What the partition key of a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TableKey {
    /// One column.
    One(KeyType),
    /// Several columns, in order: a key is that of their parts (`features::composite`).
    Several(Vec<KeyType>),
    /// The text that Feast makes of an entity's join keys.
    Feast(FeastKey),
}

impl TableKey {
    /// The key of columns of these types.
    pub(super) fn of(types: Vec<KeyType>) -> Self {
        if let [only] = types[..] { Self::One(only) } else { Self::Several(types) }
    }

    /// How many columns of an answer are the key's.
    pub(super) fn columns(&self) -> usize {
        if let Self::Several(types) = self { types.len() } else { 1 }
    }

    /// Whether one statement may ask for several keys: for those of several columns CQL has none.
    pub(super) fn is_grouped(&self) -> bool {
        !matches!(self, Self::Several(_))
    }

    /// Whether a column of an answer, from 0, is that of the key.
    pub(super) fn is(&self, at: usize, native: &NativeType) -> bool {
        match self {
            Self::One(key_type) => key_type.is(native),
            Self::Several(types) => types.get(at).is_some_and(|key_type| key_type.is(native)),
            Self::Feast(_) => KeyType::Text.is(native),
        }
    }

    /// The partition key as the cluster hashes it; `None` where the text is no key of the table.
    pub(super) fn wire<'k>(&self, text: &'k [u8]) -> Option<Cow<'k, [u8]>> {
        match self {
            Self::One(key_type) => key_type.wire(text),
            Self::Several(types) => {
                let mut composed = Vec::with_capacity(text.len() + 3 * types.len());
                for (key_type, part) in types.iter().zip(parts_of(text, types.len())?) {
                    compose(&mut composed, &key_type.wire(part)?)?;
                }
                Some(Cow::Owned(composed))
            }
            Self::Feast(key) => key.hex(text).map(|hex| Cow::Owned(hex.into_bytes())),
        }
    }

    /// Whether a text is a key of the table.
    pub(super) fn takes(&self, text: &[u8]) -> bool {
        match self {
            Self::One(key_type) => key_type.takes(text),
            Self::Several(_) | Self::Feast(_) => self.wire(text).is_some(),
        }
    }

    /// The partition key of a row, as [`Self::wire`] has it, from its columns.
    pub(super) fn of_row<'f, E>(
        &self,
        mut column: impl FnMut() -> Result<Option<&'f [u8]>, E>,
        malformed: E,
    ) -> Result<Cow<'f, [u8]>, E> {
        let Self::Several(types) = self else {
            return column()?.map(Cow::Borrowed).ok_or(malformed);
        };
        let mut composed = Vec::new();
        for _ in types {
            let part = column()?.and_then(|part| compose(&mut composed, part));
            if part.is_none() {
                return Err(malformed);
            }
        }
        Ok(Cow::Owned(composed))
    }

    /// The key for a statement, column by column; `None` where the text is no key of the table.
    pub(crate) fn values(&self, text: &[u8]) -> Option<Vec<CqlValue>> {
        match self {
            Self::One(key_type) => Some(vec![key_type.value(text)?]),
            Self::Several(types) => {
                let parts = parts_of(text, types.len())?;
                types.iter().zip(parts).map(|(key_type, part)| key_type.value(part)).collect()
            }
            Self::Feast(key) => Some(vec![CqlValue::Text(key.hex(text)?)]),
        }
    }

    /// Whether two texts may be one key, as 7 and 007 are.
    pub(super) fn has_spellings(&self) -> bool {
        *self != Self::One(KeyType::Text)
    }

    /// What a text that is no key of the table has to be, for people.
    pub(crate) fn expected_of(&self, text: &[u8]) -> &'static str {
        let (types, parts) = match self {
            Self::One(key_type) => return key_type.as_str(),
            Self::Several(types) => (types.clone(), parts_of(text, types.len())),
            Self::Feast(key) => (key.types(), key.parts_of(text)),
        };
        let Some(parts) = parts else { return "a key of as many parts as the table's has" };
        let mut wrong = types.iter().zip(parts).filter(|(key_type, part)| !key_type.takes(part));
        wrong.next().map_or("a key of the table", |(key_type, _)| key_type.as_str())
    }

    /// A key that nobody has; another one for another number.
    pub(super) fn nobodys(&self, number: usize) -> Vec<CqlValue> {
        match self {
            Self::One(key_type) => vec![key_type.nobodys(number)],
            Self::Several(types) => types.iter().map(|it| it.nobodys(number)).collect(),
            Self::Feast(_) => vec![KeyType::Text.nobodys(number)],
        }
    }
}

/// Appends a column of a partition key of several, as the cluster hashes it; `None` where it is longer
/// than such a column may be.
fn compose(composed: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    composed.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
    composed.extend_from_slice(part);
    composed.push(0);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{KeyType, TableKey};
    use crate::features::composite::key_of_parts;

    #[test]
    fn parts_become_the_columns_that_a_cluster_hashes() {
        let key = TableKey::of(vec![KeyType::Text, KeyType::Int]);
        let text = key_of_parts(&[b"NL", b"258"]);
        let wire = b"\x00\x02NL\x00\x00\x04\x00\x00\x01\x02\x00";
        assert_eq!(key.wire(&text).unwrap(), &wire[..]);
        let mut columns = [&b"NL"[..], b"\x00\x00\x01\x02"].into_iter().map(Some);
        let row = key.of_row(|| columns.next().ok_or(()), ());
        assert_eq!(row.unwrap(), &wire[..]);
        assert_eq!(key.values(&text).unwrap().len(), 2);
        for (parts, expected) in [
            (&[&b"NL"[..], b"x"][..], "int"),
            (&[&b"NL"[..]], "a key of as many parts as the table's has"),
        ] {
            let text = key_of_parts(parts);
            assert!(key.wire(&text).is_none() && key.values(&text).is_none());
            assert_eq!(key.expected_of(&text), expected);
        }
    }
}
