//! Reads entries back from a buffer.

use super::entities::EntityEntry;
use super::entry::{
    ACCESS, AccessEntry, AccessFigures, BATCH, BatchEntry, BatchFigures, Entry, NEVER, ROW,
    RowEntry, RowResult,
};
use super::texts::TextEntry;
use super::values::ValuesEntry;
use crate::origin::TraceParent;
use crate::provenance::FeatureStatus;

/// Reads a buffer's entries in order. It ends at the end of the buffer, or at what is no entry,
/// which only a defect would leave there.
#[derive(Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The entries of what [`super::JournalSlot::take`] gave.
    pub fn new(buffer: &'a [u8]) -> Self {
        Self { rest: buffer }
    }

    /// How many bytes were not read: 0 at the end.
    pub fn rest_bytes(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let mut reader = Reader(self.rest);
        let entry = match reader.byte()? {
            BATCH => Entry::Batch(reader.batch()?),
            ROW => Entry::Row(reader.row()?),
            ACCESS => Entry::Access(reader.access()?),
            _ => return None,
        };
        self.rest = reader.0;
        Some(entry)
    }
}

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.array()?);
        self.bytes(usize::from(length))
    }

    fn batch(&mut self) -> Option<BatchEntry<'a>> {
        Some(BatchEntry {
            model: std::str::from_utf8(self.text()?).ok()?,
            version: u64::from_le_bytes(self.array()?),
            file_hash: u64::from_le_bytes(self.array()?),
            time_us: i64::from_le_bytes(self.array()?),
        })
    }

    fn origin(&mut self) -> Option<(&'a [u8], Option<TraceParent>)> {
        let request_id = self.text()?;
        let trace = match self.byte()? {
            0 => None,
            _ => Some(TraceParent {
                trace_id: self.array()?,
                parent_id: self.array()?,
                flags: self.byte()?,
            }),
        };
        Some((request_id, trace))
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn access(&mut self) -> Option<AccessEntry<'a>> {
        let (request_id, trace) = self.origin()?;
        let user_id = self.text()?;
        let model = std::str::from_utf8(self.text()?).ok()?;
        let version = u64::from_le_bytes(self.array()?);
        let figures = AccessFigures {
            status: u16::from_le_bytes(self.array()?),
            duration_ns: u64::from_le_bytes(self.array()?),
            write_ns: u64::from_le_bytes(self.array()?),
            rows: self.number()?,
            batch: BatchFigures {
                rows: self.number()?,
                queue_us: self.number()?,
                features_us: self.number()?,
                model_us: self.number()?,
            },
        };
        let model = (!model.is_empty()).then_some((model, version));
        Some(AccessEntry { request_id, trace, user_id, model, figures })
    }

    fn row(&mut self) -> Option<RowEntry<'a>> {
        let (request_id, trace) = self.origin()?;
        let user_id = self.text()?;
        let features = FeatureStatus::ALL.get(usize::from(self.byte()?)).copied();
        let last_updated_us = i64::from_le_bytes(self.array()?);
        let result = match self.byte()? {
            u8::MAX => RowResult::Score(f64::from_le_bytes(self.array()?)),
            reason => RowResult::Failed(reason),
        };
        let (cells, texts) = (self.cells()?, self.texts()?);
        let decision = std::str::from_utf8(self.text()?).ok()?;
        let (count, reasons_max) = (self.number()?, self.number()?);
        let reasons = match count.checked_sub(1) {
            None => None,
            Some(count) => Some((0..count).map(|_| self.reason()).collect::<Option<_>>()?),
        };
        let last_updated_us = (last_updated_us != NEVER).then_some(last_updated_us);
        let entities = (0..self.byte()?).map(|_| EntityEntry::read(self)).collect::<Option<_>>()?;
        let values = match self.byte()? {
            0 => None,
            _ => Some(ValuesEntry::read(self)?),
        };
        Some(RowEntry {
            request_id,
            trace,
            user_id,
            features,
            last_updated_us,
            result,
            cells,
            texts,
            decision,
            reasons,
            reasons_max,
            entities,
            values,
        })
    }

    fn reason(&mut self) -> Option<(&'a str, f64)> {
        let code = std::str::from_utf8(self.text()?).ok()?;
        Some((code, f64::from_le_bytes(self.array()?)))
    }

    fn texts(&mut self) -> Option<Vec<(u32, TextEntry<'a>)>> {
        let count = self.number()?;
        let text = |_| {
            let (column, kind) = (self.number()?, self.byte()?);
            let bytes = || {
                let length = self.number()?;
                self.bytes(length as usize)
            };
            Some((column, TextEntry::read(kind, bytes)?))
        };
        (0..count).map(text).collect()
    }

    fn cells(&mut self) -> Option<Vec<f64>> {
        let width = usize::from(self.byte()?);
        let count = self.number()? as usize;
        let bytes = self.bytes(count * width)?;
        let cells = bytes.chunks_exact(width.max(1));
        match width {
            4 => cells
                .map(|cell| Some(f64::from(f32::from_le_bytes(cell.try_into().ok()?))))
                .collect(),
            8 => cells.map(|cell| Some(f64::from_le_bytes(cell.try_into().ok()?))).collect(),
            _ => None,
        }
    }
}
