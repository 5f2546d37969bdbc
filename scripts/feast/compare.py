"""Reads what a real Feast has materialised into Cassandra, and compares each value with Feast's own.

    scripts/cassandra start bench
    python -m venv .cache/feast && .cache/feast/bin/pip install -r scripts/feast/requirements.txt
    .cache/feast/bin/python scripts/feast/compare.py --gateway target/release/shardgate

It makes a feature repository with two views, one of them with two join keys, materialises it, and asks
`get_online_features`, `shardgate get` and a running gateway for the same keys. It ends with the latencies
of both, one request after the other on the same rows.
"""

import argparse
import http.client
import json
import math
import random
import shutil
import subprocess
import tempfile
import time
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from cassandra.cluster import Cluster
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parents[2]
KEYSPACE, PROJECT = "feast_compare", "risk"
DRIVERS, COUNTRIES = 200, ["NL", "DE", "côte"]
CLOCK = datetime.now(timezone.utc).replace(microsecond=0)
# Each feature with its type of Feast and of the gateway.
DRIVER = {
    "conv_rate": (Float32, "float"),
    "acc_rate": (Float64, "double"),
    "trips": (Int64, "bigint"),
    "level": (Int32, "int"),
    "active": (Bool, "boolean"),
    "city": (String, "text"),
    "since": (UnixTimestamp, "timestamp"),
}
BIN = {"chargebacks": (Float32, "float"), "cards": (Int64, "bigint")}
DRIVER_TABLE, BIN_TABLE = f"{PROJECT}_driver_stats", f"{PROJECT}_bin_stats"

MANIFEST = f"""
[output]
tensor = "probabilities"
class = 1
[[entities]]
name = "driver"
key = "driver_id"
table = "{DRIVER_TABLE}"
[[entities]]
name = "bin"
key = ["country", "bin"]
table = "{BIN_TABLE}"
[[columns]]
name = "conv_rate"
entity = "driver"
[[columns]]
name = "trips"
type = "bigint"
entity = "driver"
[[columns]]
name = "chargebacks"
entity = "bin"
"""


def config(version, ttl_ms):
    typed = lambda features: json.dumps([f"{name}:{kinds[1]}" for name, kinds in features.items()])
    return f"""
[features.scylla]
table = "{DRIVER_TABLE}"
layout = "feast"
join_keys = ["driver_id:bigint"]
columns = {typed(DRIVER)}
entity_key_version = {version}
fetch_deadline_ms = 1000
[features.scylla.cache]
ttl_ms = {ttl_ms}
negative_ttl_ms = {ttl_ms}
[features.scylla.tables.{BIN_TABLE}]
layout = "feast"
join_keys = ["country:text", "bin:int"]
columns = {typed(BIN)}
entity_key_version = {version}
"""


def rows_of_drivers(chance):
    maybe = lambda value: None if chance.random() < 0.1 else value
    return pd.DataFrame({
        "driver_id": [1000 + at for at in range(DRIVERS)],
        "conv_rate": pd.array([maybe(chance.uniform(-2, 2)) for _ in range(DRIVERS)], dtype="Float32"),
        "acc_rate": [maybe(chance.gauss(0, 1e6)) for _ in range(DRIVERS)],
        "trips": pd.array([maybe(chance.randrange(-5, 2**53)) for _ in range(DRIVERS)], dtype="Int64"),
        "level": pd.array([maybe(chance.randrange(-3, 9)) for _ in range(DRIVERS)], dtype="Int32"),
        "active": pd.array([maybe(chance.random() < 0.5) for _ in range(DRIVERS)], dtype="boolean"),
        "city": [maybe(chance.choice(["Utrecht", "Köln", ""])) for _ in range(DRIVERS)],
        "since": [maybe(CLOCK - timedelta(days=at)) for at in range(DRIVERS)],
        "embedding": [[1.0, 2.0] for _ in range(DRIVERS)],
        "event_timestamp": [CLOCK - timedelta(minutes=at % 60) for at in range(DRIVERS)],
    })


def rows_of_bins(chance):
    keys = [(country, bin) for country in COUNTRIES for bin in range(-2, 20)]
    return pd.DataFrame({
        "country": [country for country, _ in keys],
        "bin": pd.array([bin for _, bin in keys], dtype="int32"),
        "chargebacks": pd.array([chance.uniform(0, 1) for _ in keys], dtype="Float32"),
        "cards": [chance.randrange(10**6) for _ in keys],
        "event_timestamp": [CLOCK] * len(keys),
    })


def materialise(folder, host, port, version):
    """A repository whose two views are in the online store."""
    (folder / "feature_store.yaml").write_text(
        f"project: {PROJECT}\nregistry: {folder}/registry.db\nprovider: local\n"
        f"offline_store: {{type: file}}\nentity_key_serialization_version: {version}\n"
        f"online_store: {{type: cassandra, hosts: ['{host}'], port: {port}, keyspace: {KEYSPACE}, protocol_version: 4}}\n"
    )
    chance = random.Random(7)
    drivers, bins = rows_of_drivers(chance), rows_of_bins(chance)
    drivers.to_parquet(folder / "drivers.parquet")
    bins.to_parquet(folder / "bins.parquet")
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    country = Entity(name="country", join_keys=["country"], value_type=ValueType.STRING)
    bin = Entity(name="bin", join_keys=["bin"], value_type=ValueType.INT32)
    source = lambda name: FileSource(path=str(folder / name), timestamp_field="event_timestamp")
    fields = lambda features: [Field(name=name, dtype=kinds[0]) for name, kinds in features.items()]
    views = [
        FeatureView(name="driver_stats", entities=[driver], ttl=timedelta(hours=2), source=source("drivers.parquet"),
                    schema=[Field(name="driver_id", dtype=Int64), *fields(DRIVER), Field(name="embedding", dtype=Array(Float32))]),
        FeatureView(name="bin_stats", entities=[country, bin], ttl=timedelta(hours=2), source=source("bins.parquet"),
                    schema=[Field(name="country", dtype=String), Field(name="bin", dtype=Int32), *fields(BIN)]),
    ]
    store = FeatureStore(repo_path=str(folder))
    store.apply([driver, country, bin, *views])
    store.materialize(CLOCK - timedelta(days=1), CLOCK + timedelta(minutes=1))
    return store, bins


def online(store, features, rows):
    found = store.get_online_features(features=features, entity_rows=rows).to_dict()
    names = [feature.split(":")[1] for feature in features]
    return [{name: found[name][at] for name in names} for at in range(len(rows))]


def same(ours, theirs, kind):
    if theirs is None or (isinstance(theirs, float) and math.isnan(theirs)):
        return ours is None or ours == "NaN"
    if kind == "timestamp":
        return pd.Timestamp(ours) == pd.Timestamp(theirs if isinstance(theirs, datetime) else theirs, unit=None if isinstance(theirs, datetime) else "s", tz="UTC" if not isinstance(theirs, datetime) else None)
    if kind == "float":
        return pd.array([ours], dtype="float32")[0] == pd.array([theirs], dtype="float32")[0]
    return ours == theirs and type(ours) is type(theirs) or (kind == "double" and float(ours) == float(theirs))


def compare_values(gateway, arguments, entity, keys, theirs, features):
    out = subprocess.run([gateway, "get", "--entity", entity, "--json", *arguments, "--", *keys], capture_output=True, text=True, check=True)
    compared = 0
    for line, key, feast in zip(out.stdout.splitlines(), keys, theirs, strict=True):
        columns = json.loads(line)["columns"]
        for name, (_, kind) in features.items():
            assert same(columns[name], feast[name], kind), f"{entity} {key}: {name}: {columns[name]!r}, Feast has {feast[name]!r}"
            compared += 1
    return compared


class Gateway:
    def __init__(self, binary, arguments, port):
        self.log = tempfile.TemporaryFile("w+")
        command = [binary, "serve", *arguments, "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{port + 1}", "--cores", "0"]
        self.process = subprocess.Popen(command, stderr=self.log, stdout=self.log)
        for _ in range(300):
            try:
                self.client = http.client.HTTPConnection("127.0.0.1", port)
                self.ask("GET", "/readyz")
                return
            except OSError:
                assert self.process.poll() is None, self.said()
                time.sleep(0.1)
        raise AssertionError(self.said())

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def ask(self, method, path, body=None):
        self.client.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
        answer = self.client.getresponse()
        return answer.status, answer.headers, answer.read()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def compare_scores(gateway, rows, drivers, bins):
    """The score of the stored features is that of Feast's values given as a tensor, bit for bit."""
    for row, driver, bin in zip(rows, drivers, bins):
        status, headers, body = gateway.ask("POST", "/predict", row)
        assert status == 200, body
        assert headers["x-features"].startswith("driver=stored, bin=stored"), headers["x-features"]
        cells = [driver["conv_rate"], driver["trips"], bin["chargebacks"]]
        cells = [0.0 if cell is None or cell != cell else float(cell) for cell in cells]
        tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": cells}
        status, _, own = gateway.ask("POST", "/v2/models/demo-logistic/infer", {"inputs": [tensor]})
        assert status == 200, own
        outputs = {output["name"]: output["data"] for output in json.loads(own)["outputs"]}
        assert outputs["score"][0] == json.loads(body)["score"], (row, outputs, body)
    return len(rows)


def latencies(name, rows, ask, rounds):
    times = []
    for at in range(rounds):
        row = rows[at % len(rows)]
        start = time.perf_counter()
        ask(row)
        times.append((time.perf_counter() - start) * 1e3)
    times = sorted(times[rounds // 10:])
    quantile = lambda share: times[int(share * (len(times) - 1))]
    print(f"{name:<44} p50 {quantile(0.5):8.3f} ms   p99 {quantile(0.99):8.3f} ms   ({len(times)} requests)")


def run(version, options, folder):
    host, port = options.node.split(":")
    cluster = Cluster([host], port=int(port), protocol_version=4)
    session = cluster.connect()
    session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=60)
    session.execute(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}", timeout=60)
    store, bins = materialise(folder, host, port, version)
    cluster.shutdown()

    models = folder / "models/demo-logistic"
    shutil.copytree(ROOT / "models/demo-logistic/1", models / "1")
    shutil.rmtree(models / "1" / "golden.csv", ignore_errors=True)
    (models / "model.toml").write_text(MANIFEST)
    configuration = folder / "gateway.toml"
    configuration.write_text(config(version, 0))
    where = ["--config", configuration, "--models", folder / "models", "--model", "demo-logistic",
             "--store", f"scylla://{options.node}/{KEYSPACE}"]

    driver_rows = [{"driver_id": 1000 + at} for at in range(DRIVERS)]
    bin_rows = [{"country": country, "bin": int(bin)} for country, bin in zip(bins["country"], bins["bin"])]
    names = lambda view, features: [f"{view}:{name}" for name in features]
    drivers = online(store, names("driver_stats", DRIVER), driver_rows)
    their_bins = online(store, names("bin_stats", BIN), bin_rows)
    keys = [str(row["driver_id"]) for row in driver_rows]
    compared = compare_values(options.gateway, where, "driver", keys, drivers, DRIVER)
    keys = [f"{row['country']},{row['bin']}" for row in bin_rows]
    compared += compare_values(options.gateway, where, "bin", keys, their_bins, BIN)
    print(f"keys of version {version}: {compared} values are Feast's")

    rows = [driver | bin_rows[at % len(bin_rows)] for at, driver in enumerate(driver_rows)]
    bins_of_rows = [their_bins[at % len(bin_rows)] for at in range(DRIVERS)]
    gateway = Gateway(options.gateway, where, options.port)
    try:
        scores = compare_scores(gateway, rows, drivers, bins_of_rows)
        print(f"keys of version {version}: {scores} scores of joined rows are those of Feast's values")
        if version == 3:
            features = names("driver_stats", ["conv_rate", "trips"]) + ["bin_stats:chargebacks"]
            online_of = lambda row: store.get_online_features(features=features, entity_rows=[row]).to_dict()
            latencies("Feast, get_online_features in its process", rows, online_of, options.rounds)
            latencies("shardgate, /predict over HTTP, no cache", rows, lambda row: gateway.ask("POST", "/predict", row), options.rounds)
    finally:
        gateway.stop()
    if version == 3:
        configuration.write_text(config(version, 60_000))
        gateway = Gateway(options.gateway, where, options.port + 2)
        latencies("shardgate, /predict over HTTP, its cache", rows, lambda row: gateway.ask("POST", "/predict", row), options.rounds)
        gateway.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default=str(ROOT / "target/release/shardgate"))
    parser.add_argument("--node", default="127.0.0.1:19442", help="a CQL node, HOST:PORT")
    parser.add_argument("--port", type=int, default=18950)
    parser.add_argument("--rounds", type=int, default=2000)
    options = parser.parse_args()
    for version in (3, 2):
        with tempfile.TemporaryDirectory(prefix="shardgate-feast-") as folder:
            run(version, options, Path(folder))


if __name__ == "__main__":
    main()
