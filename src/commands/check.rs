//! `shardgate check`: everything that would stop a start, all of it at once, and where it is.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use shards::batch::plan_or_ask;
use shards::escape::Escaped;
use shards::facts::Role;
use shards::features::address::StoreAddress;
use shards::features::embedded::{EmbeddedError, EmbeddedStore, RecordsChecked};
use shards::features::join::JoinPlan;
use shards::features::schema::Schema;
use shards::features::scylla::describe_table;
use shards::features::{Precision, StoreError, StoreSource};
use shards::model::repository::ModelDirectory;
use shards::model::{LoadOptions, Model, golden};

use crate::config::Config;
use crate::output::say;
use crate::serve::features::EXPOSED_PASSWORD;
use crate::serve::writes::entities::Entities;

/// Checks the cores, the store, and each model with it; fails if anything is wrong.
pub(crate) fn run(config: &Config) -> ExitCode {
    let mut findings = Findings::default();
    findings.note("cores", config.cores.resolve().map(|cores| format!("{} usable", cores.len())));
    for warning in &config.warnings {
        Findings::warn("configuration", warning);
    }
    // A file by itself reads no store.
    let is_lone = config.file.is_some();
    let store = if is_lone { None } else { CheckedStore::open(config, &mut findings) };
    if let Some(store) = store.as_ref().and_then(|store| store.embedded.as_ref()) {
        check_aggregates(config, store, &mut findings);
    }
    let repository = config.repository();
    for name in &config.model {
        let subject = format!("model {name}");
        for note in repository.folder_notes(name) {
            Findings::warn(&subject, &note.to_string());
        }
        let served = match repository.find_served(name) {
            Ok(served) => served,
            Err(error) => {
                findings.note(&subject, Err::<String, _>(error));
                continue;
            }
        };
        for directory in served {
            let subject = match directory.role() {
                Role::Stable => subject.clone(),
                role => format!("{subject}, its {}", role.as_str()),
            };
            let load = config.load_options();
            check_model(&subject, &directory, load, store.as_ref(), &mut findings);
        }
    }
    if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what is right, what is doubtful and what is wrong, and counts the last.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn warn(subject: &str, detail: &str) {
        say!("warn   {}: {}", Escaped(subject), Escaped(detail));
    }

    fn note<E: std::fmt::Display>(&mut self, subject: &str, finding: Result<String, E>) {
        match finding {
            Ok(detail) => say!("ok     {}: {}", Escaped(subject), Escaped(detail)),
            Err(error) => {
                self.wrong += 1;
                // An expression's error draws the place below.
                let error = error.to_string();
                let mut lines = error.lines();
                let first = lines.next().unwrap_or_default();
                say!("wrong  {}: {}", Escaped(subject), Escaped(first));
                for line in lines {
                    say!("       {}", Escaped(line));
                }
            }
        }
    }
}

/// A store that can be read.
struct CheckedStore {
    schema: Schema,
    /// Whose rows can be looked at, each of them; those of a cluster cannot.
    embedded: Option<EmbeddedStore>,
    source: StoreSource,
}

impl CheckedStore {
    fn open(config: &Config, findings: &mut Findings) -> Option<Self> {
        match &config.store {
            StoreAddress::Embedded(folder) => Self::open_embedded(config, folder, findings),
            StoreAddress::Scylla { .. } => {
                let (schema, addresses) = table_schema(config, findings)?;
                let settings = Arc::new(config.scylla.clone());
                let source = StoreSource::Cql { settings, addresses };
                Some(Self { schema, embedded: None, source })
            }
        }
    }

    fn open_embedded(config: &Config, folder: &Path, findings: &mut Findings) -> Option<Self> {
        let opened = match EmbeddedStore::open(folder) {
            // Models may read its other tables alone.
            Err(error) if error.is_absent() && folder.is_dir() => {
                let store = EmbeddedStore::open_or_create(folder);
                if let Some(store) = store.ok().filter(EmbeddedStore::has_tables) {
                    return Some(Self::of_tables(config, store, findings));
                }
                Err(error)
            }
            opened => opened,
        };
        let opened = opened.and_then(|store| {
            let (schema, checked) = (store.schema()?, store.for_each(|_, _| ())?);
            Ok((checked, schema, store))
        });
        match opened {
            Ok((checked, schema, store)) => {
                let columns = schema.as_ref().map_or(0, |schema| schema.columns().len());
                let detail = format!("{}: {} users, {columns} columns", config.store, checked.rows);
                findings.note("store", Ok::<_, String>(detail));
                if !checked.is_whole() {
                    findings.note("store", Err::<String, _>(damage(&checked)));
                }
                check_tables(&store, findings);
                let source = StoreSource::Embedded(store.clone());
                schema.map(|schema| Self { schema, embedded: Some(store), source })
            }
            Err(EmbeddedError::NoStore { .. }) if config.store_is_default => {
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

    /// A store that has no table of users.
    fn of_tables(config: &Config, store: EmbeddedStore, findings: &mut Findings) -> Self {
        let detail = format!("{}: no users, other tables alone", config.store);
        findings.note("store", Ok::<_, String>(detail));
        check_tables(&store, findings);
        Self { schema: Schema::none(), source: StoreSource::Embedded(store), embedded: None }
    }

    /// The columns that the store has for a model: those of the tables of its entities, too.
    fn schema_of(&self, directory: &ModelDirectory) -> Result<Schema, StoreError> {
        self.source.with_tables(self.schema.clone(), directory.manifest.tables())
    }

    /// Warns of each column whose stored values the model's precision changes.
    fn warn_of_rounding(&self, subject: &str, plan: &JoinPlan) -> Result<(), EmbeddedError> {
        let Some(store) = &self.embedded else { return Ok(()) };
        let mut rounded = vec![0; plan.columns()];
        let mut rows = 0_u64;
        store.for_each(|_, record| {
            rows += 1;
            plan.count_rounded(&record, &mut rounded);
        })?;
        for (name, count) in plan.column_names().iter().zip(rounded).filter(|(_, count)| *count > 0)
        {
            let bits = match plan.precision() {
                Precision::F32 => 32,
                Precision::F64 => 64,
            };
            let detail = format!(
                "`{name}`: {count} of {rows} users have a value that is rounded to the model's \
                 {bits}-bit float; across a tree's threshold it takes another branch"
            );
            Findings::warn(subject, &detail);
        }
        Ok(())
    }
}

/// Checks that the aggregates of the configuration are those that the store keeps.
fn check_aggregates(config: &Config, store: &EmbeddedStore, findings: &mut Findings) {
    if config.aggregates.is_empty() {
        return;
    }
    let detail = Entities::of(config).missing(store).map(|missing| match missing.len() {
        0 => format!("{}, all of them in their tables", config.aggregates.len()),
        tables => format!(
            "{}; {tables} tables get columns for them at the first `serve`",
            config.aggregates.len()
        ),
    });
    findings.note("aggregates", detail);
}

/// Checks every record of each table beside the default one.
fn check_tables(store: &EmbeddedStore, findings: &mut Findings) {
    let names = match store.tables() {
        Ok(names) => names,
        Err(error) => return findings.note("store", Err::<String, _>(error)),
    };
    for name in names {
        let (table, subject) = (store.table(&name), format!("table {name}"));
        let checked = table.for_each(|_, _| ()).and_then(|checked| Ok((checked, table.schema()?)));
        match checked {
            Ok((checked, _)) if !checked.is_whole() => {
                findings.note(&subject, Err::<String, _>(damage(&checked)));
            }
            checked => {
                let detail = checked.map(|(checked, schema)| {
                    let columns = schema.map_or(0, |schema| schema.columns().len());
                    format!("{} rows, {columns} columns", checked.rows)
                });
                findings.note(&subject, detail);
            }
        }
    }
}

fn damage(checked: &RecordsChecked) -> String {
    let RecordsChecked { rows, damaged, damaged_buckets, damaged_texts, damaged_log_bytes } =
        checked;
    format!(
        "{damaged} of {rows} records, {damaged_buckets} parts of the index, {damaged_texts} texts and \
         {damaged_log_bytes} bytes of the log of changes are damaged: import all features again with --replace"
    )
}

fn table_schema(config: &Config, findings: &mut Findings) -> Option<(Schema, Vec<SocketAddr>)> {
    if let Some(file) = config.scylla.exposed_password_file() {
        Findings::warn("store", &format!("{}: {EXPOSED_PASSWORD}", file.display()));
    }
    let described = config.scylla.resolve().and_then(|addresses| {
        Ok((describe_table(config.scylla.clone(), addresses.clone())?, addresses))
    });
    let detail = |(schema, _): &(Schema, Vec<SocketAddr>)| {
        format!("{}: {} columns of {}", config.store, schema.columns().len(), config.scylla.table)
    };
    findings.note("store", described.as_ref().map(detail));
    described.ok()
}

fn check_model(
    subject: &str,
    directory: &ModelDirectory,
    load: LoadOptions,
    store: Option<&CheckedStore>,
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
            "version {}, {} columns, kernel {}, score = {}",
            directory.version,
            model.columns(),
            description.kernel,
            description.score
        )),
    );
    for doubt in description.doubts() {
        Findings::warn(subject, &doubt);
    }
    check_golden(subject, directory, &mut model, findings);
    let Some(store) = store else { return };
    let schema = match store.schema_of(directory) {
        Ok(schema) => schema,
        Err(error) => return findings.note(subject, Err::<String, _>(error)),
    };
    let bound = plan_or_ask(&mut model, &schema);
    let subject = format!("{subject} with the store");
    let said = bound.as_ref().map(|(_, instead)| match instead {
        Some(why) => format!("not asked: requests have to give all columns, as {why}"),
        None => "every column is there".to_owned(),
    });
    findings.note(&subject, said);
    if let Ok(Err(error)) = bound.map(|(plan, _)| store.warn_of_rounding(&subject, &plan)) {
        findings.note(&subject, Err::<String, _>(error));
    }
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
    let subject = format!("{subject} against its library");
    let Some(path) = directory.golden_file() else {
        let looked_for = directory.golden_files();
        let looked_for: Vec<_> = looked_for.iter().map(|path| path.display().to_string()).collect();
        let detail = format!("not compared: no {}", looked_for.join(", no "));
        return findings.note(&subject, Ok::<_, String>(detail));
    };
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
