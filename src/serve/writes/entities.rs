//! Which table each entity's rows are in, and what is counted of its events.

use std::collections::BTreeMap;

use anyhow::Context;
use shards::features::aggregates::Aggregate;
use shards::features::embedded::{EmbeddedStore, EmbeddedWriter, TableName};
use shards::features::entities::USER;
use shards::features::schema::{Schema, StoreColumn};
use shards::model::repository::ModelDirectory;

use crate::config::Config;

/// The entities that are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entities {
    /// The table of an entity, where it is not named like it; `None` is the store's own.
    tables: BTreeMap<String, Option<String>>,
    aggregates: Vec<Aggregate>,
    /// How many parts the keys of a table have, where a model says it.
    key_parts: BTreeMap<Option<String>, usize>,
}

impl Entities {
    /// Those of the models that are served, laid over by what the configuration says.
    pub(crate) fn new(
        models: &[ModelDirectory],
        configured: &BTreeMap<String, String>,
        aggregates: &[Aggregate],
    ) -> Self {
        let mut tables = BTreeMap::from([(USER.to_owned(), None)]);
        for entity in models.iter().flat_map(|model| model.manifest.entities()) {
            tables.entry(entity.name).or_insert(entity.table);
        }
        let said = configured.iter().map(|(entity, table)| (entity.clone(), Some(table.clone())));
        tables.extend(said);
        let mut known =
            Self { tables, aggregates: aggregates.to_vec(), key_parts: BTreeMap::new() };
        for entity in models.iter().flat_map(|model| model.manifest.entities()) {
            let table = known.table_of(&entity.name).map(str::to_owned);
            known.key_parts.entry(table).or_insert(entity.key.len());
        }
        known
    }

    /// How many parts the keys of a table have; `None` where no model reads it.
    pub(crate) fn key_parts(&self, table: Option<&str>) -> Option<usize> {
        self.key_parts.get(&table.map(str::to_owned)).copied()
    }

    /// Those of a configuration, as far as its models are there. For tools.
    pub(crate) fn of(config: &Config) -> Self {
        let repository = config.repository();
        let models = config.model.iter().filter_map(|name| repository.find_served(name).ok());
        let models: Vec<_> = models.flatten().collect();
        Self::new(&models, &config.writes.tables, &config.aggregates)
    }

    /// The table of an entity; `None` is the store's own.
    pub(crate) fn table_of<'a>(&'a self, entity: &'a str) -> Option<&'a str> {
        self.tables.get(entity).map_or(Some(entity), |table| table.as_deref())
    }

    /// What is counted in a table.
    pub(crate) fn aggregates_of(&self, table: Option<&str>) -> Vec<Aggregate> {
        let is_of = |it: &&Aggregate| self.table_of(&it.entity) == table;
        self.aggregates.iter().filter(is_of).cloned().collect()
    }

    /// All aggregates, in the order of the configuration.
    pub(crate) fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// The columns that tables of the store lack for their aggregates, by the tables' names.
    pub(crate) fn missing(
        &self,
        store: &EmbeddedStore,
    ) -> anyhow::Result<Vec<(Option<TableName>, Vec<StoreColumn>)>> {
        let (mut done, mut all_missing) = (Vec::new(), Vec::new());
        for aggregate in &self.aggregates {
            let table = self.table_of(&aggregate.entity);
            if done.contains(&table) {
                continue;
            }
            done.push(table);
            let name = table.map(str::parse::<TableName>).transpose()?;
            let known = name.as_ref().map_or_else(|| store.clone(), |name| store.table(name));
            let known = known.schema()?;
            let all = self.aggregates_of(table);
            let all: Vec<_> = all.iter().collect();
            let missing = Aggregate::missing_columns(&all, known.as_ref())?;
            if !missing.is_empty() {
                all_missing.push((name, missing));
            }
        }
        Ok(all_missing)
    }

    /// Gives each table of the store the columns that its aggregates need.
    pub(crate) fn prepare(&self, store: &EmbeddedStore) -> anyhow::Result<()> {
        for (name, missing) in self.missing(store)? {
            let opened = EmbeddedStore::open_or_create_table(store.path(), name.as_ref())?;
            let (table, columns) = (name.map(|name| name.to_string()), missing.len());
            tracing::info!(table, columns, "the table gets the columns of aggregates");
            let added = Schema::new(missing)?;
            // An import of no row: every row is kept.
            EmbeddedWriter::begin(&opened, &added, false)
                .and_then(EmbeddedWriter::commit)
                .context("the columns of aggregates could not be added")?;
        }
        Ok(())
    }
}
