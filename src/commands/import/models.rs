//! What the models of a repository have to say of an import: the types of their columns, and whether
//! they would still fit the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use shards::batch::plan_of;
use shards::features::column::ColumnType;
use shards::features::embedded::EmbeddedStore;
use shards::features::entities::USER;
use shards::features::inputs::{InputColumn, Source};
use shards::features::schema::Schema;
use shards::features::{StoreError, StoreSource};
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

/// The models that are asked of an import into a table.
#[derive(Debug, Default)]
pub(super) struct ServedModels {
    models: Vec<Model>,
    /// The table, where it is not the store's own.
    table: Option<String>,
    /// What the store has beside the table, for models that read several.
    beside: Option<Schema>,
}

impl ServedModels {
    /// Loads the models with these names, or where none is given all of the repository.
    pub(super) fn load(
        root: PathBuf,
        names: &[String],
        table: Option<&str>,
    ) -> anyhow::Result<Self> {
        let repository = Repository::new(root);
        let names = if names.is_empty() { repository.names()? } else { names.to_vec() };
        let mut models = Vec::new();
        for name in names {
            for directory in repository.find_served(&name)? {
                let model = Model::load(&directory, &LoadOptions::default());
                models.push(model.with_context(|| format!("model {name}"))?);
            }
        }
        Ok(Self { models, table: table.map(str::to_owned), beside: None })
    }

    /// Has the models asked with the other tables that the store in this folder has.
    pub(super) fn look_beside(&mut self, folder: &Path) -> Result<(), StoreError> {
        let names: Vec<_> =
            self.models.iter().flat_map(|model| model.manifest().tables()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let source = match EmbeddedStore::open(folder) {
            // No model fits a store without users' rows.
            Err(error) if error.is_absent() => return Ok(()),
            opened => StoreSource::Embedded(opened?),
        };
        let own = source.current_schema()?.unwrap_or_else(Schema::none);
        self.beside = Some(source.with_tables(own, names)?);
        Ok(())
    }

    /// The columns of the whole store, where the table has these.
    fn whole(&self, table: &Schema) -> Schema {
        let Some(beside) = &self.beside else { return table.clone() };
        let mut tables = beside.tables().to_vec();
        let Some(name) = &self.table else { return table.own().with_tables(tables) };
        for known in tables.iter_mut().filter(|known| known.name == *name) {
            known.schema = Ok(table.own());
        }
        beside.own().with_tables(tables)
    }

    /// The types of the columns that they read from a store.
    pub(super) fn types(&self) -> anyhow::Result<BTreeMap<String, ColumnType>> {
        let mut types = BTreeMap::new();
        for model in &self.models {
            let Some(columns) = model.input_columns() else {
                bail!("model {}: its model.toml has no [[columns]] with types", model.name());
            };
            let entities = model.manifest().entities();
            let is_of_table = |column: &&InputColumn| {
                let name = column.entity.as_deref().unwrap_or(USER);
                let entity = entities.iter().find(|entity| entity.name == name);
                let table = entity.and_then(|entity| entity.table.as_deref());
                column.source == Source::Store && table == self.table.as_deref()
            };
            for column in columns.iter().filter(is_of_table) {
                let known = types.insert(column.stored_name().to_owned(), column.column_type);
                if let Some(known) = known.filter(|known| *known != column.column_type) {
                    bail!(
                        "column `{}` is {known} for one model and {} for model {}: say in the header \
                         which one the store is to have",
                        column.name,
                        column.column_type,
                        model.name()
                    );
                }
            }
        }
        Ok(types)
    }

    /// Says which model fits the columns of `before` and not those of `after`.
    pub(super) fn still_fit(&self, before: &Schema, after: &Schema) -> Result<(), String> {
        let (before, after) = (self.whole(before), self.whole(after));
        for model in self.models.iter().filter(|model| plan_of(model, &before).is_ok()) {
            if let Err(error) = plan_of(model, &after) {
                return Err(format!(
                    "nothing was imported: model {} fits the store as it is and would not any more: \
                     {error}; --force imports all the same",
                    model.name()
                ));
            }
        }
        Ok(())
    }
}
