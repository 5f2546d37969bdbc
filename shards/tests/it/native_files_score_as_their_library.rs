//! A model in its library's own file scores as the library does, by every kernel: margins within
//! 1e-6 of the library's, relative to them, and predictions as close.

use std::collections::BTreeMap;

use crate::native_models::{Golden, Kind, each_fixture, load, scores};
use shards::model::trees::KernelChoice;

/// The largest `|found - expected| / max(|expected|, least)`.
const ALLOWED: f64 = 1e-6;
/// Margins that cancel out lose digits that the library has lost too.
const LEAST_MARGIN: f64 = 0.05;

fn difference(found: f64, expected: f64, least: f64) -> f64 {
    let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
    if same { 0.0 } else { (found - expected).abs() / expected.abs().max(least) }
}

fn check(fixture: &str, golden: &Golden, kind: Kind, kernel: KernelChoice) -> Result<f64, String> {
    let expected = golden.of(kind);
    let mut worst = 0.0_f64;
    for (class, expected) in expected.iter().enumerate() {
        let mut model = load(fixture, kind, Some(class), kernel)?;
        let found = scores(&mut model, golden)?;
        let least = if kind == Kind::Margin { LEAST_MARGIN } else { 1e-3 };
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let difference = difference(*found, *expected, least);
            if difference.is_nan() || difference > ALLOWED {
                return Err(format!(
                    "{kind:?} {class}, row {row}: found {found}, expected {expected}"
                ));
            }
            worst = worst.max(difference);
        }
    }
    Ok(worst)
}

/// The kernels that this CPU can run.
fn kernels() -> Vec<KernelChoice> {
    let mut kernels = vec![KernelChoice::Walk, KernelChoice::Auto, KernelChoice::Portable];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        kernels.push(KernelChoice::Avx2);
    }
    kernels
}

#[test]
fn by_every_kernel() {
    let mut problems = Vec::new();
    let mut worst = BTreeMap::new();
    each_fixture(|fixture, golden| {
        for kind in [Kind::Margin, Kind::Prediction] {
            for kernel in kernels() {
                match check(fixture, golden, kind, kernel) {
                    Ok(difference) => {
                        let library = fixture.split('-').next().unwrap_or_default().to_owned();
                        let worst = worst.entry((library, kind)).or_insert(0.0_f64);
                        *worst = worst.max(difference);
                    }
                    Err(why) => problems.push(format!("{fixture} by {kernel:?}: {why}")),
                }
            }
        }
    });
    println!("{worst:?}");
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn there_are_fixtures_of_each_library() {
    let mut counts = BTreeMap::new();
    each_fixture(|fixture, _| {
        let library = fixture.split('-').next().unwrap_or_default().to_owned();
        *counts.entry(library).or_insert(0) += 1;
    });
    let libraries: Vec<_> = counts.keys().map(String::as_str).collect();
    assert_eq!(libraries, ["catboost", "lightgbm", "xgboost"]);
    assert!(counts.values().all(|count| *count >= 20), "{counts:?}");
}
