//! A row of the log as one line of JSON: written by the gateway, read by `shardgate replay`.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shards::journal::{BatchEntry, EntityEntry, RowEntry, RowResult, TextEntry};
use shards::origin::TraceId;

use super::users::Users;
use super::values::LoggedValues;

/// A row. What there is none of is left out.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line<'a> {
    /// When its batch was started, in µs since 1970.
    time_us: i64,
    /// The shard that scored it.
    shard: usize,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    request_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    user_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_hash: Option<String>,
    /// The model's name.
    #[serde(borrow)]
    pub(crate) model: Cow<'a, str>,
    /// Its version.
    pub(crate) version: u64,
    /// What tells its file from others, as `shardgate_model_info` shows it.
    #[serde(borrow)]
    pub(crate) file_hash: Cow<'a, str>,
    /// The share of the rows that lines are made of: one line stands for 1 / `sample` rows. Left
    /// out where every row has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sample: Option<f64>,
    /// What its features stood on; `request` where the request gave them itself.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    features: Option<Cow<'a, str>>,
    /// When the store last wrote its features, in µs since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_updated_us: Option<i64>,
    /// What the features of each entity stood on, of a model with several.
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    entities: Vec<LoggedEntity<'a>>,
    /// What the model read, in the order of its columns.
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cells: Vec<Cell<'a>>,
    /// Its score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f64>,
    /// What its expressions and rules read, of a model that has any.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) inputs: Option<LoggedValues<'a>>,
    /// When its request arrived, by the clock of the expressions, in µs since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arrived_us: Option<i64>,
    /// Whether its request gave all of the model's columns, those that are computed among them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) columns_given: bool,
    /// The rule that decided it.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<Cow<'a, str>>,
    /// The decision that its score is, or its rule's.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Cow<'a, str>>,
    /// Its reasons, the strongest first, where it was explained.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) reasons: Option<Vec<LoggedReason<'a>>>,
    /// How many it might have had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_reasons: Option<u32>,
    /// Why it has none.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
}

/// An entity of a row: what it is, whose features they are, what these stood on and when the store
/// wrote them. Keys are hashed where users are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoggedEntity<'a> {
    #[serde(borrow)]
    entity: Cow<'a, str>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_hash: Option<String>,
    #[serde(borrow)]
    features: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_updated_us: Option<i64>,
}

impl<'a> LoggedEntity<'a> {
    fn new(entity: &EntityEntry<'a>, users: &Users) -> Self {
        let key_hash = if entity.key.is_empty() { None } else { users.hash(entity.key) };
        let is_shown = key_hash.is_none() && !entity.key.is_empty();
        Self {
            entity: entity.name.into(),
            key: is_shown.then(|| String::from_utf8_lossy(entity.key)),
            key_hash,
            features: entity.features.as_str().into(),
            last_updated_us: entity.last_updated_us,
        }
    }
}

/// A reason: its code, and how far it pushed the margin towards the adverse end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoggedReason<'a> {
    #[serde(borrow)]
    pub(crate) code: Cow<'a, str>,
    pub(crate) contribution: f64,
}

impl<'a> Line<'a> {
    /// A row of `batch`, on this shard.
    pub(super) fn new(
        shard: usize,
        batch: &BatchEntry<'a>,
        row: &RowEntry<'a>,
        users: &Users,
        sample: Option<f64>,
    ) -> Self {
        let text = |bytes: &'a [u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes));
        let user_hash = if row.user_id.is_empty() { None } else { users.hash(row.user_id) };
        let is_own = row.user_id.is_empty() && !row.cells.is_empty();
        let features = row.features.map(shards::provenance::FeatureStatus::as_str);
        Self {
            time_us: batch.time_us,
            shard,
            request_id: text(row.request_id),
            trace_id: row.trace.map(|trace| TraceId(trace.trace_id).to_string()),
            user_id: if user_hash.is_some() { None } else { text(row.user_id) },
            user_hash,
            model: batch.model.into(),
            version: batch.version,
            file_hash: format!("{:016x}", batch.file_hash).into(),
            sample,
            features: features.or(is_own.then_some("request")).map(Cow::from),
            last_updated_us: row.last_updated_us,
            entities: row.entities.iter().map(|it| LoggedEntity::new(it, users)).collect(),
            cells: cells(row),
            score: match row.result {
                // One that a rule decided before the model has none.
                RowResult::Score(score) => Some(score).filter(|score| !score.is_nan()),
                RowResult::Failed(_) => None,
            },
            inputs: row.values.as_ref().map(|it| LoggedValues::of(&it.values)),
            arrived_us: row.values.as_ref().map(|it| it.arrived_us),
            columns_given: row.values.as_ref().is_some_and(|it| it.are_columns_given),
            rule: row.values.as_ref().map(|it| it.rule).filter(|it| !it.is_empty()).map(Cow::from),
            decision: (!row.decision.is_empty()).then_some(row.decision.into()),
            reasons: row.reasons.as_ref().map(|reasons| {
                let logged = |&(code, contribution): &(&'a str, f64)| LoggedReason {
                    code: code.into(),
                    contribution,
                };
                reasons.iter().map(logged).collect()
            }),
            max_reasons: row.reasons.as_ref().map(|_| row.reasons_max),
            error: row.result.reason().map(Cow::from),
        }
    }

    /// Appends it, with its end of line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // None of its members can fail to be serialised, and a Vec takes every write.
        let _ = serde_json::to_writer(&mut *out, self);
        out.push(b'\n');
    }
}

/// The cells of a row: of a column of text the texts.
fn cells<'a>(row: &RowEntry<'a>) -> Vec<Cell<'a>> {
    let mut cells: Vec<_> = row.cells.iter().copied().map(Cell::Number).collect();
    for (column, entry) in &row.texts {
        if let Some(cell) = cells.get_mut(*column as usize) {
            *cell = match entry {
                TextEntry::Known(text) => Cell::Text((*text).into()),
                TextEntry::Unknown => Cell::Unknown { is_unknown: true },
                TextEntry::Missing => Cell::Number(f64::NAN),
            };
        }
    }
    cells
}

/// What the model read: a number to the last bit, except that one NaN is like another; or a text.
///
/// A 32-bit float is written as the double that it is, so that reading it cannot round it to
/// another; NaN is `null`, and what is infinite a word, as JSON has no number for either. Such a word
/// is a text in a column of text: [`Cell::number`] is for the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, null, a text, \"inf\", \"-inf\" or {\"unknown\": true}"
)]
pub(crate) enum Cell<'a> {
    /// A number; of a column of text a code that stands for no text alone, and NaN a missing value.
    Number(#[serde(deserialize_with = "number_or_null")] f64),
    /// A text that the model knew.
    Text(#[serde(borrow)] Cow<'a, str>),
    /// A text that the model did not know.
    Unknown {
        /// Always true.
        #[serde(rename = "unknown")]
        is_unknown: bool,
    },
}

/// NaN for null.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Cell<'_> {
    /// The number of a column of numbers; `None` where it is none.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(word) if word == "inf" => Some(f64::INFINITY),
            Self::Text(word) if word == "-inf" => Some(f64::NEG_INFINITY),
            Self::Text(_) | Self::Unknown { .. } => None,
        }
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Number(value) if value.is_nan() => serializer.serialize_unit(),
            Self::Number(value) if *value > 0.0 => serializer.serialize_str("inf"),
            Self::Number(_) => serializer.serialize_str("-inf"),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Unknown { is_unknown } => {
                let mut members = serializer.serialize_map(Some(1))?;
                members.serialize_entry("unknown", is_unknown)?;
                members.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(one: f64, other: f64) -> bool {
        one.to_bits() == other.to_bits() || (one.is_nan() && other.is_nan())
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            doubles in prop::collection::vec(any::<f64>(), 0..8),
            floats in prop::collection::vec(any::<f32>(), 0..8),
            score in prop::option::of(-1e300..1e300_f64),
            user_id in ".{0,20}",
            last_updated_us in any::<Option<i64>>(),
            sample in prop::option::of(1e-9..1.0_f64),
        ) {
            let cells: Vec<f64> = doubles.into_iter().chain(floats.iter().map(|float| f64::from(*float))).collect();
            let batch = BatchEntry { model: "risk", version: 3, file_hash: 0xfe, time_us: -1 };
            let row = RowEntry {
                request_id: b"id-1",
                trace: None,
                user_id: user_id.as_bytes(),
                features: None,
                last_updated_us,
                result: score.map_or(RowResult::Failed(8), RowResult::Score),
                cells: cells.clone(),
                texts: Vec::new(),
                decision: "decline",
                reasons: score.map(|score| vec![("AA07", score), ("age", 0.1)]),
                reasons_max: 4,
                entities: Vec::new(),
                values: None,
            };
            let mut text = Vec::new();
            Line::new(2, &batch, &row, &Users::plain(), sample).write(&mut text);
            prop_assert_eq!(text.iter().position(|byte| *byte == b'\n'), Some(text.len() - 1));
            let line: Line<'_> = serde_json::from_slice(&text).expect("a line");
            prop_assert_eq!(line.cells.len(), cells.len());
            let read: Vec<f64> = line.cells.iter().map(|cell| cell.number().unwrap()).collect();
            for (read, written) in read.iter().zip(&cells) {
                prop_assert!(same(*read, *written), "{read} {written}");
            }
            for (read, written) in read[cells.len() - floats.len()..].iter().zip(&floats) {
                prop_assert!(same(f64::from(*read as f32), f64::from(*written)));
            }
            prop_assert_eq!(line.score.map(f64::to_bits), score.map(f64::to_bits));
            prop_assert_eq!(line.user_id.as_deref().unwrap_or_default(), user_id);
            prop_assert_eq!(line.last_updated_us, last_updated_us);
            prop_assert_eq!(line.error.is_some(), score.is_none());
            prop_assert_eq!(line.sample, sample);
            prop_assert_eq!(line.max_reasons, score.map(|_| 4));
            prop_assert_eq!(line.decision.as_deref(), Some("decline"));
            let reasons = line.reasons.map(|reasons| reasons[0].contribution.to_bits());
            prop_assert_eq!(reasons, score.map(f64::to_bits));
        }
    }

    #[test]
    fn a_text_is_read_as_the_text_that_it_was() {
        let texts = [
            (0, TextEntry::Known("Zürich \"A\"\n")),
            (1, TextEntry::Unknown),
            (2, TextEntry::Missing),
            (3, TextEntry::Known("inf")),
        ];
        let batch = BatchEntry { model: "risk", version: 3, file_hash: 0xfe, time_us: -1 };
        let row = RowEntry {
            request_id: b"",
            trace: None,
            user_id: b"u",
            features: None,
            last_updated_us: None,
            result: RowResult::Score(0.5),
            cells: vec![7.0, -1.0, -1.0, 2.0, f64::INFINITY],
            texts: texts.to_vec(),
            decision: "",
            reasons: None,
            reasons_max: 0,
            entities: Vec::new(),
            values: None,
        };
        let mut text = Vec::new();
        Line::new(2, &batch, &row, &Users::plain(), None).write(&mut text);
        let line: Line<'_> = serde_json::from_slice(&text).expect("a line");
        assert_eq!(line.cells[0], Cell::Text("Zürich \"A\"\n".into()));
        assert_eq!(line.cells[1], Cell::Unknown { is_unknown: true });
        assert!(line.cells[2].number().is_some_and(f64::is_nan));
        assert_eq!(line.cells[3], Cell::Text("inf".into()));
        assert_eq!(line.cells[4].number(), Some(f64::INFINITY));
        assert_eq!([0, 1].map(|at: usize| line.cells[at].number()), [None; 2]);
    }
}
