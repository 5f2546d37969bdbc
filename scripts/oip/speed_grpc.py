"""How fast gRPC is: unary calls and messages of streams a second and core, by h2load.

The gateway has one shard. Beside the wall clock's figure stands that of the shard's own processor
time, which other load on the machine leaves alone.
"""

import argparse
import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path

from gateway import BINARY, MODEL, Gateway, golden

TICKS = os.sysconf("SC_CLK_TCK")


def field(number, kind, payload):
    return bytes([number << 3 | kind]) + payload


def delimited(number, payload):
    return field(number, 2, bytes([len(payload)]) + payload)


def frame(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def predict(user):
    """A `shardgate.v1.PredictRequest`."""
    value = delimited(3, user)
    return frame(delimited(2, delimited(1, b"user_id") + delimited(2, value)))


def infer(user):
    """An `inference.ModelInferRequest` with raw contents."""
    tensor = delimited(1, b"user_id") + delimited(2, b"BYTES") + delimited(3, b"\x01")
    raw = struct.pack("<I", len(user)) + user
    return frame(delimited(1, MODEL.encode()) + delimited(5, tensor) + delimited(7, raw))


def shard_seconds(pid):
    """The processor time of the process's threads that are shards, in s."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def load(gateway, path, body, calls, messages, more=()):
    """Calls a method; messages a second, by the wall and by the shard's time."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = ["h2load", "-n", str(calls), "-c1", "-t1", "-d", file.name,
                   "-H", "content-type: application/grpc", "-H", "te: trailers", *more]
        before = shard_seconds(gateway.process.pid)
        ran = subprocess.run([*command, f"http://{gateway.url}{path}"], capture_output=True,
                             text=True, check=True)
        busy = shard_seconds(gateway.process.pid) - before
    assert f"{calls} succeeded" in ran.stdout, ran.stdout
    wall = float(re.search(r"finished in [^,]+, ([0-9.]+) req/s", ran.stdout).group(1))
    count = calls * messages
    print(f"{path.rpartition('/')[2]:16} {wall * messages:10.0f}/s by the wall, "
          f"{count / busy:10.0f}/s of the shard's time, {1e6 * busy / count:6.2f} us each")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default=BINARY, type=Path)
    arguments.add_argument("--calls", default=200_000, type=int)
    arguments = arguments.parse_args()
    user = golden()[1][0].encode()
    service = "/inference.GRPCInferenceService/"
    with Gateway(arguments.binary) as gateway:
        calls = arguments.calls
        load(gateway, "/shardgate.v1.Prediction/Predict", predict(user), calls, 1, ["-m100"])
        load(gateway, service + "ModelInfer", infer(user), calls, 1, ["-m100"])
        # As much in each request as its window has room for.
        many = 1_000
        load(gateway, "/shardgate.v1.Prediction/PredictStream", predict(user) * many,
             calls // 200, many, ["-m4", "-w24", "-W28"])
        load(gateway, service + "ModelStreamInfer", infer(user) * many,
             calls // 200, many, ["-m4", "-w24", "-W28"])


if __name__ == "__main__":
    main()
