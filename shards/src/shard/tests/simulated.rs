//! A thousand seeds of the simulated world, and that it finds what is broken on purpose.

use crate::mutation::{self, Mutation};
use crate::simulated_world::run;

/// How many seeds are played: by the environment's `SEEDS`, else enough for each change.
const SEEDS: u64 = 1_000;

#[test]
fn a_thousand_seeds_hold_what_is_promised() {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(SEEDS);
    let (mut turns, mut answers, mut broken) = (0, 0, Vec::new());
    for seed in first..first + count {
        let played = run(seed);
        if !played.broken.is_empty() {
            broken.push((seed, played.broken));
        }
        turns += played.turns;
        answers += played.answers;
    }
    println!("{turns} turns, {answers} answers, {} of {count} seeds broken", broken.len());
    broken.truncate(5);
    assert!(broken.is_empty(), "by seed: {broken:#?}");
}

#[test]
fn a_seed_gives_the_same_run_to_the_byte() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn each_fault_put_in_on_purpose_is_found() {
    let found = Mutation::ALL.map(|mutation| {
        let is_broken = |seed: &u64| !mutation::with(mutation, || run(*seed)).broken.is_empty();
        (mutation, (0..SEEDS).find(is_broken))
    });
    println!("found by seed: {found:?}");
    let missed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
