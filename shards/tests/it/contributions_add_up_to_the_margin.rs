//! The mean margin and a row's contributions add up to the row's margin, of every native model that
//! can be explained, and of the class that is the score; the others are refused with the reason.

use crate::contributions_match_the_libraries::{contributions, explained};
use crate::native_models::{Golden, Kind, each_fixture};

/// The fixtures that are refused, by a part of their names, and what the reason says.
const REFUSED: [(&str, &str); 4] = [
    ("lightgbm-3.3.5-linear", "of its leaves are linear functions"),
    ("lightgbm-4.6.0-linear", "of its leaves are linear functions"),
    ("xgboost-2.1.4-multi-output-tree", "how many training rows took each branch"),
    ("xgboost-3.1.3-multi-output-tree", "how many training rows took each branch"),
];

const ALLOWED: f64 = 1e-6;
const ROWS_MAX: usize = 40;

fn check(fixture: &str, golden: &Golden) -> Result<(), String> {
    for (class, margins) in golden.of(Kind::Margin).iter().enumerate() {
        let mut model = explained(fixture, Some("margin"), class)?;
        let rows = &golden.rows[..margins.len().min(ROWS_MAX)];
        for (row, (found, margin)) in
            contributions(&mut model, rows).iter().zip(margins).enumerate()
        {
            let sum: f64 = found.iter().sum();
            let is_close = (sum - margin).abs() <= ALLOWED * margin.abs().max(1.0);
            // Infinite cells of a linear model have infinite contributions.
            if !is_close && margin.is_finite() {
                return Err(format!("class {class}, row {row}: {sum} for {margin}"));
            }
        }
    }
    Ok(())
}

#[test]
fn of_every_native_fixture() {
    let mut problems = Vec::new();
    let mut refused = 0;
    each_fixture(|fixture, golden| {
        let reason = REFUSED.iter().find(|(name, _)| fixture.starts_with(name));
        match (check(fixture, golden), reason) {
            (Ok(()), None) => {}
            (Err(why), Some((_, reason))) if why.contains(reason) => refused += 1,
            (found, _) => problems.push(format!("{fixture}: {found:?}")),
        }
    });
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
    assert_eq!(refused, 6);
}

#[test]
fn of_the_other_class_they_are_negated() {
    let mut seen = 0;
    each_fixture(|fixture, golden| {
        let is_binary =
            golden.of(Kind::Prediction).len() == 2 && golden.of(Kind::Margin).len() == 1;
        let (Ok(mut first), Ok(mut second)) =
            (explained(fixture, None, 0), explained(fixture, None, 1))
        else {
            return;
        };
        if !is_binary {
            return;
        }
        seen += 1;
        let rows = &golden.rows[..golden.rows.len().min(ROWS_MAX)];
        let of_second = contributions(&mut second, rows);
        for (first, second) in
            contributions(&mut first, rows).concat().iter().zip(of_second.concat())
        {
            assert!((first + second).abs() <= 1e-12 * second.abs(), "{fixture}: {first} {second}");
        }
        // A random forest's probability is that of the mean margin of its trees.
        if fixture.contains("forest") {
            let expected = &golden.of(Kind::Prediction)[1];
            for (contributions, expected) in of_second.iter().zip(expected) {
                let found = 1.0 / (1.0 + (-contributions.iter().sum::<f64>()).exp());
                assert!((found - expected).abs() <= ALLOWED, "{fixture}: {found} {expected}");
            }
            return;
        }
        for (contributions, margin) in of_second.iter().zip(&golden.of(Kind::Margin)[0]) {
            let sum: f64 = contributions.iter().sum();
            let is_close = (sum - margin).abs() <= ALLOWED * margin.abs().max(1.0);
            assert!(is_close || !margin.is_finite(), "{fixture}: {sum} {margin}");
        }
    });
    assert!(seen >= 20, "{seen}");
}
