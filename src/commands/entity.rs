//! The entity of a model that a command is about: it says which table is meant, and what a key is.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use shards::features::composite::key_of_parts;
use shards::features::entities::Entity;
use shards::model::repository::Repository;

/// The entity of a model that a command is about.
#[derive(Debug, Args)]
pub(crate) struct EntityArguments {
    /// The entity of `--model` whose table is meant. A key of several fields is given by its parts with
    /// commas between them: `NL,411111`.
    #[arg(long, value_name = "NAME", conflicts_with = "table")]
    entity: Option<String>,
    /// The model that has the entity.
    #[arg(long, env = "SHARDGATE_MODEL", value_name = "NAME", default_value = "credit-risk")]
    model: String,
    /// The model repository.
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
}

impl EntityArguments {
    /// The entity; `None` where none is named.
    pub(crate) fn find(&self) -> anyhow::Result<Option<Entity>> {
        let Some(name) = &self.entity else { return Ok(None) };
        let directory = Repository::new(&self.models).find(&self.model, None)?;
        let entities = directory.manifest.entities();
        let names: Vec<_> = entities.iter().map(|entity| entity.name.clone()).collect();
        match entities.into_iter().find(|entity| entity.name == *name) {
            Some(entity) => Ok(Some(entity)),
            None => bail!(
                "--entity: found `{name}`, expected one of {} ({})",
                names.join(", "),
                directory.path.join("model.toml").display()
            ),
        }
    }
}

/// The key of an entity that people write so.
///
/// # Errors
/// It has another number of parts than the entity has fields.
pub(crate) fn key_of(entity: &Entity, text: &str) -> anyhow::Result<String> {
    if entity.key.len() == 1 {
        return Ok(text.to_owned());
    }
    let parts: Vec<_> = text.split(',').map(str::as_bytes).collect();
    if parts.len() != entity.key.len() {
        bail!(
            "the key `{text}` of the entity `{}`: found {} parts, expected {}: {}",
            entity.name,
            parts.len(),
            entity.key.len(),
            entity.key.join(",")
        );
    }
    // Texts and their lengths are text.
    Ok(String::from_utf8(key_of_parts(&parts))?)
}
