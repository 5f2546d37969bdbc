"""BentoML with its adaptive batching: one worker, and no record of each request.

USERS=users.csv bentoml serve bentoml_onnx:Predict --port 8888

A method that is batched takes a list and answers one; a single user is taken for a list of one
(`OneOrMore`), so its answer is a list of one object. It is `async` so that no thread is started for
a batch that takes a tenth of a millisecond.
"""

import os
from typing import Annotated

import bentoml
from pydantic import BaseModel, BeforeValidator

import common

OneOrMore = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class Question(BaseModel):
    user_id: OneOrMore


@bentoml.service(
    workers=1,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 60},
)
class Predict:
    def __init__(self) -> None:
        self._users = common.Users(os.environ["USERS"])
        self._score = common.onnx_runtime()

    @bentoml.api(batchable=True, max_batch_size=common.BATCH_MAX, input_spec=Question)
    async def predict(self, user_id: list[str]) -> list[dict]:
        unknown = [user for user in user_id if not self._users.knows(user)]
        if unknown:
            raise bentoml.exceptions.NotFound(f"no such user: {unknown[0]}")
        scores = self._score(self._users.features(user_id))
        return [{"user_id": user, "score": score} for user, score in zip(user_id, scores)]
