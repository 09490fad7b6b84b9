"""The server: what it answers to good and bad requests, its versions, its limits, and its end."""

import asyncio
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests import members, processes
from tests.models import small_images
from tfvae.server import engine, json_tensors, settings
from tfvae.server.graph_errors import as_request_error
from tfvae.server.models import Model
from tfvae.server.request_errors import RequestError
from tfvae.server.request_queue import Batching
from tfvae.server.signature import Signature

pytestmark = processes.GROUP
ROOT = pathlib.Path(__file__).parent.parent
MAX_BYTES = 200_000


class Server:
    """`tfvae serve` in a process."""

    def __init__(self, models, *options):
        ports = ["--quiet", "--rest-port", "0", "--grpc-port", "0"]
        self.process = processes.Python("-m", "tfvae.cli", "serve", models, *ports, *options)
        line = self.process.stdout.readline()
        assert line.startswith("serving "), self.process.communicate()
        self.rest = line.split("http://")[1].split()[0]
        self.grpc = line.split(", ")[-1].split()[0]

    def post(self, path, body, **more):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return requests.post(f"http://{self.rest}/v1/models/{path}", data=data, timeout=60, **more)

    def get(self, path):
        return requests.get(f"http://{self.rest}{path}", timeout=60)

    def state(self, servable):
        found = self.get(f"/v1/models/{servable}").json()["model_version_status"]
        return {int(version["version"]): version["state"] for version in found}

    def channel(self):
        return grpc.insecure_channel(self.grpc)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


WITHOUT_WARM_UP = shutil.ignore_patterns("tf_serving_warmup_requests")


def copied_with_other_weights(version, folder):
    """Copies a version, with weights half as large; it has no requests to be warmed up with, and loads sooner."""
    shutil.copytree(version, folder, ignore=WITHOUT_WARM_UP)
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    halved = [value / 2 if np.asarray(value).dtype == np.float32 else value for value in tensors.values()]
    prefix = str(folder / "variables" / "variables")
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=list(tensors), shape_and_slices=[""] * len(tensors), tensors=halved)


@pytest.fixture(scope="module")
def models(small_exported, tmp_path_factory):
    """A folder of servables, of two versions each; the VAE of the second."""
    vae, exported = small_exported
    folder = tmp_path_factory.mktemp("served") / "models"
    for servable in ("encoder", "decoder", "scorer"):
        copied_with_other_weights(exported / servable / "1", folder / servable / "1")
        ignored = None if servable == "decoder" else WITHOUT_WARM_UP  # of one, for it takes seconds
        shutil.copytree(exported / servable / "1", folder / servable / "2", ignore=ignored)
    return folder, vae


@pytest.fixture(scope="module")
def served(models):
    config = models[0].with_name("models.config")
    entries = [
        f'config {{ name: "{name}" base_path: "/models/{name}" model_platform: "tensorflow" '
        'model_version_policy { all {} } version_labels { key: "stable" value: 1 } }'
        for name in ("encoder", "decoder", "scorer")
    ]
    config.write_text("model_config_list { " + " ".join(entries) + " }")
    server = Server(models[0], "--config", str(config), "--max-bytes", str(MAX_BYTES), "--poll", "0.2")
    yield server
    status, _, errors = server.end()
    assert status == 0, errors
    assert "Traceback" not in errors


def test_rows_and_columns(models, served):
    """Long: it is the first, for which servables are exported and a server is started."""
    z = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, -1.0]], np.float32)
    expected = models[1].decode(z).mean()
    for body in ({"instances": z.tolist()}, {"instances": [{"z": row} for row in z.tolist()]}):
        np.testing.assert_allclose(served.post("decoder:predict", body).json()["predictions"], expected, atol=1e-5)
    for body in ({"inputs": z.tolist()}, {"inputs": {"z": z.tolist()}, "signature_name": "decode"}):
        np.testing.assert_allclose(served.post("decoder:predict", body).json()["outputs"], expected, atol=1e-5)
    images = small_images(2).tolist()
    rows = served.post("encoder:predict", {"instances": images}).json()["predictions"]
    assert {"mean", "stddev"} == set(rows[0]) and len(rows) == 2
    columns = served.post("encoder:predict", {"inputs": images}).json()["outputs"]
    assert columns["mean"] == [row["mean"] for row in rows]


def test_versions_and_labels(models, served):
    z = {"instances": [[0.0, 1.0, 2.0]]}
    newest, two, one, stable = (
        served.post(f"decoder{which}:predict", z).json()["predictions"]
        for which in ("", "/versions/2", "/versions/1", "/labels/stable")
    )
    assert newest == two and one == stable and one != two
    assert served.state("decoder") == {1: "AVAILABLE", 2: "AVAILABLE"}
    assert served.get("/v1/models/decoder/versions/1").json()["model_version_status"][0]["version"] == "1"
    metadata = served.get("/v1/models/encoder/labels/stable/metadata").json()
    assert metadata["model_spec"] == {"name": "encoder", "signature_name": "", "version": "1"}
    x = metadata["metadata"]["signature_def"]["signature_def"]["encode"]["inputs"]["x"]
    assert x["dtype"] == "DT_UINT8" and [dim["size"] for dim in x["tensor_shape"]["dim"]] == ["-1", "8", "8", "1"]


NAN = '{"instances": [[NaN, 0, 0]]}'
LARGE = json.dumps({"instances": np.zeros((1, 60_000)).tolist()})
BAD = [
    ("decoder:predict", {"instances": [[0.0, 1.0]]}, 400, "z must have shape [-1, 3], not [1, 2]"),
    ("decoder:predict", {"instances": [["a", "b", "c"]]}, 400, "z must be float32, not strings"),
    ("decoder:predict", {"instances": [[0.0, 1.0], [0.0]]}, 400, "z is not a tensor"),
    ("decoder:predict", {"instances": []}, 400, "instances must be a list of one value or more"),
    ("decoder:predict", {}, 400, "either instances (by row) or inputs (by column)"),
    ("decoder:predict", {"instances": [1], "inputs": [1]}, 400, "either instances (by row) or inputs (by column)"),
    ("decoder:predict", {"instances": [[0, 0, 0]], "signature": "x"}, 400, "unknown key: signature"),
    ("decoder:predict", {"inputs": {"y": [[0, 0, 0]]}}, 400, "there is no input y; serving_default takes z"),
    ("decoder:predict", NAN, 400, "z must be finite numbers"),
    ("decoder:predict", "instances", 400, "JSON Parse error"),
    ("decoder:predict", "[1]", 400, "must be a JSON object"),
    ("decoder:predict", b"\xff\xfe\x00", 400, "JSON Parse error"),
    ("decoder:predict", "[" * 100_000, 400, "JSON Parse error"),
    ("decoder:predict", LARGE, 413, f"larger than {MAX_BYTES:,} bytes"),
    ("decoder:predict", {"signature_name": "dream", "instances": [[0, 0, 0]]}, 400, "decoder has no signature dream"),
    ("decoder:predict", {"signature_name": 3, "instances": [[0, 0, 0]]}, 400, "signature_name must be a string"),
    ("decoder:predict", {"signature_name": "generate", "instances": [[2**40, 0]]}, 400, "seed must be int32"),
    ("decoder:predict", {"signature_name": "generate", "instances": [[0.5, 0]]}, 400, "int32, not numbers"),
    ("decoder:classify", {}, 501, "classify is not served"),
    ("decoder:dream", {}, 400, "Malformed request: POST /v1/models/decoder:dream"),
    ("decoder", {}, 400, "Malformed request"),
    ("decoder/versions/9:predict", {"instances": [[0, 0, 0]]}, 404, "not found for request: decoder, version 9"),
    ("nothing:predict", {"instances": [[0, 0, 0]]}, 404, "Servable not found for request: nothing"),
    ("decoder/labels/beta:predict", {"instances": [[0, 0, 0]]}, 400, "decoder has no version with the label beta"),
    ("encoder:predict", {"instances": [[[[300]] * 8] * 8]}, 400, "x must be uint8, 0 to 255"),
    (
        "encoder:predict",
        {"signature_name": "encode_float", "instances": [[[[1.5]] * 8] * 8]},
        400,
        "x must be uint8 pixels or floats in [0, 1]",
    ),
    ("encoder:predict", {"signature_name": "encode_image", "instances": [{"b64": "%%"}]}, 400, "b64 is not base64"),
    ("encoder:predict", {"signature_name": "encode_image", "instances": [{"b64": "aGk="}]}, 400, "must be PNG or JPEG"),
    ("encoder:predict", {"signature_name": "encode_image", "instances": [3]}, 400, "image_bytes must be strings"),
    (
        "scorer:predict",
        {"inputs": {"x": small_images(2).tolist(), "seed": [[0, 0]]}},
        400,
        "the same number of rows, not seed 1, x 2",
    ),
    ("scorer:predict", {"inputs": {"x": small_images(1).tolist()}}, 400, "the input seed is missing"),
    ("scorer:predict", {"inputs": small_images(1).tolist()}, 400, "name the inputs: the signature takes seed, x"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "message"), BAD, ids=[f"{b[0]}-{i}" for i, b in enumerate(BAD)])
def test_bad_requests_get_one_clear_message(served, path, body, status, message):
    answer = served.post(path, body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"} and message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert served.get("/healthz").json() == {"ready": True}


def test_other_paths_and_methods(served):
    assert served.get("/v1/models/nothing").status_code == 404
    assert served.get("/nothing").json() == {"error": "Not Found"}
    assert served.get("/v1/models/decoder:predict").status_code == 400
    assert "<html" in served.get("/").text.lower()
    assert served.get("/v1/models").json() == {"models": ["encoder", "decoder", "scorer"]}


def test_a_bad_example_does_not_spoil_others_of_its_batch(models, served):
    """Requests at the same time are batched; only those that are bad are refused."""
    rows, answers = [[0.0, 1.0, i / 50] for i in range(60)], [None] * 60
    for i in range(0, 60, 7):
        rows[i] = [float("nan"), 0.0, 0.0]

    def ask(i):
        answers[i] = served.post("decoder:predict", {"instances": [rows[i]]})

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, answer in enumerate(answers):
        assert answer.status_code == (400 if i % 7 == 0 else 200), answer.text
        if i % 7:
            expected = models[1].decode(np.array([rows[i]], np.float32)).mean()
            np.testing.assert_allclose(answer.json()["predictions"], expected, atol=1e-5)


def test_clients_that_go_away_or_hang(served):
    host, port = served.rest.split(":")
    head = b"POST /v1/models/decoder:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    hanging = [socket.create_connection((host, int(port))) for _ in range(20)]
    for one in hanging:
        one.sendall(head)
    assert served.post("decoder:predict", {"instances": [[0, 0, 0]]}).ok
    for one in hanging:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        one.close()  # by a reset
    with socket.create_connection((host, int(port))) as one:
        one.sendall(b"GARBAGE\r\n\r\n")
        assert b"400" in one.recv(1000)
    assert served.post("decoder:predict", {"instances": [[0, 0, 0]]}).ok


def _request(signature="", name="decoder", version=None, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    if version is not None:
        request.model_spec.version.value = version
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_grpc(models, served):
    with served.channel() as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        z = np.zeros((2, members.LATENT), np.float32)
        request = _request(z=z)
        request.output_filter.append("mean")
        answer = predict.Predict(request)
        np.testing.assert_allclose(tf.make_ndarray(answer.outputs["mean"]), models[1].decode(z).mean(), atol=1e-5)
        assert answer.model_spec.version.value == 2 and answer.model_spec.signature_name == "serving_default"
        asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        asked.model_spec.name = "encoder"
        found = get_model_metadata_pb2.SignatureDefMap()
        predict.GetModelMetadata(asked).metadata["signature_def"].Unpack(found)
        assert "encode_image" in found.signature_def
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = "scorer"
        states = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status).model_version_status
        assert [(one.version, one.state) for one in states] == [(2, 30), (1, 30)]
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING


def _too_large_a_shape():
    request = _request(z=np.zeros((1, 3), np.float32))
    request.inputs["z"].tensor_shape.dim[0].size = 2**40
    return request


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (_request(z=np.zeros((1, 2), np.float32)), "INVALID_ARGUMENT", "z must have shape"),
        (_request(z=np.zeros((1, 3), np.float64)), "INVALID_ARGUMENT", "z must be float32, not float64"),
        (_request(y=np.zeros((1, 3), np.float32)), "INVALID_ARGUMENT", "there is no input y"),
        (_request(), "INVALID_ARGUMENT", "the input z is missing"),
        (_request(z=np.full((1, 3), np.nan, np.float32)), "INVALID_ARGUMENT", "z must be finite numbers"),
        (_request("dream", z=np.zeros((1, 3), np.float32)), "INVALID_ARGUMENT", "no signature dream"),
        (_request(name="nothing"), "NOT_FOUND", "Servable not found"),
        (_request(version=9, z=np.zeros((1, 3), np.float32)), "NOT_FOUND", "version 9"),
        (_request(z=np.zeros((60_000, 3), np.float32)), "RESOURCE_EXHAUSTED", "larger than max"),
        (_too_large_a_shape(), "INVALID_ARGUMENT", "too large"),
    ],
)  # fmt: skip
def test_bad_requests_over_grpc(served, request_, code, message):
    with served.channel() as channel:
        with pytest.raises(grpc.RpcError) as raised:
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request_, timeout=60)
    assert raised.value.code().name == code and message in raised.value.details()


def test_metrics(served):
    served.post("decoder:predict", {"instances": [[0, 0, 0]]})
    served.post("made_up_name:predict", {"instances": [[0, 0, 0]]})
    page = served.get("/monitoring/prometheus/metrics").text
    assert ':tensorflow:serving:request_count{model_name="decoder",status="OK"}' in page
    assert (
        ':tensorflow:serving:request_latency_bucket{API="Predict",entrypoint="REST",le="10.0",model_name="decoder"}'
        in page
    )
    assert "made_up_name" not in page and 'status="NOT_FOUND"' in page


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_versions_come_and_go_while_it_serves(models, tmp_path):
    """New versions are loaded when they are whole; broken ones are said to be broken; those that vanish are let go."""
    folder, _ = models
    (tmp_path / "models" / "decoder").mkdir(parents=True)
    shutil.copytree(folder / "decoder" / "1", tmp_path / "models" / "decoder" / "1")
    server = Server(tmp_path / "models", "--poll", "0.1")
    try:
        z = {"instances": [[0.0, 1.0, 2.0]]}
        first = server.post("decoder:predict", z).json()
        failed, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                answer = server.post("decoder:predict", z)
                if not answer.ok:
                    failed.append(answer.text)

        asking = threading.Thread(target=ask)
        asking.start()
        (tmp_path / "models" / "decoder" / "7").mkdir()  # as a copy that has just begun, or was killed, leaves it
        wait_for(lambda: server.state("decoder").get(7) == "END")
        assert server.post("decoder:predict", z).json() == first
        assert server.post("decoder/versions/7:predict", z).status_code == 503
        shutil.copy(folder / "decoder" / "2" / "saved_model.pb", tmp_path / "models" / "decoder" / "7")  # it goes on
        wait_for(lambda: "variables" in server.get("/v1/models/decoder/versions/7").text)
        shutil.copytree(folder / "decoder" / "2" / "variables", tmp_path / "models" / "decoder" / "7" / "variables")
        wait_for(lambda: server.state("decoder").get(7) == "AVAILABLE")
        shutil.rmtree(tmp_path / "models" / "decoder" / "7")
        wait_for(lambda: 7 not in server.state("decoder"))
        shutil.copytree(folder / "decoder" / "2", tmp_path / "models" / "decoder" / ".copied")
        os.rename(tmp_path / "models" / "decoder" / ".copied", tmp_path / "models" / "decoder" / "2")
        wait_for(lambda: server.state("decoder") == {2: "AVAILABLE", 1: "AVAILABLE"})
        second = server.post("decoder:predict", z).json()
        assert second != first and server.post("decoder/versions/1:predict", z).json() == first
        shutil.rmtree(tmp_path / "models" / "decoder" / "1")
        wait_for(lambda: server.state("decoder") == {2: "AVAILABLE"})
        stop.set()
        asking.join()
        assert failed == []
    finally:
        status, _, errors = server.end()
    assert status == 0 and "version 7 could not be loaded" in errors


def only(servable, models, folder):
    """A folder of one servable's newest version, which is not warmed up: it is ready sooner."""
    shutil.copytree(models[0] / servable / "2", folder / servable / "2", ignore=WITHOUT_WARM_UP)
    return folder


def test_too_many_requests_are_refused(models, tmp_path):
    server = Server(only("decoder", models, tmp_path), "--max-requests", "2")
    try:
        host, port = server.rest.split(":")
        head = b"POST /v1/models/decoder:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
        hanging = [socket.create_connection((host, int(port))) for _ in range(2)]
        for one in hanging:
            one.sendall(head)
        wait_for(lambda: server.post("decoder:predict", {"instances": [[0, 0, 0]]}).status_code == 429)
        with server.channel() as channel:
            with pytest.raises(grpc.RpcError) as raised:
                prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(_request(z=[[0.0, 0.0, 0.0]]))
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        for one in hanging:
            one.close()
        wait_for(lambda: server.post("decoder:predict", {"instances": [[0, 0, 0]]}).ok)
    finally:
        server.end()


def test_what_runs_is_answered_before_it_ends(models, tmp_path):
    server = Server(only("scorer", models, tmp_path))
    x = np.repeat(small_images(20), 20, axis=0)  # rows enough to take a while
    body = {"inputs": {"x": x.tolist(), "seed": [[0, 0]] * len(x)}, "signature_name": "log_marginal"}
    answers = []
    asking = threading.Thread(target=lambda: answers.append(server.post("scorer:predict", body)))
    asking.start()
    wait_for(lambda: ":tfvae:requests_in_progress 1.0" in server.get("/monitoring/prometheus/metrics").text or answers)
    status, _, errors = server.end()
    asking.join()
    assert status == 0, errors
    assert answers[0].ok and len(answers[0].json()["outputs"]) == len(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["{empty}"], "holds no servable: make some with tfvae export RUN"),
        (["{models}", "--config", "{missing}"], "no such file"),
        (["{models}", "--config", "{bad}"], "bad.config: 1:"),
        (["{models}", "--batching", "{bad}"], "bad.config: 1:"),
        (["{models}", "--rest-port", "{taken}"], "cannot listen on 127.0.0.1:"),
        (["{models}", "--batching", "{bad}", "--no-batching"], "not allowed with argument --batching"),
        (["{models}", "--engine", "tensorflow_model_server"], "is not on the path: leave out --engine"),
    ],
)
def test_mistakes_at_the_start_are_one_line(models, tmp_path, options, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.config").write_text("model_config_lost {}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = {"models": models[0], "empty": tmp_path / "empty", "missing": tmp_path / "none"}
        places |= {"bad": tmp_path / "bad.config", "taken": taken.getsockname()[1]}
        command = ["-m", "tfvae.cli", "serve", *(option.format(**places) for option in options)]
        if "--rest-port" not in command:
            command += ["--rest-port", "0"]
        done = processes.run(*command, "--grpc-port", "0")
    assert done.returncode == 2 and done.stderr.startswith("error: ") and message in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_configuration_files(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 500 } allowed_batch_sizes: [2, 8]")
    assert settings.read_batching_file(path) == Batching(8, 500, allowed_batch_sizes=(2, 8))
    path.write_text("max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]")
    with pytest.raises(ValueError, match="must rise, and end with max_batch_size, 8"):
        settings.read_batching_file(path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    path.write_text(
        'model_config_list { config { name: "a" base_path: "/models/a" } config { name: "b" base_path: '
        f'"{tmp_path}/b" model_version_policy {{ specific {{ versions: 3 versions: 5 }} }} '
        'version_labels { key: "canary" value: 5 } } }'
    )
    a, b = settings.read_models_file(path, tmp_path)
    assert a == Model("a", tmp_path / "a", "latest", (1,)) and b.policy == "specific" and b.labels == {"canary": 5}
    for number in (1, 3, 4):
        for name in ("a", "b"):
            (tmp_path / name / str(number)).mkdir()
    assert a.wanted_versions() == [4] and b.wanted_versions() == [3]
    arguments = engine.command([a, b], 8501, 8500, None, 1.0, tmp_path)
    written = tmp_path / "models.config"
    assert f"--model_config_file={written}" in arguments and "--port=8500" in arguments
    assert settings.read_models_file(written, "/nowhere") == [a._replace(base_path=a.base_path.resolve()), b]


def test_tensorflow_model_server_is_started_with_the_same_options(models, tmp_path):
    binary = tmp_path / "bin" / "tensorflow_model_server"
    binary.parent.mkdir()
    binary.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    binary.chmod(0o755)
    command = ["-m", "tfvae.cli", "serve", models[0], "--engine", "tensorflow_model_server"]
    environment = os.environ | {"PATH": f"{binary.parent}:{os.environ['PATH']}"}
    batching = ["--batching", str(ROOT / "export" / "batching.config")]
    done = processes.run(*command, env=environment)
    assert done.returncode == 2 and "listens on all addresses" in done.stderr
    command += ["--host", "0.0.0.0", "--rest-port", "18", "--grpc-port", "19", *batching]
    done = processes.run(*command, env=environment)
    assert done.returncode == 0, done.stderr
    assert {"--rest_api_port=18", "--port=19", "--enable_batching=true"} <= set(done.stdout.splitlines())


def test_a_group_that_fails_leaves_no_request_without_an_answer(tmp_path, monkeypatch):
    """Whatever the error: the next are answered too."""
    module = tf.Module()
    module.double = tf.function(lambda x: {"y": 2.0 * x}, input_signature=[tf.TensorSpec([None, 1], tf.float32, "x")])
    tf.saved_model.save(module, str(tmp_path), signatures=module.double)
    loaded = tf.saved_model.load(str(tmp_path))  # whose variables live as long as it does
    signature = Signature("double", loaded.signatures["serving_default"], Batching(num_batch_threads=1))
    answer = signature.run

    def failing(arrays):
        if any(np.any(array == 3.0) for array in arrays):
            raise MemoryError("no room")
        return answer(arrays)

    monkeypatch.setattr(signature, "run", failing)

    async def asked():
        rows = [signature.answer({"x": np.array([[i]], np.float32)}) for i in range(8)]
        return await asyncio.wait_for(asyncio.gather(*rows, return_exceptions=True), 60)

    for _ in range(2):
        found = asyncio.run(asked())
        assert isinstance(found.pop(3), MemoryError)
        assert [float(each["y"][0, 0]) for each in found] == [0.0, 2.0, 4.0, 8.0, 10.0, 12.0, 14.0]


def test_numbers_that_json_has_not_are_written_as_tensorflow_serving_does():
    written = json_tensors.write_outputs({"elbo": np.array([-np.inf, np.nan, 1.5], np.float32)}, by_row=True)
    assert written == b'{"predictions": [-Infinity, NaN, 1.5]}'
    outputs = {"elbo": np.array([-np.inf, 1.5], np.float32), "kl": np.array([np.inf, 2.0], np.float32)}
    written = json_tensors.write_outputs(outputs, by_row=True)
    assert written == b'{"predictions": [{"elbo": -Infinity, "kl": Infinity}, {"elbo": 1.5, "kl": 2.0}]}'
    written = json_tensors.write_outputs({"image_bytes": np.array([b"hi"], object), "n": np.array([1])}, by_row=False)
    assert json.loads(written) == {"outputs": {"image_bytes": [{"b64": "aGk="}], "n": [1]}}


def _decode(name):
    def decode(image):
        with tf.name_scope(name):
            return tf.io.decode_png(image)

    return decode


def _check(number):
    with tf.control_dependencies([tf.debugging.Assert(number < 2, ["too large:", number])]):
        return tf.identity(number)


@pytest.mark.parametrize(
    ("function", "spec", "value", "message"),
    [
        (_decode("image_bytes"), tf.TensorSpec([], tf.string), b"\x89PNG", "image_bytes: Unknown image .*"),
        (_decode("other"), tf.TensorSpec([], tf.string), b"\x89PNG", "Unknown image .*"),
        (_check, tf.TensorSpec([]), 5.0, "too large: 5"),
    ],
)
def test_what_tensorflow_says_of_a_graph_is_one_line(function, spec, value, message):
    """Without traces of the graph. What is wrong with an image names the input."""
    graph = tf.function(function, input_signature=[spec], autograph=False)
    with pytest.raises(tf.errors.OpError) as raised:
        graph(tf.constant(value))
    error = as_request_error(raised.value)
    assert error.code == "INVALID_ARGUMENT" and re.fullmatch(message, error.message)
    assert "[[" not in error.message and "node" not in error.message


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (tf.errors.ResourceExhaustedError, "RESOURCE_EXHAUSTED"),
        (tf.errors.UnavailableError, "RESOURCE_EXHAUSTED"),
        (tf.errors.NotFoundError, "INTERNAL"),
    ],
)
@pytest.mark.parametrize("message", ["the queue is full", "Graph execution error:"])
def test_other_errors_of_tensorflow_have_a_code_and_say_something(kind, code, message):
    error = as_request_error(kind(None, None, message))
    assert (error.code, error.message) == (code, message)


def test_requests_at_the_same_time_are_run_together(tmp_path):
    """The program counts how often it runs; each request still gets its own rows."""
    module = tf.Module()
    module.runs = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, "x")])
    def double(x):
        module.runs.assign_add(1)
        return {"y": 2.0 * x}

    tf.saved_model.save(module, str(tmp_path), signatures=double)
    loaded = tf.saved_model.load(str(tmp_path))
    batching = Batching(max_batch_size=8, batch_timeout_micros=10**5)
    signature = Signature("double", loaded.signatures["serving_default"], batching)
    answers = {}
    threads = [
        threading.Thread(target=lambda i=i: answers.update({i: signature({"x": np.array([[i]], np.float32)})["y"]}))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {i: float(answer[0, 0]) for i, answer in answers.items()} == {i: 2.0 * i for i in range(8)}
    assert 1 <= int(loaded.runs) < 8
    assert signature({"x": np.zeros((20, 1), np.float32)})["y"].shape == (20, 1)  # more than a batch: alone
    with pytest.raises(RequestError, match="x must have shape"):
        signature({"x": np.zeros((20, 2), np.float32)})
