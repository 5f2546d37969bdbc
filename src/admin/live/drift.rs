//! How far scores and features have moved, as the page reads it.

use serde_json::{Value, json};

use crate::admin::metrics::drift::{Drift, Measured};

/// The text of an event, on one line.
pub(super) fn text(drifts: &[Drift]) -> String {
    let shown: Vec<Value> = drifts.iter().map(shown).collect();
    Value::Array(shown).to_string()
}

fn shown(drift: &Drift) -> Value {
    let column = match &drift.subject.measured {
        Measured::Score => None,
        Measured::Column(name) => Some(name),
    };
    json!({
        "model": drift.subject.model,
        "version": drift.subject.version.to_string(),
        // Null: the score.
        "column": column,
        // As much as is shown, so that the same is not sent again.
        "index": (drift.index * 1e3).round() / 1e3,
    })
}
