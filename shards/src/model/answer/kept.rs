//! Which columns of a model's output are kept for each row.

/// The columns of an output that are computed and kept: the score's alone, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) enum Kept {
    /// This column, which is the score.
    Only(usize),
    /// All `width` of them; the score is the column `score`.
    All {
        /// How many there are.
        width: usize,
        /// The score's.
        score: usize,
    },
}

impl Kept {
    /// What is kept of an output of `width` columns whose column `score` is the score. Few columns
    /// cost next to nothing; of more, `wants_all` says whether anything but the score is wanted.
    pub(in crate::model) fn of(width: usize, score: usize, wants_all: bool) -> Self {
        const CHEAP_COLUMNS_MAX: usize = 2;
        if width > 1 && (wants_all || width <= CHEAP_COLUMNS_MAX) {
            Self::All { width, score }
        } else {
            Self::Only(score)
        }
    }

    /// How many columns of an output of `width` are explained beside the score: those of two classes
    /// have one margin.
    pub(in crate::model) fn explained(self, width: usize) -> usize {
        const OF_ONE_MARGIN_MAX: usize = 2;
        match self {
            Self::All { .. } if width > OF_ONE_MARGIN_MAX => width,
            Self::Only(_) | Self::All { .. } => 0,
        }
    }

    /// How many values a row has.
    pub(in crate::model) fn values(self) -> usize {
        match self {
            Self::Only(_) => 1,
            Self::All { width, .. } => width,
        }
    }

    /// The place of the score among a row's values.
    pub(in crate::model) fn score(self) -> usize {
        match self {
            Self::Only(_) => 0,
            Self::All { score, .. } => score,
        }
    }

    /// Appends the values of each row of an output that has `columns` columns.
    pub(in crate::model) fn append<T: Copy>(
        self,
        output: &[T],
        columns: usize,
        values: &mut Vec<f64>,
        widen: impl Fn(T) -> f64,
    ) {
        match self {
            Self::Only(column) => {
                values.extend(output.chunks_exact(columns).map(|row| widen(row[column])));
            }
            Self::All { .. } => values.extend(output.iter().copied().map(widen)),
        }
    }
}
