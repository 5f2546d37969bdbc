//! `shardgate models`: a table of what would be served.

use shards::model::Model;
use shards::model::repository::Repository;

use crate::config::Config;
use crate::serve::find_models;

/// Prints one line a model.
pub(crate) fn run(config: &Config) -> anyhow::Result<()> {
    let repository = Repository::new(&config.models);
    println!(
        "{:<24} {:>7} {:<12} {:>7} {:>7} {:<24} {:<24} path",
        "model", "version", "of", "columns", "nodes", "kernel", "score"
    );
    for directory in find_models(config)? {
        let versions = repository.versions(&directory.name)?;
        let versions: Vec<_> = versions.iter().map(u32::to_string).collect();
        let model = Model::load(&directory, &config.load_options())?;
        let description = model.describe();
        println!(
            "{:<24} {:>7} {:<12} {:>7} {:>7} {:<24} {:<24} {}",
            directory.name,
            directory.version,
            versions.join(","),
            model.columns(),
            description.nodes,
            description.kernel,
            description.score,
            directory.file.display()
        );
    }
    Ok(())
}
