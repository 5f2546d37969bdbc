"""Checks gRPC of a running gateway with KServe's own client, in typed and in raw contents."""

import argparse
import asyncio
from pathlib import Path

import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient

from gateway import BINARY, MODEL, TOLERANCE, Gateway, golden


async def check(url, users, scores):
    client = InferenceGRPCClient(url)
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready(MODEL)
    for is_raw in (False, True):
        ids = InferInput("user_id", [len(users), 1], "BYTES")
        texts = np.array([[user] for user in users], dtype=np.object_)
        ids.set_data_from_numpy(texts, binary_data=is_raw)
        answer = await client.infer(InferRequest(MODEL, [ids], request_id="one"))
        assert answer.id == "one"
        score = next(output for output in answer.outputs if output.name == "score")
        assert np.max(np.abs(score.as_numpy().ravel() - scores)) <= TOLERANCE
    await client.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default=BINARY, type=Path)
    _, users, _, scores = golden()
    with Gateway(arguments.parse_args().binary) as gateway:
        asyncio.run(check(gateway.url, users, scores))
    print(f"kserve: {len(users)} golden predictions")


if __name__ == "__main__":
    main()
