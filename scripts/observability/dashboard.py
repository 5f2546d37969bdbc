#!/usr/bin/env python3
"""Writes dashboard.json, the Grafana dashboard, from the panels below.

    scripts/observability/dashboard.py > scripts/observability/dashboard.json

The JSON is what Grafana imports; this is what people edit.
"""

import json

SELECT = 'instance=~"$instance"'
MODEL = 'instance=~"$instance",model=~"$model"'


def quantile(share, metric, by="model"):
    rate = f"rate({metric}_bucket{{{MODEL}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({by}, le) ({rate}))"


def rate(metric, by, select=MODEL):
    return f"sum by ({by}) (rate({metric}{{{select}}}[$__rate_interval]))"


# Each row: a title, and panels of (title, unit, [(query, legend)], kind).
ROWS = [
    ("Traffic", [
        ("Requests/s by status", "reqps",
         [(rate("shardgate_responses_total", "http_response_status_code", SELECT),
           "{{http_response_status_code}}")], "timeseries"),
        ("Requests/s by shard", "reqps",
         [(rate("shardgate_responses_total", "instance, shard", SELECT),
           "{{instance}} {{shard}}")], "timeseries"),
        ("Connections by shard", "short",
         [(f"shardgate_connections{{{SELECT}}}", "{{instance}} {{shard}}")], "timeseries"),
    ]),
    ("Latency", [
        ("Whole request", "s",
         [(quantile(share, "http_server_request_duration_seconds"), f"{{{{model}}}} p{name}")
          for share, name in ((0.5, 50), (0.99, 99), (0.999, 99.9))], "timeseries"),
        ("Heat map of whole requests", "s",
         [(rate("http_server_request_duration_seconds_bucket", "le"), "{{le}}")], "heatmap"),
        ("p99 by phase", "s",
         [(quantile(0.99, f"shardgate_{phase}_seconds"), f"{{{{model}}}} {phase}")
          for phase in ("queue_delay", "features_duration", "model_duration", "write_duration")],
         "timeseries"),
    ]),
    ("Batches and load", [
        ("Rows a batch", "short",
         [(quantile(share, "shardgate_batch_rows"), f"{{{{model}}}} p{share * 100:.0f}")
          for share in (0.5, 0.95)], "timeseries"),
        ("Busy share of each core", "percentunit",
         [(f"rate(shardgate_shard_cpu_seconds_total{{{SELECT}}}[$__rate_interval])",
           "{{instance}} {{shard}}")], "timeseries"),
        ("Time of batches by phase", "percentunit",
         [(rate("shardgate_batch_seconds_total", "model, phase"), "{{model}} {{phase}}")],
         "timeseries"),
        ("Rows queued", "short",
         [(f"sum by (instance, shard, model) (shardgate_queue_rows{{{MODEL}}})",
           "{{instance}} {{shard}} {{model}}")], "timeseries"),
        ("Rows without a score, by reason", "short",
         [(rate("shardgate_rows_failed_total", "model, reason") + " > 0",
           "{{model}} {{reason}}"),
          (rate("shardgate_rows_abandoned_total", "model") + " > 0", "{{model}} client gone")],
         "timeseries"),
    ]),
    ("Features", [
        ("Rows/s by status", "short",
         [(rate("shardgate_rows_total", "features"), "{{features}}")], "timeseries"),
        ("Age of features", "s",
         [(quantile(share, "shardgate_feature_age_seconds"), f"{{{{model}}}} p{share * 100:.0f}")
          for share in (0.5, 0.95)], "timeseries"),
        ("Drift (population stability index)", "short",
         [(f"topk(10, shardgate_feature_drift{{{MODEL}}})", "{{model}} {{column}}")],
         "timeseries"),
        ("Defaulted cells/s by column", "short",
         [("topk(10, " + rate("shardgate_cells_defaulted_total", "model, column") + " > 0)",
           "{{model}} {{column}}")], "timeseries"),
        ("Keys/s asked of the store", "short",
         [(rate("shardgate_store_keys_total", "model"), "{{model}}")], "timeseries"),
        ("Keys found in the cache", "percentunit",
         [(f"sum(rate(shardgate_cache_hits_total{{{SELECT}}}[$__rate_interval])) / (sum("
           f"rate(shardgate_cache_hits_total{{{SELECT}}}[$__rate_interval])) + sum("
           f"rate(shardgate_cache_misses_total{{{SELECT}}}[$__rate_interval])))", "hits")],
         "timeseries"),
        ("Cache by shard", "bytes",
         [(f"shardgate_cache_bytes{{{SELECT}}}", "{{instance}} {{shard}}")], "timeseries"),
        ("Cluster keys/s by result", "short",
         [(f"sum by (result) (rate(shardgate_cluster_keys_total{{{SELECT}}}[$__rate_interval]))"
           " > 0", "{{result}}"),
          ("sum by (reason) (rate("
           f"shardgate_cluster_statements_failed_total{{{SELECT}}}[$__rate_interval])) > 0",
           "failed statements: {{reason}}")], "timeseries"),
    ]),
    ("Remote models and logs", [
        ("Batches/s by result", "short",
         [(rate("shardgate_remote_batches_total", "model, result") + " > 0",
           "{{model}} {{result}}")], "timeseries"),
        ("Mean time of a batch at the server", "s",
         [(rate("shardgate_remote_seconds_total", "model") + " / "
           + rate("shardgate_remote_batches_total", "model"), "{{model}}")], "timeseries"),
        ("Circuits open, shards", "short",
         [(f"sum by (instance, model) (shardgate_remote_circuit_open{{{MODEL}}})",
           "{{instance}} {{model}}")], "timeseries"),
        ("Rows/s for the prediction log", "short",
         [(f"sum(rate(shardgate_predictions_noted_total{{{SELECT}}}[$__rate_interval]))",
           "logged"),
          (f"sum(rate(shardgate_predictions_dropped_total{{{SELECT}}}[$__rate_interval]))",
           "dropped"),
          (f"sum(rate(shardgate_accesses_dropped_total{{{SELECT}}}[$__rate_interval]))",
           "requests dropped from the access log")], "timeseries"),
        ("Prediction log, bytes/s", "Bps",
         [(f"sum(rate(shardgate_prediction_log_bytes_total{{{SELECT}}}[$__rate_interval]))",
           "written")], "timeseries"),
    ]),
    ("Answers", [
        ("Decisions/s", "short",
         [(rate("shardgate_decisions_total", "model, version, decision"),
           "{{model}} {{version}} {{decision}}")], "timeseries"),
        ("Most frequent reasons, share of explained rows", "percentunit",
         [("topk(10, " + rate("shardgate_reasons_total", "model, version, reason")
           + " / on (model, version) group_left "
           + rate("shardgate_rows_explained_total", "model, version") + ")",
           "{{model}} {{version}} {{reason}}")], "timeseries"),
        ("Scores that are probabilities", "none",
         [(rate("shardgate_score_bucket", "le"), "{{le}}")], "heatmap"),
        ("Mean score", "short",
         [(rate("shardgate_score_sum", "model, version") + " / "
           + rate("shardgate_score_count", "model, version"), "{{model}} {{version}}")],
         "timeseries"),
        ("Drift of scores (population stability index)", "short",
         [(f"shardgate_score_drift{{{MODEL}}}", "{{model}} {{version}}")], "timeseries"),
    ]),
    ("Candidates (shadow)", [
        ("Copies/s by what became of them", "short",
         [(rate("shardgate_shadow_rows_total", "model, version, outcome"),
           "{{model}} {{version}} {{outcome}}")], "timeseries"),
        ("Difference from the score that was answered", "short",
         [(quantile(share, "shardgate_shadow_difference", "model, version"),
           f"{{{{model}}}} {{{{version}}}} p{share * 100:.0f}") for share in (0.5, 0.99)],
         "timeseries"),
    ]),
    ("Process", [
        ("Models", "none",
         [(f"max by (model, version, role, kernel) (shardgate_model_info{{{MODEL}}}) == 1",
           "{{model}} {{version}} {{role}} {{kernel}}")], "table"),
        ("Memory", "bytes", [(f"process_resident_memory_bytes{{{SELECT}}}", "{{instance}}")],
         "timeseries"),
        ("Open files, share of the limit", "percentunit",
         [(f"process_open_fds{{{SELECT}}} / process_max_fds{{{SELECT}}}", "{{instance}}")],
         "timeseries"),
        ("Time to load a model", "s",
         [(f"max by (instance, model) (shardgate_model_load_seconds{{{MODEL}}})",
           "{{instance}} {{model}}")], "timeseries"),
    ]),
]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def variable(name, query):
    return {"name": name, "type": "query", "datasource": DATASOURCE, "query": query,
            "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"}}


def panel(number, kind, title, unit, queries, place):
    instant = kind == "table"
    targets = [{"refId": chr(ord("A") + at), "datasource": DATASOURCE, "expr": query,
                "legendFormat": legend, "instant": instant, "range": not instant,
                "format": {"heatmap": "heatmap", "table": "table"}.get(kind, "time_series")}
               for at, (query, legend) in enumerate(queries)]
    made = {"id": number, "type": kind, "title": title, "datasource": DATASOURCE,
            "gridPos": place, "targets": targets,
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []}}
    if kind == "heatmap":
        made["options"] = {"calculate": False, "yAxis": {"unit": unit},
                           "color": {"mode": "scheme", "scheme": "Blues"}}
    return made


def dashboard():
    panels, number, top = [], 0, 0
    for title, contents in ROWS:
        number += 1
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False,
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}, "panels": []})
        top += 1
        for at, (name, unit, queries, kind) in enumerate(contents):
            number += 1
            place = {"h": 8, "w": 8, "x": at % 3 * 8, "y": top + at // 3 * 8}
            panels.append(panel(number, kind, name, unit, queries, place))
        top += -(-len(contents) // 3) * 8
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    return {"title": "shardgate", "uid": "shardgate", "schemaVersion": 39, "version": 1,
            "editable": True, "refresh": "15s", "time": {"from": "now-1h", "to": "now"},
            "tags": ["shardgate"], "panels": panels,
            "templating": {"list": [
                source,
                variable("instance", "label_values(shardgate_build_info, instance)"),
                variable("model", "label_values(shardgate_model_info, model)")]}}


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1))
