"""Checks gRPC of a running gateway with clients that others wrote.

Starts the gateway with the bundled model on a free port. Triton's own gRPC client asks everything
that it can; clients made of the descriptions that the gateway itself gives (reflection) ask the
rest: health checks, and rows by keys and fields, one by one and in a stream. The scores are held
against the golden predictions that scikit-learn made, and against those of REST.
"""

import argparse
import queue
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import grpc
import numpy as np
import tritonclient.grpc as triton
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tritonclient.utils import InferenceServerException

from gateway import BINARY, MODEL, ROOT, TOLERANCE, Gateway, golden

BUNDLED = ROOT / "models"
SERVICES = {
    "inference.GRPCInferenceService",
    "shardgate.v1.Prediction",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


def tensor(name, values, datatype):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def user_ids(users, shape=(-1, 1)):
    values = np.array([user.encode() for user in users], dtype=np.object_).reshape(shape)
    return tensor("user_id", values, "BYTES")


def refused(code, words, ask):
    try:
        ask()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", (error.status(), error.message())
        assert words in error.message(), error.message()
        return
    raise AssertionError(f"expected {code}: {words}")


def close(found, expected):
    assert found.shape == (len(expected), 1), found.shape
    assert np.max(np.abs(found[:, 0] - expected)) <= TOLERANCE


def check_descriptions(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "1")
    for name, version in (("nobody", ""), (MODEL, "7")):
        try:
            assert not client.is_model_ready(name, version)
        except InferenceServerException as error:
            assert error.status() == "StatusCode.NOT_FOUND", error
    assert client.get_server_metadata().name == "shardgate"
    metadata = client.get_model_metadata(MODEL, "1")
    assert list(metadata.versions) == ["1"]
    assert {"score", "probabilities"} <= {made.name for made in metadata.outputs}, metadata
    config = client.get_model_config(MODEL, as_json=True)["config"]
    assert config["name"] == MODEL and config["input"], config
    refused("NOT_FOUND", "no model `nobody`", lambda: client.get_model_metadata("nobody"))
    return metadata.inputs[0].name


def check_scores(client, matrix, users, features, scores):
    answer = client.infer(MODEL, [user_ids(users)], request_id="an id")
    close(answer.as_numpy("score"), scores)
    assert set(answer.as_numpy("features").ravel()) == {b"stored"}
    assert answer.get_response().id == "an id"
    outputs = [triton.InferRequestedOutput(name) for name in ("label", "probabilities", "score")]
    answer = client.infer(MODEL, [user_ids(users)], outputs=outputs)
    probabilities = answer.as_numpy("probabilities")
    assert probabilities.shape == (len(users), 2) and np.allclose(probabilities.sum(axis=1), 1)
    for datatype, kind in (("FP32", np.float32), ("FP64", np.float64)):
        given = [tensor(matrix, features.astype(kind), datatype)]
        close(client.infer(MODEL, given).as_numpy("score"), scores)
    refused("DEADLINE_EXCEEDED", "", lambda: client.infer(MODEL, [user_ids(users)], timeout=1))
    refused("NOT_FOUND", "nobody", lambda: client.infer("nobody", [user_ids(users)]))
    refused("INVALID_ARGUMENT", "expected [100, 32]",
            lambda: client.infer(MODEL, [tensor(matrix, features[:, 1:], "FP64")]))
    [model] = client.get_inference_statistics(MODEL).model_stats
    assert model.inference_count >= 100 and model.inference_stats.success.count > 0, model


def check_stream(client, users, scores):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for place, user in enumerate(users):
        client.async_stream_infer(MODEL, [user_ids([user])], request_id=str(place))
    client.async_stream_infer("nobody", [user_ids(users[:1])])
    for place in range(len(users)):
        result, error = answers.get(timeout=30)
        assert error is None, error
        assert result.get_response().id == str(place)
        close(result.as_numpy("score"), scores[place:place + 1])
    _, error = answers.get(timeout=30)
    assert "no model `nobody`" in error.message(), error
    client.stop_stream()


def messages_of(channel, service):
    """The methods of a service as it describes itself: a function for each."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == SERVICES, database.get_services()
    pool = descriptor_pool.DescriptorPool(database)
    methods = {}
    for method in pool.FindServiceByName(service).methods:
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        kind = channel.stream_stream if method.client_streaming else channel.unary_unary
        call = kind(f"/{service}/{method.name}", request_serializer=request.SerializeToString,
                    response_deserializer=response.FromString)
        methods[method.name] = (request, call)
    return methods


def check_rows(channel, gateway, users, scores):
    methods = messages_of(channel, "shardgate.v1.Prediction")
    request, predict = methods["Predict"]

    def of(user, **more):
        return request(model=MODEL, keys={"user_id": {"text": user}}, **more)

    answer, call = predict.with_call(of(users[0]), metadata=(("x-request-id", "one"),))
    assert abs(answer.score - scores[0]) <= TOLERANCE
    metadata = dict(call.initial_metadata())
    assert metadata["x-request-id"] == "one" and metadata["x-features"] == "stored", metadata
    # JSON has the shortest digits of an f32.
    assert np.float32(gateway.predict(users[0])[1]) == np.float32(answer.score)
    asked = predict(of(users[0], options={"label": True, "probabilities": True}))
    assert asked.label and len(asked.probabilities) == 2, asked
    _, stream = methods["PredictStream"]
    found = list(stream(iter([of(user) for user in users] + [request(model="nobody")])))
    assert np.max(np.abs(np.array([row.score for row in found[:-1]]) - scores)) <= TOLERANCE
    assert found[-1].failure.code == grpc.StatusCode.NOT_FOUND.value[0]
    try:
        predict(of(users[0]), metadata=(("x-deadline-ms", "0"),))
        raise AssertionError("it was answered too late")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert list(stream(iter([]))) == []


def check_health(channel):
    health = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", MODEL, "inference.GRPCInferenceService"):
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request).status == serving
    try:
        health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        raise AssertionError("nobody is well")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
    watched = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()


def check_repository(binary):
    """Loads and unloads where the serving port may; elsewhere it is refused."""
    for config in (None, "[admin]\nrepository_on_serving_port = true\n"):
        with tempfile.TemporaryDirectory() as folder:
            models = Path(folder)
            for name in (MODEL, "second"):
                shutil.copytree(BUNDLED / MODEL, models / name)
            with Gateway(binary, models, config=config) as gateway:
                client = triton.InferenceServerClient(gateway.url)
                if not config:
                    words = "repository_on_serving_port = true"
                    refused("PERMISSION_DENIED", words, client.get_model_repository_index)
                    refused("PERMISSION_DENIED", words, lambda: client.load_model("second"))
                    continue
                index = client.get_model_repository_index().models
                assert {(it.name, it.state) for it in index} == {
                    (MODEL, "READY"), ("second", "UNAVAILABLE")}, index
                client.load_model("second")
                assert client.is_model_ready("second")
                client.unload_model("second")
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline:
                    states = {it.name: it.state for it in client.get_model_repository_index().models}
                    if states["second"] == "UNAVAILABLE":
                        break
                assert states["second"] == "UNAVAILABLE", states
                refused("FAILED_PRECONDITION", "no model `nobody`",
                        lambda: client.load_model("nobody"))
                client.close()


class EncryptedGateway(Gateway):
    """The same on a port with a certificate of its own making."""

    def __init__(self, binary, folder):
        certificate, key = folder / "server.pem", folder / "server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )
        super().__init__(
            binary, config=f"[tls]\ncertificate_file = '{certificate}'\nkey_file = '{key}'\n")

    def __enter__(self):
        host, port = self.url.split(":")
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return self
            time.sleep(0.1)
        raise AssertionError(open(self.log.name).read())


def check_conformity(h2spec, gateway, *options, known=()):
    """Holds HTTP/2 to RFC 7540 and RFC 7541 as h2spec reads them; it may find what is `known`."""
    host, port = gateway.url.split(":")
    command = [h2spec, "--host", host, "--port", port, "--timeout", "5", *options]
    ran = subprocess.run(command, capture_output=True, text=True)
    _, _, failures = ran.stdout.partition("Failures:")
    found = [line.strip() for line in failures.splitlines() if "\u00d7" in line]
    found = [line for line in found if not any(words in line for words in known)]
    assert not found and " passed" in ran.stdout, ran.stdout[-2000:] + ran.stderr
    return ran.stdout.strip().splitlines()[-1]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default=BINARY, type=Path)
    arguments.add_argument("--h2spec", type=Path, help="h2spec's binary; it is not run without")
    arguments = arguments.parse_args()
    binary = arguments.binary
    _, users, features, scores = golden()
    with Gateway(binary) as gateway:
        client = triton.InferenceServerClient(gateway.url)
        matrix = check_descriptions(client)
        check_scores(client, matrix, users, features, scores)
        check_stream(client, users, scores)
        client.close()
        with grpc.insecure_channel(gateway.url) as channel:
            check_rows(channel, gateway, users, scores)
            check_health(channel)
        if arguments.h2spec:
            # Something else than the preface is a request of HTTP/1.1 on a port that speaks both.
            print("h2spec:", check_conformity(arguments.h2spec, gateway, known=["connection preface"]))
    if arguments.h2spec:
        with tempfile.TemporaryDirectory() as folder:
            with EncryptedGateway(binary, Path(folder)) as gateway:
                print("h2spec by TLS:", check_conformity(arguments.h2spec, gateway, "-t", "-k"))
    check_repository(binary)
    print(f"gRPC: {len(users)} golden predictions by Triton's client and by rows, unary and in "
          "streams; health, reflection, and the model repository")


if __name__ == "__main__":
    main()
