//! What must be there before a server starts: the gateway's program and a store full of users.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::command::run_to_end;
use crate::generate::write_users;

const LIKE: &str = "models/bench-credit-numeric/features.csv";
const FOLDER: &str = ".cache/bench";

/// The users' features, as a CSV and as an embedded store.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) users: u64,
    pub(crate) users_csv: PathBuf,
    pub(crate) store: PathBuf,
}

/// Builds the gateway, and makes the store of `users` users unless an earlier run did.
pub(crate) fn inputs(users: u64) -> Result<Inputs> {
    ensure!(Path::new(LIKE).exists(), "no {LIKE} here: run this in the root of the clone");
    run_to_end(Command::new("cargo").args(["build", "--release", "--locked", "--workspace"]))?;
    let folder = Path::new(FOLDER).join(format!("{users}-users"));
    let (users_csv, store) = (folder.join("users.csv"), folder.join("store"));
    let inputs = Inputs { users, users_csv, store };
    if !inputs.store.exists() {
        eprintln!("making a store of {users} users in {}", folder.display());
        fs::create_dir_all(&folder)?;
        write_users(Path::new(LIKE), users, File::create(&inputs.users_csv)?)?;
        let unfinished = folder.join("unfinished-store");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        run_to_end(
            Command::new("target/release/shardgate")
                .arg("import")
                .arg(&inputs.users_csv)
                .arg("--store")
                .arg(format!("embedded:{}", unfinished.display())),
        )?;
        fs::rename(&unfinished, &inputs.store)?;
    }
    Ok(inputs)
}
