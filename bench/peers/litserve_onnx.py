"""LitServe (FastAPI, a process that answers and one that scores, batches between them).

python litserve_onnx.py --port 8888 --users users.csv
"""

import argparse

import litserve
from fastapi import HTTPException

import common

WAIT_SECONDS = 0.001


class Predict(litserve.LitAPI):
    def __init__(self, users_csv: str):
        super().__init__(
            api_path="/predict", max_batch_size=common.BATCH_MAX, batch_timeout=WAIT_SECONDS
        )
        self._users_csv = users_csv

    def setup(self, device):
        self._users = common.Users(self._users_csv)
        self._score = common.onnx_runtime()

    def decode_request(self, request):
        user = request.get("user_id") if isinstance(request, dict) else None
        if not isinstance(user, str):
            raise HTTPException(400, "a JSON object with a user_id is wanted")
        if not self._users.knows(user):
            raise HTTPException(404, "no such user")
        return user

    def batch(self, inputs):
        return inputs

    def predict(self, users):
        return list(zip(users, self._score(self._users.features(users)), strict=True))

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        user, score = output
        return {"user_id": user, "score": score}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--users", required=True)
    options = parser.parse_args()
    # fast_queue: ZeroMQ between the processes instead of a manager's queue.
    server = litserve.LitServer(Predict(options.users), accelerator="cpu", fast_queue=True)
    server.run(
        host="127.0.0.1", port=options.port, num_api_servers=1, generate_client_file=False,
        log_level="warning", access_log=False,
    )
