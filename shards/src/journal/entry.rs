//! How entries are laid out in a shard's buffer: little-endian, one after the other, a batch's own
//! entry before those of its rows. Requests of the access log stand among them.

use super::entities::{EntityEntry, RowEntities};
use super::texts::{RowTexts, TextEntry};
use super::values::{RowValues, ValuesEntry};
use crate::facts::Reason;
use crate::failure::RowFailure;
use crate::features::Cells;
use crate::origin::{Origin, RequestId, TraceParent};
use crate::provenance::FeatureStatus;

const BATCH: u8 = 1;
const ROW: u8 = 2;
const ACCESS: u8 = 3;
/// In place of a status: the request gave the features itself.
const OWN_FEATURES: u8 = u8::MAX;
/// In place of a time: there is none.
pub(super) const NEVER: i64 = i64::MIN;

/// What the rows after it have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchEntry<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Its version.
    pub version: u64,
    /// What tells its file from others; 0 of a remote model.
    pub file_hash: u64,
    /// When the batch was started, in µs since 1970.
    pub time_us: i64,
}

/// One row of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct RowEntry<'a> {
    /// The id of its request; empty where it has none.
    pub request_id: &'a [u8],
    /// The trace that its request belongs to.
    pub trace: Option<TraceParent>,
    /// The user; empty of a row whose request gave the features itself.
    pub user_id: &'a [u8],
    /// What its features stood on; `None` where its request gave them itself, and of a row that
    /// was not joined.
    pub features: Option<FeatureStatus>,
    /// When the store last wrote its features, in µs since 1970.
    pub last_updated_us: Option<i64>,
    /// Its score, or why it has none.
    pub result: RowResult,
    /// The cells that the model read, in the order of its columns; of a row that the model did not
    /// score none.
    pub cells: Vec<f64>,
    /// What those of the cells were that stand for texts, each with its column.
    pub texts: Vec<(u32, TextEntry<'a>)>,
    /// The decision that its score is; empty where the model has no bands.
    pub decision: &'a str,
    /// Why it has its score: the codes of its reasons and how far each pushed; `None` where it was
    /// not explained.
    pub reasons: Option<Vec<(&'a str, f64)>>,
    /// How many reasons it might have had; 0 where it was not explained.
    pub reasons_max: u32,
    /// What the features of each entity stood on, of a model with several.
    pub entities: Vec<EntityEntry<'a>>,
    /// What its expressions and rules read, of a model that has any.
    pub values: Option<ValuesEntry<'a>>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowResult {
    /// Its score.
    Score(f64),
    /// The index of its failure in [`RowFailure::REASONS`].
    Failed(u8),
}

impl RowResult {
    /// The failure in words, if it is one.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Score(_) => None,
            Self::Failed(index) => RowFailure::REASONS.get(usize::from(index)).copied(),
        }
    }
}

/// A request that was sampled for the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessEntry<'a> {
    /// The id of the request; empty where it has none.
    pub request_id: &'a [u8],
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
    /// The first of its users; empty where they are not logged.
    pub user_id: &'a [u8],
    /// The model and its version, where one was asked for.
    pub model: Option<(&'a str, u64)>,
    /// The rest.
    pub figures: AccessFigures,
}

/// What there is in numbers of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccessFigures {
    /// The status that it was answered with.
    pub status: u16,
    /// From the read that completed it to the end of the write of its answer, in ns.
    pub duration_ns: u64,
    /// From the answer being ready to its last byte handed to the kernel, in ns.
    pub write_ns: u64,
    /// How many rows it has; 0 where no model was asked.
    pub rows: u32,
    /// What became of its first row; all 0 of one that was in no batch.
    pub batch: BatchFigures,
}

/// The batch that a row was in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchFigures {
    /// Its rows; 0 where there was none.
    pub rows: u32,
    /// From the row's being queued to the start of the batch, in µs.
    pub queue_us: u32,
    /// The fetch and join, in µs.
    pub features_us: u32,
    /// The computation, in µs.
    pub model_us: u32,
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// A sampled request.
    Access(AccessEntry<'a>),
    /// A batch; the next rows are its.
    Batch(BatchEntry<'a>),
    /// A row.
    Row(RowEntry<'a>),
}

/// More bytes than an entry has beside its ids, names and cells.
const FIXED_BYTES_MAX: usize = 128;

fn id_bytes(id: &RequestId) -> usize {
    match id {
        RequestId::None => 0,
        RequestId::Sent(id) => id.len(),
        RequestId::Made(_) => 32,
    }
}

/// A sampled request as the shard has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessNote<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) user_id: &'a str,
    pub(crate) model: Option<(&'a str, u64)>,
    pub(crate) figures: AccessFigures,
}

impl AccessNote<'_> {
    /// More bytes than its entry has.
    pub(super) fn bytes_max(&self) -> usize {
        let model = self.model.map_or(0, |(name, _)| name.len());
        FIXED_BYTES_MAX + id_bytes(&self.origin.request_id) + self.user_id.len() + model
    }

    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.push(ACCESS);
        push_origin(out, &self.origin.request_id, self.origin.trace);
        push_text(out, self.user_id);
        let (model, version) = self.model.unwrap_or_default();
        push_text(out, model);
        out.extend_from_slice(&version.to_le_bytes());
        let AccessFigures { status, duration_ns, write_ns, rows, batch } = self.figures;
        out.extend_from_slice(&status.to_le_bytes());
        out.extend_from_slice(&duration_ns.to_le_bytes());
        out.extend_from_slice(&write_ns.to_le_bytes());
        for figure in [rows, batch.rows, batch.queue_us, batch.features_us, batch.model_us] {
            out.extend_from_slice(&figure.to_le_bytes());
        }
    }
}

/// A row as the shard has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowNote<'a> {
    pub(crate) request_id: &'a RequestId,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) user_id: &'a str,
    pub(crate) features: Option<FeatureStatus>,
    pub(crate) last_updated_us: Option<i64>,
    pub(crate) result: RowResult,
    pub(crate) cells: Option<Cells<'a>>,
    pub(crate) texts: RowTexts<'a>,
    pub(crate) decision: &'a str,
    /// The codes of the reasons that rows of the model may have, and the reasons of this one.
    pub(crate) reasons: Option<(&'a [String], &'a [Reason])>,
    pub(crate) reasons_max: u32,
    /// Its entities, where it was joined for a model with several.
    pub(crate) entities: Option<RowEntities<'a>>,
    /// What its expressions and rules read, of a model that has any.
    pub(crate) values: Option<RowValues<'a>>,
}

impl RowNote<'_> {
    /// More bytes than its entry has.
    pub(super) fn bytes_max(&self) -> usize {
        let cells = match self.cells {
            None => 0,
            Some(Cells::F32(cells)) => size_of_val(cells),
            Some(Cells::F64(cells)) => size_of_val(cells),
        };
        let texts = self.texts.bytes_max(self.cells);
        let answer = self.decision.len()
            + self.reason_codes().map(|(code, _)| 10 + code.len()).sum::<usize>();
        let entities = self.entities.map_or(0, |entities| entities.bytes_max());
        let values = self.values.map_or(0, |values| values.bytes_max());
        let answer = answer + entities + values;
        FIXED_BYTES_MAX + id_bytes(self.request_id) + self.user_id.len() + cells + texts + answer
    }

    /// The codes of its reasons, and how far each pushed.
    fn reason_codes(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        let (codes, reasons) = self.reasons.unwrap_or_default();
        reasons.iter().map(|reason| {
            let code = codes.get(reason.group as usize).map_or("", String::as_str);
            (code, reason.contribution)
        })
    }

    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.push(ROW);
        push_origin(out, self.request_id, self.trace);
        push_text(out, self.user_id);
        out.push(self.features.map_or(OWN_FEATURES, |status| status as u8));
        out.extend_from_slice(&self.last_updated_us.unwrap_or(NEVER).to_le_bytes());
        match self.result {
            RowResult::Score(score) => {
                out.push(u8::MAX);
                out.extend_from_slice(&score.to_le_bytes());
            }
            RowResult::Failed(reason) => out.push(reason),
        }
        push_cells(out, self.cells);
        self.texts.push(out, self.cells);
        push_text(out, self.decision);
        // One more than there are, so that none is not no explanation.
        let count = self.reasons.map_or(0, |(_, reasons)| reasons.len() as u32 + 1);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&self.reasons_max.to_le_bytes());
        for (code, contribution) in self.reason_codes() {
            push_text(out, code);
            out.extend_from_slice(&contribution.to_le_bytes());
        }
        out.push(self.entities.map_or(0, |entities| entities.keys.entities.len() as u8));
        if let Some(entities) = self.entities {
            entities.push(out);
        }
        out.push(u8::from(self.values.is_some()));
        if let Some(values) = self.values {
            values.push(out);
        }
    }
}

impl BatchEntry<'_> {
    /// More bytes than it has.
    pub(super) fn bytes_max(&self) -> usize {
        32 + self.model.len()
    }

    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.push(BATCH);
        push_text(out, self.model);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.file_hash.to_le_bytes());
        out.extend_from_slice(&self.time_us.to_le_bytes());
    }
}

fn push_origin(out: &mut Vec<u8>, request_id: &RequestId, trace: Option<TraceParent>) {
    let at = out.len();
    out.extend_from_slice(&[0; 2]);
    request_id.write(out);
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_le_bytes());
    out.push(u8::from(trace.is_some()));
    if let Some(trace) = trace {
        out.extend_from_slice(&trace.trace_id);
        out.extend_from_slice(&trace.parent_id);
        out.push(trace.flags);
    }
}

/// Names, ids and users are far shorter than 64 KiB.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn push_cells(out: &mut Vec<u8>, cells: Option<Cells<'_>>) {
    match cells {
        None => out.extend_from_slice(&[4, 0, 0, 0, 0]),
        Some(Cells::F32(cells)) => {
            out.push(4);
            out.extend_from_slice(&(cells.len() as u32).to_le_bytes());
            for cell in cells {
                out.extend_from_slice(&cell.to_le_bytes());
            }
        }
        Some(Cells::F64(cells)) => {
            out.push(8);
            out.extend_from_slice(&(cells.len() as u32).to_le_bytes());
            for cell in cells {
                out.extend_from_slice(&cell.to_le_bytes());
            }
        }
    }
}

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
