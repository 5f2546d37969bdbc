//! The key of a row: one field as it is, a typed one in the one spelling of its value, several as one.

use std::io::Read;

use super::cell;
use super::csv::CellProblem;
use super::header::Header;
use super::records::Records;
use crate::features::column::{Cause, CellValue, ColumnType};
use crate::features::composite::push_part;
use crate::features::requests::KEY_BYTES_MAX;

/// Where the parts of a key stand, and of which types they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPart {
    pub(super) position: usize,
    /// The type that the header gives it; text where it gives none.
    pub(super) column_type: ColumnType,
}

/// Makes the keys of rows; the last one is kept.
#[derive(Debug, Default)]
pub(super) struct RowKeys {
    made: Vec<u8>,
    part: Vec<u8>,
}

impl RowKeys {
    /// Makes the key of the record that was read last; a fault comes with the field's position.
    pub(super) fn read<R: Read>(
        &mut self,
        records: &Records<R>,
        header: &Header,
    ) -> Result<(), (usize, CellProblem)> {
        self.made.clear();
        let parts = &header.key_parts;
        for KeyPart { position, column_type } in parts {
            let field = records.field(*position);
            let wrong = |problem| (*position, problem);
            if let Some(problem) = problem_of(field) {
                return Err(wrong(problem));
            }
            self.part.clear();
            spell(field, *column_type, &mut self.part).map_err(|()| {
                let (text, expected) = (cell::shown(field), *column_type);
                let is_uuid = *column_type == ColumnType::Uuid;
                let cause = if is_uuid { Cause::NotAUuid } else { Cause::Text };
                wrong(CellProblem::NotOfType { text, expected, cause })
            })?;
            if parts.len() == 1 {
                std::mem::swap(&mut self.made, &mut self.part);
            } else {
                push_part(&mut self.made, &self.part);
            }
        }
        let found = self.made.len();
        if found > KEY_BYTES_MAX {
            return Err((header.key_parts[0].position, CellProblem::KeyTooLong { found }));
        }
        Ok(())
    }

    /// The key that was made last.
    pub(super) fn key(&self) -> &[u8] {
        &self.made
    }
}

/// Puts a part into `out` in the one spelling that its value has: `007` of an integer is `7`, and a UUID
/// has small letters.
fn spell(field: &[u8], column_type: ColumnType, out: &mut Vec<u8>) -> Result<(), ()> {
    use ColumnType::{Bigint, Int, Smallint, Tinyint, Uuid, Varint};
    if !matches!(column_type, Bigint | Int | Smallint | Tinyint | Varint | Uuid) {
        out.extend_from_slice(field);
        return Ok(());
    }
    let text = std::str::from_utf8(field).map_err(|_| ())?.trim();
    match column_type.parse(text).ok_or(())? {
        CellValue::Null => Err(()),
        value => {
            out.extend_from_slice(value.to_string().as_bytes());
            Ok(())
        }
    }
}

fn problem_of(key: &[u8]) -> Option<CellProblem> {
    if key.is_empty() {
        return Some(CellProblem::EmptyKey);
    }
    if key.len() > KEY_BYTES_MAX {
        return Some(CellProblem::KeyTooLong { found: key.len() });
    }
    if let Err(error) = std::str::from_utf8(key) {
        let at = error.valid_up_to();
        return Some(CellProblem::KeyNotUtf8 {
            text: cell::shown(key),
            byte: key[at],
            place: at + 1,
        });
    }
    key.contains(&b'\n').then_some(CellProblem::KeyOfLines)
}
