"""Tornado with a queue between handlers and model: the batching gateway of many articles.

A handler puts its user and a future into an asyncio queue. One task waits for a first user, takes
whoever else waits already, up to 64, and scores them in a thread pool.

python tornado_batching.py --port 8888 --users users.csv --engine onnxruntime

The users may be a cluster's too: --users scylla://127.0.0.1:9042/model_features
"""

import argparse
import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import tornado.web

import common

WAIT_SECONDS = 0.010


class Batcher:
    def __init__(self, users: common.Users | common.CqlUsers, score):
        self._users = users
        self._score = score
        self._queue: asyncio.Queue = asyncio.Queue()
        self._pool = ThreadPoolExecutor(max_workers=4)

    async def predict(self, user: str) -> float:
        future = asyncio.get_running_loop().create_future()
        await self._queue.put((user, future))
        return await future

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                batch = [await asyncio.wait_for(self._queue.get(), WAIT_SECONDS)]
            except asyncio.TimeoutError:
                continue
            while len(batch) < common.BATCH_MAX:
                try:
                    batch.append(self._queue.get_nowait())
                except asyncio.QueueEmpty:
                    break
            try:
                scores = await loop.run_in_executor(self._pool, self._score_users, batch)
            except Exception as error:  # whatever the model raises belongs to this batch
                for _, future in batch:
                    future.set_exception(error)
            else:
                for (_, future), score in zip(batch, scores, strict=True):
                    future.set_result(score)

    def _score_users(self, batch: list) -> list[float]:
        return self._score(self._users.features([user for user, _ in batch]))


class Predict(tornado.web.RequestHandler):
    def initialize(self, batcher: Batcher, users: common.Users | common.CqlUsers):
        self.batcher = batcher
        self.users = users

    async def post(self):
        try:
            user = json.loads(self.request.body)["user_id"]
        except (ValueError, TypeError, KeyError):
            self.set_status(400)
            self.finish({"error": "a JSON object with a user_id is wanted"})
            return
        if not self.users.knows(user):
            self.set_status(404)
            self.finish({"error": "no such user"})
            return
        self.finish({"user_id": user, "score": await self.batcher.predict(user)})


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--users", required=True)
    parser.add_argument("--engine", choices=common.ENGINES, required=True)
    options = parser.parse_args()
    stored = common.CqlUsers if options.users.startswith("scylla://") else common.Users
    users = stored(options.users)
    batcher = Batcher(users, common.ENGINES[options.engine]())
    handler = (r"/predict", Predict, {"batcher": batcher, "users": users})
    tornado.web.Application([handler], log_function=lambda _: None).listen(
        options.port, "127.0.0.1"
    )
    await batcher.run()


if __name__ == "__main__":
    asyncio.run(main())
