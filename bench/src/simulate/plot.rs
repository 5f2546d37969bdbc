//! A small writer of SVG: panels of lines over named positions, on a logarithmic scale.

use std::fmt::Write;

const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 38.0;
const TOP: f64 = 22.0;
const RIGHT: f64 = 10.0;
const BOTTOM: f64 = 24.0;
const LEGEND: f64 = 40.0;
const COLOURS: [&str; 6] = ["#3b6fb6", "#2a9d8f", "#8ab17d", "#e9a23b", "#e76f51", "#9b2c5e"];

/// One line, and the level that it is compared with.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) points: Vec<f64>,
    pub(crate) level: f64,
}

/// One coordinate system; every series has a point for each tick.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) ticks: Vec<String>,
    pub(crate) series: Vec<Series>,
}

/// The panels row by row, under a legend of what the series are.
pub(crate) fn svg(rows: &[Vec<Panel>], labels: &[String]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns as f64 * WIDTH, (rows.len() as f64).mul_add(HEIGHT, LEGEND));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"9\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"14\" font-size=\"11\">Lines: fixed windows by their length in ms. \
         Dashed: the adaptive window, over all lengths.</text>\n"
    );
    for (index, label) in labels.iter().enumerate() {
        let x = (index as f64).mul_add(80.0, 10.0);
        let colour = COLOURS[index % COLOURS.len()];
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"22\" width=\"14\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"28\">{label}</text>",
            x + 18.0
        );
    }
    for (row, panels) in rows.iter().enumerate() {
        for (column, panel) in panels.iter().enumerate() {
            let (x, y) = (column as f64 * WIDTH, (row as f64).mul_add(HEIGHT, LEGEND));
            let _ = writeln!(out, "<g transform=\"translate({x},{y})\">");
            draw(&mut out, panel);
            out.push_str("</g>\n");
        }
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, panel: &Panel) {
    let values = || {
        panel.series.iter().flat_map(|series| series.points.iter().copied().chain([series.level]))
    };
    let bottom = values().fold(f64::MAX, f64::min).max(1e-6).log10() - 0.05;
    let top = values().fold(f64::MIN, f64::max).max(1e-6).log10() + 0.05;
    let y = |value: f64| {
        let share = (value.max(1e-6).log10() - bottom) / (top - bottom);
        (1.0 - share).mul_add(HEIGHT - TOP - BOTTOM, TOP)
    };
    let step = (WIDTH - LEFT - RIGHT) / (panel.ticks.len() - 1) as f64;
    let x = |tick: usize| (tick as f64).mul_add(step, LEFT);
    let end = x(panel.ticks.len() - 1);
    let _ =
        writeln!(out, "<text x=\"{LEFT}\" y=\"14\" font-weight=\"bold\">{}</text>", panel.title);
    for decade in [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0] {
        let at = y(decade);
        if (TOP..=HEIGHT - BOTTOM).contains(&at) {
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {at:.1}H{end:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{decade}</text>",
                LEFT - 4.0,
                at + 3.0
            );
        }
    }
    for (tick, label) in panel.ticks.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            x(tick),
            HEIGHT - BOTTOM + 14.0
        );
    }
    for (index, series) in panel.series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points = series.points.iter().enumerate();
        let points: Vec<String> =
            points.map(|(tick, value)| format!("{:.1},{:.1}", x(tick), y(*value))).collect();
        let level = y(series.level);
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>\
             <path d=\"M{LEFT} {level:.1}H{end:.1}\" stroke=\"{colour}\" stroke-dasharray=\"4 3\"/>",
            points.join(" ")
        );
    }
}
