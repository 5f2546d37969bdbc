//! Maps a model's columns to a store's and to the request's fields, once, before anything is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::entity::{CellSource, EntityPlan, FloatRow};
use super::error::JoinError;
use super::request_field::RequestField;
use super::text::categories_of;
use crate::features::column::ColumnType;
use crate::features::entities::{Entity, RequestKeys, USER};
use crate::features::expressions::{
    ExpressionPlan, ExpressionSpec, RequestValues, Slot, SlotSource, StoredSlot,
};
use crate::features::inputs::{FeaturePolicies, InputColumn, IntegerRange, Source};
use crate::features::joined::Joined;
use crate::features::number_range::NumberRange;
use crate::features::record::RecordLayout;
use crate::features::schema::{Schema, StoreColumn};
use crate::features::{Categories, Precision};

/// What a model says of its input.
#[derive(Debug, Clone, Copy)]
pub enum ModelInputs<'a> {
    /// `model.toml` names the columns.
    Columns(&'a [InputColumn]),
    /// Only the width of its tensor is known: it takes the store's columns in order.
    Width(usize),
}

/// How a store's rows and a request's fields become the rows that one model reads.
#[derive(Debug, Clone)]
pub struct JoinPlan {
    /// At least one: the entity that rows are told by first.
    entities: Vec<EntityPlan>,
    /// What `model.toml` says of each of them.
    declared: Vec<Entity>,
    /// How many columns of a row may stand on defaults, over all entities together.
    defaulted_max: Option<usize>,
    /// What `model.toml` says of each column.
    columns: Vec<InputColumn>,
    names: Vec<String>,
    request_fields: Vec<RequestField>,
    /// What is computed of a row once it is joined; `None`: nothing.
    expressions: Option<Box<ExpressionPlan>>,
    schema: Schema,
    precision: Precision,
}

impl JoinPlan {
    /// Maps `inputs` to the columns of `schema` and to request fields, for a model whose rows are
    /// looked up by the user alone.
    pub fn bind(
        inputs: ModelInputs<'_>,
        schema: &Schema,
        policies: &FeaturePolicies,
        precision: Precision,
    ) -> Result<Self, JoinError> {
        Self::bind_entities(inputs, &[Entity::user(policies)], schema, precision)
    }

    /// The same for rows that are looked up by the keys of these entities, of which there is at
    /// least one: see [`entities_of`](crate::features::entities::entities_of).
    pub fn bind_entities(
        inputs: ModelInputs<'_>,
        declared: &[Entity],
        schema: &Schema,
        precision: Precision,
    ) -> Result<Self, JoinError> {
        let columns = match inputs {
            ModelInputs::Columns(columns) => columns.to_vec(),
            ModelInputs::Width(width) => columns_in_order(width, schema)?,
        };
        let plan = |(place, entity)| EntityPlan::new(entity, place, schema);
        let mut entities = declared.iter().enumerate().map(plan).collect::<Result<Vec<_>, _>>()?;
        let request_fields = place_cells(&columns, declared, &mut entities, precision)?;
        let is_computed = columns.iter().any(|column| column.source == Source::Expression);
        let is_alone = entities.len() == 1;
        let defaulted_max = declared.first().and_then(|it| it.policies.max_defaulted_columns);
        for entity in &mut entities {
            entity.is_whole = is_alone && !is_computed;
            if precision == Precision::F32 {
                entity.float_row = FloatRow::of(&entity.cells);
            }
            if !is_alone {
                entity.policies.max_defaulted_columns = None;
            }
        }
        Ok(Self {
            entities,
            declared: declared.to_vec(),
            defaulted_max,
            names: columns.iter().map(|column| column.name.clone()).collect(),
            columns,
            request_fields,
            expressions: None,
            schema: schema.clone(),
            precision,
        })
    }

    /// The same for a model that reads integers in some of its columns: those whose range is given.
    /// `ranges` is empty where there are none.
    ///
    /// # Errors
    /// A column whose store or default is no integer.
    pub fn with_integers(mut self, ranges: &[Option<IntegerRange>]) -> Result<Self, JoinError> {
        for entity in &mut self.entities {
            entity.with_integers(ranges, &self.names)?;
        }
        Ok(self)
    }

    /// The same for a model that reads texts in those of its columns whose categories are given.
    /// `categories` is empty where its own file has none.
    ///
    /// # Errors
    /// A column of text without categories or of numbers with some, in the store or in `model.toml`,
    /// and a default that is none of them.
    pub fn with_categories(
        mut self,
        categories: &[Option<Arc<Categories>>],
    ) -> Result<Self, JoinError> {
        let fields = &mut self.request_fields;
        for entity in &mut self.entities {
            entity.with_categories(categories, &self.columns, |field, known| {
                fields[field].categories = Some(Arc::clone(known));
            })?;
        }
        Ok(self)
    }

    /// The same for a model with expressions or rules. To be called last.
    ///
    /// # Errors
    /// An expression that cannot be used, or reads what the store does not have.
    pub fn with_expressions(mut self, spec: &ExpressionSpec<'_>) -> Result<Self, JoinError> {
        let computed = self.columns.iter().enumerate();
        let mut categories = vec![None; self.columns.len()];
        for (place, column) in computed.filter(|(_, it)| it.source == Source::Expression) {
            let own = spec.categories.get(place).and_then(Option::as_ref);
            categories[place] = categories_of(column, own)?;
            if let (Some(known), Some(text)) = (&categories[place], &column.text.default)
                && known.code(text.as_bytes()).is_none()
            {
                let (column, default) = (column.name.clone(), text.clone());
                return Err(JoinError::DefaultUnknown { column, default });
            }
        }
        let spec = ExpressionSpec { categories: &categories, ..*spec };
        let Self { columns, entities, declared, request_fields, .. } = &mut self;
        let source_of = |column: &InputColumn, slot: usize| {
            slot_source(column, slot, declared, entities, request_fields)
        };
        let plan = ExpressionPlan::bind(columns, &spec, source_of)?;
        if let Some(plan) = &plan {
            for (index, field) in request_fields.iter_mut().enumerate() {
                field.is_kept = plan.reads_text(index);
            }
        }
        self.expressions = plan.map(Box::new);
        Ok(self)
    }

    /// The same for a model of whose requests these fields are noted for aggregates, whether or not the
    /// model reads them; `inputs` are those that `model.toml` has beside its columns. To be called last.
    ///
    /// # Errors
    /// A field that the model reads as text.
    pub fn with_noted(
        mut self,
        noted: &[String],
        inputs: &[InputColumn],
    ) -> Result<Self, JoinError> {
        if self.schema.is_none() {
            return Ok(self);
        }
        let keys = self.request_keys();
        for name in noted.iter().filter(|name| keys.position(name).is_none()) {
            let known = self.request_fields.iter().find(|field| field.name == *name);
            if known.is_some_and(RequestField::is_text) {
                return Err(JoinError::NotedText { field: name.clone() });
            }
            if known.is_some() {
                continue;
            }
            let sent = |it: &&InputColumn| it.name == *name && it.source == Source::Request;
            let field = match inputs.iter().find(sent) {
                Some(input) => RequestField::of(input, usize::MAX, Precision::F64),
                None => RequestField {
                    name: name.clone(),
                    column_type: ColumnType::Double,
                    column: usize::MAX,
                    ..RequestField::default()
                },
            };
            if field.is_text() {
                return Err(JoinError::NotedText { field: name.clone() });
            }
            self.request_fields.push(field);
        }
        Ok(self)
    }

    /// What is computed of a row once it is joined.
    pub(crate) fn expressions(&self) -> Option<&ExpressionPlan> {
        self.expressions.as_deref()
    }

    /// Computes the expressions of rows that were joined; `request` says what the request of a row
    /// gives.
    pub fn compute<'r>(&self, joined: &mut Joined, request: impl Fn(usize) -> RequestValues<'r>) {
        if let Some(plan) = &self.expressions {
            plan.compute(joined, request);
            let allowed = self.defaulted_max.unwrap_or(usize::MAX);
            for outcome in &mut joined.outcomes {
                outcome.hold_to(allowed, |_| None);
            }
        }
    }

    /// [`JoinPlan::bind`] for a model that was bound to other columns before. One that names none
    /// reads the store's in order, and nothing tells that another order is not a mistake: it is
    /// bound to columns of the same names in the same order alone, whatever else there is by now.
    pub fn bind_again(&self, inputs: ModelInputs<'_>, schema: &Schema) -> Result<Self, JoinError> {
        if let (ModelInputs::Width(_), Some(columns)) = (inputs, self.same_columns(schema)) {
            let inputs = ModelInputs::Columns(&columns);
            return Self::bind_entities(inputs, &self.declared, schema, self.precision);
        }
        let bound = Self::bind_entities(inputs, &self.declared, schema, self.precision)?;
        if matches!(inputs, ModelInputs::Width(_)) {
            let mut names = bound.names.iter().zip(&self.names);
            if let Some(at) = names.position(|(found, expected)| found != expected) {
                return Err(JoinError::Renamed {
                    position: at + 1,
                    found: bound.names[at].clone(),
                    expected: self.names[at].clone(),
                });
            }
        }
        Ok(bound)
    }

    /// The columns of `schema` that have the plan's names, where they stand in the plan's order.
    fn same_columns(&self, schema: &Schema) -> Option<Vec<InputColumn>> {
        let mut stored = schema.columns().iter();
        let named = self.names.iter().map(|name| stored.find(|column| column.name == *name));
        named.map(|column| column.map(unnamed_column)).collect()
    }

    /// How many cells a row has.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// What is taken from each entity's table, the one that rows are told by first.
    pub fn entities(&self) -> &[EntityPlan] {
        &self.entities
    }

    /// The plan of the entity that rows are told by.
    pub(crate) fn first(&self) -> &EntityPlan {
        &self.entities[0]
    }

    /// How many columns of a row may stand on defaults, over all entities together.
    pub(crate) fn defaulted_max(&self) -> Option<usize> {
        self.defaulted_max
    }

    /// The fields of a request that are keys of its entities.
    pub fn request_keys(&self) -> RequestKeys {
        RequestKeys::of(&self.declared)
    }

    /// The columns' names, in the model's order.
    pub fn column_names(&self) -> &[String] {
        &self.names
    }

    /// The fields that a request may give, in the order in which its cells are passed.
    pub fn request_fields(&self) -> &[RequestField] {
        &self.request_fields
    }

    /// How cells of each column are read that a request gives without the join; empty where all of
    /// them are numbers.
    pub fn text_fields(&self) -> Vec<RequestField> {
        let computed_categories =
            |column| self.expressions.as_deref().and_then(|it| it.categories_at(column));
        if self.entities.iter().all(|entity| entity.texts.is_empty())
            && (0..self.columns.len()).all(|column| computed_categories(column).is_none())
        {
            return Vec::new();
        }
        self.column_fields()
    }

    /// How cells of each column are read that a request gives without the join: ranges don't apply
    /// then.
    pub fn column_fields(&self) -> Vec<RequestField> {
        let computed_categories =
            |column| self.expressions.as_deref().and_then(|it| it.categories_at(column));
        let field = |(column, input): (usize, &InputColumn)| {
            let mut found = self.entities.iter().map(|entity| entity.categories_at(column));
            let categories = found.find_map(Option::<&Arc<Categories>>::cloned);
            let categories = categories.or_else(|| computed_categories(column).cloned());
            let field = RequestField::of(input, column, self.precision);
            RequestField { categories, range: NumberRange::default(), ..field }
        };
        self.columns.iter().enumerate().map(field).collect()
    }

    /// The store's columns that it was bound to.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How the records are packed of the entity that rows are told by.
    pub fn layout(&self) -> &RecordLayout {
        self.first().layout()
    }

    /// Whether a last known value may stand in for a store that does not answer, of the entity that
    /// rows are told by.
    pub fn accepts_stale(&self) -> bool {
        self.first().accepts_stale()
    }

    /// The precision of the matrix that it fills.
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

/// Gives each entity the cells that its table has, and the first those of requests; returns the
/// fields of requests.
fn place_cells(
    columns: &[InputColumn],
    declared: &[Entity],
    entities: &mut [EntityPlan],
    precision: Precision,
) -> Result<Vec<RequestField>, JoinError> {
    let positions_of = |entity: &EntityPlan| -> HashMap<String, usize> {
        let stored = entity.schema().columns().iter().enumerate();
        stored.map(|(position, column)| (column.name.clone(), position)).collect()
    };
    let positions: Vec<_> = entities.iter().map(positions_of).collect();
    let mut request_fields = Vec::new();
    for (position, column) in columns.iter().enumerate() {
        let (place, source) = match column.source {
            Source::Store => {
                let name = column.entity.as_deref().unwrap_or(USER);
                // A model without the user has entities of all its columns.
                let place = declared.iter().position(|entity| entity.name == name).unwrap_or(0);
                let stored = positions[place].get(column.stored_name()).copied();
                (place, CellSource::Store(entities[place].store_place(column, stored)?))
            }
            Source::Request => {
                request_fields.push(RequestField::of(column, position, precision));
                (0, CellSource::Request { index: request_fields.len() - 1 })
            }
            // It is computed once the others are there.
            Source::Expression => continue,
        };
        entities[place].push(column, position, source);
    }
    Ok(request_fields)
}

/// Where a value comes from that expressions read: the entity that has it is told to keep it.
fn slot_source(
    column: &InputColumn,
    slot: usize,
    declared: &[Entity],
    entities: &mut [EntityPlan],
    request_fields: &mut Vec<RequestField>,
) -> Result<SlotSource, JoinError> {
    if column.source == Source::Request {
        let known = request_fields.iter().position(|field| field.name == column.name);
        let index = known.unwrap_or(request_fields.len());
        if known.is_none() {
            // No model reads it, at whatever precision.
            request_fields.push(RequestField::of(column, usize::MAX, Precision::F64));
        }
        return Ok(SlotSource::Request { index });
    }
    let name = column.entity.as_deref().unwrap_or(USER);
    let entity = declared.iter().position(|entity| entity.name == name).unwrap_or(0);
    let stored = entities[entity].schema().columns().iter();
    let position = stored.into_iter().position(|it| it.name == column.stored_name());
    let place = entities[entity].store_place(column, position)?;
    let of = Slot::new(column, None, SlotSource::Store);
    entities[entity].kept.push(StoredSlot { slot, place, of });
    Ok(SlotSource::Store)
}

fn columns_in_order(width: usize, schema: &Schema) -> Result<Vec<InputColumn>, JoinError> {
    if let Some(unread) = schema.unread().first() {
        let (column, found) = (unread.name.clone(), unread.found.clone());
        return Err(JoinError::UnnamedUnread { column, found });
    }
    let stored = schema.columns();
    if schema.is_none() {
        return Err(JoinError::NoStore { column: "input 1".to_owned() });
    }
    if stored.len() != width {
        let column = stored
            .get(width)
            .map_or_else(|| format!("input {}", stored.len() + 1), |column| column.name.clone());
        return Err(JoinError::Width { found: stored.len(), expected: width, column });
    }
    Ok(stored.iter().map(unnamed_column).collect())
}

/// A column of a model that names none, as the store has it.
fn unnamed_column(stored: &StoreColumn) -> InputColumn {
    InputColumn {
        name: stored.name.clone(),
        column_type: stored.column_type,
        ..InputColumn::default()
    }
}
