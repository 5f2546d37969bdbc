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

/// Seeds, and what becomes of them where words are cut out, doubled and put elsewhere.
#[test]
fn expression() {
    each_seed("expression", exercise::expression::run);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/expression");
    let mut random = crate::forest::Random::new(2);
    let seeds = fs::read_dir(folder).expect("a folder").map(|it| it.expect("readable").path());
    let mut seeds: Vec<_> = seeds.map(|path| fs::read(path).expect("a readable file")).collect();
    seeds.sort();
    for _ in 0..3_000 {
        let other = &seeds[random.below(seeds.len())];
        let (start, length) = (random.below(other.len()), random.below(12));
        let piece = other[start..(start + length).min(other.len())].to_vec();
        let mut changed = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(2) {
            let at = random.below(changed.len());
            let end = (at + random.below(6)).min(changed.len());
            changed.splice(at..end, piece.iter().copied());
            changed.push(b' ');
        }
        exercise::expression::run(&changed);
    }
}

#[test]
fn grpc() {
    each_seed("grpc", exercise::grpc::run);
}

#[test]
fn manifest() {
    each_seed("manifest", exercise::manifest::run);
}

#[test]
fn model() {
    each_seed("model", exercise::model::run);
}

/// Bytes that mean something in texts.
const SYNTAX: &[u8] = b"0123456789-eE.[]{}\",: \n";

/// Seeds of a library's own format, whole, cut short and with bytes changed here and there, as
/// many times as `FUZZ_ROUNDS` says.
fn each_native_seed(target: &str, name: &'static str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut random = crate::forest::Random::new(1);
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.unwrap_or(60);
    for entry in fs::read_dir(&folder).expect("the target has a folder of seeds") {
        let bytes = fs::read(entry.expect("a readable folder").path()).expect("a readable file");
        exercise::native::run(name, &bytes);
        for _ in 0..rounds {
            let mut changed = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(changed.len());
                changed[at] = match random.below(4) {
                    0 => SYNTAX[random.below(SYNTAX.len())],
                    1 => changed[at] ^ (1 << random.below(8)),
                    2 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                    _ => changed[random.below(bytes.len())],
                };
            }
            if random.once_in(5) {
                changed.truncate(random.below(changed.len()));
            }
            exercise::native::run(name, &changed);
        }
    }
}

#[test]
fn lightgbm() {
    each_native_seed("lightgbm", "model.txt");
}

#[test]
fn xgboost_json() {
    each_native_seed("xgboost_json", "model.json");
}

#[test]
fn xgboost_ubjson() {
    each_native_seed("xgboost_ubjson", "model.ubj");
}

#[test]
fn catboost() {
    each_native_seed("catboost", "model.cbm");
}

#[test]
fn catboost_json() {
    each_native_seed("catboost_json", "model.cbm.json");
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
