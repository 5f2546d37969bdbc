//! What is said of each version of each model on each shard.

use std::sync::Arc;

use hdrhistogram::Histogram;
use shards::facts::Role;
use shards::telemetry::{
    HistogramCopies, Histograms, LaneCounters, LaneTelemetry, Phase, RemoteCounters,
    ShadowCounters, ShardTelemetry,
};

use super::answers;
use super::buckets::Buckets;
use super::drift::{Drift, DriftWindow, Measured};
use super::entities;
use super::text::{Exposition, Kind, Label};

const NS_PER_S: f64 = 1e9;

/// One model on one shard in a scrape.
pub(super) struct ScrapedLane<'a> {
    shard: &'a str,
    version: String,
    pub(super) telemetry: Arc<LaneTelemetry>,
    histograms: Option<&'a Histograms>,
}

impl<'a> ScrapedLane<'a> {
    /// The lanes of a shard, each with its histograms where the shard has handed them over.
    pub(super) fn of(
        shard: &'a str,
        telemetry: &ShardTelemetry,
        copies: Option<&'a HistogramCopies>,
    ) -> Vec<Self> {
        let histograms = |lane: &Arc<LaneTelemetry>| {
            let known = &copies?.lanes;
            known.iter().find(|(known, _)| Arc::ptr_eq(known, lane)).map(|(_, found)| found)
        };
        let lanes = telemetry.lanes().into_iter();
        lanes
            .map(|lane| Self {
                shard,
                version: lane.facts.version.to_string(),
                histograms: histograms(&lane),
                telemetry: lane,
            })
            .collect()
    }

    pub(super) fn is_shadow(&self) -> bool {
        self.telemetry.facts.role == Role::Shadow
    }

    pub(super) fn labels(&self) -> [Label<'_>; 3] {
        [("shard", self.shard), ("model", &self.telemetry.facts.model), ("version", &self.version)]
    }

    pub(super) fn labels_and<'b>(&'b self, name: &'b str, value: &'b str) -> [Label<'b>; 4] {
        let [shard, model, version] = self.labels();
        [shard, model, version, (name, value)]
    }
}

/// Writes everything about the lanes.
pub(super) fn write(text: &mut Exposition, lanes: &[ScrapedLane<'_>], drift: &DriftWindow) {
    write_models(text, lanes);
    write_histograms(text, lanes);
    write_counters(text, lanes);
    answers::write(text, lanes);
    entities::write(text, lanes);
    write_columns(text, lanes, drift);
    write_shadows(text, lanes);
    write_remote(text, lanes);
}

fn write_models(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    let help = "The models that were opened; 0 once a reload has replaced one.";
    text.family("shardgate_model_info", Kind::Gauge, help);
    for lane in lanes {
        let [shard, model, version] = lane.labels();
        let description = &lane.telemetry.facts.description;
        let hash = format!("{:016x}", description.file_hash);
        let labels = [
            shard,
            model,
            version,
            ("role", lane.telemetry.facts.role.as_str()),
            ("kernel", description.kernel.as_str()),
            ("file_hash", hash.as_str()),
        ];
        text.count(&labels, u64::from(!lane.telemetry.is_retired()));
    }
    let help = "1 while the feature store's columns do not fit the model: it is answered with 503.";
    text.family("shardgate_model_unfit", Kind::Gauge, help);
    for lane in lanes {
        let is_unfit = !lane.telemetry.is_retired() && lane.telemetry.fit.is_unfit();
        text.count(&lane.labels(), u64::from(is_unfit));
    }
    let help = "How long the shard took to load its copy of the model.";
    text.family("shardgate_model_load_seconds", Kind::Gauge, help);
    for lane in lanes {
        text.value(&lane.labels(), lane.telemetry.facts.load_ns as f64 / NS_PER_S);
    }
}

fn write_histograms(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    type Choice = fn(&Histograms) -> &Histogram<u64>;
    type Bucketing = fn(&Histogram<u64>) -> Buckets;
    let families: [(&str, &str, Choice, Bucketing); 6] = [
        (
            "shardgate_queue_delay_seconds",
            "From a row's being queued to the start of its batch.",
            |all| all.phase(Phase::Queue),
            Buckets::of_latency,
        ),
        (
            "shardgate_features_duration_seconds",
            "The fetch and join of the batch that a row was in, by row.",
            |all| all.phase(Phase::Features),
            Buckets::of_latency,
        ),
        (
            "shardgate_model_duration_seconds",
            "The computation of the batch that a row was in, by row.",
            |all| all.phase(Phase::Model),
            Buckets::of_latency,
        ),
        (
            "shardgate_write_duration_seconds",
            "From an answer's being ready to its last byte handed to the kernel.",
            |all| all.phase(Phase::Write),
            Buckets::of_latency,
        ),
        ("shardgate_batch_rows", "Rows scored together.", Histograms::batch_rows, Buckets::of_rows),
        (
            "shardgate_feature_age_seconds",
            "How old a scored row's features were, by the store's last_updated.",
            Histograms::feature_age_s,
            Buckets::of_age,
        ),
    ];
    for (name, help, choose, bucket) in families {
        text.family(name, Kind::Histogram, help);
        for lane in lanes {
            // A shadow's would be read as what clients waited for.
            if let Some(histograms) = lane.histograms.filter(|_| !lane.is_shadow()) {
                text.histogram(&lane.labels(), &bucket(choose(histograms)));
            }
        }
    }
}

fn write_counters(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    let counted: Vec<_> =
        lanes.iter().map(|lane| (lane.labels(), &lane.telemetry.counters)).collect();
    text.table(LaneCounters::METRICS, &counted);
    let help = "Time that batches spent in a phase: its rate is how many are in it at once.";
    text.family("shardgate_batch_seconds_total", Kind::Counter, help);
    for lane in lanes {
        let counters = &lane.telemetry.counters;
        let phases = [
            ("features", &counters.features_ns),
            ("model", &counters.model_ns),
            ("explain", &counters.explain_ns),
        ];
        for (phase, cell) in phases {
            text.value(&lane.labels_and("phase", phase), cell.get() as f64 / NS_PER_S);
        }
    }
}

/// How the servers of remote models do: batches are counted once, whether they were asked for again
/// or row by row.
fn write_remote(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    let counted: Vec<_> = lanes
        .iter()
        .filter(|lane| lane.telemetry.facts.is_remote)
        .map(|lane| (lane.labels(), &lane.telemetry.counters.remote))
        .collect();
    text.table(RemoteCounters::METRICS, &counted);
    let help = "Time that batches waited for the server: its rate is how many are there at once.";
    text.family("shardgate_remote_seconds_total", Kind::Counter, help);
    for (labels, remote) in &counted {
        text.value(labels, remote.waited_ns.get() as f64 / NS_PER_S);
    }
}

fn write_columns(text: &mut Exposition, lanes: &[ScrapedLane<'_>], drift: &DriftWindow) {
    let help = "Cells that were not known and took their column's default.";
    text.family("shardgate_cells_defaulted_total", Kind::Counter, help);
    for lane in lanes {
        for (place, column) in lane.telemetry.facts.columns.iter().enumerate() {
            let cell = lane.telemetry.counters.cells_defaulted.get(place);
            text.count(&lane.labels_and("column", &column.name), cell.get());
        }
    }
    let help = "Texts that are none of the model's categories.";
    text.family("shardgate_texts_unknown_total", Kind::Counter, help);
    for lane in lanes {
        for (place, column) in lane.telemetry.facts.columns.iter().enumerate() {
            let cell = lane.telemetry.counters.texts_unknown.get(place);
            text.count(&lane.labels_and("column", &column.name), cell.get());
        }
    }
    write_drift(text, &drift.indices(lanes.iter().map(|lane| &*lane.telemetry)));
}

fn write_drift(text: &mut Exposition, drifts: &[Drift]) {
    let help = "Population stability index of a feature against the training data, last hour.";
    text.family("shardgate_feature_drift", Kind::Gauge, help);
    for Drift { subject, index, .. } in drifts {
        if let Measured::Column(column) = &subject.measured {
            let version = subject.version.to_string();
            let [model, version] = [("model", subject.model.as_str()), ("version", &version)];
            text.value(&[model, version, ("column", column)], *index);
        }
    }
    let help = "Population stability index of the scores against the training data, last hour.";
    text.family("shardgate_score_drift", Kind::Gauge, help);
    for Drift { subject, index, .. } in drifts {
        if subject.measured == Measured::Score {
            let version = subject.version.to_string();
            text.value(&[("model", subject.model.as_str()), ("version", &version)], *index);
        }
    }
}

/// How far the scores of candidates are from those that were answered.
fn write_shadows(text: &mut Exposition, lanes: &[ScrapedLane<'_>]) {
    let shadows: Vec<_> = lanes.iter().filter(|lane| lane.is_shadow()).collect();
    let help = "Copies of rows for a candidate, by what became of them.";
    text.family("shardgate_shadow_rows_total", Kind::Counter, help);
    for lane in &shadows {
        let ShadowCounters { compared, failed, skipped, .. } = &lane.telemetry.counters.shadow;
        for (outcome, cell) in [("compared", compared), ("failed", failed), ("skipped", skipped)] {
            text.count(&lane.labels_and("outcome", outcome), cell.get());
        }
    }
    let help = "Absolute differences of a candidate's scores and those that were answered.";
    text.family("shardgate_shadow_difference", Kind::Histogram, help);
    for lane in &shadows {
        if let Some(differences) = lane.histograms.and_then(Histograms::differences) {
            text.histogram(&lane.labels(), &Buckets::of_difference(differences));
        }
    }
    let help = "Sum of a candidate's scores less those that were answered: by the number of \
        copies compared, how far it leans to one side.";
    text.family("shardgate_shadow_signed_difference", Kind::Gauge, help);
    for lane in &shadows {
        text.value(&lane.labels(), lane.telemetry.counters.shadow.difference_sum.get());
    }
}
