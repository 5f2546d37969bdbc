//! What the models of a repository have to say of an import: the types of their columns, and whether
//! they would still fit the store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use shards::batch::plan_of;
use shards::features::column::ColumnType;
use shards::features::inputs::Source;
use shards::features::schema::Schema;
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

/// The models that are asked.
#[derive(Debug, Default)]
pub(super) struct ServedModels(Vec<Model>);

impl ServedModels {
    /// Loads the models with these names, or where none is given all of the repository.
    pub(super) fn load(root: PathBuf, names: &[String]) -> anyhow::Result<Self> {
        let repository = Repository::new(root);
        let names = if names.is_empty() { repository.names()? } else { names.to_vec() };
        let mut models = Vec::new();
        for name in names {
            for directory in repository.find_served(&name)? {
                let model = Model::load(&directory, &LoadOptions::default());
                models.push(model.with_context(|| format!("model {name}"))?);
            }
        }
        Ok(Self(models))
    }

    /// The types of the columns that they read from a store.
    pub(super) fn types(&self) -> anyhow::Result<BTreeMap<String, ColumnType>> {
        let mut types = BTreeMap::new();
        for model in &self.0 {
            let Some(columns) = model.input_columns() else {
                bail!("model {}: its model.toml has no [[columns]] with types", model.name());
            };
            for column in columns.iter().filter(|column| column.source == Source::Store) {
                let known = types.insert(column.name.clone(), column.column_type);
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
        for model in self.0.iter().filter(|model| plan_of(model, before).is_ok()) {
            if let Err(error) = plan_of(model, after) {
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
