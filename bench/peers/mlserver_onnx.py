"""MLServer: a runtime of one's own behind its adaptive batching, in one process.

A custom handler gives it the path and the JSON of the others; `predict` is what MLServer batches.
What it sets is in mlserver/; its port comes from MLSERVER_HTTP_PORT, the users from USERS.
"""

import json
import os

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.context import model_context
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse

import common


class Predict(MLModel):
    async def load(self) -> bool:
        self._users = common.Users(os.environ["USERS"])
        self._score = common.onnx_runtime()
        return True

    @custom_handler(rest_path="/predict")
    async def predict_user(self, request: Request) -> JSONResponse:
        try:
            user = json.loads(await request.body())["user_id"]
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "a JSON object with a user_id is wanted"}, 400)
        if not self._users.knows(user):
            return JSONResponse({"error": "no such user"}, 404)
        question = StringCodec.encode_input("user_id", [user])
        with model_context(self.settings):  # in which MLServer counts what it batches
            answer = await self.predict(InferenceRequest(inputs=[question]))
        return JSONResponse({"user_id": user, "score": float(answer.outputs[0].data[0])})

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        users = StringCodec.decode_input(payload.inputs[0])
        scores = np.array(self._score(self._users.features(users)))
        output = NumpyCodec.encode_output("score", scores)
        return InferenceResponse(model_name=self.name, outputs=[output])
