//! One row as a shard would answer it, with everything that can be said of it.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::api::predict::{self, PredictError, PredictTerms};
use crate::batch::{PreparedModel, RowState, Rows};
use crate::failure::{Refusal, RowFailure};
use crate::features::entities::EntityKey;
use crate::features::expressions::RequestValues;
use crate::features::join::JoinPlan;
use crate::features::{FetchRequests, Fetched, Joined, Precision, StoreError, StoreSource, Unfit};
use crate::model::ScoreError;
use crate::provenance::FeatureStatus;

/// A row that was joined, scored and explained.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedRow {
    /// The score.
    pub score: f64,
    /// Whether the model computes it in 32 bits: those digits are its own.
    pub score_is_f32: bool,
    /// The decision that it is, where the model has bands or rules.
    pub decision: Option<String>,
    /// The rule that decided it.
    pub rule: Option<String>,
    /// Whether that rule held before the model: a request is then answered without a score.
    pub is_decided_before: bool,
    /// Its points, where the model has a scale and the score has points.
    pub points: Option<f64>,
    /// What the features stood on; `None` where no store was asked.
    pub features: Option<FeatureStatus>,
    /// The same by entity, where the model has several.
    pub entities: Vec<InspectedEntity>,
    /// The margin of the average row.
    pub base: f64,
    /// The row's own: the base and all contributions.
    pub margin: f64,
    /// The model's columns, in order.
    pub columns: Vec<InspectedColumn>,
}

/// An entity of an inspected row.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedEntity {
    /// Its name.
    pub name: String,
    /// What its features stood on.
    pub features: FeatureStatus,
    /// When the store wrote them, in µs since 1970, where it has any.
    pub last_updated_us: Option<i64>,
}

/// A column of an inspected row.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedColumn {
    /// Its name.
    pub name: String,
    /// The cell that the model read.
    pub cell: f64,
    /// The text that the cell stands for, in a column of text that knows it.
    pub text: Option<String>,
    /// How far it pushed the margin.
    pub contribution: f64,
}

/// Why a row cannot be inspected.
#[derive(Debug, Error)]
pub enum InspectError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's columns do not fit the model.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The request is none.
    #[error(transparent)]
    Request(#[from] PredictError),
    /// A request would be refused with this.
    #[error("there is no score: {0}")]
    Failed(#[from] RowFailure),
    /// The model failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The model's scores are not explained, or could not be.
    #[error("{0}")]
    Explain(String),
}

/// What a shard with this model and this store would say of the body of a `/predict` request with
/// one object. To be awaited in an executor.
///
/// # Errors
/// The row has no score, or the model's scores are not explained.
pub async fn inspect(
    prepared: &PreparedModel,
    store: &StoreSource,
    body: &[u8],
) -> Result<InspectedRow, InspectError> {
    let store = store.open().await?;
    // One that can't be read is one that no plan can be bound to, which is said then.
    let _ = store.open_tables(prepared.tables()).await;
    let plan = prepared.bound_to(&store)?;
    let mut rows = Rows::default();
    let keys = plan.request_keys();
    let terms = PredictTerms {
        fields: plan.request_fields(),
        keys: &keys,
        needs_user: !plan.schema().is_none(),
        answers: prepared.answers(),
        array_rows_max: 1,
    };
    let parsed = predict::parse(body, terms, 0, &mut rows)?;
    let row = rows.get(parsed.first);
    if let RowState::Done(Err(failure)) = row.state {
        return Err(failure.into());
    }
    let requests = FetchRequests::new(plan.request_fields().len());
    let mut requests = requests.with_entities(plan.entities().len());
    requests.push(row.key.as_bytes(), &row.request_cells);
    for (entity, key) in keys.entities.iter().enumerate().skip(1) {
        requests.push_key(entity, row.key_parts.of(key));
    }
    let mut joined = Joined::new(&plan);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_micros() as i64);
    if store.fetch(&plan, &requests, now_us, &mut joined).await == Fetched::SchemaChanged {
        return Err(RowFailure::Refused(Refusal::StoreUnfit).into());
    }
    plan.compute(&mut joined, |_| RequestValues {
        cells: &row.request_cells,
        texts: &row.texts,
        are_columns: false,
        arrived_us: now_us,
    });
    let outcome = &joined.outcomes[0];
    if let Some(refusal) = outcome.refusal {
        return Err(RowFailure::Refused(refusal).into());
    }
    let features = (!plan.schema().is_none()).then_some(outcome.status);
    let entity = |(place, key): (usize, &EntityKey)| {
        let found = joined.outcome_of(place, 0);
        let (features, last_updated_us) = (found.status, found.last_updated_us);
        InspectedEntity { name: key.name.clone(), features, last_updated_us }
    };
    let several = if keys.entities.len() > 1 { &*keys.entities } else { &[] };
    let entities = several.iter().enumerate().map(entity).collect();
    let row = explained(prepared, &mut joined, &plan)?;
    Ok(InspectedRow { features, entities, ..row })
}

/// The only row of `joined`, scored and explained.
fn explained(
    prepared: &PreparedModel,
    joined: &mut Joined,
    plan: &JoinPlan,
) -> Result<InspectedRow, InspectError> {
    let (mut scores, mut contributions) = (Vec::new(), Vec::new());
    let base = {
        let mut model = prepared.model.borrow_mut();
        model.score(&joined.matrix, &mut scores)?;
        let explainer = model.explainer().ok_or_else(|| {
            InspectError::Explain("the model's scores are not explained".to_owned())
        })?;
        explainer.explain(&joined.matrix, &mut contributions).map_err(InspectError::Explain)?;
        explainer.base()
    };
    let score = scores[0];
    if !score.is_finite() {
        return Err(RowFailure::NotFinite.into());
    }
    let texts = prepared.plan.text_fields();
    let column = |(at, name): (usize, &String)| {
        let cell = joined.matrix.get(0, at);
        let known = texts.get(at).and_then(|field| field.categories.as_deref());
        let text = known.and_then(|known| known.text(cell)).map(str::to_owned);
        InspectedColumn { name: name.clone(), cell, text, contribution: contributions[at] }
    };
    let answers = prepared.answers();
    let mut rule = None;
    let mut is_decided_before = false;
    if let (Some(plan), Some(computing)) = (plan.expressions(), &mut joined.expressions) {
        is_decided_before = computing.has_decided();
        plan.decide(computing, &scores, |score| {
            (answers.decision_name(score), answers.points(score).flatten())
        });
        rule = computing.rule(0);
    }
    let names = plan.column_names();
    Ok(InspectedRow {
        score,
        score_is_f32: prepared.model.borrow().score_precision() == Precision::F32,
        decision: answers.decision_name_of(score, rule).map(str::to_owned),
        rule: rule.and_then(|rule| answers.rule_name(rule)).map(str::to_owned),
        is_decided_before,
        points: answers.points(score).flatten(),
        features: None,
        entities: Vec::new(),
        base,
        margin: base + contributions.iter().sum::<f64>(),
        columns: names.iter().enumerate().map(column).collect(),
    })
}
