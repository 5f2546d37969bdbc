//! How far scores and features have moved, as the page reads it.

use serde_json::{Value, json};

use crate::admin::metrics::drift::{Drift, Measured};

/// As many columns of a version, those that moved most, are told.
const COLUMNS_MAX: usize = 20;

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
    json!({
        "model": drift.subject.model,
        "version": drift.subject.version.to_string(),
        // Null: the score.
        "column": column,
        // As much as is shown, so that the same is not sent again.
        "index": (drift.index * 1e3).round() / 1e3,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{COLUMNS_MAX, text};
    use crate::admin::metrics::drift::{Drift, Measured, Subject};

    #[test]
    fn the_score_and_the_columns_that_moved_most_are_told_of_each_version() {
        let drift = |version, measured, index| Drift {
            subject: Subject { model: "model".to_owned(), version, measured },
            index,
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
    }
}
