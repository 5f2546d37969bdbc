#!/usr/bin/env python3
"""Draws throughput.svg, the first figure of README: requests a second at 64 connections, from the
summary of a run of `bench compare`.

    bench/plots/throughput.py bench/runs/RUN/summary.md
"""

import re
import sys
from pathlib import Path

NAMES = {
    "shardgate": "shardgate",
    "axum-onnx": "axum on tokio, ONNX Runtime",
    "mosec-onnx": "mosec, ONNX Runtime",
    "tornado-onnx": "Tornado with batching, ONNX Runtime",
    "mlserver-onnx": "MLServer, ONNX Runtime",
    "flask-sklearn": "Flask on gunicorn, scikit-learn",
    "bentoml-onnx": "BentoML, ONNX Runtime",
    "litserve-onnx": "LitServe, ONNX Runtime",
    "ray-onnx": "Ray Serve, ONNX Runtime",
}
ROW, LEFT, WIDTH = 22, 236, 380


def read(path):
    section = path.read_text(encoding="utf-8").split("### 64 connections", 1)[1].split("###")[0]
    found = dict(re.findall(r"^\| ([\w-]+) \| (\d+) ", section, re.MULTILINE))
    return [(label, int(found[name])) for name, label in NAMES.items()]


def draw(bars):
    most = max(count for _, count in bars)
    height = ROW * len(bars) + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="720" height="{height}" fill="white"/>',
        '<text x="8" y="18" font-weight="bold">Requests a second on one core, 64 connections</text>',
    ]
    for at, (label, count) in enumerate(sorted(bars, key=lambda bar: -bar[1])):
        y = 28 + at * ROW
        width = max(WIDTH * count / most, 1)
        colour = "#d1495b" if label == "shardgate" else "#3b6fb6"
        lines.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{label}</text>')
        lines.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="16" fill="{colour}"/>')
        lines.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 13}">{count:,}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("throughput.svg").write_text(draw(read(Path(sys.argv[1]))), "utf-8")
