//! The members of a row's object beside its score: what it asked for, and no more.

use std::io::Write;

use crate::api::json::{write_number, write_score, write_string};
use crate::batch::{Lane, Row, RowParts, Scored};
use crate::facts::Reason;
use crate::model::answer::{Answers, Reasons};

/// Writes what the answer of a row has beside its score, each member with a comma before it.
pub(super) fn write_parts(body: &mut Vec<u8>, lane: &Lane, row: &Row, scored: Scored) {
    let answers = &lane.settings.answers;
    if let Some(decision) = answers.decision_name_of(scored.score, scored.rule) {
        body.extend_from_slice(b", \"decision\": ");
        write_string(body, decision);
    }
    if let Some(name) = scored.rule.and_then(|rule| answers.rule_name(rule)) {
        body.extend_from_slice(b", \"rule\": ");
        write_string(body, name);
    }
    if let Some(points) = answers.points(scored.score) {
        body.extend_from_slice(b", \"points\": ");
        write_points(body, points, answers.has_whole_points());
    }
    let wants = answers.wanted(row.answer.wants());
    let is_f32 = lane.settings.score_is_f32;
    if wants.outputs {
        let outputs = row.answer.parts().map(|parts| parts.outputs.as_slice());
        // Where the score is all that the output has, nothing else was kept.
        let outputs = outputs.filter(|outputs| !outputs.is_empty());
        write_outputs(body, outputs.unwrap_or(&[scored.score]), is_f32);
    }
    let Some(parts) = row.answer.parts() else { return };
    if wants.label
        && let Some(label) = label_of(answers, &parts.outputs)
    {
        body.extend_from_slice(b", \"label\": ");
        write_string(body, label);
    }
    if wants.probabilities {
        write_probabilities(body, answers, &parts.outputs, is_f32);
    }
    if let Some(reasons) = &answers.reasons {
        write_explanation(body, lane, reasons, parts);
    }
}

/// The label of the most probable class, the first of those that are as probable; `None` of a row that
/// the model was not asked for.
pub(crate) fn label_of<'a>(answers: &'a Answers, probabilities: &[f64]) -> Option<&'a str> {
    let mut best = (0, probabilities.first()?);
    for (place, probability) in probabilities.iter().enumerate() {
        if probability > best.1 {
            best = (place, probability);
        }
    }
    answers.labels.get(best.0).map(String::as_str)
}

fn write_outputs(body: &mut Vec<u8>, outputs: &[f64], is_f32: bool) {
    body.extend_from_slice(b", \"outputs\": [");
    for (place, output) in outputs.iter().enumerate() {
        separate(body, place);
        write_score(body, *output, is_f32);
    }
    body.push(b']');
}

/// Points, or null where a score has none.
fn write_points(body: &mut Vec<u8>, points: Option<f64>, are_whole: bool) {
    match points {
        None => body.extend_from_slice(b"null"),
        Some(points) if are_whole => {
            // Writing to a Vec cannot fail, here and below.
            let _ = write!(body, "{points:.0}");
        }
        Some(points) => write_number(body, points),
    }
}

fn write_probabilities(body: &mut Vec<u8>, answers: &Answers, probabilities: &[f64], is_f32: bool) {
    body.extend_from_slice(b", \"probabilities\": {");
    for (place, (label, probability)) in answers.labels.iter().zip(probabilities).enumerate() {
        separate(body, place);
        write_string(body, label);
        body.extend_from_slice(b": ");
        write_score(body, *probability, is_f32);
    }
    body.push(b'}');
}

fn write_explanation(body: &mut Vec<u8>, lane: &Lane, reasons: &Reasons, parts: &RowParts) {
    let Some(explanation) = parts.explanation else { return };
    body.extend_from_slice(b", \"margin\": ");
    write_number(body, explanation.margin);
    body.extend_from_slice(b", \"base\": ");
    write_number(body, explanation.base);
    body.extend_from_slice(b", \"reasons\": [");
    for (place, reason) in parts.reasons.iter().enumerate() {
        separate(body, place);
        write_reason(body, lane, reasons, *reason);
    }
    body.push(b']');
}

fn write_reason(body: &mut Vec<u8>, lane: &Lane, reasons: &Reasons, reason: Reason) {
    let Some(group) = reasons.groups.get(reason.group as usize) else { return };
    body.extend_from_slice(b"{\"code\": ");
    write_string(body, &group.code);
    if let Some(text) = &group.text {
        body.extend_from_slice(b", \"text\": ");
        write_string(body, text);
    }
    if let [column] = group.columns.as_slice() {
        body.extend_from_slice(b", \"column\": ");
        write_string(body, lane.column_name(*column));
        body.extend_from_slice(b", \"value\": ");
        write_value(body, lane, *column, reason.value);
    } else {
        body.extend_from_slice(b", \"columns\": [");
        for (place, column) in group.columns.iter().enumerate() {
            separate(body, place);
            write_string(body, lane.column_name(*column));
        }
        body.push(b']');
    }
    body.extend_from_slice(b", \"contribution\": ");
    write_number(body, reason.contribution);
    body.push(b'}');
}

/// A cell as the model read it: a text by its category, null where it is missing or unknown.
fn write_value(body: &mut Vec<u8>, lane: &Lane, column: u32, value: f64) {
    let texts = &lane.settings.signature.texts;
    match texts.get(column as usize).and_then(|field| field.categories.as_deref()) {
        Some(known) => match known.text(value) {
            Some(text) => write_string(body, text),
            None if known.takes_numbers() && value.is_finite() => write_number(body, value),
            None => body.extend_from_slice(b"null"),
        },
        None => write_number(body, value),
    }
}

fn separate(body: &mut Vec<u8>, place: usize) {
    if place > 0 {
        body.extend_from_slice(b", ");
    }
}
