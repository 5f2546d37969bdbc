//! The summary as a picture: for each load a bar for each server, throughput beside the tail.

use std::fmt::Write;

use super::sample::{Load, Sample};
use super::summary::{Spread, in_order};

const NAMES: f64 = 120.0;
const PANEL: f64 = 260.0;
const BAR: f64 = 200.0;
const LINE: f64 = 18.0;
const TITLE: f64 = 30.0;
const COLOURS: [&str; 2] = ["#3b6fb6", "#e76f51"];

/// Draws medians as bars and their ranges as lines over them; the tail's bars are logarithmic.
pub(super) fn svg(samples: &[Sample]) -> String {
    let loads = in_order(samples.iter().map(|sample| sample.load));
    let mut body = String::new();
    let mut top = 0.0;
    for load in loads {
        top = draw_load(&mut body, load, samples, top);
    }
    let width = 2.0_f64.mul_add(PANEL, NAMES);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"{width}\" height=\"{top}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Draws one load's servers below `top`; returns where the next may begin.
fn draw_load(out: &mut String, load: Load, samples: &[Sample], top: f64) -> f64 {
    let of_load: Vec<&Sample> = samples.iter().filter(|sample| sample.load == load).collect();
    let servers = in_order(of_load.iter().map(|sample| sample.server.as_str()));
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        out,
        "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{load}</text>\
         <text x=\"{NAMES}\" y=\"{y}\">requests/s</text>\
         <text x=\"{}\" y=\"{y}\">p99, µs (logarithmic)</text>",
        NAMES + PANEL,
        y = top + 20.0,
    );
    let spreads = |figure: fn(&Sample) -> f64| -> Vec<Spread> {
        let of_server = |server: &&str| {
            Spread::of(of_load.iter().filter(|s| s.server == **server).map(|sample| figure(sample)))
        };
        servers.iter().map(of_server).collect()
    };
    let throughput = spreads(|sample| sample.figures.requests_per_second);
    let tail = spreads(|sample| sample.figures.p99_us);
    let largest = |spreads: &[Spread]| spreads.iter().fold(1.0_f64, |most, s| most.max(s.max));
    let (fastest, slowest) = (largest(&throughput), largest(&tail).ln_1p());
    for (line, server) in servers.iter().enumerate() {
        let y = (line as f64).mul_add(LINE, top + TITLE);
        let _ = writeln!(out, "<text x=\"8\" y=\"{:.1}\">{server}</text>", y + 10.0);
        draw_bar(out, (NAMES, y), throughput[line], COLOURS[0], |value| value / fastest);
        draw_bar(out, (NAMES + PANEL, y), tail[line], COLOURS[1], |value| value.ln_1p() / slowest);
    }
    (servers.len() as f64).mul_add(LINE, top + TITLE) + 8.0
}

fn draw_bar(
    out: &mut String,
    (x, y): (f64, f64),
    spread: Spread,
    colour: &str,
    share: impl Fn(f64) -> f64,
) {
    let width = |value: f64| share(value) * BAR;
    let middle = y + 6.0;
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{colour}\"/>\
         <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"black\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{:.0}</text>",
        width(spread.median),
        x + width(spread.min),
        x + width(spread.max),
        x + width(spread.max) + 4.0,
        y + 10.0,
        spread.median,
    );
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn the_fastest_server_has_the_longest_bar() {
        let picture = svg(&[sample(0, "floor", 100.0), sample(0, "shardgate", 50.0)]);
        assert!(picture.contains("width=\"200.0\"") && picture.contains("width=\"100.0\""));
        assert!(picture.contains(">64 connections</text>"));
    }
}
