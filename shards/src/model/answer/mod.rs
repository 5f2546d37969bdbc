//! What is made of a model's output: a calibrated score, points, a decision, reasons.
//!
//! [`settings`] is what `[output]` of `model.toml` says. `kept` says which columns of the output are
//! computed, `calibration` makes probabilities of them by the curves of a `calibration_file`,
//! [`points`](PointScale::points_of) a score on a scorecard's scale, and [`reasons`] the reasons of
//! the contributions that `explain` computes. [`Answers`] is what a lane asks: which of all this a
//! row has, and which decision its score is.
//!
//! What is *not* here: how contributions are computed (`explain`), and how an answer is written
//! (`api`).

mod answers;
mod calibration;
mod calibration_file;
mod condition;
mod kept;
mod points;
mod reasons;
mod settings;

pub(in crate::model) use answers::OutputFacts;
pub use answers::{Answers, AnswersError, Wants};
pub(in crate::model) use calibration::Calibrator;
pub use calibration_file::CalibrationError;
pub(in crate::model) use kept::Kept;
pub use reasons::{ReasonGroup, Reasons};
pub use settings::{
    Adverse, BANDS_MAX, Band, CALIBRATION_FILE, CalibrationMethod, ClassChoice, PointScale,
    ScoreKind, ScoreOutput,
};
