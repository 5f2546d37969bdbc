"""Checks the Open Inference Protocol of a running gateway with Triton's own HTTP client.

Starts the gateway with the bundled model on a free port, asks it everything the client can
ask, and holds the scores against the golden predictions that scikit-learn made.
"""

import argparse
import json
import shutil
import tempfile
import urllib.request
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from gateway import BINARY, MODEL, ROOT, TOLERANCE, Gateway, golden

BUNDLED = ROOT / "models"


def tensor(name, values, datatype, binary):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def user_ids(users, binary, shape=(-1, 1)):
    values = np.array([user.encode() for user in users], dtype=np.object_).reshape(shape)
    return tensor("user_id", values, "BYTES", binary)


def refused(status, words, ask):
    try:
        ask()
    except InferenceServerException as error:
        assert error.status() == status, (error.status(), error.message())
        assert words in error.message(), error.message()
        return
    raise AssertionError(f"expected {status}: {words}")


def close(found, expected):
    assert found.shape == (len(expected), 1), found.shape
    assert np.max(np.abs(found[:, 0] - expected)) <= TOLERANCE


def check_descriptions(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("nobody") and not client.is_model_ready(MODEL, "7")
    assert client.get_server_metadata()["name"] == "shardgate"
    metadata = client.get_model_metadata(MODEL, "1")
    assert metadata["versions"] == ["1"]
    types = {made["name"]: made["datatype"] for made in metadata["outputs"]}
    assert types == {"score": "FP32", "features": "BYTES", "model_version": "BYTES", "label": "BYTES",
                     "probabilities": "FP32", "outputs": "FP32"}, types
    config = client.get_model_config(MODEL)
    assert config["input"][1]["data_type"] == "TYPE_STRING", config
    refused("404", "no model `nobody`", lambda: client.get_model_metadata("nobody"))
    return metadata["inputs"][0]["name"]


def check_users(client, users, scores):
    for binary_in in (False, True):
        for shape in ((-1,), (-1, 1)):
            answer = client.infer(MODEL, [user_ids(users, binary_in, shape)], request_id="an \"id\"")
            close(answer.as_numpy("score"), scores)
            assert set(answer.as_numpy("features").ravel()) == {b"stored"}
            assert answer.get_response()["id"] == "an \"id\""
    mixed = client.infer(MODEL, [user_ids([users[0], "nobody at all"], True)])
    assert list(mixed.as_numpy("features").ravel()) == [b"stored", b"missing"]
    for binary_out in (False, True):
        wanted = [triton.InferRequestedOutput(name, binary_data=binary_out)
                  for name in ("label", "probabilities", "score")]
        answer = client.infer(MODEL, [user_ids(users, True)], outputs=wanted)
        probabilities, labels = answer.as_numpy("probabilities"), answer.as_numpy("label")
        assert probabilities.shape == (len(users), 2) and np.allclose(probabilities.sum(axis=1), 1)
        assert np.any(np.all(probabilities == answer.as_numpy("score"), axis=0))
        assert [int(label) for label in labels.ravel()] == list(probabilities.argmax(axis=1))
    only = [triton.InferRequestedOutput("score", binary_data=False)]
    answer = client.infer(MODEL, [user_ids(users, True)], outputs=only, parameters={"free": "x"})
    close(answer.as_numpy("score"), scores)
    assert answer.as_numpy("features") is None


def check_features(client, matrix, columns, features, scores):
    for datatype, kind in (("FP32", np.float32), ("FP64", np.float64)):
        for binary_in in (False, True):
            for binary_out in (False, True):
                outputs = [triton.InferRequestedOutput("score", binary_data=binary_out)]
                given = [tensor(matrix, features.astype(kind), datatype, binary_in)]
                close(client.infer(MODEL, given, outputs=outputs).as_numpy("score"), scores)
    whole = np.all(features == np.rint(features), axis=0)
    kinds = {"BOOL": bool, "INT8": np.int8, "INT16": np.int16, "INT64": np.int64, "UINT32": np.uint32}
    names = list(kinds)
    given = []
    for place, column in enumerate(columns):
        values = features[:, place:place + 1]
        datatype = names[place % len(names)] if whole[place] else "FP64"
        kind = kinds.get(datatype, np.float64)
        if not np.array_equal(values.astype(kind).astype(float), values):
            datatype, kind = "FP32", np.float32
        given.append(tensor(column, values.astype(kind), datatype, place % 2 == 0))
    close(client.infer(MODEL, given).as_numpy("score"), scores)


def check_refusals(client, matrix, features):
    def ask(name, values, datatype="FP64", model=MODEL, **more):
        return lambda: client.infer(model, [tensor(name, values, datatype, True)], **more)

    refused("404", "nobody", ask(matrix, features, model="nobody"))
    refused("404", "no version `9`", ask(matrix, features, model_version="9"))
    refused("400", "unexpected input `x`", ask("x", features))
    refused("400", "expected [100, 32]", ask(matrix, features[:, 1:]))
    refused("400", "at most 1024", ask(matrix, np.repeat(features, 11, axis=0)[:1025]))
    refused("400", "no row", ask(matrix, features[:0]))
    refused("400", "expected BYTES", ask("user_id", features[:, :1]))
    refused("400", "element 1 is empty", lambda: client.infer(MODEL, [user_ids(["a", ""], True)]))
    # JSON has no NaN, and what the client writes instead of it is not JSON.
    features = features.copy()
    features[0, 0] = np.nan
    values = tensor(matrix, features, "FP64", False)
    refused("400", "JSON cannot be read", lambda: client.infer(MODEL, [values]))
    output = [triton.InferRequestedOutput("treeshap_output")]
    refused("400", "unexpected output `treeshap_output`",
            lambda: client.infer(MODEL, [user_ids(["a"], True)], outputs=output))
    refused("400", "classification", lambda: client.infer(
        MODEL, [user_ids(["a"], True)], outputs=[triton.InferRequestedOutput("score", class_count=1)]))


def check_statistics(client):
    [model] = client.get_inference_statistics(MODEL)["model_stats"]
    assert model["inference_count"] >= 100 and model["execution_count"] > 0, model
    assert model["inference_stats"]["success"]["count"] == model["inference_count"], model
    assert len(client.get_inference_statistics()["model_stats"]) == 1


def check_without_client(url, users, scores):
    """What the client never sends: nested data, and a request without any of its options."""
    body = {"inputs": [{"name": "user_id", "datatype": "BYTES", "shape": [2, 1],
                        "data": [[users[0]], [users[1]]]}]}
    request = urllib.request.Request(f"http://{url}/v2/models/{MODEL}/infer",
                                     data=json.dumps(body).encode())
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["x-features"] == "stored"
        assert answer.headers["x-model-version"] == "1"
        found = json.load(answer)
    score = next(made for made in found["outputs"] if made["name"] == "score")
    assert np.allclose(score["data"], scores[:2], atol=TOLERANCE), found


def versions(client, **more):
    """The model repository's index: state and reason of each version of each model."""
    entries = client.get_model_repository_index(**more)
    assert all(set(entry) == {"name", "version", "state", "reason"} for entry in entries), entries
    return {(entry["name"], entry["version"]): (entry["state"], entry["reason"])
            for entry in entries}


def check_repository(client, serving, models, headers):
    """Loads and unloads through `client`; what is served then is asked at `serving`."""
    more = {"headers": headers}
    second = models / "second"
    assert versions(client)[("second", "1")] == ("UNAVAILABLE", "not loaded")
    assert not serving.is_model_ready("second")
    client.load_model("second", **more)
    assert serving.is_model_ready("second")
    serving.infer("second", [user_ids(["applicant-0001"], True)])
    assert versions(client)[("second", "1")] == ("READY", "")
    (second / "2").mkdir()
    (second / "2" / "model.onnx").write_bytes(b"no model")
    refused("400", "second/2/model.onnx", lambda: client.load_model("second", **more))
    assert serving.is_model_ready("second", "1")
    assert versions(client)[("second", "2")][0] == "UNAVAILABLE"
    shutil.copy(second / "1" / "model.onnx", second / "2" / "model.onnx")
    client.load_model("second", **more)
    assert serving.is_model_ready("second", "2") and not serving.is_model_ready("second", "1")
    client.unload_model("second", **more)
    assert not serving.is_model_ready("second")
    assert versions(client)[("second", "2")] == ("UNAVAILABLE", "unloaded")
    refused("400", "default", lambda: client.unload_model(MODEL, **more))
    refused("400", "no model `nobody`", lambda: client.load_model("nobody", **more))
    refused("400", "not supported", lambda: client.load_model(MODEL, config="{}", **more))
    refused("400", "broken/1/model.onnx", lambda: client.load_model("broken", **more))
    assert serving.is_server_ready()


def check_repositories(binary):
    """The model-repository extension: on the admin port alone, and on both ports."""
    for config in (None, "[admin]\nrepository_on_serving_port = true\n"):
        with tempfile.TemporaryDirectory() as folder:
            models = Path(folder)
            for name in (MODEL, "second"):
                shutil.copytree(BUNDLED / MODEL, models / name)
            (models / "broken" / "1").mkdir(parents=True)
            (models / "broken" / "1" / "model.onnx").write_bytes(b"no model")
            with Gateway(binary, models, config=config) as gateway:
                serving = triton.InferenceServerClient(gateway.url)
                admin = triton.InferenceServerClient(gateway.admin)
                if config:
                    check_repository(serving, serving, models, None)
                else:
                    check_repository(admin, serving, models, {"Content-Type": "application/json"})
                words = "repository_on_serving_port = true"
                if config:
                    assert "model_repository" in serving.get_server_metadata()["extensions"]
                    refused("403", "origin", lambda: serving.load_model(
                        "second", headers={"Origin": "http://elsewhere.example"}))
                else:
                    refused("403", words, serving.get_model_repository_index)
                    refused("403", words, lambda: serving.load_model("second"))
                    refused("403", words, lambda: serving.unload_model("second"))
                admin.close()
                serving.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default=BINARY, type=Path)
    binary = arguments.parse_args().binary
    columns, users, features, scores = golden()
    with Gateway(binary) as gateway:
        client = triton.InferenceServerClient(gateway.url)
        matrix = check_descriptions(client)
        check_users(client, users, scores)
        check_features(client, matrix, columns, features, scores)
        check_refusals(client, matrix, features)
        check_statistics(client)
        check_without_client(gateway.url, users, scores)
        client.close()
    check_repositories(binary)
    print(f"tritonclient: {len(users)} golden predictions in every form, and each refusal; "
          "models loaded and unloaded through the admin port and the serving port")


if __name__ == "__main__":
    main()
