//! Latencies over fixed rates as a picture: a panel for each quantile, a line for each server.

use std::fmt::Write;

use super::sample::{Load, Sample};
use super::summary::{Spread, in_order};

const PANEL: f64 = 270.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 28.0;
const RIGHT: f64 = 10.0;
const BOTTOM: f64 = 24.0;
const LEGEND: f64 = 120.0;

/// What a latency is at a quantile.
type Figure = fn(&Sample) -> f64;

const PANELS: [(&str, Figure); 3] = [
    ("p50", |sample| sample.figures.p50_us),
    ("p99", |sample| sample.figures.p99_us),
    ("p99.9", |sample| sample.figures.p999_us),
];

/// Draws medians over the rounds, both axes logarithmic; nothing if no request left by the clock.
pub(super) fn svg(samples: &[Sample]) -> Option<String> {
    let open: Vec<(u32, &Sample)> = samples
        .iter()
        .filter_map(|sample| match sample.load {
            Load::Open { rate } => Some((rate, sample)),
            Load::Closed { .. } => None,
        })
        .collect();
    let servers = in_order(open.iter().map(|(_, sample)| sample.server.as_str()));
    let scales = Scales::of(&open)?;
    let width = PANEL.mul_add(PANELS.len() as f64, LEGEND);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for (index, (name, figure)) in PANELS.iter().enumerate() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "<g transform=\"translate({},0)\">", index as f64 * PANEL);
        scales.draw_axes(&mut out, name);
        for (line, server) in servers.iter().enumerate() {
            let points: Vec<(u32, f64)> = in_order(open.iter().map(|(rate, _)| *rate))
                .into_iter()
                .map(|rate| (rate, Spread::of(of(&open, server, rate).map(figure)).median))
                .filter(|(_, latency_us)| latency_us.is_finite())
                .collect();
            scales.draw_line(&mut out, &points, &colour(line, servers.len()));
        }
        out.push_str("</g>\n");
    }
    for (line, server) in servers.iter().enumerate() {
        let (x, y) = (width - LEGEND + 4.0, (line as f64).mul_add(16.0, TOP));
        let colour = colour(line, servers.len());
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{server}</text>",
            x + 18.0,
            y + 5.0
        );
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// The samples of a server at a rate.
fn of<'a>(
    open: &'a [(u32, &'a Sample)],
    server: &'a str,
    rate: u32,
) -> impl Iterator<Item = &'a Sample> {
    let own = move |(at, sample): &&(u32, &Sample)| *at == rate && sample.server == server;
    open.iter().filter(own).map(|(_, sample)| *sample)
}

fn colour(line: usize, lines: usize) -> String {
    format!("hsl({:.0},65%,42%)", 360.0 * line as f64 / lines as f64)
}

/// Where rates and latencies lie; the same in all panels.
struct Scales {
    rates: Vec<u32>,
    latencies_us: (f64, f64),
}

impl Scales {
    /// `None` where there is nothing to place.
    fn of(open: &[(u32, &Sample)]) -> Option<Self> {
        let latencies = || PANELS.iter().flat_map(|(_, of)| open.iter().map(|(_, s)| of(s)));
        let (least, most) = (latencies().reduce(f64::min)?, latencies().reduce(f64::max)?);
        let mut rates = in_order(open.iter().map(|(rate, _)| *rate));
        rates.sort_unstable();
        Some(Self { rates, latencies_us: (least.max(1.0) / 1.2, most.max(1.0) * 1.2) })
    }

    fn x(&self, rate: u32) -> f64 {
        let [first, last] = [self.rates[0], self.rates[self.rates.len() - 1]].map(f64::from);
        share(f64::from(rate), first / 1.2, last * 1.2).mul_add(PANEL - LEFT - RIGHT, LEFT)
    }

    fn y(&self, latency_us: f64) -> f64 {
        let (least, most) = self.latencies_us;
        (1.0 - share(latency_us, least, most)).mul_add(HEIGHT - TOP - BOTTOM, TOP)
    }

    fn draw_axes(&self, out: &mut String, name: &str) {
        let end = PANEL - RIGHT;
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">{name}, µs, over requests/s</text>"
        );
        let decades = (0..8).map(|exponent| 10.0_f64.powi(exponent));
        for decade in decades.filter(|us| (self.latencies_us.0..self.latencies_us.1).contains(us)) {
            let y = self.y(decade);
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{decade}</text>",
                LEFT - 4.0,
                y + 3.0
            );
        }
        for rate in &self.rates {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{rate}</text>",
                self.x(*rate),
                HEIGHT - BOTTOM + 14.0
            );
        }
    }

    fn draw_line(&self, out: &mut String, points: &[(u32, f64)], colour: &str) {
        let mut line = String::new();
        for &(rate, latency_us) in points {
            let (x, y) = (self.x(rate), self.y(latency_us));
            let _ = write!(line, "{x:.1},{y:.1} ");
            let _ =
                writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"{colour}\"/>");
        }
        let line = line.trim_end();
        let _ = writeln!(out, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\"/>");
    }
}

/// Where `value` lies between two others, logarithmically.
fn share(value: f64, least: f64, most: f64) -> f64 {
    (value / least).ln() / (most / least).ln()
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn a_server_has_a_point_for_each_rate_that_it_was_measured_at() {
        let at = |rate, server| Sample { load: Load::Open { rate }, ..sample(1, server, 1.0) };
        let picture = svg(&[at(100, "floor"), at(1_000, "floor"), at(100, "flask")]).unwrap();
        assert_eq!(picture.matches("<circle").count(), 3 * PANELS.len());
        assert!(picture.contains(">flask</text>") && picture.contains(">1000</text>"));
    }

    #[test]
    fn a_closed_loop_alone_draws_nothing() {
        assert!(svg(&[sample(1, "floor", 100.0)]).is_none());
    }
}
