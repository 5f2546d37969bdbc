//! `shardgate check`: everything that would stop a start, all of it at once, and where it is.

use std::process::ExitCode;

use shards::features::address::StoreAddress;
use shards::features::embedded::EmbeddedStore;
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::schema::Schema;
use shards::features::scylla::describe_table;
use shards::model::repository::{ModelDirectory, Repository};
use shards::model::{LoadOptions, Model, golden};

use crate::config::Config;

/// Checks the cores, the store, and each model with it; fails if anything is wrong.
pub(crate) fn run(config: &Config) -> ExitCode {
    let mut findings = Findings::default();
    findings.note("cores", config.cores.resolve().map(|cores| format!("{} usable", cores.len())));
    let schema = store_schema(config, &mut findings);
    let repository = Repository::new(&config.models);
    for name in &config.model {
        let subject = format!("model {name}");
        let served = match repository.find_served(name) {
            Ok(served) => served,
            Err(error) => {
                findings.note(&subject, Err::<String, _>(error));
                continue;
            }
        };
        for directory in served {
            let canary = if directory.is_canary() { ", its canary" } else { "" };
            let subject = format!("{subject}{canary}");
            let load = config.load_options();
            check_model(&subject, &directory, load, schema.as_ref(), &mut findings);
        }
    }
    if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what is right and what is wrong, and counts the latter.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn note<E: std::fmt::Display>(&mut self, subject: &str, finding: Result<String, E>) {
        match finding {
            Ok(detail) => println!("ok     {subject}: {detail}"),
            Err(error) => {
                self.wrong += 1;
                println!("wrong  {subject}: {error}");
            }
        }
    }
}

fn store_schema(config: &Config, findings: &mut Findings) -> Option<Schema> {
    let folder = match &config.store {
        StoreAddress::Embedded(folder) => folder,
        StoreAddress::Scylla { .. } => return table_schema(config, findings),
    };
    let opened = EmbeddedStore::open(folder).and_then(|store| {
        let schema = store.schema()?;
        Ok((store.rows()?, schema))
    });
    match opened {
        Ok((rows, schema)) => {
            let columns = schema.as_ref().map_or(0, |schema| schema.columns().len());
            let detail = format!("{}: {rows} users, {columns} columns", config.store);
            findings.note("store", Ok::<_, String>(detail));
            schema
        }
        Err(_) if config.store_is_default => {
            let detail = format!("{}: is filled by the first `serve`", config.store);
            findings.note("store", Ok::<_, String>(detail));
            None
        }
        Err(error) => {
            findings.note("store", Err::<String, _>(error));
            None
        }
    }
}

fn table_schema(config: &Config, findings: &mut Findings) -> Option<Schema> {
    let described = config
        .scylla
        .resolve()
        .and_then(|addresses| describe_table(config.scylla.clone(), addresses));
    let detail = |schema: &Schema| {
        format!("{}: {} columns of {}", config.store, schema.columns().len(), config.scylla.table)
    };
    findings.note("store", described.as_ref().map(detail));
    described.ok()
}

fn check_model(
    subject: &str,
    directory: &ModelDirectory,
    load: LoadOptions,
    schema: Option<&Schema>,
    findings: &mut Findings,
) {
    let mut model = match Model::load(directory, &load) {
        Ok(model) => model,
        Err(error) => return findings.note(subject, Err::<String, _>(error)),
    };
    let description = model.describe();
    findings.note(
        subject,
        Ok::<_, String>(format!(
            "version {}, {} columns, kernel {}",
            directory.version,
            model.columns(),
            description.kernel
        )),
    );
    check_golden(subject, directory, &mut model, findings);
    let Some(schema) = schema else { return };
    let manifest = model.manifest();
    let inputs = match &manifest.columns {
        Some(columns) => ModelInputs::Columns(columns),
        None => ModelInputs::Width(model.columns()),
    };
    let bound = JoinPlan::bind(inputs, schema, &manifest.policies, model.precision());
    let subject = format!("{subject} with the store");
    findings.note(&subject, bound.map(|_| "every column is there".to_owned()));
}

/// Replays the predictions that the model's own library made, where there are any.
fn check_golden(
    subject: &str,
    directory: &ModelDirectory,
    model: &mut Model,
    findings: &mut Findings,
) {
    if let Some(remote) = model.remote() {
        let detail = format!("not asked: it is computed at {}", remote.url);
        return findings.note(&format!("{subject} against its library"), Ok::<_, String>(detail));
    }
    let path = directory.path.join("golden.csv");
    let subject = format!("{subject} against its library");
    if !path.exists() {
        return findings.note(&subject, Ok::<_, String>(format!("no {}", path.display())));
    }
    let replayed = golden::replay(model, &path, "score").map_err(|error| error.to_string());
    let finding = replayed.and_then(|report| {
        let detail =
            format!("{} rows, largest difference {:.1e}", report.rows, report.difference_max);
        match report.worst {
            Some(worst) if !report.agrees() => Err(format!(
                "{detail}: {} line {}: found {}, expected {}",
                path.display(),
                worst.line,
                worst.found,
                worst.expected
            )),
            _ => Ok(detail),
        }
    });
    findings.note(&subject, finding);
}
