//! `[output]` in `model.toml`: which number is the score, and what is made of it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::facts::SCORE_BINS;

/// Which number of the model's outputs is the score, and what an answer has beside it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreOutput {
    /// The output tensor's name; by default the first output that holds floats.
    pub tensor: Option<String>,
    /// The class whose probability is the score; by default 1 for a binary classifier and the
    /// only value for a regressor.
    pub class: Option<ClassChoice>,
    /// Whether every answer has the probability of each class.
    pub probabilities: bool,
    /// Whether every answer has the label of the most probable class.
    pub label: bool,
    /// Whether every answer has all columns of the output, of a model that is no classifier.
    pub outputs: bool,
    /// The labels of the classes, in the order of the output's columns, where the file has none.
    pub labels: Vec<String>,
    /// How many members of a calibrated ensemble the output's columns are of: each has a number for
    /// each class, or one where there are two, and a curve of its own.
    pub members: Option<usize>,
    /// How the score is calibrated, by the knots in [`CALIBRATION_FILE`] beside the model's file.
    pub calibration: Option<CalibrationMethod>,
    /// Which end of the score is the adverse one: what reasons push towards, and the odds that
    /// points count against.
    pub adverse: Adverse,
    /// The scale of points.
    pub scale: Option<PointScale>,
    /// The decisions, by ascending score.
    pub bands: Vec<Band>,
    /// The shares of the training data's scores in the [`SCORE_BINS`] equal parts of 0 to 1, each
    /// with its upper bound; empty when they are not known. Of probabilities only.
    pub shares: Vec<f64>,
}

/// How far the shares of the scores may be from 1 together.
const SHARES_SLACK: f64 = 1e-6;

/// The name of the file with the knots of a calibration, in a version's folder.
pub const CALIBRATION_FILE: &str = "calibration.csv";

/// A class, by its place or by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassChoice {
    /// The column of the output tensor, from 0.
    Index(usize),
    /// The label that the model was trained with; an integer label is its decimal text.
    Label(String),
}

impl<'de> Deserialize<'de> for ClassChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ClassVisitor;
        impl Visitor<'_> for ClassVisitor {
            type Value = ClassChoice;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a class index (integer from 0) or a class label (string)")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<ClassChoice, E> {
                usize::try_from(value)
                    .map(ClassChoice::Index)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<ClassChoice, E> {
                Ok(ClassChoice::Label(value.to_owned()))
            }
        }
        deserializer.deserialize_any(ClassVisitor)
    }
}

/// How a score is calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationMethod {
    /// `1 / (1 + exp(a · f + b))` (Platt 1999), as scikit-learn has it.
    Sigmoid,
    /// A line from knot to knot, flat beyond the first and the last.
    Isotonic,
}

/// The adverse end of a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adverse {
    /// The higher the score, the worse for the user.
    #[default]
    High,
    /// The lower the score, the worse.
    Low,
}

/// A scale of points: `offset + factor · ln(odds)`, the odds being those of the outcome that is not
/// adverse.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointScale {
    /// The points of a user whose odds are `odds`.
    pub points: f64,
    /// The odds at which a user has `points`, as 50 for 50 to 1.
    pub odds: f64,
    /// How many more points double the odds.
    pub pdo: f64,
    /// Whether points are rounded to whole ones.
    #[serde(default)]
    pub round: bool,
    /// The fewest points that there are.
    #[serde(default)]
    pub min: Option<f64>,
    /// The most.
    #[serde(default)]
    pub max: Option<f64>,
    /// What the score is.
    #[serde(default)]
    pub of: ScoreKind,
}

/// What a score is, for points to be made of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreKind {
    /// A probability.
    #[default]
    Probability,
    /// The logarithm of odds, as a margin is.
    LogOdds,
}

/// A decision and the scores that it is for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Scores below this one that no earlier band has; all others where it is not given.
    #[serde(default)]
    pub below: Option<f64>,
    /// The decision's name.
    pub decision: String,
}

/// A value of `[output]` that makes no sense: its key, what was found and what was expected.
pub(in crate::model) type OutputProblem = (String, String, &'static str);

/// How many decisions there may be: each is counted.
pub const BANDS_MAX: usize = 32;

impl ScoreOutput {
    /// The score alone, from this tensor and class where they are given.
    pub fn of(tensor: Option<String>, class: Option<ClassChoice>) -> Self {
        Self { tensor, class, ..Self::default() }
    }

    /// The class that is the score, by its place where it is named by a label of `model.toml`, for an
    /// output of `width` columns.
    pub(in crate::model) fn class_of(&self, width: usize) -> Option<ClassChoice> {
        if let Some(ClassChoice::Label(label)) = &self.class
            && self.labels.len() == width
            && let Some(place) = self.labels.iter().position(|known| known == label)
        {
            return Some(ClassChoice::Index(place));
        }
        self.class.clone()
    }

    /// Whether answers have, or need, more columns of the output than the score's.
    pub(in crate::model) fn wants_all(&self) -> bool {
        self.probabilities || self.label || self.outputs || self.calibration.is_some()
    }

    /// Checks that the values make sense.
    pub(in crate::model) fn check(&self) -> Result<(), OutputProblem> {
        if let Some(scale) = &self.scale {
            scale.check()?;
        }
        if let Some(members) = self.members {
            if members == 0 {
                return Err(("output.members".to_owned(), "0".to_owned(), "a number from 1"));
            }
            if self.calibration.is_none() {
                let expected = "`calibration` beside it: each member has a curve";
                return Err(("output.members".to_owned(), members.to_string(), expected));
            }
        }
        self.check_shares()?;
        self.check_bands()
    }

    fn check_shares(&self) -> Result<(), OutputProblem> {
        if self.shares.is_empty() {
            return Ok(());
        }
        let problem = |found: String| {
            let expected = "20 numbers from 0 up that sum to 1: the shares of the scores in the \
                            twentieths of 0 to 1";
            Err(("output.shares".to_owned(), found, expected))
        };
        if self.shares.len() != SCORE_BINS {
            return problem(format!("{} numbers", self.shares.len()));
        }
        if let Some(share) = self.shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return problem(share.to_string());
        }
        let sum: f64 = self.shares.iter().sum();
        if (sum - 1.0).abs() > SHARES_SLACK {
            return problem(format!("a sum of {sum}"));
        }
        Ok(())
    }

    fn check_bands(&self) -> Result<(), OutputProblem> {
        let problem = |place: usize, key: &str, found: String, expected| {
            Err((format!("output.bands[{place}].{key}"), found, expected))
        };
        if self.bands.len() > BANDS_MAX {
            let found = self.bands.len().to_string();
            return Err(("output.bands".to_owned(), found, "at most 32 decisions"));
        }
        let mut names = HashSet::new();
        let mut before = f64::NEG_INFINITY;
        for (place, band) in self.bands.iter().enumerate() {
            let is_last = place + 1 == self.bands.len();
            if band.decision.is_empty() || !names.insert(band.decision.as_str()) {
                let found = format!("\"{}\"", band.decision);
                return problem(place, "decision", found, "a name that no other band has");
            }
            match band.below {
                Some(below) if !is_last && below.is_finite() && below > before => before = below,
                None if is_last => {}
                Some(below) if is_last => {
                    let expected = "none in the last band, which all other scores fall into";
                    return problem(place, "below", below.to_string(), expected);
                }
                below => {
                    let found = below.map_or("none".to_owned(), |below| below.to_string());
                    return problem(place, "below", found, "a number above the band before");
                }
            }
        }
        Ok(())
    }
}

impl PointScale {
    fn check(&self) -> Result<(), OutputProblem> {
        let key = |key: &str| format!("output.scale.{key}");
        let all = [("points", self.points), ("odds", self.odds), ("pdo", self.pdo)];
        if let Some((name, found)) = all.into_iter().find(|(_, value)| !value.is_finite()) {
            return Err((key(name), found.to_string(), "a finite number"));
        }
        if self.odds <= 0.0 {
            return Err((
                key("odds"),
                self.odds.to_string(),
                "a number above 0, as 50 for 50 to 1",
            ));
        }
        if self.pdo == 0.0 {
            return Err((key("pdo"), self.pdo.to_string(), "a number other than 0"));
        }
        match (self.min, self.max) {
            (Some(min), Some(max)) if min > max => {
                Err((key("min"), min.to_string(), "no more than `max`"))
            }
            _ => Ok(()),
        }
    }
}
