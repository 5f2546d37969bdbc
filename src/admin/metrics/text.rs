//! Writes metrics as Prometheus text 0.0.4 or `OpenMetrics` 1.0.

use std::fmt::Write;

use shards::origin::TraceId;
use shards::telemetry::{Exemplar, Metric, MetricKind};

use super::buckets::Buckets;

const NS_PER_S: f64 = 1e9;

/// In which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text, version 0.0.4.
    Prometheus,
    /// `OpenMetrics` text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` field asks for.
    pub(crate) fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// Its media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A label's name and value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// The text of a scrape, family by family.
#[derive(Debug)]
pub(super) struct Exposition {
    format: Format,
    out: String,
    family: &'static str,
}

impl Exposition {
    pub(super) fn new(format: Format) -> Self {
        Self { format, out: String::with_capacity(65_536), family: "" }
    }

    /// Begins a family; its samples follow. A counter's name ends with `_total`.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind_name = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // OpenMetrics names the family, and the suffix belongs to its samples.
        let shown = match self.format {
            Format::OpenMetrics if kind == Kind::Counter => name.trim_end_matches("_total"),
            _ => name,
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.out, "# HELP {shown} {help}\n# TYPE {shown} {kind_name}");
        self.family = name;
    }

    /// The families of a table of counters, for each of those that have one; the labels say which.
    pub(super) fn table<T, const LABELS: usize>(
        &mut self,
        metrics: &[Metric<T>],
        counted: &[([Label<'_>; LABELS], &T)],
    ) {
        for metric in metrics {
            let kind = match metric.kind {
                MetricKind::Counter => Kind::Counter,
                MetricKind::Gauge => Kind::Gauge,
            };
            self.family(metric.name, kind, metric.help);
            for (labels, counters) in counted {
                let cells = (metric.cells)(counters);
                let Some((name, values)) = metric.label else {
                    self.count(labels, cells[0].get());
                    continue;
                };
                for (value, cell) in values.iter().zip(cells) {
                    let labels: Vec<_> = labels.iter().copied().chain([(name, *value)]).collect();
                    self.count(&labels, cell.get());
                }
            }
        }
    }

    /// A whole number of the present family.
    pub(super) fn count(&mut self, labels: &[Label<'_>], value: u64) {
        self.start("", labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    /// A number of the present family.
    pub(super) fn value(&mut self, labels: &[Label<'_>], value: f64) {
        self.start("", labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    /// A histogram of the present family.
    pub(super) fn histogram(&mut self, labels: &[Label<'_>], buckets: &Buckets) {
        self.histogram_with(labels, buckets, &[]);
    }

    /// A histogram of the present family, in seconds, with requests that traces show: of each bucket
    /// the latest. Only `OpenMetrics` has a place for them.
    pub(super) fn histogram_with(
        &mut self,
        labels: &[Label<'_>],
        buckets: &Buckets,
        exemplars: &[Exemplar],
    ) {
        let shown = if self.format == Format::OpenMetrics { exemplars } else { &[] };
        let (mut below, mut low) = (0, 0.0);
        for (bound, count) in buckets.counts() {
            below += count;
            self.start("_bucket", labels, Some(&float(bound)));
            let _ = write!(self.out, " {below}");
            self.exemplar(shown, low, bound);
            low = bound;
        }
        self.start("_bucket", labels, Some("+Inf"));
        let _ = write!(self.out, " {}", buckets.count);
        self.exemplar(shown, low, f64::INFINITY);
        self.start("_sum", labels, None);
        let _ = writeln!(self.out, " {}", buckets.sum);
        self.start("_count", labels, None);
        let _ = writeln!(self.out, " {}", buckets.count);
    }

    /// Ends a bucket's line, with the latest of the requests that took longer than `low` seconds and at
    /// most `high`.
    fn exemplar(&mut self, exemplars: &[Exemplar], low: f64, high: f64) {
        let seconds = |exemplar: &Exemplar| exemplar.duration_ns as f64 / NS_PER_S;
        let is_inside = |exemplar: &&Exemplar| {
            let taken_s = seconds(exemplar);
            low < taken_s && taken_s <= high
        };
        if let Some(shown) = exemplars.iter().filter(is_inside).max_by_key(|it| it.unix_ns) {
            let (trace, taken_s) = (TraceId(shown.trace_id), seconds(shown));
            let at_s = shown.unix_ns as f64 / NS_PER_S;
            let _ = write!(self.out, " # {{trace_id=\"{trace}\"}} {taken_s} {at_s:.3}");
        }
        self.out.push('\n');
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn start(&mut self, suffix: &str, labels: &[Label<'_>], bound: Option<&str>) {
        self.out.push_str(self.family);
        self.out.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.out.push(separator);
            separator = ',';
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
        if separator == ',' {
            self.out.push('}');
        }
    }
}

/// A bound as `OpenMetrics` writes it, the same in both formats: a scraper that changes formats
/// must find the same series.
fn float(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.1}") } else { value.to_string() }
}

fn escape(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exposition, Format, Kind};

    #[test]
    fn labels_are_escaped_and_counters_named_as_each_format_wants() {
        let write = |format| {
            let mut text = Exposition::new(format);
            text.family("rows_total", Kind::Counter, "Rows.");
            text.count(&[("column", "a\\b\"c\nd"), ("model", "m")], 3);
            text.family("up", Kind::Gauge, "Up.");
            text.value(&[], 0.5);
            text.finish()
        };
        assert_eq!(
            write(Format::Prometheus),
            "# HELP rows_total Rows.\n# TYPE rows_total counter\n\
             rows_total{column=\"a\\\\b\\\"c\\nd\",model=\"m\"} 3\n\
             # HELP up Up.\n# TYPE up gauge\nup 0.5\n"
        );
        let open = write(Format::OpenMetrics);
        assert!(open.starts_with("# HELP rows Rows.\n# TYPE rows counter\nrows_total{"), "{open}");
        assert!(open.ends_with("# EOF\n"));
    }

    #[test]
    fn the_accept_field_chooses_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4";
        assert_eq!(Format::accepted(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::accepted(Some("*/*")), Format::Prometheus);
        assert_eq!(Format::accepted(None), Format::Prometheus);
    }
}
