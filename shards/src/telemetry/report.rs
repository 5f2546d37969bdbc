//! Histograms as a table for an operator's terminal.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::{Histograms, Phase};

/// Writes one line a phase (microseconds) and one for batch sizes (rows), under `title`.
pub fn write(out: &mut String, title: &str, histograms: &Histograms) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{title}\n  {:<12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "count", "mean", "p50", "p90", "p99", "p99.9", "max"
    );
    for phase in Phase::ALL {
        let label = format!("{} µs", phase.as_str());
        write_line(out, &label, histograms.phase(phase), 1_000.0);
    }
    write_line(out, "batch rows", histograms.batch_rows(), 1.0);
}

fn write_line(out: &mut String, label: &str, histogram: &Histogram<u64>, unit: f64) {
    let quantile = |q: f64| histogram.value_at_quantile(q) as f64 / unit;
    let _ = writeln!(
        out,
        "  {label:<12} {:>10} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>10.1}",
        histogram.len(),
        histogram.mean() / unit,
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(0.999),
        histogram.max() as f64 / unit,
    );
}
