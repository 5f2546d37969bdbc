//! What all boosters have in common: the base score, classes, columns and the objective.

use super::booster::{self, Sums};
use super::{COLUMNS_MAX, SUMS_MAX, columns, objective};
use crate::features::Precision;
use crate::model::forest::{NativeError, Trained};
use crate::model::json::{self, At, Value};

/// The model that a file's value is.
pub(super) fn read(value: &Value) -> Result<Trained, NativeError> {
    let root = At::root(value);
    if root.find("learner").is_none() && root.find("oblivious_trees").is_some() {
        return Err(NativeError::unsupported(
            "the file is a CatBoost model",
            "name it model.cbm.json",
        ));
    }
    let learner = root.get("learner")?;
    let param = learner.get("learner_model_param")?;
    let width = param.get("num_feature")?.count(COLUMNS_MAX)?;
    let classes = param.get("num_class")?.count(SUMS_MAX)?;
    let targets = match param.find("num_target") {
        Some(targets) => targets.count(SUMS_MAX)?,
        None => 1,
    };
    let objective = learner.get("objective")?;
    let numbers = version(&root);
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
    let version = (at(0), at(1));
    let objective = objective::read(objective.get("name")?.text()?, classes, version);
    let sums = classes.max(targets).max(1);
    let base = param.get("base_score")?;
    let bases = base_margins(&base, sums, &objective)?;
    // Since 1.3 the library adds leaves to the base score; the last bit differs.
    let base_is_last = version < (1, 3);
    let booster = learner.get("gradient_booster")?;
    let is_sklearn = sklearn(&learner).is_some();
    let limit = match best_iteration(&learner)? {
        // What the library's own `predict` uses, where it is scikit-learn's.
        Some(best) if is_sklearn => Some(best + 1),
        _ => None,
    };
    let booster = booster::read(&booster, width, &Sums { bases, base_is_last, rounds_max: limit })?;
    let described = columns::describe(&learner, booster.categories.as_ref(), width)?;
    Ok(Trained {
        library: format!("XGBoost {}", dotted(&numbers)),
        columns: described.columns,
        columns_are_named: described.are_named,
        // Since 3.1, which keeps the categories of a data frame, it fails on any other one.
        unknown: None,
        input: Precision::F32,
        preparation: None,
        program: booster.program,
        labels: labels(&learner),
        objective: objective.objective,
    })
}

fn version(root: &At<'_>) -> Vec<i64> {
    let numbers = root.find("version").and_then(|version| version.integers(0, 1 << 20).ok());
    numbers.unwrap_or_default()
}

fn dotted(version: &[i64]) -> String {
    version.iter().map(i64::to_string).collect::<Vec<_>>().join(".")
}

/// What each sum starts at: `base_score`, one for all or one for each, brought from the scale of
/// the prediction to that of the margin.
fn base_margins(
    base: &At<'_>,
    sums: usize,
    objective: &objective::Known,
) -> Result<Vec<f32>, NativeError> {
    let scores = match base.value() {
        // Since 3.1 a list, spelled as a text.
        Value::Text(text) if text.trim_start().starts_with('[') => {
            let list = json::parse(text.as_bytes()).map_err(|_| base.wrong("a list of numbers"))?;
            At::root(&list).numbers().map_err(|_| base.wrong("a list of numbers"))?
        }
        Value::Numbers(numbers) => numbers.clone(),
        _ => vec![base.number()?],
    };
    let scores = match scores.as_slice() {
        [score] => vec![*score; sums],
        scores if scores.len() == sums => scores.to_vec(),
        scores => {
            let found = format!("{} scores", scores.len());
            return Err(NativeError::value(base.path(), found, format!("1 or {sums}")));
        }
    };
    let scores: Vec<_> = scores.into_iter().map(|score| score as f32).collect();
    let margins = objective.margins(&scores);
    if margins.iter().all(|margin| margin.is_finite()) {
        Ok(margins)
    } else {
        Err(base.wrong("a score that the objective can have"))
    }
}

/// What scikit-learn's classes note in the file.
fn sklearn(learner: &At<'_>) -> Option<Value> {
    let attributes = learner.find("attributes")?;
    let text = attributes.find("scikit_learn")?.text().ok()?.to_owned();
    json::parse(text.as_bytes()).ok()
}

/// The labels of the classes, which version 1 noted.
fn labels(learner: &At<'_>) -> Vec<String> {
    let Some(noted) = sklearn(learner) else { return Vec::new() };
    let root = At::root(&noted);
    let Some(classes) = root.find("classes_") else { return Vec::new() };
    if let Ok(numbers) = classes.numbers() {
        return numbers.iter().map(f64::to_string).collect();
    }
    let texts = classes
        .list()
        .map(|classes| classes.filter_map(|class| class.text().ok().map(str::to_owned)).collect());
    texts.unwrap_or_default()
}

/// The best iteration of early stopping, from 0.
fn best_iteration(learner: &At<'_>) -> Result<Option<usize>, NativeError> {
    let Some(attributes) = learner.find("attributes") else { return Ok(None) };
    match attributes.find("best_iteration") {
        Some(best) => Ok(Some(best.count(1 << 24)?)),
        None => Ok(None),
    }
}
