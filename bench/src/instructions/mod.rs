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

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use shards::features::embedded::EmbeddedStore;
use shards::features::import::{
    CsvOptions, ImportNote, ImportObserver, ImportOptions, ImportProgress, OnBadRow, RowError,
    import_embedded, now_us,
};

use crate::generate::write_users;
use baseline::Baseline;
use profile::Profile;

const FOLDER: &str = ".cache/bench/instructions";
const LIKE: &str = "models/credit-risk/features.csv";
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
struct Case {
    kernel: &'static str,
    connections: u64,
}

/// valgrind knows no AVX-512.
const CASES: [Case; 3] = [
    Case { kernel: "avx2", connections: 64 },
    Case { kernel: "avx2", connections: 1 },
    Case { kernel: "portable", connections: 64 },
];

/// What a case took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    kernel: String,
    connections: u64,
    /// A request, in user code.
    instructions: u64,
}

impl Counted {
    fn is_same(&self, other: &Self) -> bool {
        (&self.kernel, self.connections) == (&other.kernel, other.connections)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections == 1 { "" } else { "s" };
        write!(formatter, "{} connection{plural}, kernel {}", self.connections, self.kernel)
    }
}

/// Counts, prints, and fails where a figure has grown.
pub(crate) fn run(args: &InstructionsArgs) -> Result<()> {
    let store = make_store()?;
    let mut counted = Vec::new();
    for case in CASES {
        if case.kernel == "avx2" && !std::arch::is_x86_feature_detected!("avx2") {
            println!("kernel avx2 is left out: this processor doesn't have it");
            continue;
        }
        let profile = Profile::take(case, &store, Path::new(FOLDER))?;
        let Case { kernel, connections } = case;
        let instructions = profile.per_request().round() as u64;
        let found = Counted { kernel: kernel.to_owned(), connections, instructions };
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

fn print(profile: &Profile, top: usize) {
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

/// Makes the store that is asked; its pages are the same each time.
fn make_store() -> Result<PathBuf> {
    let store = Path::new(FOLDER).join("store");
    if store.exists() {
        fs::remove_dir_all(&store)?;
    }
    let mut csv = Vec::new();
    write_users(Path::new(LIKE), USERS, &mut csv)?;
    let options = ImportOptions {
        csv: CsvOptions { key_column: None, last_updated_us: now_us(), ..CsvOptions::default() },
        on_bad_row: OnBadRow::Fatal,
        replace: false,
    };
    fs::create_dir_all(&store)?;
    let made = EmbeddedStore::open_or_create(&store)?;
    import_embedded(&made, Cursor::new(csv), &options, &mut Silent)?;
    Ok(store)
}

/// Bad rows are fatal, and the import takes a second.
struct Silent;

impl ImportObserver for Silent {
    fn progress(&mut self, _: ImportProgress) {}

    fn skipped(&mut self, _: &RowError) {}

    fn noted(&mut self, _: &ImportNote) {}
}
