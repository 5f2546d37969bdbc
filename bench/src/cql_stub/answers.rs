//! Answers, written frame by frame.

use super::frames::{OPCODE_ERROR, OPCODE_RESULT, OPCODE_SUPPORTED, put_string, set_length};

/// A RESULT that holds rows, and one that answers PREPARE.
const RESULT_ROWS: i32 = 2;
const RESULT_PREPARED: i32 = 4;
/// Metadata that names one table for all columns, and metadata that leaves the columns out.
const FLAG_ONE_TABLE: i32 = 1;
const FLAG_NO_METADATA: i32 = 4;
/// The code of a statement that is not understood.
const ERROR_INVALID: i32 = 0x2200;

/// A CQL type, as `[option]` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CqlType {
    Text,
    Bigint,
    Boolean,
    Double,
    Float,
    Int,
    Smallint,
    Tinyint,
    Decimal,
    Varint,
    Date,
    Timestamp,
    Uuid,
    Inet,
    ListOfText,
    SetOfText,
    MapOfTexts,
}

impl CqlType {
    fn option(self) -> &'static [u16] {
        match self {
            Self::Text => &[0x0D],
            Self::Bigint => &[0x02],
            Self::Boolean => &[0x04],
            Self::Double => &[0x07],
            Self::Float => &[0x08],
            Self::Int => &[0x09],
            Self::Smallint => &[0x13],
            Self::Tinyint => &[0x14],
            Self::Decimal => &[0x06],
            Self::Varint => &[0x0E],
            Self::Date => &[0x11],
            Self::Timestamp => &[0x0B],
            Self::Uuid => &[0x0C],
            Self::Inet => &[0x10],
            Self::ListOfText => &[0x20, 0x0D],
            Self::SetOfText => &[0x22, 0x0D],
            Self::MapOfTexts => &[0x21, 0x0D, 0x0D],
        }
    }

    /// As the schema tables name it; only of those that a table here has.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bigint => "bigint",
            Self::Boolean => "boolean",
            Self::Double => "double",
            Self::Float => "float",
            Self::Int => "int",
            Self::Smallint => "smallint",
            Self::Tinyint => "tinyint",
            Self::Decimal => "decimal",
            Self::Varint => "varint",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Inet => "inet",
            Self::ListOfText => "list<text>",
            Self::SetOfText => "set<text>",
            Self::MapOfTexts => "map<text, text>",
        }
    }
}

/// A column of an answer, or a value that a statement is to be given.
pub(super) type Column = (String, CqlType);

/// A keyspace and a table.
pub(super) type Table = (String, String);

/// Appends a frame that answers the request with this stream number; `body` writes the rest.
pub(super) fn put_frame(
    output: &mut Vec<u8>,
    stream: [u8; 2],
    opcode: u8,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = output.len();
    output.extend([0x84, 0, stream[0], stream[1], opcode, 0, 0, 0, 0]);
    body(output);
    set_length(&mut output[start..]);
}

/// What a node says of itself before anything else.
pub(super) fn put_supported(output: &mut Vec<u8>, stream: [u8; 2]) {
    put_frame(output, stream, OPCODE_SUPPORTED, |body| {
        body.extend(1_u16.to_be_bytes());
        put_string(body, "CQL_VERSION");
        body.extend(1_u16.to_be_bytes());
        put_string(body, "3.4.7");
    });
}

/// Says that a statement is not understood.
pub(super) fn put_invalid(output: &mut Vec<u8>, stream: [u8; 2], what: &str) {
    put_frame(output, stream, OPCODE_ERROR, |body| {
        body.extend(ERROR_INVALID.to_be_bytes());
        put_string(body, &format!("a stub has no answer to: {what}"));
    });
}

/// Answers PREPARE: the statement's id, the values that it is to be given, whether the first is the
/// whole partition key, and the columns that it will answer with.
pub(super) fn put_prepared(
    output: &mut Vec<u8>,
    stream: [u8; 2],
    id: &[u8],
    table: &Table,
    (values, key_is_first): (&[Column], bool),
    columns: &[Column],
) {
    put_frame(output, stream, OPCODE_RESULT, |body| {
        body.extend(RESULT_PREPARED.to_be_bytes());
        body.extend((id.len() as u16).to_be_bytes());
        body.extend(id);
        body.extend(FLAG_ONE_TABLE.to_be_bytes());
        body.extend((values.len() as i32).to_be_bytes());
        body.extend(i32::from(key_is_first).to_be_bytes());
        if key_is_first {
            body.extend(0_u16.to_be_bytes());
        }
        put_columns(body, table, values);
        body.extend(FLAG_ONE_TABLE.to_be_bytes());
        body.extend((columns.len() as i32).to_be_bytes());
        put_columns(body, table, columns);
    });
}

/// Answers EXECUTE; `rows` writes the rows one after the other and returns how many it wrote.
pub(super) fn put_rows(
    output: &mut Vec<u8>,
    stream: [u8; 2],
    table: &Table,
    (columns, are_known): (&[Column], bool),
    rows: impl FnOnce(&mut Vec<u8>) -> i32,
) {
    put_frame(output, stream, OPCODE_RESULT, |body| {
        body.extend(RESULT_ROWS.to_be_bytes());
        let flags = if are_known { FLAG_NO_METADATA } else { FLAG_ONE_TABLE };
        body.extend(flags.to_be_bytes());
        body.extend((columns.len() as i32).to_be_bytes());
        if !are_known {
            put_columns(body, table, columns);
        }
        let count_at = body.len();
        body.extend(0_i32.to_be_bytes());
        let count = rows(body);
        body[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
    });
}

fn put_columns(body: &mut Vec<u8>, (keyspace, table): &Table, columns: &[Column]) {
    put_string(body, keyspace);
    put_string(body, table);
    for (name, cql_type) in columns {
        put_string(body, name);
        body.extend(cql_type.option().iter().flat_map(|part| part.to_be_bytes()));
    }
}
