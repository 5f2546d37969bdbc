//! The access log: a line of the log for each request that was sampled.

use shards::journal::AccessEntry;
use shards::origin::TraceId;

use crate::logging::ACCESS;

/// Logs a request that shard number `shard` answered. What there is none of is left out.
pub(super) fn log(shard: usize, entry: &AccessEntry<'_>) {
    let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text: &&str| !text.is_empty());
    let figures = &entry.figures;
    let was_batched = figures.batch.rows > 0;
    let of_batch = |figure: u32| was_batched.then_some(figure);
    tracing::info!(
        target: ACCESS,
        shard,
        status = figures.status,
        duration_us = figures.duration_ns / 1_000,
        queue_us = of_batch(figures.batch.queue_us),
        features_us = of_batch(figures.batch.features_us),
        model_us = of_batch(figures.batch.model_us),
        write_us = figures.write_ns / 1_000,
        rows = figures.rows,
        batch_rows = of_batch(figures.batch.rows),
        model = entry.model.map(|(name, _)| name),
        version = entry.model.map(|(_, version)| version),
        request_id = text(entry.request_id),
        trace_id = entry.trace.map(|trace| display(TraceId(trace.trace_id))),
        user_id = text(entry.user_id),
        "request"
    );
}
