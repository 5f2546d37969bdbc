//! What is said of the process and of each shard.

use shards::telemetry::counters::STATUSES;
use shards::telemetry::{
    ClusterGauges, HistogramCopies, ShardCounters, ShardTelemetry, StoreCounters, Total,
};

use super::buckets::Buckets;
use super::drift::DriftWindow;
use super::lanes::{self, ScrapedLane};
use super::text::{Exposition, Format, Kind, Label};
use super::{process, writes};
use crate::admin::{ShardView, copies_of};
use crate::journal::JournalCounters;
use crate::otlp::SpanCounters;
use crate::serve::writes::counters::WriteCounters;

/// What is known of the process beside its shards.
pub(in crate::admin) struct Process<'a> {
    /// Log events that were left out.
    pub(in crate::admin) log_events_suppressed: u64,
    /// What the prediction log has written, where there is one.
    pub(in crate::admin) journal: Option<&'a JournalCounters>,
    /// What was written to the feature store, where it can be.
    pub(in crate::admin) writes: Option<&'a WriteCounters>,
    /// What was sent to a collector of traces, where there is one.
    pub(in crate::admin) spans: Option<&'a SpanCounters>,
    /// When the admin port's certificate is not valid any more, in s since 1970, where it has one.
    pub(in crate::admin) tls_expires_s: Option<u64>,
    /// Whether answers are worse than they would be with a store that answers.
    pub(in crate::admin) is_degraded: bool,
}

/// One shard in a scrape.
struct Scraped<'a> {
    shard: &'a ShardView,
    index: String,
    copies: Option<HistogramCopies>,
}

/// All metrics, as of now. A shard that does not hand its histograms over in time is without
/// them; what it counts is there all the same.
pub(in crate::admin) fn write(
    format: Format,
    shards: &[ShardView],
    drift: &DriftWindow,
    own: &Process<'_>,
) -> String {
    let scraped: Vec<Scraped<'_>> = shards
        .iter()
        .zip(copies_of(shards))
        .map(|(shard, copies)| Scraped { shard, index: shard.index.to_string(), copies })
        .collect();
    let mut text = Exposition::new(format);
    write_build(&mut text);
    write_shards(&mut text, &scraped);
    write_answers(&mut text, &scraped);
    let mut all = Vec::new();
    for one in &scraped {
        all.extend(ScrapedLane::of(&one.index, &one.shard.shared.telemetry, one.copies.as_ref()));
    }
    lanes::write(&mut text, &all, drift);
    let help = "1 while rows stand on defaults or last known values, or are refused, for a fault of the feature store.";
    text.family("shardgate_degraded", Kind::Gauge, help);
    text.count(&[], u64::from(own.is_degraded));
    write_stores(&mut text, &scraped);
    let help = "Log events left out because many like them came before.";
    text.family("shardgate_log_events_suppressed_total", Kind::Counter, help);
    text.count(&[], own.log_events_suppressed);
    write_journal(&mut text, own.journal);
    writes::write(&mut text, own.writes);
    write_spans(&mut text, own.spans);
    if let Some(expires_s) = own.tls_expires_s {
        let help = "When the certificate of the admin port ends, in seconds since 1970.";
        text.family("shardgate_admin_certificate_expiry_timestamp_seconds", Kind::Gauge, help);
        text.count(&[], expires_s);
    }
    process::write(&mut text);
    text.finish()
}

fn write_build(text: &mut Exposition) {
    text.family("shardgate_build_info", Kind::Gauge, "The version that runs.");
    text.count(
        &[("version", env!("CARGO_PKG_VERSION")), ("architecture", std::env::consts::ARCH)],
        1,
    );
}

fn write_shards(text: &mut Exposition, shards: &[Scraped<'_>]) {
    let help = "Whether the shard handed its histograms over when it was asked.";
    text.family("shardgate_shard_up", Kind::Gauge, help);
    for one in shards {
        let core = one.shard.core.to_string();
        let labels = [("shard", one.index.as_str()), ("core", core.as_str())];
        text.count(&labels, u64::from(one.copies.is_some()));
    }
    let help = "CPU time of the shard's thread: its rate is the share of the core that is busy.";
    text.family("shardgate_shard_cpu_seconds_total", Kind::Counter, help);
    for one in shards {
        let thread_id = one.shard.shared.telemetry.counters.thread_id.get();
        if let Some(cpu_s) = process::thread_cpu_s(thread_id) {
            text.value(&[("shard", &one.index)], cpu_s);
        }
    }
    let counted = counted(shards, |telemetry| &telemetry.counters);
    text.table(ShardCounters::METRICS, &counted);
    write_shard_rows(text, shards);
    write_keys(text, shards);
}

/// Requests by the API keys that they had.
fn write_keys(text: &mut Exposition, shards: &[Scraped<'_>]) {
    let help = "Requests of each API key since the keys were read, by whether they were let in.";
    text.family("shardgate_key_requests_total", Kind::Counter, help);
    for one in shards {
        let Some(keys) = one.shard.shared.telemetry.keys() else { continue };
        for (place, name) in keys.names.iter().enumerate() {
            for (result, cells) in [("admitted", &keys.admitted), ("refused", &keys.refused)] {
                let labels = [("shard", one.index.as_str()), ("key", name), ("result", result)];
                text.count(&labels, cells.get(place).get());
            }
        }
    }
}

/// What stays when a version's own series disappear.
fn write_shard_rows(text: &mut Exposition, shards: &[Scraped<'_>]) {
    let totals: Vec<_> =
        shards.iter().map(|one| (&one.index, one.shard.shared.telemetry.total())).collect();
    let help = "Rows of all versions there were, by whether they got a score.";
    text.family("shardgate_shard_rows_total", Kind::Counter, help);
    for (index, Total { counts, .. }) in &totals {
        let outcomes = [("scored", counts.rows_scored()), ("failed", counts.rows_not_scored())];
        for (outcome, count) in outcomes {
            text.count(&[("shard", index), ("outcome", outcome)], count);
        }
    }
    let help = "Versions that are not served any more and have no series of their own any more.";
    text.family("shardgate_versions_gone_total", Kind::Counter, help);
    for (index, Total { lanes_gone, .. }) in &totals {
        text.count(&[("shard", index)], *lanes_gone);
    }
}

/// What became of the prediction log; zeros where nothing is to be written down.
fn write_journal(text: &mut Exposition, journal: Option<&JournalCounters>) {
    let help = "Bytes of the prediction log that were written to files.";
    text.family("shardgate_prediction_log_bytes_total", Kind::Counter, help);
    text.count(&[], journal.map_or(0, |journal| journal.bytes.get()));
    let help = "Lines of the prediction log that could not be written.";
    text.family("shardgate_prediction_log_lost_total", Kind::Counter, help);
    text.count(&[], journal.map_or(0, |journal| journal.lines_lost.get()));
    let help = "Files of the prediction log that max_bytes had removed before keep_s.";
    text.family("shardgate_prediction_log_files_removed_early_total", Kind::Counter, help);
    text.count(&[], journal.map_or(0, |journal| journal.files_removed_early.get()));
}

/// What became of recorded requests; zeros where none are.
fn write_spans(text: &mut Exposition, spans: Option<&SpanCounters>) {
    let help = "Recorded requests, by whether the collector of traces took them.";
    text.family("shardgate_spans_exported_total", Kind::Counter, help);
    let counts = spans.map_or((0, 0), |spans| (spans.sent.get(), spans.lost.get()));
    text.count(&[("result", "taken")], counts.0);
    text.count(&[("result", "lost")], counts.1);
}

/// What the shards' stores did, and how the clusters are that they ask.
fn write_stores(text: &mut Exposition, shards: &[Scraped<'_>]) {
    text.table(StoreCounters::METRICS, &counted(shards, |telemetry| &telemetry.store));
    let asking = shards.iter().filter(|one| one.shard.shared.telemetry.store.is_cluster());
    text.table(ClusterGauges::METRICS, &counted(asking, |telemetry| &telemetry.store.cluster));
}

/// What each shard has of some counters, with the label that says which shard.
fn counted<'a, T>(
    shards: impl IntoIterator<Item = &'a Scraped<'a>>,
    choose: impl Fn(&ShardTelemetry) -> &T,
) -> Vec<([Label<'a>; 1], &'a T)> {
    let of_shard = |one: &'a Scraped<'a>| {
        ([("shard", one.index.as_str())], choose(&one.shard.shared.telemetry))
    };
    shards.into_iter().map(of_shard).collect()
}

/// The answers by status: how many, and how long they took.
fn write_answers(text: &mut Exposition, shards: &[Scraped<'_>]) {
    let help = "Requests answered, by status.";
    text.family("shardgate_responses_total", Kind::Counter, help);
    for one in shards {
        let counters = &one.shard.shared.telemetry.counters;
        for (status, counter) in STATUSES.iter().zip(&counters.responses) {
            // A status appears with its first answer, but 200 from the start.
            if counter.get() > 0 || *status == 200 {
                let status = status.to_string();
                let labels =
                    [("shard", one.index.as_str()), ("http_response_status_code", &status)];
                text.count(&labels, counter.get());
            }
        }
    }
    let help = "From the read that completed a request to the end of the write of its answer.";
    text.family("http_server_request_duration_seconds", Kind::Histogram, help);
    for one in shards {
        let Some(copies) = &one.copies else { continue };
        let without_model = (None, &copies.without_model);
        let lanes = copies.lanes.iter().map(|(lane, histograms)| (Some(lane), histograms));
        for (lane, histograms) in std::iter::once(without_model).chain(lanes) {
            let version = lane.map_or_else(String::new, |lane| lane.facts.version.to_string());
            let model = lane.map_or("", |lane| lane.facts.model.as_str());
            let labels = [("shard", one.index.as_str()), ("model", model), ("version", &version)];
            write_durations(text, &labels, histograms, lane.is_some());
        }
    }
}

fn write_durations(
    text: &mut Exposition,
    lane: &[Label<'_>; 3],
    histograms: &shards::telemetry::Histograms,
    is_predict: bool,
) {
    // OpenTelemetry's labels. What no model was asked for has no route of ours.
    let route = [("http_request_method", "POST"), ("http_route", "/predict")];
    let route = if is_predict { route.as_slice() } else { &[] };
    let exemplars: Vec<_> = histograms.exemplars().copied().collect();
    let mut write = |status: u16, buckets: &Buckets| {
        let shown: Vec<_> = exemplars.iter().filter(|it| it.status == status).copied().collect();
        let status = status.to_string();
        let mut labels = lane.to_vec();
        labels.extend(route);
        labels.extend([("url_scheme", "http"), ("http_response_status_code", status.as_str())]);
        text.histogram_with(&labels, buckets, &shown);
    };
    let failed: Vec<_> = histograms
        .failed()
        .iter()
        .map(|(status, times)| (*status, Buckets::of_latency(times)))
        .collect();
    let all = Buckets::of_latency(histograms.phase(shards::telemetry::Phase::Request));
    let good = failed.iter().fold(all, |rest, (_, failed)| rest.without(failed));
    if is_predict || good.count > 0 {
        write(200, &good);
    }
    for (status, buckets) in &failed {
        write(*status, buckets);
    }
}
