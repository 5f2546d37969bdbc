//! `bench entities`: what three entities cost beside one, in instructions of user code.
//!
//! The same model is asked twice for the same columns: from one table by one key, and from three tables
//! by three keys, a third of the columns each. Both run under callgrind as `instructions` does, from the
//! parser to the bytes of the answer.
//!
//! What is *not* here: time, which `compare` has.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Result, ensure};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{CsvOptions, ImportOptions, OnBadRow, import_embedded, now_us};
use shards::model::repository::Repository;

use crate::generate::write_users;
use crate::instructions::{Case, Profile, Silent, print};

const FOLDER: &str = ".cache/bench/entities";
const MODEL: &str = "bench-credit-numeric";
/// Each with its table, which is the store's own for the first.
const ENTITIES: [(&str, Option<&str>); 3] =
    [("user", None), ("merchant", Some("merchants")), ("device", Some("devices"))];

/// What is held against what.
#[derive(Debug, clap::Args)]
pub(crate) struct EntitiesArgs {
    /// Clients at once.
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// Rows of each table.
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// Fail where three cost more than this many times what one does.
    #[arg(long, default_value_t = 1.3)]
    most: f64,
    /// How many of the functions that spend most to print.
    #[arg(long, default_value_t = 0)]
    top: usize,
}

/// Counts both, and prints the ratio.
pub(crate) fn run(args: &EntitiesArgs) -> Result<()> {
    let root = Path::new(FOLDER);
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let manifest = Repository::new("models").find(MODEL, None)?.manifest;
    let columns: Vec<_> =
        manifest.columns.unwrap_or_default().into_iter().map(|column| column.name).collect();
    let mut csv = Vec::new();
    write_users(&Path::new("models").join(MODEL).join("features.csv"), args.rows, &mut csv)?;
    let mut counts = Vec::new();
    for count in [1, ENTITIES.len()] {
        let folder = root.join(count.to_string());
        let parts: Vec<_> = columns.chunks(columns.len().div_ceil(count)).collect();
        make_repository(&folder.join("models"), &parts)?;
        for ((_, table), part) in ENTITIES.iter().zip(&parts) {
            make_table(&folder.join("store"), *table, part, &csv)?;
        }
        let kernel = if std::arch::is_x86_feature_detected!("avx2") { "avx2" } else { "portable" };
        let case = Case { model: MODEL, kernel, connections: args.connections };
        let (models, store) = (folder.join("models"), folder.join("store"));
        let profile = Profile::take(case, &models, &store, root)?;
        let plural = if count == 1 { "entity" } else { "entities" };
        println!("{count} {plural}: {:.0} instructions a request", profile.per_request());
        print(&profile, args.top);
        counts.push(profile.per_request());
    }
    let ratio = counts[1] / counts[0];
    println!("three entities cost {ratio:.3} times what one does");
    ensure!(ratio <= args.most, "{ratio:.3} is more than {}", args.most);
    Ok(())
}

/// A repository whose model takes these parts of its columns from an entity each.
fn make_repository(root: &Path, parts: &[&[String]]) -> Result<()> {
    let (source, folder) = (Path::new("models").join(MODEL), root.join(MODEL));
    fs::create_dir_all(folder.join("1"))?;
    fs::copy(source.join("1/model.onnx"), folder.join("1/model.onnx"))?;
    let mut manifest = fs::read_to_string(source.join("model.toml"))?;
    let mut declared = String::new();
    for ((name, table), part) in ENTITIES.iter().zip(parts) {
        let Some(table) = table else { continue };
        let keyed = format!("[[entities]]\nname = \"{name}\"\nkey = \"{name}_id\"\n");
        declared.extend([keyed, format!("table = \"{table}\"\n\n")]);
        for column in *part {
            let line = format!("[[columns]]\nname = \"{column}\"\n");
            manifest = manifest.replace(&line, &format!("{line}entity = \"{name}\"\n"));
        }
    }
    fs::write(
        folder.join("model.toml"),
        manifest.replacen("[[columns]]", &format!("{declared}[[columns]]"), 1),
    )?;
    Ok(())
}

/// A table with these columns of the rows.
fn make_table(store: &Path, table: Option<&str>, columns: &[String], csv: &[u8]) -> Result<()> {
    fs::create_dir_all(store)?;
    let name = table.map(str::parse).transpose()?;
    let table = EmbeddedStore::open_or_create_table(store, name.as_ref())?;
    let csv_options = CsvOptions {
        columns: columns.to_vec(),
        last_updated_us: now_us(),
        ..CsvOptions::default()
    };
    let options = ImportOptions { csv: csv_options, on_bad_row: OnBadRow::Fatal, replace: false };
    import_embedded(&table, Cursor::new(csv), &options, &mut Silent)?;
    Ok(())
}
