//! Contributions of a model in its library's own file are those of `LightGBM`'s `pred_contrib`,
//! `XGBoost`'s `pred_contribs` and `CatBoost`'s `ShapValues`, column by column, within 1e-6 of the
//! margin.

use std::collections::BTreeMap;
use std::path::Path;

use crate::native_models::{Golden, each_fixture, file, load_as, matrix};
use shards::model::Model;
use shards::model::explain::ExplainSettings;
use shards::model::manifest::{ClassChoice, Manifest, ScoreOutput};
use shards::model::trees::KernelChoice;

/// The largest `|found - expected| / max(|margin|, 1)`.
const ALLOWED: f64 = 1e-6;

/// What a library says: rows × outputs × (columns and the mean).
pub(crate) struct Contributions {
    pub(crate) outputs: usize,
    rows: Vec<Vec<f64>>,
}

impl Contributions {
    /// Those of a fixture; none where its library has none.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let mut reader = csv::Reader::from_path(path).ok()?;
        let outputs = reader.headers().ok()?.iter().filter(|name| name.ends_with(':')).count();
        let number = |text: &str| text.parse::<f64>().expect("a number");
        let rows = reader.records().map(|row| row.expect("a row").iter().map(number).collect());
        Some(Self { outputs, rows: rows.collect() })
    }

    /// A row's contributions to an output, the mean last.
    pub(crate) fn of(&self, output: usize) -> impl Iterator<Item = &[f64]> {
        self.rows.iter().map(move |row| {
            let width = row.len() / self.outputs;
            &row[output * width..][..width]
        })
    }
}

pub(crate) fn explained(
    fixture: &str,
    tensor: Option<&str>,
    class: usize,
) -> Result<Model, String> {
    let output = ScoreOutput {
        tensor: tensor.map(str::to_owned),
        class: Some(ClassChoice::Index(class)),
        ..ScoreOutput::default()
    };
    let explain = Some(ExplainSettings::default());
    let manifest = Manifest { output, explain, ..Manifest::default() };
    load_as(&file(fixture), manifest, KernelChoice::Auto)
}

/// A model's contributions to each of some rows, and the mean behind them.
pub(crate) fn contributions(model: &mut Model, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let features = matrix(model, rows);
    let explainer = model.explainer().expect("an explainer");
    let mut all = Vec::new();
    explainer.explain(&features, &mut all).expect("contributions");
    let base = explainer.base();
    let rows = all.chunks(explainer.columns());
    rows.map(|row| row.iter().copied().chain([base]).collect()).collect()
}

fn check(fixture: &str, golden: &Golden, expected: &Contributions) -> Result<f64, String> {
    let mut worst = 0.0_f64;
    for class in 0..expected.outputs {
        let mut model = explained(fixture, Some("margin"), class)?;
        let rows = &golden.rows[..expected.of(class).count()];
        let found = contributions(&mut model, rows);
        for (row, (found, expected)) in found.iter().zip(expected.of(class)).enumerate() {
            let margin = expected.iter().sum::<f64>().abs().max(1.0);
            for (column, (one, other)) in found.iter().zip(expected).enumerate() {
                let difference = (one - other).abs() / margin;
                if difference.is_nan() || difference > ALLOWED {
                    return Err(format!(
                        "output {class}, row {row}, column {column}: {found:?} for {expected:?}"
                    ));
                }
                worst = worst.max(difference);
            }
        }
    }
    Ok(worst)
}

#[test]
fn of_every_native_fixture() {
    let (mut problems, mut worst, mut seen) = (Vec::new(), BTreeMap::new(), 0);
    each_fixture(|fixture, golden| {
        let path = file(fixture).with_file_name("contributions.csv");
        let Some(expected) = Contributions::read(&path) else { return };
        seen += 1;
        match check(fixture, golden, &expected) {
            Ok(difference) => {
                let library = fixture.split('-').next().unwrap_or_default().to_owned();
                let worst = worst.entry(library).or_insert(0.0_f64);
                *worst = worst.max(difference);
            }
            Err(why) => problems.push(format!("{fixture}: {why}")),
        }
    });
    println!("{worst:?}");
    assert!(seen > 200, "{seen}");
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}
