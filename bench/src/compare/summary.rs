//! Samples put side by side: medians with their range, and ratios to the floor.

use std::fmt::Write;

use super::sample::{Load, Sample};

const FLOOR: &str = "floor";

/// A table for each load, one line for each server, as Markdown.
pub(super) fn markdown(samples: &[Sample]) -> String {
    let mut text = String::new();
    for load in in_order(samples.iter().map(|sample| sample.load)) {
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "### {load}\n\n\
             | | requests/s (min–max) | {} of the floor (min–max) | p50 µs | p99 µs (min–max) | \
             p99.9 µs | CPU µs a request: user + system | of what it asks | memory MiB | \
             errors |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
            compared(load)
        );
        let of_load: Vec<&Sample> = samples.iter().filter(|sample| sample.load == load).collect();
        for server in in_order(of_load.iter().map(|sample| sample.server.as_str())) {
            text.push_str(&line(server, load, &of_load));
        }
        text.push('\n');
    }
    text
}

/// What is set in relation to the floor: in a closed loop the goal is throughput, at a fixed rate
/// it is the tail.
fn compared(load: Load) -> &'static str {
    match load {
        Load::Closed { .. } => "those",
        Load::Open { .. } => "p99",
    }
}

fn line(server: &str, load: Load, of_load: &[&Sample]) -> String {
    let own: Vec<&Sample> =
        of_load.iter().copied().filter(|sample| sample.server == server).collect();
    let spread = |figure: fn(&Sample) -> f64| Spread::of(own.iter().map(|sample| figure(sample)));
    let throughput = spread(|sample| sample.figures.requests_per_second);
    let p50 = spread(|sample| sample.figures.p50_us);
    let p99 = spread(|sample| sample.figures.p99_us);
    let beside = Spread::of(own.iter().filter_map(|sample| sample.beside_us)).median;
    let ratio = Spread::of(own.iter().filter_map(|sample| {
        let floor = of_load.iter().find(|f| f.server == FLOOR && f.round == sample.round)?;
        Some(match load {
            Load::Closed { .. } => {
                sample.figures.requests_per_second / floor.figures.requests_per_second
            }
            Load::Open { .. } => sample.figures.p99_us / floor.figures.p99_us,
        })
    }));
    format!(
        "| {server} | {} | {} | {:.0} | {} | {:.0} | {:.2} + {:.2} | {} | {:.0} | {} |\n",
        throughput.text(0),
        ratio.text(2),
        p50.median,
        p99.text(0),
        spread(|sample| sample.figures.p999_us).median,
        spread(|sample| sample.user_us).median,
        spread(|sample| sample.system_us).median,
        if beside.is_nan() { "–".to_owned() } else { format!("{beside:.2}") },
        spread(|sample| sample.memory_mib).median,
        own.iter().map(|sample| sample.figures.errors).sum::<u64>(),
    )
}

/// The values without repetitions, in the order in which they first appear.
pub(crate) fn in_order<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// Median and range of some values; NaN for none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self {
            min: at(0),
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            max: at(last),
        }
    }

    /// The median, and in parentheses the least and the most; a dash for none.
    pub(crate) fn text(self, decimals: usize) -> String {
        if self.median.is_nan() {
            return "–".to_owned();
        }
        let Self { min, median, max } = self;
        format!("{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn ratios_compare_figures_of_one_round() {
        let samples = [
            sample(0, "floor", 100.0),
            sample(0, "shardgate", 80.0),
            sample(1, "shardgate", 45.0),
            sample(1, "floor", 50.0),
        ];
        let text = markdown(&samples);
        assert!(text.contains("| shardgate | 62 (45–80) | 0.85 (0.80–0.90) | 1 |"), "{text}");
        assert!(text.contains("| floor | 75 (50–100) | 1.00 (1.00–1.00) | 1 |"), "{text}");
    }

    #[test]
    fn a_run_without_the_floor_has_no_ratio() {
        assert!(markdown(&[sample(0, "shardgate", 80.0)]).contains("| 80 (80–80) | – |"));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter());
        assert_eq!(spread.text(1), "2.5 (1.0–4.0)");
    }
}
