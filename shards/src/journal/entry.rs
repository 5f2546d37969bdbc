//! How entries are laid out in a shard's buffer: little-endian, one after the other, a batch's own
//! entry before those of its rows. Requests of the access log stand among them.

use super::entities::EntityEntry;
use super::texts::TextEntry;
use super::values::ValuesEntry;
use crate::failure::RowFailure;
use crate::origin::TraceParent;
use crate::provenance::FeatureStatus;

pub(super) const BATCH: u8 = 1;
pub(super) const ROW: u8 = 2;
pub(super) const ACCESS: u8 = 3;
/// In place of a status: the request gave the features itself.
pub(super) const OWN_FEATURES: u8 = u8::MAX;
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
