//! `bench instructions`: how many instructions a request takes in user code, counted by callgrind
//! and held against `bench/instructions.toml`.
//!
//! [`drive`] is what is counted: recorded requests through a whole shard, from the parser to the
//! bytes of the answer, without sockets. [`profile`] runs it under callgrind and reads what each
//! function spent; [`baseline`] is what was counted before. Time is too noisy on shared machines to
//! fail for; instructions repeat to 1 %.
//!
//! What is *not* here: the kernel's part of a request, caches and branches. `compare` has time.

mod baseline;
pub(crate) mod drive;
mod profile;

use std::fmt;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{
    CsvOptions, ImportNote, ImportObserver, ImportOptions, ImportProgress, OnBadRow, RowError,
    import_embedded, now_us,
};

use crate::generate::write_users;
use baseline::Baseline;
pub(crate) use profile::Profile;

const FOLDER: &str = ".cache/bench/instructions";
/// The model of numbers that all figures before it were counted with.
const NUMERIC: &str = "bench-credit-numeric";
/// The model of texts that a first run serves.
const OF_TEXTS: &str = "credit-risk";
const USERS: u64 = 100_000;

/// How instructions are counted, and what becomes of the figures.
#[derive(Debug, clap::Args)]
pub(crate) struct InstructionsArgs {
    /// Make what is counted now the baseline, for this reason.
    #[arg(long, value_name = "REASON")]
    update: Option<String>,
    /// How many of the functions that spend most to print.
    #[arg(long, default_value_t = 15)]
    top: usize,
}

/// A load, and what scores the trees under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) model: &'static str,
    pub(crate) kernel: &'static str,
    pub(crate) connections: u64,
}

/// valgrind knows no AVX-512.
const CASES: [Case; 4] = [
    Case { model: NUMERIC, kernel: "avx2", connections: 64 },
    Case { model: NUMERIC, kernel: "avx2", connections: 1 },
    Case { model: NUMERIC, kernel: "portable", connections: 64 },
    Case { model: OF_TEXTS, kernel: "avx2", connections: 64 },
];

/// What a case took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    model: String,
    kernel: String,
    connections: u64,
    /// A request, in user code.
    instructions: u64,
}

impl Counted {
    fn is_same(&self, other: &Self) -> bool {
        let case = |counted: &Self| (counted.model.clone(), counted.kernel.clone());
        case(self) == case(other) && self.connections == other.connections
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections == 1 { "" } else { "s" };
        let Self { model, kernel, connections, .. } = self;
        write!(formatter, "{model}: {connections} connection{plural}, kernel {kernel}")
    }
}

/// Counts, prints, and fails where a figure has grown.
pub(crate) fn run(args: &InstructionsArgs) -> Result<()> {
    let stores = [NUMERIC, OF_TEXTS].map(|model| make_store(model).map(|store| (model, store)));
    let stores = stores.into_iter().collect::<Result<Vec<_>>>()?;
    let mut counted = Vec::new();
    for case in CASES {
        if case.kernel == "avx2" && !std::arch::is_x86_feature_detected!("avx2") {
            println!("kernel avx2 is left out: this processor doesn't have it");
            continue;
        }
        let Case { model, kernel, connections } = case;
        let store = stores.iter().find(|(of, _)| *of == model).map(|(_, store)| store.as_path());
        let profile =
            Profile::take(case, Path::new("models"), store.context(model)?, Path::new(FOLDER))?;
        let instructions = profile.per_request().round() as u64;
        let (model, kernel) = (model.to_owned(), kernel.to_owned());
        let found = Counted { model, kernel, connections, instructions };
        println!("{found}: {instructions} instructions a request");
        print(&profile, args.top);
        counted.push(found);
    }
    let now = Baseline::of(args.update.clone().unwrap_or_default(), counted)?;
    if args.update.is_some() {
        return now.write();
    }
    let before = Baseline::read()?;
    if let Some(changed) = before.tools_changed(&now) {
        println!("{changed}");
    }
    let grown = before.grown(&now)?;
    ensure!(
        grown.is_empty(),
        "{}; where that is worth it: bench instructions --update \"REASON\"",
        grown.join("; ")
    );
    Ok(())
}

/// Prints what the stages and the functions spent.
pub(crate) fn print(profile: &Profile, top: usize) {
    for (stage, instructions) in profile.stages() {
        println!("  {instructions:8.1}  {stage}");
    }
    if top > 0 {
        println!("  the functions that spent most themselves:");
    }
    for (name, instructions) in profile.top(top) {
        println!("  {instructions:8.1}  {name}");
    }
}

/// Makes the store that is asked for a model; its pages are the same each time.
fn make_store(model: &str) -> Result<PathBuf> {
    let store = Path::new(FOLDER).join(model);
    if store.exists() {
        fs::remove_dir_all(&store)?;
    }
    let mut csv = Vec::new();
    let like = Path::new("models").join(model).join("features.csv");
    write_users(&like, USERS, &mut csv)?;
    let options = ImportOptions {
        csv: CsvOptions {
            key_columns: Vec::new(),
            last_updated_us: now_us(),
            ..CsvOptions::default()
        },
        on_bad_row: OnBadRow::Fatal,
        replace: false,
    };
    fs::create_dir_all(&store)?;
    let made = EmbeddedStore::open_or_create(&store)?;
    import_embedded(&made, Cursor::new(csv), &options, &mut Silent)?;
    Ok(store)
}

/// Bad rows are fatal, and the import takes a second.
pub(crate) struct Silent;

impl ImportObserver for Silent {
    fn progress(&mut self, _: ImportProgress) {}

    fn skipped(&mut self, _: &RowError) {}

    fn noted(&mut self, _: &ImportNote) {}
}
