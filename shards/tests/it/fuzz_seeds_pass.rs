//! What the fuzz targets start from, and what they have found, goes through the same functions as
//! an ordinary test. `fuzz/Cargo.toml` says how to look for more.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/exercise/mod.rs"]
mod exercise;

fn each_seed(target: &str, exercise: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).expect("the target has a folder of seeds") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        exercise(&fs::read(&path).expect("a readable file"));
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", folder.display());
}

#[test]
fn config() {
    each_seed("config", exercise::config::run);
}

#[test]
fn csv() {
    each_seed("csv", exercise::csv::run);
}

#[test]
fn manifest() {
    each_seed("manifest", exercise::manifest::run);
}

#[test]
fn model() {
    each_seed("model", exercise::model::run);
}

#[test]
fn oip() {
    each_seed("oip", exercise::oip::run);
}

#[test]
fn requests() {
    each_seed("requests", exercise::requests::run);
}

#[test]
fn store() {
    each_seed("store", exercise::store::run);
}

#[test]
fn trees() {
    each_seed("trees", exercise::trees::run);
}
