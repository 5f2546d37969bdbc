//! A file of Parquet, as pyarrow writes it, is read as the CSV that it would be, with its types; what a
//! store has no type for is named.

use std::io::Read;
use std::path::{Path, PathBuf};

use shards::features::import::ImportInput;

const CSV: &str = "\
user_id,age,children,visits,income,ratio,purpose,country,is_member,born,seen,seen_ns,amount
u-1,41,1,4294967295,1234.5,0.1,\"car, new\",NL,true,1985-02-28,2026-01-31T12:00:00.123456Z,2026-01-31T12:00:00.123456Z,12.50
u-2,,2,0,,2.5,,DE,false,,,,
\"Zürich, \"\"3\"\"\",7,,1,0.1,,Übung,NL,,1969-12-31,1969-12-31T23:59:59Z,1970-01-01T00:00:00Z,-0.07
";
const TYPES: [(&str, &str); 13] = [
    ("age", "bigint"),
    ("amount", "decimal"),
    ("born", "date"),
    ("children", "tinyint"),
    ("country", "text"),
    ("income", "double"),
    ("is_member", "boolean"),
    ("purpose", "text"),
    ("ratio", "float"),
    ("seen", "timestamp"),
    ("seen_ns", "timestamp"),
    ("user_id", "text"),
    ("visits", "bigint"),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name)
}

fn check(mut input: ImportInput) {
    assert!(input.is_parquet().unwrap());
    let columns = input.unpack_parquet().unwrap();
    let mut csv = String::new();
    input.read_to_string(&mut csv).unwrap();
    assert_eq!(csv, CSV);
    let types: Vec<_> = columns.types.iter().map(|(name, it)| (&**name, it.as_str())).collect();
    assert_eq!(types, TYPES);
    assert_eq!(columns.left_out, ["tags", "raw"]);
}

#[test]
fn from_a_file_however_it_is_compressed() {
    for name in ["users.parquet", "users-zstd.parquet", "users-gzip.parquet"] {
        check(ImportInput::open(&path(name)).unwrap());
    }
}

#[test]
fn from_a_pipe() {
    check(ImportInput::stream(std::fs::File::open(path("users.parquet")).unwrap()));
}

#[test]
fn what_only_begins_like_one_is_refused() {
    let whole = std::fs::read(path("users.parquet")).unwrap();
    for cut in [4, 100, whole.len() / 2, whole.len() - 1] {
        let mut input = ImportInput::stream(std::io::Cursor::new(whole[..cut].to_vec()));
        let error = input.unpack_parquet().expect_err("it is cut");
        assert!(error.to_string().starts_with("Parquet: "), "{error}");
    }
}
