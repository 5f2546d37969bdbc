//! A model of text columns scores texts as its library does, by every kernel: those that training
//! saw, those that it never saw, missing ones, empty ones, and ones beyond ASCII.

use crate::text_models::{Fixture, fixtures, scores};
use shards::model::trees::KernelChoice;

fn check(fixture: &Fixture, kernel: KernelChoice) -> Result<(), String> {
    let mut model = fixture.load(kernel)?;
    fixture.compare(&scores(&mut model, &fixture.rows))
}

#[test]
fn by_every_kernel() {
    let fixtures = fixtures(|_| true);
    assert!(fixtures.len() >= 25, "only {} fixtures", fixtures.len());
    let mut problems = Vec::new();
    for fixture in &fixtures {
        for kernel in [KernelChoice::Auto, KernelChoice::Portable, KernelChoice::Walk] {
            if let Err(why) = check(fixture, kernel) {
                problems.push(format!("{} by {kernel:?}: {why}", fixture.name));
                break;
            }
        }
    }
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn rows_are_known_unknown_and_refused() {
    let fixtures = fixtures(|_| true);
    let scored = |fixture: &Fixture| fixture.scores.iter().filter(|score| score.is_some()).count();
    for fixture in &fixtures {
        assert!(scored(fixture) >= 40, "{}: {} rows with a score", fixture.name, scored(fixture));
    }
    let refused = fixtures.iter().filter(|fixture| scored(fixture) < fixture.scores.len());
    assert!(refused.count() >= 5);
}
