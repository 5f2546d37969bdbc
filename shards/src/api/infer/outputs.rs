//! The outputs that an inference request may choose, and their elements of each row.

use std::borrow::Cow;
use std::fmt::Write;

use crate::api::predict::label_of;
use crate::batch::{Lane, LaneSettings, Row, Scored};
use crate::model::answer::Wants;
use crate::tensors::Datatype;

/// An output of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// The score.
    Score,
    /// The provenance of the row's features.
    Features,
    /// The version that scored the row.
    Version,
    /// The decision that the score's band has.
    Decision,
    /// The rule that decided the row; empty where none did.
    Rule,
    /// The points of the score.
    Points,
    /// The label of the most probable class.
    Label,
    /// The probability of each class.
    Probabilities,
    /// All columns of the model's own output.
    Outputs,
    /// The contribution of each column to the margin, and the margin of the average row last; of a
    /// model that computes more than two columns, so much for each of these. The name and the shape
    /// are those of Triton's FIL backend.
    Contributions,
}

/// An element of an output.
pub(crate) enum OutputElement<'a> {
    Text(Cow<'a, str>),
    Number(f64),
}

impl OutputKind {
    const ALL: [Self; 10] = [
        Self::Score,
        Self::Features,
        Self::Version,
        Self::Decision,
        Self::Rule,
        Self::Points,
        Self::Label,
        Self::Probabilities,
        Self::Outputs,
        Self::Contributions,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Features => "features",
            Self::Version => "model_version",
            Self::Decision => "decision",
            Self::Rule => "rule",
            Self::Points => "points",
            Self::Label => "label",
            Self::Probabilities => "probabilities",
            Self::Outputs => "outputs",
            Self::Contributions => "treeshap_output",
        }
    }

    /// The outputs of a model whose rows have a provenance or not.
    pub(crate) fn of(settings: &LaneSettings, has_provenance: bool) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |kind| kind.is_there(settings, has_provenance))
    }

    fn is_there(self, settings: &LaneSettings, has_provenance: bool) -> bool {
        let answers = &settings.answers;
        match self {
            Self::Score | Self::Version => true,
            Self::Features => has_provenance,
            Self::Decision => answers.decisions().len() > 0,
            Self::Rule => answers.rule_names().len() > 0,
            Self::Points => answers.points(0.5).is_some(),
            Self::Outputs => answers.width > 1,
            Self::Label | Self::Probabilities | Self::Contributions => {
                answers.refuse(self.wants(Wants::default())).is_none()
            }
        }
    }

    /// Whether it is given where the request chooses none.
    pub(super) fn is_given(self, settings: &LaneSettings, is_divided: bool) -> bool {
        let always = settings.answers.always;
        match self {
            Self::Score | Self::Features | Self::Decision | Self::Rule | Self::Points => true,
            Self::Version => is_divided,
            Self::Label => always.label,
            Self::Probabilities => always.probabilities,
            Self::Outputs => always.outputs,
            Self::Contributions => false,
        }
    }

    /// What a row is asked for, with this output.
    pub(super) fn wants(self, wants: Wants) -> Wants {
        match self {
            Self::Score
            | Self::Features
            | Self::Version
            | Self::Decision
            | Self::Rule
            | Self::Points => wants,
            Self::Label => Wants { label: true, ..wants },
            Self::Probabilities => Wants { probabilities: true, ..wants },
            Self::Outputs => Wants { outputs: true, ..wants },
            Self::Contributions => Wants { contributions: true, ..wants },
        }
    }

    /// The type of its elements, where scores are of 32 bits or not.
    pub(crate) fn datatype(self, is_f32: bool) -> Datatype {
        match self {
            Self::Score | Self::Probabilities | Self::Outputs if is_f32 => Datatype::Fp32,
            Self::Score
            | Self::Probabilities
            | Self::Outputs
            | Self::Points
            | Self::Contributions => Datatype::Fp64,
            Self::Features | Self::Version | Self::Decision | Self::Rule | Self::Label => {
                Datatype::Bytes
            }
        }
    }

    /// How many elements a row has.
    pub(crate) fn width(self, settings: &LaneSettings) -> usize {
        match self {
            Self::Probabilities | Self::Outputs => settings.answers.width,
            Self::Contributions => {
                let of_one = settings.signature.columns.len() + 1;
                of_one * self.lines(settings).unwrap_or(1)
            }
            _ => 1,
        }
    }

    /// How many lines of the same length the elements of a row make, where they are a table.
    fn lines(self, settings: &LaneSettings) -> Option<usize> {
        let lines = settings.answers.explained_outputs;
        (self == Self::Contributions && lines > 0).then_some(lines)
    }

    /// The sizes of the output's axes after that of the rows.
    pub(crate) fn axes(self, settings: &LaneSettings) -> impl Iterator<Item = usize> {
        let lines = self.lines(settings);
        lines.into_iter().chain([self.width(settings) / lines.unwrap_or(1)])
    }

    /// Calls `each` with the elements of a row, in order.
    pub(super) fn visit(
        self,
        lane: &Lane,
        row: &Row,
        scored: Scored,
        mut each: impl FnMut(OutputElement<'_>),
    ) {
        let answers = &lane.settings.answers;
        let mut text = |text: &str| each(OutputElement::Text(Cow::Borrowed(text)));
        match self {
            Self::Features if scored.statuses.is_empty() => text(scored.status.as_str()),
            Self::Features => text(&by_entity(lane, scored)),
            Self::Decision => {
                text(answers.decision_name_of(scored.score, scored.rule).unwrap_or_default());
            }
            Self::Rule => {
                let rule = scored.rule.and_then(|rule| answers.rule_name(rule));
                text(rule.unwrap_or_default());
            }
            Self::Label => {
                let parts = row.answer.parts();
                let label = parts.and_then(|parts| label_of(answers, &parts.outputs));
                text(label.unwrap_or_default());
            }
            Self::Version => {
                let version = lane.settings.version.to_string();
                each(OutputElement::Text(Cow::Owned(version)));
            }
            Self::Score => each(OutputElement::Number(scored.score)),
            Self::Points => {
                let points = answers.points(scored.score).flatten().unwrap_or(f64::NAN);
                each(OutputElement::Number(points));
            }
            Self::Probabilities | Self::Outputs => {
                let outputs = row.answer.parts().map_or(&[][..], |parts| parts.outputs.as_slice());
                self.fill(lane, outputs.iter().copied(), each);
            }
            Self::Contributions => {
                let parts = row.answer.parts().filter(|parts| !parts.contributions.is_empty());
                let base = parts.and_then(|parts| parts.explanation).map(|it| it.base);
                let contributions = parts.into_iter().flat_map(|parts| &parts.contributions);
                self.fill(lane, contributions.copied().chain(base), each);
            }
        }
    }

    /// Calls `each` with as many numbers as a row has: NaN for those of a row that the model was not
    /// asked for, as a rule had decided it.
    fn fill(
        self,
        lane: &Lane,
        numbers: impl Iterator<Item = f64>,
        mut each: impl FnMut(OutputElement<'_>),
    ) {
        let rest = std::iter::repeat(f64::NAN);
        for number in numbers.chain(rest).take(self.width(&lane.settings)) {
            each(OutputElement::Number(number));
        }
    }
}

/// What the features of each entity of a row stood on, as the header has it.
fn by_entity(lane: &Lane, scored: Scored) -> String {
    let mut text = String::new();
    for (entity, status) in scored.statuses.iter() {
        let comma = if text.is_empty() { "" } else { ", " };
        let name = lane.settings.keys.entity_name(entity as u8);
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{name}={}", status.as_str());
    }
    text
}
