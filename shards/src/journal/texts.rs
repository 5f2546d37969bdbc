//! What the log says of a cell of text: the text itself, and not the number that the model read.

use crate::features::Cells;
use crate::features::join::RequestField;

const KNOWN: u8 = 1;
const UNKNOWN: u8 = 2;
const MISSING: u8 = 3;

/// What a cell of a column of text was. One that is none of these is the code that the row has for
/// it: that of a text which the model hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEntry<'a> {
    /// A text that the model knows.
    Known(&'a str),
    /// A text that the model does not know.
    Unknown,
    /// A missing value.
    Missing,
}

/// How the codes of a row are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowTexts<'a> {
    /// The model's columns; empty where none is of text.
    pub(crate) fields: &'a [RequestField],
    /// The row's cells whose text the model does not know, by row and column.
    pub(crate) unknown: &'a [(u32, u32)],
}

impl<'a> RowTexts<'a> {
    /// Of a model that reads numbers alone.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { fields: &[], unknown: &[] };

    /// The row's cells of text, each with its column.
    fn of(self, cells: Cells<'a>) -> impl Iterator<Item = (u32, TextEntry<'a>)> {
        self.fields.iter().zip(0_u32..).filter_map(move |(field, column)| {
            let known = field.categories.as_deref()?;
            let at = column as usize;
            let code = match cells {
                Cells::F32(cells) => f64::from(*cells.get(at)?),
                Cells::F64(cells) => *cells.get(at)?,
            };
            let entry = if self.unknown.iter().any(|cell| cell.1 == column) {
                TextEntry::Unknown
            } else if code.is_nan() || known.missing() == Some(code) {
                TextEntry::Missing
            } else {
                TextEntry::Known(known.text(code)?)
            };
            Some((column, entry))
        })
    }

    /// More bytes than [`Self::push`] writes.
    pub(super) fn bytes_max(self, cells: Option<Cells<'a>>) -> usize {
        let bytes = |(_, entry)| match entry {
            TextEntry::Known(text) => 9 + text.len(),
            TextEntry::Unknown | TextEntry::Missing => 9,
        };
        4 + cells.map_or(0, |cells| self.of(cells).map(bytes).sum())
    }

    /// Appends how many there are, and each: its column, its kind and, of a text, its length and bytes.
    pub(super) fn push(self, out: &mut Vec<u8>, cells: Option<Cells<'a>>) {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut count = 0_u32;
        for (column, entry) in cells.into_iter().flat_map(|cells| self.of(cells)) {
            count += 1;
            out.extend_from_slice(&column.to_le_bytes());
            match entry {
                TextEntry::Known(text) => {
                    out.push(KNOWN);
                    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    out.extend_from_slice(text.as_bytes());
                }
                TextEntry::Unknown => out.push(UNKNOWN),
                TextEntry::Missing => out.push(MISSING),
            }
        }
        out[at..at + 4].copy_from_slice(&count.to_le_bytes());
    }
}

impl<'a> TextEntry<'a> {
    /// The entry of this kind, whose text `text` reads.
    pub(super) fn read(kind: u8, text: impl FnOnce() -> Option<&'a [u8]>) -> Option<Self> {
        match kind {
            KNOWN => Some(Self::Known(str::from_utf8(text()?).ok()?)),
            UNKNOWN => Some(Self::Unknown),
            MISSING => Some(Self::Missing),
            _ => None,
        }
    }
}
