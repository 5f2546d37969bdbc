//! Which table each entity's rows are in, and what is counted of its events.

use std::collections::BTreeMap;

use anyhow::Context;
use shards::features::aggregates::Aggregate;
use shards::features::embedded::{EmbeddedStore, EmbeddedWriter, TableName};
use shards::features::entities::USER;
use shards::features::schema::Schema;
use shards::model::repository::ModelDirectory;

/// The entities that are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entities {
    /// The table of an entity, where it is not named like it; `None` is the store's own.
    tables: BTreeMap<String, Option<String>>,
    aggregates: Vec<Aggregate>,
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
        Self { tables, aggregates: aggregates.to_vec() }
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

    /// Gives each table of the store the columns that its aggregates need.
    pub(crate) fn prepare(&self, store: &EmbeddedStore) -> anyhow::Result<()> {
        let mut done = Vec::new();
        for aggregate in &self.aggregates {
            let table = self.table_of(&aggregate.entity);
            if done.contains(&table) {
                continue;
            }
            done.push(table);
            let name = table.map(str::parse::<TableName>).transpose()?;
            let opened = EmbeddedStore::open_or_create_table(store.path(), name.as_ref())?;
            let known = opened.schema()?;
            let all = self.aggregates_of(table);
            let all: Vec<_> = all.iter().collect();
            let missing = Aggregate::missing_columns(&all, known.as_ref())?;
            if missing.is_empty() {
                continue;
            }
            let names: Vec<_> = all.iter().map(|it| it.name.as_str()).collect();
            tracing::info!(
                table,
                aggregates = names.join(", "),
                "the table gets the columns of aggregates"
            );
            let added = Schema::new(missing)?;
            // An import of no row: every row is kept.
            EmbeddedWriter::begin(&opened, &added, false)
                .and_then(EmbeddedWriter::commit)
                .context("the columns of aggregates could not be added")?;
        }
        Ok(())
    }
}
