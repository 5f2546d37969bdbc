//! Contributions of a graph's columns are those of `shap.TreeExplainer` and of the definition, mapped
//! back through what is before its trees, within 1e-6 of the margin (`models/explained_fixtures.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::contributions_match_the_libraries::{Contributions, contributions};
use crate::native_models::load_as;
use shards::model::explain::ExplainSettings;
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::trees::KernelChoice;

/// The largest `|found - expected| / max(|margin|, 1)`.
const ALLOWED: f64 = 1e-6;

pub(crate) fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explained");
    let entries = fs::read_dir(folder).expect("the fixtures' folder");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

pub(crate) fn rows(folder: &Path) -> Vec<Vec<f64>> {
    let mut reader = csv::Reader::from_path(folder.join("rows.csv")).expect("rows");
    let number =
        |text: &str| if text.is_empty() { f64::NAN } else { text.parse().expect("a number") };
    reader.records().map(|row| row.expect("a row").iter().map(number).collect()).collect()
}

/// The largest difference from what `file` says, of each output; what is wrong where it is too large.
fn check(folder: &Path, file: &str, explain: &ExplainSettings) -> Result<f64, String> {
    let expected = Contributions::read(&folder.join(file)).expect("contributions");
    let rows = rows(folder);
    let mut worst = 0.0_f64;
    for output in 0..expected.outputs {
        // Of two classes the only margin is the second one's, but a forest has one for each.
        let class = if expected.outputs == 1 { None } else { Some(ClassChoice::Index(output)) };
        let output_table = ScoreOutput { class, ..ScoreOutput::default() };
        let explain = Some(explain.clone());
        let manifest = Manifest { output: output_table, explain, ..Manifest::default() };
        let mut model = load_as(&folder.join("model.onnx"), manifest, KernelChoice::Auto)?;
        let found = contributions(&mut model, &rows);
        for (row, (found, expected)) in found.iter().zip(expected.of(output)).enumerate() {
            let margin = expected.iter().sum::<f64>().abs().max(1.0);
            for (one, other) in found.iter().zip(expected) {
                let difference = (one - other).abs() / margin;
                if difference.is_nan() || difference > ALLOWED {
                    return Err(format!("output {output}, row {row}: {found:?} for {expected:?}"));
                }
                worst = worst.max(difference);
            }
        }
    }
    Ok(worst)
}

fn check_all(file: &str, explain: &ExplainSettings) -> usize {
    let (mut problems, mut worst) = (Vec::new(), BTreeMap::new());
    for folder in fixtures().iter().filter(|folder| folder.join(file).is_file()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match check(folder, file, explain) {
            Ok(difference) => {
                worst.insert(name, difference);
            }
            Err(why) => problems.push(format!("{name}: {why}")),
        }
    }
    println!("{worst:?}");
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
    worst.len()
}

#[test]
fn by_the_trees_own_covers() {
    assert!(check_all("contributions.csv", &ExplainSettings::default()) >= 20);
}

#[test]
fn against_background_rows() {
    let background = Some("background.csv".to_owned());
    let explain = ExplainSettings { background, ..ExplainSettings::default() };
    assert!(check_all("interventional.csv", &explain) >= 25);
}
