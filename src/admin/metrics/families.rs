//! What is said of the process and of each shard.

use shards::failure::FaultReason;
use shards::telemetry::counters::STATUSES;
use shards::telemetry::{Counter, HistogramCopies, ShardTelemetry, StoreCounters, Total};

use super::buckets::Buckets;
use super::drift::DriftWindow;
use super::lanes::{self, ScrapedLane};
use super::process;
use super::text::{Exposition, Format, Kind, Label};
use crate::admin::{ShardView, copies_of};
use crate::journal::JournalCounters;

/// What is known of the process beside its shards.
pub(in crate::admin) struct Process<'a> {
    /// Log events that were left out.
    pub(in crate::admin) log_events_suppressed: u64,
    /// What the prediction log has written, where there is one.
    pub(in crate::admin) journal: Option<&'a JournalCounters>,
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
    write_journal(&mut text, &scraped, own.journal);
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
    write_shard_cells(text, shards);
    write_shard_rows(text, shards);
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

fn write_shard_cells(text: &mut Exposition, shards: &[Scraped<'_>]) {
    let cells: [Cell; 9] = [
        (
            "shardgate_shard_ticks_total",
            Kind::Counter,
            "Looks of the shard at its clock, about a hundred a second.",
            |shard| &shard.counters.heartbeat,
        ),
        ("shardgate_connections", Kind::Gauge, "Open connections.", |shard| {
            &shard.counters.connections_open
        }),
        ("shardgate_connections_accepted_total", Kind::Counter, "Connections accepted.", |shard| {
            &shard.counters.connections_accepted
        }),
        (
            "shardgate_connections_refused_total",
            Kind::Counter,
            "Connections closed at once, as the shard or their address has as many as it may.",
            |shard| &shard.counters.connections_refused,
        ),
        (
            "shardgate_connections_evicted_total",
            Kind::Counter,
            "Idle connections that were ended, as others needed their places.",
            |shard| &shard.counters.connections_evicted,
        ),
        (
            "shardgate_connections_cut_total",
            Kind::Counter,
            "Connections ended as their clients were slow to take their answers.",
            |shard| &shard.counters.connections_cut,
        ),
        (
            "shardgate_connections_unread",
            Kind::Gauge,
            "Connections that wait to be read, as refusing at once would take too much time.",
            |shard| &shard.counters.connections_unread,
        ),
        (
            "shardgate_connections_buffered_bytes",
            Kind::Gauge,
            "Bytes kept of requests and answers that are not wholly through.",
            |shard| &shard.counters.buffered_bytes,
        ),
        ("shardgate_accept_errors_total", Kind::Counter, "Calls of accept that failed.", |shard| {
            &shard.counters.accept_errors
        }),
    ];
    write_cells(text, shards, &cells);
}

/// What shards wrote down, and what became of it; zeros where nothing is to be written down.
fn write_journal(text: &mut Exposition, shards: &[Scraped<'_>], journal: Option<&JournalCounters>) {
    write_cells(
        text,
        shards,
        &[
            (
                "shardgate_predictions_noted_total",
                Kind::Counter,
                "Rows handed to the prediction log.",
                |shard| &shard.counters.predictions_noted,
            ),
            (
                "shardgate_predictions_dropped_total",
                Kind::Counter,
                "Rows that the prediction log has no line of, as its buffer was full.",
                |shard| &shard.counters.predictions_dropped,
            ),
            (
                "shardgate_accesses_noted_total",
                Kind::Counter,
                "Requests that were sampled for the access log.",
                |shard| &shard.counters.accesses_noted,
            ),
            (
                "shardgate_accesses_dropped_total",
                Kind::Counter,
                "Sampled requests that the access log lacks, as its buffer was full.",
                |shard| &shard.counters.accesses_dropped,
            ),
        ],
    );
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

/// What the shards' stores did.
fn write_stores(text: &mut Exposition, shards: &[Scraped<'_>]) {
    write_cells(
        text,
        shards,
        &[
            (
                "shardgate_store_damaged_total",
                Kind::Counter,
                "Keys asked for whose records in the embedded store are not as they were written.",
                |shard| &shard.store.damaged,
            ),
            (
                "shardgate_cache_hits_total",
                Kind::Counter,
                "Keys that were in the shard's cache of a cluster's rows, and fresh.",
                |shard| &shard.store.cache_hits,
            ),
            (
                "shardgate_cache_misses_total",
                Kind::Counter,
                "Keys that were not in the shard's cache, or too old.",
                |shard| &shard.store.cache_misses,
            ),
            (
                "shardgate_cache_evictions_total",
                Kind::Counter,
                "Entries that left the cache to make room.",
                |shard| &shard.store.cache_evictions,
            ),
            (
                "shardgate_cache_bytes",
                Kind::Gauge,
                "What the cache holds, keys and book-keeping included.",
                |shard| &shard.store.cache_bytes,
            ),
            (
                "shardgate_cache_texts_forgotten_total",
                Kind::Counter,
                "How often all texts were forgotten, as they took too much, and the cache with them.",
                |shard| &shard.store.texts_forgotten,
            ),
            (
                "shardgate_cluster_cells_lost_total",
                Kind::Counter,
                "Decimals and integers of a cluster that 64 bits do not hold: they count as not known.",
                |shard| &shard.store.cells_lost,
            ),
            (
                "shardgate_cluster_statements_total",
                Kind::Counter,
                "Statements sent to the cluster.",
                |shard| &shard.store.statements,
            ),
            (
                "shardgate_cluster_sessions_renewed_total",
                Kind::Counter,
                "Sessions made anew, as no node of the cluster answered any more.",
                |shard| &shard.store.sessions_renewed,
            ),
        ],
    );
    write_clusters(text, shards);
}

/// How the clusters answer, by the shards that ask one.
fn write_clusters(text: &mut Exposition, shards: &[Scraped<'_>]) {
    let help = "Statements to the cluster that brought nothing, by reason.";
    text.family("shardgate_cluster_statements_failed_total", Kind::Counter, help);
    for one in shards {
        let failed = &one.shard.shared.telemetry.store.statements_failed;
        for (reason, counter) in FaultReason::ALL.iter().zip(failed) {
            let labels = [("shard", one.index.as_str()), ("reason", reason.as_str())];
            text.count(&labels, counter.get());
        }
    }
    let gauges: [Cell; 2] = [
        (
            "shardgate_cluster_nodes_connected",
            Kind::Gauge,
            "Nodes of the cluster that are connected.",
            |shard| &shard.store.nodes_connected,
        ),
        (
            "shardgate_cluster_group_keys_max",
            Kind::Gauge,
            "Keys that a statement asks for at most: fewer than configured where the cluster \
             refuses so many.",
            |shard| &shard.store.group_keys_max,
        ),
    ];
    let asking = |one: &&Scraped<'_>| one.shard.shared.telemetry.store.is_cluster();
    for (name, kind, help, cell) in gauges {
        text.family(name, kind, help);
        for one in shards.iter().filter(asking) {
            text.count(&[("shard", &one.index)], cell(&one.shard.shared.telemetry).get());
        }
    }
    let help = "Keys that were to be fetched from the cluster, by what became of them.";
    text.family("shardgate_cluster_keys_total", Kind::Counter, help);
    for one in shards {
        let keys = &one.shard.shared.telemetry.store.keys;
        for (result, counter) in StoreCounters::KEYS.iter().zip(keys) {
            text.count(&[("shard", &one.index), ("result", result)], counter.get());
        }
    }
}

/// One number a shard: its name, what kind it is, what it means, and where it is.
type Cell = (&'static str, Kind, &'static str, fn(&ShardTelemetry) -> &Counter);

fn write_cells(text: &mut Exposition, shards: &[Scraped<'_>], cells: &[Cell]) {
    for (name, kind, help, cell) in cells {
        text.family(name, *kind, help);
        for one in shards {
            text.count(&[("shard", &one.index)], cell(&one.shard.shared.telemetry).get());
        }
    }
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
    let mut write = |status: u16, buckets: &Buckets| {
        let status = status.to_string();
        let mut labels = lane.to_vec();
        labels.extend(route);
        labels.extend([("url_scheme", "http"), ("http_response_status_code", status.as_str())]);
        text.histogram(&labels, buckets);
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
