"""The CPU time of three entities beside that of one, in turns, the kernel's part of it included.

    cargo run --release -p bench -- entities        # makes the stores and repositories, and counts instructions
    python bench/entities/cpu.py --gateway target/release/shardgate

Two gateways serve the same model, one of them from three tables by three keys. 64 connections ask one after the
other; a round's figure is what the process used, by /proc, for each request.
"""

import argparse
import os
import random
import selectors
import socket
import statistics
import subprocess
import time
from pathlib import Path

FOLDER = Path(".cache/bench/entities")
KEYS = {1: ["user_id"], 3: ["user_id", "merchant_id", "device_id"]}
CONNECTIONS = 64


def start(binary, count, port):
    folder = FOLDER / str(count)
    command = [binary, "serve", "--models", folder / "models", "--model", "bench-credit-numeric", "--store",
               f"embedded:{folder}/store", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{port + 1}", "--cores", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except OSError:
            assert process.poll() is None, "the gateway ended"
            time.sleep(0.1)
    raise AssertionError("the gateway does not listen")


def cpu_s(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def requests(count, rows, chance):
    made = []
    for _ in range(2000):
        fields = ", ".join(f'"{key}": "user-{1 + chance.randrange(rows):07d}"' for key in KEYS[count])
        body = "{" + fields + "}"
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        made.append((head + body).encode())
    return made


def load(port, made, total):
    selector = selectors.DefaultSelector()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for at, connection in enumerate(sockets):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        connection.send(made[at])
    answered = 0
    while answered < total:
        for key, _ in selector.select():
            answer = key.fileobj.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            answered += 1
            key.fileobj.send(made[answered % len(made)])
    for connection in sockets:
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default="target/release/shardgate")
    parser.add_argument("--rows", type=int, default=100_000, help="as bench entities --rows")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=40_000, help="of each round")
    parser.add_argument("--port", type=int, default=18970)
    options = parser.parse_args()
    gateways = {count: (start(options.gateway, count, options.port + 10 * count), options.port + 10 * count) for count in KEYS}
    used = {count: [] for count in KEYS}
    try:
        for round in range(-1, options.rounds):
            for count, (process, port) in gateways.items():
                made = requests(count, options.rows, random.Random(round))
                before = cpu_s(process)
                load(port, made, options.requests)
                # The first is a warm-up.
                if round >= 0:
                    used[count].append((cpu_s(process) - before) / options.requests * 1e6)
    finally:
        for process, _ in gateways.values():
            process.terminate()
    for count, times in used.items():
        print(f"{count}: {' '.join(f'{time:.2f}' for time in times)} µs of CPU a request")
    ratios = [three / one for one, three in zip(used[1], used[3])]
    print(f"three entities cost {statistics.median(ratios):.3f} times what one does (median of {len(ratios)} rounds)")


if __name__ == "__main__":
    main()
