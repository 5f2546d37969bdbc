//! What a row's answer has beside its score, in buffers that its slot keeps.

use crate::facts::Reason;
use crate::model::answer::Wants;

/// What a row is asked for beside its score, and what came of it.
#[derive(Debug, Default)]
pub struct RowAnswer {
    /// What its request asks for; nothing where `is_asked` is false.
    wants: Wants,
    is_asked: bool,
    /// What came of it; made when a row of the slot first has more than a score.
    parts: Option<Box<RowParts>>,
}

/// The parts of an answer beside the score.
#[derive(Debug, Default)]
pub struct RowParts {
    /// The columns of the model's output; empty where none is wanted.
    pub outputs: Vec<f64>,
    /// The explanation, where the row has one.
    pub explanation: Option<Explanation>,
    /// The reasons, the strongest first.
    pub reasons: Vec<Reason>,
    /// The contribution of each column, where all of them are wanted; where several columns of the
    /// output are explained, those of each, with its base after them.
    pub contributions: Vec<f64>,
}

/// The margin of a row, and that of the average row, of which contributions are the difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explanation {
    /// The margin of the average row.
    pub base: f64,
    /// The row's own: the base and all contributions.
    pub margin: f64,
    /// How many reasons it may have.
    pub reasons_max: usize,
}

impl RowAnswer {
    /// What the row's request asks for.
    pub fn wants(&self) -> Wants {
        if self.is_asked { self.wants } else { Wants::default() }
    }

    /// Whether its request asks for more than the score.
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Has it asked for `wants`.
    pub fn ask(&mut self, wants: Wants) {
        self.wants = wants;
        self.is_asked = wants != Wants::default();
    }

    /// The parts; `None` of a row that has but a score.
    pub fn parts(&self) -> Option<&RowParts> {
        self.parts.as_deref()
    }

    /// The parts, to be filled.
    pub fn parts_mut(&mut self) -> &mut RowParts {
        self.parts.get_or_insert_default()
    }

    /// Makes it that of a new row, keeping the buffers.
    pub(super) fn clear(&mut self) {
        self.is_asked = false;
        if let Some(parts) = &mut self.parts {
            parts.outputs.clear();
            parts.explanation = None;
            parts.reasons.clear();
            parts.contributions.clear();
        }
    }

    /// Gives back what few rows need.
    pub(super) fn shrink(&mut self) {
        const KEPT_VALUES_MAX: usize = 512;
        let is_large = |parts: &RowParts| {
            let values = parts.outputs.capacity().max(parts.contributions.capacity());
            values.max(parts.reasons.capacity()) > KEPT_VALUES_MAX
        };
        if self.parts.as_deref().is_some_and(is_large) {
            self.parts = None;
        }
    }
}
