"""mosec (HTTP and batching in Rust, the model in a Python process) and ONNX Runtime.

USERS=users.csv python mosec_onnx.py --address 127.0.0.1 --port 8888
"""

import json
import os

from mosec import ClientError, Runtime, Server, Worker

import common

WAIT_MS = 1


class Predict(Worker):
    def __init__(self):
        self.users = common.Users(os.environ["USERS"])
        self.score = common.onnx_runtime()

    def deserialize(self, data: bytes) -> str:
        try:
            user = json.loads(data)["user_id"]
        except (ValueError, TypeError, KeyError) as error:
            raise ClientError("a JSON object with a user_id is wanted") from error
        if not self.users.knows(user):
            raise ClientError("no such user")
        return user

    def forward(self, data: list[str]) -> list[tuple[str, float]]:
        return list(zip(data, self.score(self.users.features(data)), strict=True))

    def serialize(self, data: tuple[str, float]) -> bytes:
        user, score = data
        return json.dumps({"user_id": user, "score": score}).encode()


if __name__ == "__main__":
    server = Server()
    worker = Runtime(
        Predict, num=1, max_batch_size=common.BATCH_MAX, max_wait_time=WAIT_MS, timeout=60
    )
    server.register_runtime({"/predict": [worker]})
    server.run()
