//! How far scores and features have moved, as the page reads it.

use serde_json::{Value, json};

use crate::admin::metrics::drift::{Drift, Measured, Moved};

/// As many columns of a version, those that moved most, are told.
const COLUMNS_MAX: usize = 20;
/// As many characters of a category are told.
const TEXT_MAX: usize = 40;

/// The text of an event, on one line, of what `drifts` says version by version.
pub(super) fn text(drifts: &[Drift]) -> String {
    let version = |drift: &Drift| (drift.subject.model.clone(), drift.subject.version);
    let versions = drifts.chunk_by(|one, other| version(one) == version(other));
    let shown: Vec<Value> = versions.flat_map(most).map(shown).collect();
    Value::Array(shown).to_string()
}

/// The score and the columns that moved most, of one version.
fn most(drifts: &[Drift]) -> impl Iterator<Item = &Drift> {
    let is_score = |drift: &&Drift| drift.subject.measured == Measured::Score;
    let mut columns: Vec<_> = drifts.iter().filter(|drift| !is_score(drift)).collect();
    columns.sort_by(|one, other| other.index.total_cmp(&one.index));
    columns.truncate(COLUMNS_MAX);
    drifts.iter().filter(is_score).chain(columns)
}

fn shown(drift: &Drift) -> Value {
    let column = match &drift.subject.measured {
        Measured::Score => None,
        Measured::Column(name) => Some(name),
    };
    let mut shown = json!({
        "model": drift.subject.model,
        "version": drift.subject.version.to_string(),
        // Null: the score.
        "column": column,
        // As much as is shown, so that the same is not sent again.
        "index": rounded(drift.index),
    });
    if !drift.moved.is_empty() {
        shown["categories"] = drift.moved.iter().map(shown_category).collect();
    }
    shown
}

/// The text, and its shares; no text of all other cells.
fn shown_category(moved: &Moved) -> Value {
    // Of a text without end the page shows no more.
    let text = moved.text.as_ref().map(|text| text.chars().take(TEXT_MAX).collect::<String>());
    json!({"text": text, "now": rounded(moved.now), "then": rounded(moved.then)})
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{COLUMNS_MAX, TEXT_MAX, text};
    use crate::admin::metrics::drift::{Drift, Measured, Moved, Subject};

    #[test]
    fn the_score_and_the_columns_that_moved_most_are_told_of_each_version() {
        let drift = |version, measured, index| Drift {
            subject: Subject { model: "model".to_owned(), version, measured },
            index,
            moved: Vec::new(),
        };
        let column = |version, at: usize| {
            drift(version, Measured::Column(format!("column-{at}")), at as f64 / 1e3)
        };
        let mut drifts = vec![drift(1, Measured::Score, 0.000_9)];
        drifts.extend((0..100).map(|at| column(1, at)));
        drifts.push(column(2, 7));
        let told: Vec<Value> = serde_json::from_str(&text(&drifts)).expect("JSON");
        assert_eq!(told.len(), 1 + COLUMNS_MAX + 1);
        assert_eq!((&told[0]["column"], &told[0]["index"]), (&Value::Null, &0.001.into()));
        assert_eq!((&told[1]["column"], &told[1]["index"]), (&"column-99".into(), &0.099.into()));
        let last = told.last().expect("of version 2");
        assert_eq!((&last["version"], &last["column"]), (&"2".into(), &"column-7".into()));
        assert!(last.get("categories").is_none());
    }

    #[test]
    fn the_categories_that_moved_are_told_of_a_column_of_text() {
        let moved = |text: Option<String>| Moved { text, now: 0.25, then: 0.333_333 };
        let drift = Drift {
            subject: Subject {
                model: "model".to_owned(),
                version: 1,
                measured: Measured::Column("purpose".to_owned()),
            },
            index: 0.3,
            moved: vec![moved(Some("ü".repeat(10_000))), moved(None)],
        };
        let told: Value = serde_json::from_str(&text(&[drift])).expect("JSON");
        let categories = json!([
            {"text": "ü".repeat(TEXT_MAX), "now": 0.25, "then": 0.333},
            {"text": null, "now": 0.25, "then": 0.333},
        ]);
        assert_eq!(told[0]["categories"], categories);
    }
}
