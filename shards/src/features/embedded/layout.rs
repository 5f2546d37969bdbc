//! How a store's file is laid out: a header, the records, the schema, the texts, the index.
//!
//! ```text
//! 0            header, 112 bytes; at 4,088 the word that says that a newer file took the place
//! 4,096        records: checksum (4), length of the key (2), key, packed row
//! schema       JSON
//! texts        one a code: checksum (4), code (4), length (4), UTF-8; then where each begins, by 8
//! index        buckets of 64 bytes: seven slots of 8, a checksum (4), nothing (4)
//! ```
//!
//! All numbers are little-endian. A slot is 0, or 16 bits of its key's hash and 48 of where its
//! record is. A bucket that is full goes on in the next one. Each checksum is a [`KeyedHash`] under
//! the file's own seed: bytes of another store's file do not pass as this one's. A text's covers its
//! code: one that is found at the wrong place is not that of the code which was looked for.
//!
//! This file has the header; [`super::entries`] are the records and texts, [`super::buckets`] the
//! index. What is *not* here: files, which are written by `new_file` and read by `map`.

use super::keyed_hash::KeyedHash;

/// The format that this version writes.
pub(super) const FORMAT: u32 = 4;
/// The format that knows of no changes beside the file, which it reads too.
const FORMAT_WITHOUT_CHANGES: u32 = 3;
/// Where the header of that one ends.
const HEADER_BYTES_WITHOUT_CHANGES: usize = 104;
/// The format without texts, which it reads too.
const FORMAT_WITHOUT_TEXTS: u32 = 2;
/// Where the header of that one ends.
const HEADER_BYTES_WITHOUT_TEXTS: usize = 88;
/// How every file begins.
const MAGIC: [u8; 8] = *b"sg-store";
/// Bytes of the header that have a meaning.
pub(super) const HEADER_BYTES: usize = 112;
/// Where the word is that says that a newer file took this one's place.
pub(super) const SUPERSEDED_AT: u64 = 4_088;
/// Where the records begin.
pub(super) const RECORDS_AT: u64 = 4_096;
/// What is before a record's key.
pub(super) const ENTRY_HEAD_BYTES: usize = 6;
/// Bytes of a bucket.
pub(super) const BUCKET_BYTES: usize = 64;
/// What is before a text.
pub(super) const TEXT_HEAD_BYTES: usize = 12;
/// Bytes that say where a text begins.
pub(super) const TEXT_PLACE_BYTES: usize = 8;
/// Slots of a bucket.
pub(super) const SLOTS: usize = 7;
/// Bits of a slot that say where a record is.
pub(super) const OFFSET_BITS: u32 = 48;
/// The seed of the header's own checksum: the file's is in the header.
const HEADER_SEED: u64 = 0x7368_6172_6467_6174;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The length of the file.
    pub(super) file_bytes: u64,
    /// What checksums and hashes are keyed with.
    pub(super) seed: u64,
    pub(super) rows: u64,
    /// Where the records end and the schema begins.
    pub(super) records_end: u64,
    pub(super) schema_bytes: u32,
    pub(super) schema_checksum: u32,
    pub(super) index_at: u64,
    pub(super) buckets: u64,
    /// Bytes of a packed row.
    pub(super) record_bytes: u32,
    /// When the import that wrote the file was committed, in µs since 1970.
    pub(super) imported_us: i64,
    /// How many texts there are.
    pub(super) texts: u64,
    /// Where it is said where each begins.
    pub(super) text_places_at: u64,
    /// The last of the changes, by their numbers, that the file has; 0 for none.
    pub(super) changes: u64,
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// It is no store's.
    NotAStore,
    /// Another version's.
    Format(u32),
    /// Its checksum or its numbers do not hold.
    Damaged,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let numbers = [
            self.file_bytes,
            self.seed,
            self.rows,
            self.records_end,
            self.index_at,
            self.buckets,
            u64::from(self.schema_bytes) << 32 | u64::from(self.schema_checksum),
            u64::from(self.record_bytes),
            self.imported_us.cast_unsigned(),
            self.texts,
            self.text_places_at,
            self.changes,
        ];
        for (at, number) in numbers.iter().enumerate() {
            bytes[16 + 8 * at..24 + 8 * at].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = KeyedHash::new(HEADER_SEED).checksum(&bytes[16..]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, BadHeader> {
        if bytes[..8] != MAGIC {
            return Err(BadHeader::NotAStore);
        }
        let said = match word(bytes, 8) {
            FORMAT => &bytes[16..],
            FORMAT_WITHOUT_CHANGES => &bytes[16..HEADER_BYTES_WITHOUT_CHANGES],
            FORMAT_WITHOUT_TEXTS => &bytes[16..HEADER_BYTES_WITHOUT_TEXTS],
            format => return Err(BadHeader::Format(format)),
        };
        if word(bytes, 12) != KeyedHash::new(HEADER_SEED).checksum(said) {
            return Err(BadHeader::Damaged);
        }
        let (numbers, _) = said.as_chunks::<8>();
        let number = |at: usize| numbers.get(at).map_or(0, |number| u64::from_le_bytes(*number));
        let header = Self {
            file_bytes: number(0),
            seed: number(1),
            rows: number(2),
            records_end: number(3),
            index_at: number(4),
            buckets: number(5),
            schema_bytes: (number(6) >> 32) as u32,
            schema_checksum: number(6) as u32,
            record_bytes: number(7) as u32,
            imported_us: number(8).cast_signed(),
            texts: number(9),
            text_places_at: number(10),
            changes: number(11),
        };
        header.is_consistent().then_some(header).ok_or(BadHeader::Damaged)
    }

    /// Whether its parts follow each other to the end of the file, and have room for its rows.
    fn is_consistent(&self) -> bool {
        let entry_bytes_min = ENTRY_HEAD_BYTES as u64 + u64::from(self.record_bytes);
        let rows_bytes_min = self.rows.checked_mul(entry_bytes_min);
        let slots = self.buckets.saturating_mul(SLOTS as u64);
        let schema_end = self.records_end.checked_add(self.schema_bytes.into());
        let index_bytes = self.buckets.checked_mul(BUCKET_BYTES as u64);
        let index_end = index_bytes.and_then(|bytes| self.index_at.checked_add(bytes));
        self.buckets > 0
            && self.records_end >= RECORDS_AT
            && rows_bytes_min.is_some_and(|bytes| bytes <= self.records_end - RECORDS_AT)
            && self.rows < slots
            && schema_end.is_some_and(|end| end <= self.index_at && self.has_room_for_texts(end))
            && index_end == Some(self.file_bytes)
    }
}

impl Header {
    /// Whether its texts, if there are any, are between the schema and the index.
    fn has_room_for_texts(&self, schema_end: u64) -> bool {
        let places_bytes = self.texts.checked_mul(TEXT_PLACE_BYTES as u64);
        let places_end = places_bytes.and_then(|bytes| self.text_places_at.checked_add(bytes));
        self.texts == 0
            || (self.texts <= u64::from(u32::MAX) + 1
                && self.text_places_at >= schema_end
                && places_end.is_some_and(|end| end <= self.index_at))
    }
}

/// The number of four bytes at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::{BadHeader, Header, KeyedHash};

    const HEADER: Header = Header {
        file_bytes: 6_144,
        seed: 77,
        rows: 3,
        records_end: 5_000,
        schema_bytes: 90,
        schema_checksum: 5,
        index_at: 5_120,
        buckets: 16,
        record_bytes: 21,
        imported_us: -5,
        texts: 2,
        text_places_at: 5_100,
        changes: 9,
    };

    #[test]
    fn a_header_is_read_as_it_was_written_or_not_at_all() {
        let bytes = HEADER.encode();
        assert_eq!(Header::decode(&bytes), Ok(HEADER));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0..8 => BadHeader::NotAStore,
                8..12 => BadHeader::Format(4 ^ 1 << (bit - 64)),
                _ => BadHeader::Damaged,
            };
            assert_eq!(Header::decode(&flipped), Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_no_header() {
        for header in [
            Header { buckets: 0, file_bytes: 5_120, ..HEADER },
            Header { records_end: 4_000, ..HEADER },
            Header { schema_bytes: 121, ..HEADER },
            Header { texts: 3, ..HEADER },
            Header { texts: u64::MAX, ..HEADER },
            Header { text_places_at: 5_089, ..HEADER },
            Header { text_places_at: u64::MAX, ..HEADER },
            Header { file_bytes: 6_145, ..HEADER },
            Header { buckets: u64::MAX, ..HEADER },
            Header { records_end: u64::MAX, ..HEADER },
            Header { rows: u64::MAX, ..HEADER },
            Header { rows: 34, ..HEADER },
            Header { rows: 16 * 7, record_bytes: 0, ..HEADER },
            Header { record_bytes: u32::MAX, ..HEADER },
        ] {
            assert_eq!(Header::decode(&header.encode()), Err(BadHeader::Damaged), "{header:?}");
        }
    }

    #[test]
    fn a_header_of_the_format_without_texts_is_read() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        let checksum = KeyedHash::new(super::HEADER_SEED).checksum(&bytes[16..88]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        // What follows is nothing of it.
        bytes[88..].fill(0xff);
        let expected = Header { texts: 0, text_places_at: 0, changes: 0, ..HEADER };
        assert_eq!(Header::decode(&bytes), Ok(expected));
    }

    #[test]
    fn a_header_of_the_format_without_changes_is_read() {
        let mut bytes = HEADER.encode();
        bytes[8] = 3;
        let checksum = KeyedHash::new(super::HEADER_SEED).checksum(&bytes[16..104]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes[104..].fill(0xff);
        assert_eq!(Header::decode(&bytes), Ok(Header { changes: 0, ..HEADER }));
    }
}
