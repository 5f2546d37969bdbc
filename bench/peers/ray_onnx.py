"""Ray Serve: one replica behind one proxy, with `serve.batch`.

python ray_onnx.py --port 8888 --users users.csv
"""

import argparse
import time

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

import common

WAIT_SECONDS = 0.001
# More than wrk ever has under way, so that nothing waits in the proxy while the replica could batch.
ONGOING_MAX = 1024


@serve.deployment(
    num_replicas=1, max_ongoing_requests=ONGOING_MAX, logging_config={"enable_access_log": False}
)
class Predict:
    def __init__(self, users_csv: str):
        self._users = common.Users(users_csv)
        self._score = common.onnx_runtime()

    @serve.batch(max_batch_size=common.BATCH_MAX, batch_wait_timeout_s=WAIT_SECONDS)
    async def score(self, users: list[str]) -> list[float]:
        return self._score(self._users.features(users))

    async def __call__(self, request: Request) -> JSONResponse:
        try:
            user = (await request.json())["user_id"]
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "a JSON object with a user_id is wanted"}, 400)
        if not self._users.knows(user):
            return JSONResponse({"error": "no such user"}, 404)
        return JSONResponse({"user_id": user, "score": await self.score(user)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--users", required=True)
    options = parser.parse_args()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": options.port},
        logging_config={"enable_access_log": False},
    )
    serve.run(Predict.bind(options.users), route_prefix="/predict")
    while True:
        time.sleep(3600)
