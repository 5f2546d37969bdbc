//! Parquet as CSV: the rows of a file's columns of plain types, written as an import reads them, and the
//! types that the file says.
//!
//! What is *not* here: lists, maps, structs and plain bytes. Columns of these are left out, by name.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::input::{PackedColumns, unnamed_file};
use super::timestamp::shown_time;
use crate::features::column::{ColumnType, calendar, uuid_text};

/// How the cells of a column become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As they print.
    Plain,
    Uuid,
    /// A time: how many make a microsecond, and how many microseconds each is.
    Time {
        per_us: i64,
        us_each: i64,
    },
}

/// Reads all rows of `file` and writes them to a file without a name.
pub(super) fn unpack(file: File) -> io::Result<(File, PackedColumns)> {
    let wrong =
        |error: parquet::errors::ParquetError| io::Error::other(format!("Parquet: {error}"));
    let reader = SerializedFileReader::new(file).map_err(wrong)?;
    let schema = reader.metadata().file_metadata().schema();
    let (mut fields, mut kinds) = (Vec::new(), Vec::new());
    let mut columns = PackedColumns::default();
    for field in schema.get_fields() {
        match column(field) {
            Some((column_type, kind)) => {
                columns.types.insert(field.name().to_owned(), column_type);
                kinds.push(kind);
                fields.push(Arc::clone(field));
            }
            None => columns.left_out.push(field.name().to_owned()),
        }
    }
    let mut csv = csv::Writer::from_writer(BufWriter::new(unnamed_file()?));
    csv.write_record(fields.iter().map(|field| field.name()))?;
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let rows = reader.get_row_iter(Some(projection.map_err(wrong)?)).map_err(wrong)?;
    let mut text = String::new();
    for row in rows {
        let row = row.map_err(wrong)?;
        for ((_, cell), kind) in row.get_column_iter().zip(&kinds) {
            text.clear();
            write_cell(cell, *kind, &mut text).map_err(|_| out_of_range(cell))?;
            csv.write_field(&text)?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    let file = csv.into_inner().map_err(|error| error.into_error())?;
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    file.rewind()?;
    Ok((file, columns))
}

fn out_of_range(cell: &Field) -> io::Error {
    io::Error::other(format!("Parquet: a cell of {cell:?} has no text"))
}

/// The type of a column, and how its cells become text; none where it has no place in a store.
fn column(field: &Type) -> Option<(ColumnType, Kind)> {
    let info = field.get_basic_info();
    if !field.is_primitive() || info.repetition() == Repetition::REPEATED {
        return None;
    }
    let (converted, logical) = (info.converted_type(), info.logical_type_ref());
    let time = |per_us, us_each| Some((ColumnType::Timestamp, Kind::Time { per_us, us_each }));
    let plain = |column_type| Some((column_type, Kind::Plain));
    match (field.get_physical_type(), converted) {
        (Physical::BOOLEAN, _) => plain(ColumnType::Boolean),
        (Physical::FLOAT, _) => plain(ColumnType::Float),
        (Physical::DOUBLE, _) => plain(ColumnType::Double),
        // Both are read as milliseconds.
        (Physical::INT96, _) | (_, ConvertedType::TIMESTAMP_MILLIS) => time(1, 1_000),
        (_, ConvertedType::TIMESTAMP_MICROS) => time(1, 1),
        (_, ConvertedType::DATE) => plain(ColumnType::Date),
        (_, ConvertedType::DECIMAL) => plain(ColumnType::Decimal),
        (_, ConvertedType::INT_8) => plain(ColumnType::Tinyint),
        (_, ConvertedType::INT_16 | ConvertedType::UINT_8) => plain(ColumnType::Smallint),
        (_, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => {
            plain(ColumnType::Text)
        }
        (_, ConvertedType::INT_32 | ConvertedType::UINT_16) => plain(ColumnType::Int),
        (_, ConvertedType::INT_64 | ConvertedType::UINT_32) => plain(ColumnType::Bigint),
        (_, ConvertedType::UINT_64) => plain(ColumnType::Varint),
        (physical, ConvertedType::NONE) => match (physical, logical) {
            (Physical::INT32, None) => plain(ColumnType::Int),
            (Physical::INT64, None) => plain(ColumnType::Bigint),
            (Physical::INT64, Some(LogicalType::Timestamp(time_type)))
                if time_type.unit == TimeUnit::NANOS =>
            {
                time(1_000, 1)
            }
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)) => {
                Some((ColumnType::Uuid, Kind::Uuid))
            }
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)) => {
                plain(ColumnType::Float)
            }
            _ => None,
        },
        _ => None,
    }
}

fn write_cell(cell: &Field, kind: Kind, text: &mut String) -> std::fmt::Result {
    match (cell, kind) {
        // As in a file of CSV, where the empty text is a missing one.
        (Field::Null, _) => Ok(()),
        (Field::Str(written), _) => {
            text.push_str(written);
            Ok(())
        }
        (
            Field::Long(time) | Field::TimestampMillis(time) | Field::TimestampMicros(time),
            Kind::Time { per_us, us_each },
        ) => {
            let us = time.div_euclid(per_us).checked_mul(us_each).ok_or(std::fmt::Error)?;
            text.push_str(&shown_time(us));
            Ok(())
        }
        (Field::Date(days), _) => calendar::write_date(i64::from(*days), text),
        (Field::Bytes(bytes), Kind::Uuid) => match <[u8; 16]>::try_from(bytes.data()) {
            Ok(bytes) => {
                text.extend(uuid_text(bytes).map(char::from));
                Ok(())
            }
            Err(_) => Err(std::fmt::Error),
        },
        (Field::Bool(value), _) => write!(text, "{value}"),
        (Field::Byte(value), _) => write!(text, "{value}"),
        (Field::Short(value), _) => write!(text, "{value}"),
        (Field::Int(value), _) => write!(text, "{value}"),
        (Field::Long(value), _) => write!(text, "{value}"),
        (Field::UByte(value), _) => write!(text, "{value}"),
        (Field::UShort(value), _) => write!(text, "{value}"),
        (Field::UInt(value), _) => write!(text, "{value}"),
        (Field::ULong(value), _) => write!(text, "{value}"),
        (Field::Float16(value), _) => write!(text, "{value}"),
        (Field::Float(value), _) => write!(text, "{value}"),
        (Field::Double(value), _) => write!(text, "{value}"),
        (Field::Decimal(_), _) => write!(text, "{cell}"),
        _ => Err(std::fmt::Error),
    }
}
