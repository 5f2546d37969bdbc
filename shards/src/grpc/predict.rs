//! `Predict`: keys and fields of a message become the members of a row, and its answer a message.
//!
//! The members are read as those of a JSON object are, so that a row means the same by either way.

use std::collections::BTreeMap;

use prost::Message;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use super::messages::prediction::value::Kind;
use super::messages::prediction::{
    ClassProbability, Options, PredictRequest, PredictResponse, Reason, Value,
};
use super::status::Status;
use crate::api::RowsSummary;
use crate::api::failures;
use crate::api::predict::{MemberSeed, Members, label_of};
use crate::api::request_rows::{RequestRows, outcome};
use crate::batch::{Lane, Row, RowParts, Scored};
use crate::facts;
use crate::model::answer::{Reasons, Wants};
use crate::provenance::EntityStatuses;

/// What a message asks for beside the score.
pub(super) fn wants(message: &PredictRequest) -> Wants {
    let Some(options) = &message.options else { return Wants::default() };
    let Options { probabilities, label, outputs, explain, max_reasons } = *options;
    let reasons = max_reasons.map(|count| u16::try_from(count).unwrap_or(u16::MAX));
    Wants {
        probabilities,
        label,
        outputs,
        explain: explain || reasons.is_some(),
        reasons,
        ..Wants::default()
    }
}

impl Members for PredictRequest {
    fn visit(&self, visitor: MemberSeed<'_>) -> Result<(), serde_json::Error> {
        let members = self.keys.iter().chain(&self.fields);
        let members = members.map(|(name, value)| (name.as_str(), Member(value)));
        visitor.deserialize(MapDeserializer::new(members))
    }
}

/// A value as the reader of JSON takes one.
struct Member<'a>(&'a Value);

impl<'de> IntoDeserializer<'de, serde_json::Error> for Member<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Member<'_> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match &self.0.kind {
            None => visitor.visit_unit(),
            Some(Kind::Number(number)) => visitor.visit_f64(*number),
            Some(Kind::Integer(integer)) => match u64::try_from(*integer) {
                Ok(integer) => visitor.visit_u64(integer),
                Err(_) => visitor.visit_i64(*integer),
            },
            Some(Kind::Text(text)) => visitor.visit_str(text),
            Some(Kind::Boolean(boolean)) => visitor.visit_bool(*boolean),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// Appends the message of a row that is done; gives back the status of one without a score.
pub(super) fn write(out: &mut Vec<u8>, rows: &RequestRows) -> (RowsSummary, Option<Status>) {
    let (lane, id) = rows.first();
    let version = lane.settings.version;
    let summary = |failure, provenance, statuses, defaulted| RowsSummary {
        failure,
        provenance,
        statuses,
        defaulted,
        version: Some(version),
        json_bytes: None,
    };
    let scored = match outcome(lane, id) {
        Ok(scored) => scored,
        Err(failure) => {
            let status = Status::of_row(failure, failures::message(lane, failure));
            let statuses = failures::statuses(lane, failure);
            let provenance = failures::provenance(failure);
            return (summary(Some(failure), provenance, statuses, 0), Some(status));
        }
    };
    let provenance = lane.settings.has_store.then_some(scored.status);
    let mut response = PredictResponse {
        score: Some(scored.score),
        model_version: version,
        provenance: provenance.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        defaulted: scored.defaulted,
        entities: entities(lane, scored.statuses),
        ..PredictResponse::default()
    };
    {
        let slots = lane.rows.borrow();
        let row = slots.get(id);
        if !lane.settings.answers.are_bare || row.answer.is_asked() {
            add_parts(&mut response, lane, row, scored);
        }
    }
    // Writing to a Vec cannot fail.
    let _ = response.encode(out);
    (summary(None, provenance, scored.statuses, scored.defaulted), None)
}

/// What the features of each entity stood on, where there are several.
fn entities(lane: &Lane, statuses: EntityStatuses) -> BTreeMap<String, String> {
    let name = |entity: usize| lane.settings.keys.entity_name(entity as u8).to_owned();
    statuses.iter().map(|(entity, status)| (name(entity), status.as_str().to_owned())).collect()
}

/// Adds what the answer of a row has beside its score, as `/predict` does.
fn add_parts(response: &mut PredictResponse, lane: &Lane, row: &Row, scored: Scored) {
    let answers = &lane.settings.answers;
    response.decision = answers.decision_name(scored.score).unwrap_or_default().to_owned();
    response.points = answers.points(scored.score).flatten();
    let wants = answers.wanted(row.answer.wants());
    if wants.outputs {
        let outputs = row.answer.parts().map(|parts| parts.outputs.as_slice());
        // Where the score is all that the output has, nothing else was kept.
        let outputs = outputs.filter(|outputs| !outputs.is_empty());
        response.outputs = outputs.unwrap_or(&[scored.score]).to_vec();
    }
    let Some(parts) = row.answer.parts() else { return };
    if wants.label {
        response.label = label_of(answers, &parts.outputs).unwrap_or_default().to_owned();
    }
    if wants.probabilities {
        let classes = answers.labels.iter().zip(&parts.outputs);
        response.probabilities = classes
            .map(|(label, probability)| ClassProbability {
                label: label.clone(),
                probability: *probability,
            })
            .collect();
    }
    if let Some(reasons) = &answers.reasons {
        add_explanation(response, lane, reasons, parts);
    }
}

fn add_explanation(
    response: &mut PredictResponse,
    lane: &Lane,
    reasons: &Reasons,
    parts: &RowParts,
) {
    let Some(explanation) = parts.explanation else { return };
    response.margin = Some(explanation.margin);
    response.base = Some(explanation.base);
    let described = |reason: &facts::Reason| describe(lane, reasons, *reason);
    response.reasons = parts.reasons.iter().filter_map(described).collect();
}

fn describe(lane: &Lane, reasons: &Reasons, reason: facts::Reason) -> Option<Reason> {
    let group = reasons.groups.get(reason.group as usize)?;
    let value = match group.columns.as_slice() {
        [column] => Some(value(lane, *column, reason.value)),
        _ => None,
    };
    Some(Reason {
        code: group.code.clone(),
        text: group.text.clone().unwrap_or_default(),
        columns: group.columns.iter().map(|column| lane.column_name(*column).to_owned()).collect(),
        contribution: reason.contribution,
        value,
    })
}

/// A cell as the model read it: a text by its category, null where it is missing or unknown.
fn value(lane: &Lane, column: u32, value: f64) -> Value {
    let texts = &lane.settings.signature.texts;
    let kind = match texts.get(column as usize).and_then(|field| field.categories.as_deref()) {
        Some(known) => match known.text(value) {
            Some(text) => Some(Kind::Text(text.to_owned())),
            None => (known.takes_numbers() && value.is_finite()).then_some(Kind::Number(value)),
        },
        None => (!value.is_nan()).then_some(Kind::Number(value)),
    };
    Value { kind }
}
