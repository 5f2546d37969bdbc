//! The text by which Feast names an entity: its join keys, serialised, in hexadecimal.

use crate::features::composite::parts_of;

use super::super::error::ScyllaError;
use super::super::keys::KeyType;
use super::super::settings::ScyllaSettings;
use super::typed;

/// Numbers by which Feast tells types apart (`ValueType` of its protocol).
const BYTES: u32 = 1;
const STRING: u32 = 2;
const INT32: u32 = 3;
const INT64: u32 = 4;

/// The digits of hexadecimal numbers.
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A join key of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
struct JoinKey {
    name: String,
    key_type: KeyType,
}

/// How the key of an entity is serialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeastKey {
    /// In the order in which requests give them.
    join_keys: Vec<JoinKey>,
    /// Their places in the order of their names, which is that of the serialised key.
    sorted: Vec<usize>,
    /// What stands before the values.
    head: Vec<u8>,
}

impl FeastKey {
    /// The key that the settings describe.
    pub(crate) fn of(settings: &ScyllaSettings) -> Result<Self, ScyllaError> {
        let wrong = |setting, reason| Err(ScyllaError::Setting { setting, reason });
        let version = settings.entity_key_version;
        if !(2..=3).contains(&version) {
            let reason =
                format!("found {version}, expected 2 or 3, as Feast's feature_store.yaml has it");
            return wrong("entity_key_version", reason);
        }
        if settings.join_keys.is_empty() {
            let reason = "`layout = \"feast\"` needs the join keys of the entity, each with its type, as \
                          in [\"driver_id:bigint\"]";
            return wrong("join_keys", reason.to_owned());
        }
        let mut join_keys: Vec<JoinKey> = Vec::with_capacity(settings.join_keys.len());
        for text in &settings.join_keys {
            let (name, found) = typed("join_keys", text)?;
            let is_again = join_keys.iter().any(|other| other.name == name);
            let key_type = KeyType::named(found).filter(|it| *it != KeyType::Uuid);
            let Some(key_type) = key_type.filter(|_| !is_again) else {
                let expected = "a join key of its own that is text, int, bigint or blob";
                return wrong("join_keys", format!("found `{text}`, expected {expected}"));
            };
            join_keys.push(JoinKey { name: name.to_owned(), key_type });
        }
        let mut sorted: Vec<_> = (0..join_keys.len()).collect();
        sorted.sort_by(|one, other| join_keys[*one].name.cmp(&join_keys[*other].name));
        let mut head = Vec::new();
        let has_lengths = version > 2;
        let length = |bytes: usize| (bytes as u32).to_le_bytes();
        if has_lengths {
            head.extend_from_slice(&length(join_keys.len()));
        }
        for name in sorted.iter().map(|at| join_keys[*at].name.as_bytes()) {
            head.extend_from_slice(&STRING.to_le_bytes());
            if has_lengths {
                head.extend_from_slice(&length(name.len()));
            }
            head.extend_from_slice(name);
        }
        Ok(Self { join_keys, sorted, head })
    }

    /// The types of its join keys, in the order in which requests give them.
    pub(crate) fn types(&self) -> Vec<KeyType> {
        self.join_keys.iter().map(|join_key| join_key.key_type).collect()
    }

    /// The parts of a key, as requests give them; `None` where there are others.
    pub(crate) fn parts_of<'k>(&self, text: &'k [u8]) -> Option<Vec<&'k [u8]>> {
        parts_of(text, self.join_keys.len())
    }

    /// The key as the table has it; `None` where the text is none.
    pub(crate) fn hex(&self, text: &[u8]) -> Option<String> {
        let parts = self.parts_of(text)?;
        let mut serialised = self.head.clone();
        for &at in &self.sorted {
            let key_type = self.join_keys[at].key_type;
            let mut value = key_type.wire(parts[at])?.into_owned();
            let type_number = match key_type {
                KeyType::Text => STRING,
                KeyType::Int => INT32,
                KeyType::Bigint => INT64,
                KeyType::Blob | KeyType::Uuid => BYTES,
            };
            if matches!(key_type, KeyType::Int | KeyType::Bigint) {
                // CQL has the most significant byte first.
                value.reverse();
            }
            serialised.extend_from_slice(&type_number.to_le_bytes());
            serialised.extend_from_slice(&u32::try_from(value.len()).ok()?.to_le_bytes());
            serialised.extend_from_slice(&value);
        }
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        Some(serialised.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::FeastKey;
    use crate::features::composite::key_of_parts;
    use crate::features::scylla::ScyllaSettings;

    fn key(join_keys: &[&str], entity_key_version: u8) -> Result<FeastKey, String> {
        let join_keys = join_keys.iter().map(|key| (*key).to_owned()).collect();
        let settings = ScyllaSettings { join_keys, entity_key_version, ..Default::default() };
        FeastKey::of(&settings).map_err(|error| error.to_string())
    }

    /// What `feast.infra.key_encoding_utils.serialize_entity_key` of Feast 0.67 gives.
    #[test]
    fn keys_are_those_that_feast_makes() {
        let one = key(&["driver_id:bigint"], 3).unwrap();
        let expected = "0100000002000000090000006472697665725f69640400000008000000e903000000000000";
        assert_eq!(one.hex(b"1001").unwrap(), expected);
        assert_eq!(one.hex(b"x"), None);
        let old = key(&["driver_id:bigint"], 2).unwrap();
        let expected = "020000006472697665725f69640400000008000000e903000000000000";
        assert_eq!(old.hex(b"1001").unwrap(), expected);
        // By their names, whatever the order in which requests give them.
        let expected = "020000000200000003000000626967020000000700000063\
                        6f756e7472790300000004000000fcffffff02000000020000004e4c";
        let two = key(&["country:text", "big:int"], 3).unwrap();
        assert_eq!(two.hex(&key_of_parts(&[b"NL", b"-4"])).unwrap(), expected);
        assert_eq!(two.hex(b"NL"), None);
    }

    #[test]
    fn what_is_no_join_key_is_refused() {
        for (join_keys, version, says) in [
            (&[][..], 3, "needs the join keys"),
            (&["driver_id"], 3, "expected a name and its type"),
            (&["driver_id:float"], 3, "text, int, bigint or blob"),
            (&["a:int", "a:text"], 3, "a join key of its own"),
            (&["a:int"], 1, "expected 2 or 3"),
        ] {
            let found = key(join_keys, version).unwrap_err();
            assert!(found.contains(says), "{found}");
        }
    }
}
