//! `shardgate models`: a table of what would be served.

use std::process::ExitCode;

use shards::escape::{Escaped, escaped};
use shards::model::Model;
use shards::model::repository::{ModelDirectory, Repository};

use crate::config::Config;
use crate::output::{complain, say};

/// Prints one line a model: those that are named, or where none is, all of the repository. What
/// cannot be served is said on the standard error, after the table, and is a failure.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let repository = config.repository();
    let names = if config.model_is_default { repository.names()? } else { config.model.clone() };
    say!(
        "{:<24} {:>7} {:<12} {:>7} {:>7} {:<24} {:<24} path",
        "model",
        "version",
        "of",
        "columns",
        "nodes",
        "kernel",
        "score"
    );
    let mut wrong = Vec::new();
    for name in &names {
        match repository.find_served(name) {
            Ok(served) => {
                let lines = served.iter().map(|directory| line(config, &repository, directory));
                wrong.extend(lines.filter_map(Result::err));
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    let noted = if config.model_is_default { repository.directories()? } else { names.clone() };
    for name in &noted {
        for note in repository.folder_notes(name) {
            complain!("{}: {}", escaped(name), Escaped(note));
        }
    }
    if names.is_empty() {
        let root = config.models.display();
        wrong.push(format!("{root}: no model: expected files like {root}/NAME/1/model.onnx"));
    }
    for error in &wrong {
        complain!("shardgate: {}", Escaped(error));
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(
    config: &Config,
    repository: &Repository,
    directory: &ModelDirectory,
) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("model {}: {error}", directory.name);
    let versions = repository.versions(&directory.name).map_err(|error| said(&error))?;
    let versions: Vec<_> = versions.iter().map(u64::to_string).collect();
    let model = Model::load(directory, &config.load_options()).map_err(|error| said(&error))?;
    let description = model.describe();
    say!(
        "{:<24} {:>7} {:<12} {:>7} {:>7} {:<24} {:<24} {}",
        escaped(&directory.name),
        directory.version,
        versions.join(","),
        model.columns(),
        description.nodes,
        description.kernel,
        escaped(&description.score),
        Escaped(directory.file.display())
    );
    Ok(())
}
