//! Windows put side by side: medians with their range, and ratios to the adaptive one.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::sample::{Case, Sample};
use crate::compare::{Spread, in_order, said_by};

/// A fixed window is better if it is so by this share in the answers or the 99th percentile …
const BETTER: f64 = 0.05;
/// … and in the other not worse by more than this, as the simulation has it.
const NOT_WORSE: f64 = 0.005;
/// Above what each run adds to the page.
const COMMANDS: &str = "\n## Commands\n";

/// A table for each case, and the fixed windows that are better than the adaptive one.
pub(super) fn markdown(samples: &[Sample]) -> String {
    let mut text = String::from(
        "## Fixed windows that are better than the adaptive one\n\nBetter by more than 5 % in \
         answers a second or in p99, and in the other not worse by more than 0.5 %, by the medians \
         of the ratios within a round:\n\n",
    );
    let mut tables = String::new();
    let cases = in_order(samples.iter().map(Sample::case));
    let mut better = 0;
    for case in &cases {
        let of_case: Vec<&Sample> =
            samples.iter().filter(|sample| sample.case() == *case).collect();
        let mut windows_us = in_order(of_case.iter().map(|sample| sample.window_us));
        windows_us.sort_unstable();
        let lines: Vec<Line> =
            windows_us.into_iter().map(|window_us| Line::of(window_us, &of_case)).collect();
        tables.push_str(&table(case, &of_case, &lines));
        for line in lines.iter().filter(|line| line.is_better()) {
            better += 1;
            // Writing to a string can't fail, here and below.
            let _ = writeln!(
                text,
                "- {case}, {}: answers/s {}, p99 {}{}",
                line.name,
                line.answers_ratio.text(3),
                line.p99_ratio.text(2),
                if line.is_always_better() { "" } else { "; not better in every round" }
            );
        }
    }
    if better == 0 {
        text.push_str("There is none.\n");
    }
    text.push_str(&tables);
    text
}

/// What one window came to in one case.
#[derive(Debug)]
struct Line {
    name: String,
    answers_per_second: Spread,
    p50_us: Spread,
    p99_us: Spread,
    /// To those of the adaptive window in the same round.
    answers_ratio: Spread,
    p99_ratio: Spread,
    late_p99_us: Spread,
    cpu_us: Spread,
    errors: u64,
}

impl Line {
    fn of(window_us: Option<u64>, of_case: &[&Sample]) -> Self {
        let own = || of_case.iter().copied().filter(move |sample| sample.window_us == window_us);
        let ratio = |figure: fn(&Sample) -> f64| {
            Spread::of(own().filter_map(|sample| {
                let is_its_match =
                    |other: &&&Sample| other.window_us.is_none() && other.round == sample.round;
                let adaptive = of_case.iter().find(is_its_match)?;
                Some(figure(sample) / figure(adaptive))
            }))
        };
        let spread = |figure: fn(&Sample) -> f64| Spread::of(own().map(figure));
        Self {
            name: window_us.map_or_else(|| "adaptive".to_owned(), |us| format!("fixed, {us} µs")),
            answers_per_second: spread(|sample| sample.answers_per_second),
            p50_us: spread(|sample| sample.p50_us as f64),
            p99_us: spread(|sample| sample.p99_us as f64),
            answers_ratio: ratio(|sample| sample.answers_per_second),
            p99_ratio: ratio(|sample| sample.p99_us as f64),
            late_p99_us: spread(|sample| sample.late_p99_us as f64),
            cpu_us: spread(|sample| sample.user_us + sample.system_us),
            errors: own().map(|sample| sample.errors).sum(),
        }
    }

    fn is_better(&self) -> bool {
        let (answers, p99) = (self.answers_ratio.median - 1.0, 1.0 - self.p99_ratio.median);
        answers.max(p99) > BETTER && answers.min(p99) >= -NOT_WORSE
    }

    /// Whether the figure for which it is better is so in every round.
    fn is_always_better(&self) -> bool {
        let (answers, p99) = (self.answers_ratio.median - 1.0, 1.0 - self.p99_ratio.median);
        if answers > p99 { self.answers_ratio.min > 1.0 } else { self.p99_ratio.max < 1.0 }
    }
}

fn table(case: &Case, of_case: &[&Sample], lines: &[Line]) -> String {
    let rate = Spread::of(of_case.iter().map(|sample| sample.rate)).median;
    let mut text = format!(
        "\n### {case}, {rate:.0} requests/s\n\n\
         | window | answers/s (min–max) | p50 µs (min–max) | p99 µs (min–max) | answers/s of the \
         adaptive one's | p99 of the adaptive one's | left late, p99 µs | CPU µs a request | \
         errors |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for line in lines {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.0} | {:.1} | {} |",
            line.name,
            line.answers_per_second.text(0),
            line.p50_us.text(0),
            line.p99_us.text(0),
            line.answers_ratio.text(3),
            line.p99_ratio.text(2),
            line.late_p99_us.median,
            line.cpu_us.median,
            line.errors,
        );
    }
    text
}

/// Writes the page at `path` anew, with this run's command below those that it has.
pub(super) fn write(path: &Path, samples: &[Sample]) -> Result<()> {
    let before = fs::read_to_string(path).unwrap_or_default();
    let commands = before.split_once(COMMANDS).map_or("", |(_, commands)| commands);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let page = format!(
        "# Recorded arrivals on the real server\n\n\
         The traces of `shards/tests/simulation`, played to one shard by `bench traces`: a request \
         leaves when it is due, and its latency counts from then. \
         The gateway has a core of its own; the sender and what the gateway asks share the other. \
         The capacity is what the adaptive window answers to a sender for which a request is \
         always due. `traces.csv` has every measurement.\n\n\
         A ratio is the median over the rounds of the ratios within one, with the least and the \
         most: of five rounds, these two have the true median between them in 94 of 100 cases.\n\n\
         {}{COMMANDS}{commands}\n\
         {}, commit {}:\n\n```sh\ncargo run --release --locked -p bench -- {}\n```\n",
        markdown(samples),
        said_by("date", &["-u", "+%F %T UTC"])?,
        said_by("git", &["describe", "--always", "--dirty"])?,
        arguments.join(" "),
    );
    fs::write(path, page).with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn ratios_compare_figures_of_one_round() {
        let samples = [
            sample(1, None, 100),
            sample(1, Some(0), 80),
            sample(2, Some(0), 300),
            sample(2, None, 200),
        ];
        let text = markdown(&samples);
        let line = "| fixed, 0 µs | 1000 (1000–1000) | 10 (10–10) | 190 (80–300) \
                    | 1.000 (1.000–1.000) | 1.15 (0.80–1.50) | 3 | 4.0 | 0 |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("There is none."), "{text}");
    }

    #[test]
    fn a_window_is_better_only_where_it_is_not_worse_in_the_other() {
        let fewer = Sample { answers_per_second: 990.0, ..sample(1, Some(200), 50) };
        let samples = [sample(1, None, 100), sample(1, Some(100), 94), fewer];
        let text = markdown(&samples);
        let listed = "- CQL (500 µs away), bursts at 0.5 of the capacity, fixed, 100 µs: \
                      answers/s 1.000 (1.000–1.000), p99 0.94 (0.94–0.94)";
        assert!(text.contains(&format!("{listed}\n")), "{text}");
        let second = [sample(2, None, 100), sample(2, Some(100), 94)];
        let third = [sample(3, None, 100), sample(3, Some(100), 101)];
        let text = markdown(&[&samples[..], &second, &third].concat());
        assert!(text.contains("0.94 (0.94–1.01); not better in every round"), "{text}");
        assert!(!text.contains("fixed, 200 µs: "), "{text}");
    }
}
