//! Rows and requests as a shard has them, and how they are written as entries.

use super::entities::RowEntities;
use super::entry::{ACCESS, AccessFigures, BATCH, BatchEntry, NEVER, OWN_FEATURES, ROW, RowResult};
use super::texts::RowTexts;
use super::values::RowValues;
use crate::facts::Reason;
use crate::features::Cells;
use crate::origin::{Origin, RequestId, TraceParent};
use crate::provenance::FeatureStatus;

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
