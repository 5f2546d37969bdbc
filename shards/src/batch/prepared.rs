//! A model made ready for one shard, on any thread: loaded, warmed up and bound to the store.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use super::{BatchPolicy, LaneSettings, shadow};
use crate::expression::ExpressionError;
use crate::facts::{ModelDescription, ModelSchemas, Role};
use crate::features::expressions::ExpressionSpec;
use crate::features::inputs::InputColumn;
use crate::features::join::{JoinError, JoinPlan, ModelInputs};
use crate::features::schema::Schema;
use crate::features::{FeatureStore, Precision, Unfit};
use crate::model::answer::{Answers, AnswersError};
use crate::model::described::Described;
use crate::model::repository::ModelDirectory;
use crate::model::{LoadOptions, Loads, Model, ModelError, Signature};
use crate::telemetry::{LaneColumn, LaneFacts};

/// Why a model cannot be served.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// It was not loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store does not have what it reads.
    #[error("model `{model}` does not fit the store: {source}")]
    Join {
        /// The model's name.
        model: String,
        /// What does not fit.
        source: JoinError,
    },
    /// An expression or a rule cannot be used.
    #[error("model `{model}`: {source}")]
    Expression {
        /// The model's name.
        model: String,
        /// Where, and what is wrong with it.
        source: ExpressionError,
    },
    /// What `model.toml` says of its answers does not fit it.
    #[error("model `{model}`: {source}")]
    Answers {
        /// The model's name.
        model: String,
        /// What does not fit.
        source: AnswersError,
    },
}

impl PrepareError {
    fn of_join(model: &str, source: JoinError) -> Self {
        let model = model.to_owned();
        match source {
            JoinError::Expression(source) => Self::Expression { model, source },
            source => Self::Join { model, source },
        }
    }
}

/// What bounds the queues of a shard's models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    /// How batches are formed.
    pub(crate) batch: BatchPolicy,
    /// The most rows that may wait for one model.
    pub(crate) rows_max: usize,
    /// The longest time that a row may be expected to wait, in µs.
    pub(crate) us_max: u64,
}

/// One shard's own copy of a model, with its plan of the join. It may be made on another thread,
/// so that a reload does not hold up the shard, and belongs to the shard from then on.
#[derive(Debug)]
pub struct PreparedModel {
    pub(crate) model: RefCell<Model>,
    pub(crate) plan: JoinPlan,
    /// Why requests give the columns, where a store could have.
    instead: Option<JoinError>,
    answers: Answers,
    schemas: Arc<ModelSchemas>,
    directory: ModelDirectory,
    load: LoadOptions,
    load_ns: u64,
}

impl PreparedModel {
    /// Loads a version of a model, scores a warm-up batch, and binds it to the store's columns.
    pub fn load(
        directory: &ModelDirectory,
        load: LoadOptions,
        schema: &Schema,
    ) -> Result<Self, PrepareError> {
        Self::load_with(&Loads::default(), directory, load, schema)
    }

    /// [`Self::load`], where other shards load the same.
    pub fn load_with(
        loads: &Loads,
        directory: &ModelDirectory,
        load: LoadOptions,
        schema: &Schema,
    ) -> Result<Self, PrepareError> {
        let start = Instant::now();
        let mut model = loads.load(directory, &load)?;
        let load_ns = start.elapsed().as_nanos() as u64;
        let (plan, instead) = plan_or_ask(&mut model, schema)
            .map_err(|source| PrepareError::of_join(&directory.name, source))?;
        let answers = model
            .answers(plan.column_names())
            .map_err(|source| PrepareError::Answers { model: directory.name.clone(), source })?;
        let mut directory = directory.clone();
        directory.manifest.columns.clone_from(&model.manifest().columns);
        let schemas = Described {
            directory: &directory,
            columns: directory.manifest.columns.as_deref().unwrap_or_default(),
            fields: plan.request_fields(),
            signature: &model.signature(plan.column_names()),
            answers: &answers,
            has_store: !plan.schema().is_none(),
        }
        .schemas()
        .into();
        let model = RefCell::new(model);
        Ok(Self { model, plan, instead, answers, schemas, directory, load, load_ns })
    }

    /// A plan for the columns that the store has now, where they are others than it was loaded with.
    pub(crate) fn bind_again(&self, schema: &Schema) -> Result<JoinPlan, JoinError> {
        let model = self.model.borrow();
        of_model(self.plan.bind_again(inputs_of(&model), schema)?, &model)
    }

    /// A plan for the columns that this store has now.
    ///
    /// # Errors
    /// They do not fit the model, or are not known.
    pub(crate) fn bound_to(&self, store: &FeatureStore) -> Result<JoinPlan, Unfit> {
        let schema = store.schema()?;
        Ok(self.bind_again(&schema)?)
    }

    /// What its answers may have beside the score.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The tables of the store that it names, beside the store's own.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        self.directory.manifest.tables()
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.directory.name
    }

    /// The columns that `model.toml` names, or that requests are asked for in place of a store.
    pub(crate) fn columns(&self) -> &[InputColumn] {
        self.directory.manifest.columns.as_deref().unwrap_or_default()
    }

    /// The version that was loaded.
    pub fn version(&self) -> u64 {
        self.directory.version
    }

    /// What the model is made of.
    pub fn describe(&self) -> ModelDescription {
        let asked_instead = self.instead.as_ref().map(JoinError::to_string).unwrap_or_default();
        ModelDescription { asked_instead, ..self.model.borrow().describe() }
    }

    /// Loads the model again, after a panic that may have left it half-changed.
    pub(crate) fn replace_model(&self) {
        match Model::load(&self.directory, &self.load) {
            Ok(model) => *self.model.borrow_mut() = model,
            Err(error) => {
                let model = self.name();
                tracing::error!(model, %error, "after a panic: not loaded again, the old copy goes on");
            }
        }
    }

    /// What the lane of this model tells others about itself.
    pub(crate) fn facts(&self) -> LaneFacts {
        let described = self.directory.manifest.columns.as_deref().unwrap_or_default();
        let texts = self.plan.text_fields();
        let column = |(at, name): (usize, &String)| {
            let Some(column) = described.iter().find(|column| column.name == *name) else {
                return LaneColumn { name: name.clone(), ..LaneColumn::default() };
            };
            let known = texts.get(at).and_then(|field| field.categories.as_deref());
            let shares = column.text.shares.iter();
            let (shares, texts) = shares
                .filter_map(|(text, share)| {
                    Some(((known?.code(text.as_bytes())?, *share), text.clone()))
                })
                .unzip();
            LaneColumn { name: name.clone(), quantiles: column.quantiles.clone(), shares, texts }
        };
        LaneFacts {
            model: self.directory.name.clone(),
            version: self.directory.version,
            role: self.directory.role(),
            description: self.describe(),
            schemas: Arc::clone(&self.schemas),
            columns: self.plan.column_names().iter().enumerate().map(column).collect(),
            entities: self.entity_names(),
            decisions: self.answers.decisions().map(str::to_owned).collect(),
            reasons: self.reason_codes(),
            rules: self.answers.rule_names().map(str::to_owned).collect(),
            has_probabilities: self.answers.is_classifier,
            score_shares: self.answers.score_shares.clone(),
            is_remote: self.model.borrow().remote().is_some(),
            load_ns: self.load_ns,
        }
    }

    /// The names of the entities, where there are several.
    fn entity_names(&self) -> Vec<String> {
        let keys = self.plan.request_keys();
        let several = if keys.entities.len() > 1 { keys.entities } else { Vec::new() };
        several.into_iter().map(|entity| entity.name).collect()
    }

    /// The codes of the reasons that rows may have, in the order of their groups.
    fn reason_codes(&self) -> Vec<String> {
        let groups = self.answers.reasons.iter().flat_map(|reasons| &reasons.groups);
        groups.map(|group| group.code.clone()).collect()
    }

    /// How batches are formed: no more at once than a remote model has connections.
    fn policy(&self, mut policy: BatchPolicy) -> BatchPolicy {
        if let Some(remote) = self.model.borrow().remote() {
            let connections_max = remote.settings.connections_max;
            policy.batches_in_flight_max = policy.batches_in_flight_max.min(connections_max);
        }
        policy
    }

    /// What the lane of this model is told.
    pub(crate) fn lane_settings(&self, limits: QueueLimits) -> LaneSettings {
        let fields = self.plan.request_fields().iter();
        let role = self.directory.role();
        let is_shadow = role == Role::Shadow;
        let policy = self.policy(limits.batch);
        LaneSettings {
            model: self.directory.name.clone(),
            version: self.directory.version,
            role,
            canary: self.directory.manifest.canary,
            shadow: self.directory.manifest.shadow,
            request_fields: fields.cloned().collect(),
            has_store: !self.plan.schema().is_none(),
            keys: self.plan.request_keys(),
            signature: Signature {
                texts: self.plan.text_fields(),
                fields: self.plan.column_fields(),
                ..self.model.borrow().signature(self.plan.column_names())
            },
            answers: self.answers.clone(),
            score_is_f32: self.model.borrow().score_precision() == Precision::F32,
            policy: if is_shadow { shadow::policy(policy) } else { policy },
            queue_rows_max: limits.rows_max,
            queue_us_max: limits.us_max,
        }
    }
}

/// The plan of a model that has requests give its columns where `model.toml` does not name them and
/// the store has none of them, and then why the store could not.
///
/// Where the store has some of the columns, one that is missing is a fault.
pub fn plan_or_ask(
    model: &mut Model,
    schema: &Schema,
) -> Result<(JoinPlan, Option<JoinError>), JoinError> {
    let why = match plan_of(model, schema) {
        Err(why) if model.manifest().columns.is_none() && !has_some(model, schema) => why,
        plan => return Ok((plan?, None)),
    };
    // A user of a store may be asked for by nothing but a name.
    model.ask_requests(!schema.is_none());
    Ok((plan_of(model, schema)?, Some(why).filter(|_| !schema.is_none())))
}

/// Whether a store has a column that the model's file names.
fn has_some(model: &Model, schema: &Schema) -> bool {
    let named = model.input_columns().unwrap_or_default();
    let is_stored = |name: &str| schema.columns().iter().any(|column| column.name == name);
    named.iter().any(|column| is_stored(&column.name))
}

/// The plan by which a model reads a store with these columns.
pub fn plan_of(model: &Model, schema: &Schema) -> Result<JoinPlan, JoinError> {
    let entities = model.manifest().entities();
    let plan = JoinPlan::bind_entities(inputs_of(model), &entities, schema, model.precision())?;
    of_model(plan, model)
}

/// What a model reads, as a plan is bound to it.
fn inputs_of(model: &Model) -> ModelInputs<'_> {
    match model.input_columns() {
        Some(columns) => ModelInputs::Columns(columns),
        None => ModelInputs::Width(model.columns()),
    }
}

/// What a plan has to know of the model besides.
fn of_model(plan: JoinPlan, model: &Model) -> Result<JoinPlan, JoinError> {
    let manifest = model.manifest();
    let spec = ExpressionSpec {
        categories: model.categories(),
        integers: model.integers(),
        ..manifest.expression_spec()
    };
    let plan = plan.with_integers(model.integers())?.with_categories(model.categories())?;
    plan.with_expressions(&spec)?.with_noted(&manifest.noted, &manifest.inputs)
}
