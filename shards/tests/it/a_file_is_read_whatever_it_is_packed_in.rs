//! A file that is compressed, or in another encoding, gives the rows of the plain one; one that is
//! cut or damaged gives none.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{CsvOptions, Encoding, ImportNote, ImportOptions, import_embedded};

use crate::stores::Heard;

fn rows(
    input: &[u8],
    encoding: Option<Encoding>,
) -> Result<(Vec<String>, Vec<ImportNote>), String> {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let csv = CsvOptions { encoding, ..CsvOptions::default() };
    let options = ImportOptions { csv, ..ImportOptions::default() };
    let mut heard = Heard::default();
    let imported = import_embedded(&store, input, &options, &mut heard);
    imported.map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    store
        .for_each(|key, record| {
            let cells: Vec<_> = record.cells().collect();
            rows.push(format!("{} {cells:?}", String::from_utf8_lossy(key)));
        })
        .unwrap();
    Ok((rows, heard.notes))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

fn csv(users: usize) -> String {
    let line = |user: usize| format!("Zoë-{user},{user},{}\n", user % 7);
    "user_id,a,b:int\n".chars().collect::<String>() + &(0..users).map(line).collect::<String>()
}

#[test]
fn packed_in_parts_or_not() {
    let text = csv(50_000);
    let plain = rows(text.as_bytes(), None).unwrap();
    assert_eq!((plain.0.len(), &plain.1[..]), (50_000, &[][..]));
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let skipped = b"\x50\x2a\x4d\x18\x05\0\0\0hello".to_vec();
    for (packed, by) in [
        (gzip(text.as_bytes()), "gzip"),
        ([gzip(first), gzip(second)].concat(), "gzip"),
        (zstd(text.as_bytes()), "zstd"),
        ([zstd(first), skipped, zstd(second)].concat(), "zstd"),
    ] {
        let found = rows(&packed, None).unwrap();
        assert_eq!(found.0, plain.0, "{by}");
        assert_eq!(found.1, [ImportNote::Compressed { by }]);
    }
}

#[test]
fn a_cut_or_damaged_file_is_never_a_shorter_one() {
    let text = csv(20_000);
    for packed in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        for length in [5, packed.len() / 3, packed.len() - 1] {
            let error = rows(&packed[..length], None).unwrap_err();
            assert!(error.contains("is cut or damaged"), "{length}: {error}");
        }
        let mut damaged = packed.clone();
        let last = damaged.len() - 2;
        damaged[last] ^= 1;
        assert!(rows(&damaged, None).is_err(), "its checksum is another");
        let trailed = [&packed[..], b"user,1,2\n"].concat();
        assert!(rows(&trailed, None).is_err(), "what follows is no part of it");
    }
}

#[test]
fn other_encodings_are_said_or_asked_for() {
    let text = csv(30_000);
    let (plain, _) = rows(text.as_bytes(), None).unwrap();
    let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|character| u8::try_from(character).unwrap()).collect();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    let noted = vec![ImportNote::Encoding { found: Encoding::Utf16Le }];
    for (bytes, asked, notes) in [
        (marked(b"\xff\xfe", &le), None, noted),
        (marked(b"\xff\xfe", &le), Some(Encoding::Utf16Le), vec![]),
        (le, Some(Encoding::Utf16Le), vec![]),
        (be, Some(Encoding::Utf16Be), vec![]),
        (latin.clone(), Some(Encoding::Windows1252), vec![]),
        (gzip(&latin), Some(Encoding::Windows1252), vec![ImportNote::Compressed { by: "gzip" }]),
    ] {
        let found = rows(&bytes, asked).unwrap();
        assert_eq!((found.0 == plain, found.1), (true, notes), "{asked:?}");
    }
    let error = rows(&latin, None).unwrap_err();
    let said = "line 2, column 1 (`user_id`): the key `Zo\u{fffd}-0` is not UTF-8";
    assert!(error.starts_with(said) && error.contains("--encoding windows-1252"), "{error}");
}

#[test]
fn an_encoding_is_named_in_the_usual_ways() {
    for (word, expected) in [
        ("utf-8", Encoding::Utf8),
        ("UTF-16LE", Encoding::Utf16Le),
        ("latin-1", Encoding::Windows1252),
        ("ISO-8859-1", Encoding::Windows1252),
        ("cp1252", Encoding::Windows1252),
    ] {
        assert_eq!(word.parse(), Ok(expected));
    }
    assert!("koi8".parse::<Encoding>().unwrap_err().to_string().contains("windows-1252"));
}
