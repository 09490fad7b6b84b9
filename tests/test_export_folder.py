"""The folder export: its configurations, scripts, client, and the examples of its README, against `tfvae serve`."""

import contextlib
import http.server
import importlib.util
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
import tensorflow as tf
from ruamel.yaml import YAML

from tests import processes
from tfvae import objectives, training
from tfvae.server import rest, settings

ROOT = pathlib.Path(__file__).parent.parent
EXPORT = ROOT / "export"
pytestmark = pytest.mark.xdist_group("verbs")  # one server, of what they export, where tests are dealt out by group
IMAGE, LATENT = (28, 28, 1), 20  # of the README's examples


def _module(path):
    spec = importlib.util.spec_from_file_location("export_client", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client = _module(EXPORT / "client.py")
images = np.random.default_rng(0).integers(0, 256, (3, *IMAGE), np.uint8)
seeds = np.array([[0, 0], [0, 1], [7, -1]], np.int32)


@pytest.fixture(scope="module")
def exported(verbs):
    """The model, and the folder of its servables."""
    vae, _ = training.load(verbs.run)
    assert (vae.likelihood.event_shape, vae.posterior.event_shape) == (IMAGE, (LATENT,))
    return vae, verbs.models


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    """Transport -> address of `tfvae serve` with this folder's configurations. Without warm-up it is ready sooner."""
    served = tmp_path_factory.mktemp("served") / "models"
    shutil.copytree(exported[1], served, ignore=shutil.ignore_patterns("tf_serving_warmup_requests"))
    configs = ["--config", str(EXPORT / "models.config"), "--batching", str(EXPORT / "batching.config")]
    ports = ["--quiet", "--rest-port", "0", "--grpc-port", "0"]
    process = processes.Python("-m", "tfvae.cli", "serve", served, *configs, *ports)
    found = re.search(r"http://(\S+) \(REST, page\), (\S+) \(gRPC\)", process.stdout.readline())
    assert found, process.communicate()
    yield {"rest": found[1], "grpc": found[2]}
    process.terminate()
    process.communicate()


@pytest.fixture(scope="module", params=["rest", "grpc"])
def connected(request, server):
    with client.Client(server[request.param], request.param, retries=0) as made:
        yield made


def _close(outputs, expected):
    assert list(outputs) == sorted(expected)
    for name, value in outputs.items():
        wanted = np.asarray(expected[name])
        assert value.dtype == wanted.dtype and value.shape == wanted.shape, name
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5, err_msg=name)


def _png(image):
    return tf.io.encode_png(image).numpy()


# the client's answers are the model's


def test_encode(exported, connected):
    """Long: it is the first, for which a model is trained and exported, and a server is started."""
    q = exported[0].encode(tf.constant(images))
    wanted = {"mean": q.mean(), "stddev": q.stddev()}
    _close(connected.predict("encoder", {"x": images}), wanted)
    _close(connected.predict("encoder", {"x": images.tolist()}, "encode"), wanted)
    _close(connected.predict("encoder", {"x": images / 255}, "encode_float"), wanted)  # float64 is made float32
    _close(connected.predict("encoder", {"image_bytes": [_png(image) for image in images]}, "encode_image"), wanted)
    _close(connected.predict("encoder", {"x": images}, version=1), wanted)


def test_sample(exported, connected):
    wanted = [exported[0].encode(tf.constant(images[i : i + 1])).sample(seed=seeds[i])[0] for i in range(3)]
    _close(connected.predict("encoder", {"x": images, "seed": seeds}, "sample"), {"z": np.stack(wanted)})


def test_decode(exported, connected):
    z = np.random.default_rng(1).normal(size=(3, LATENT))
    wanted = {"mean": exported[0].decode(tf.constant(z, tf.float32)).mean()}
    _close(connected.predict("decoder", {"z": z}), wanted)  # float64 is made float32


def test_generate(exported, connected):
    wanted = np.concatenate([exported[0].sample(1, seed=seed) for seed in seeds])
    _close(connected.predict("decoder", {"seed": seeds}, "generate"), {"samples": wanted})
    _close(connected.predict("decoder", {"seed": seeds.astype(np.int64)}, "generate"), {"samples": wanted})


def test_score(exported, connected):
    rows = [
        objectives.ELBO(samples=10)(exported[0].given(tf.constant(images[i : i + 1]), seed=seeds[i])) for i in range(3)
    ]
    wanted = {name: np.concatenate([getattr(row, name) for row in rows]) for name in ("elbo", "reconstruction", "kl")}
    _close(connected.predict("scorer", {"x": images, "seed": seeds}, "score"), wanted)
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    _close(connected.predict("scorer", {"image_bytes": np.array(encoded), "seed": seeds}, "score_image"), wanted)


def test_log_marginal_is_the_same_by_both(server):
    answers = []
    for transport, address in server.items():
        with client.Client(address, transport) as made:
            answers.append(made.predict("scorer", {"x": images, "seed": seeds}, "log_marginal")["log_marginal"])
    assert answers[0].shape == (3,)
    np.testing.assert_allclose(*answers, rtol=1e-6)


def test_metadata_and_status(connected):
    found = connected.metadata("scorer")
    assert found["version"] == 1
    assert found["signatures"]["score_image"]["inputs"] == {
        "image_bytes": {"dtype": "object", "shape": [None]},
        "seed": {"dtype": "int32", "shape": [None, 2]},
    }
    assert found["signatures"]["reconstruct"] == {
        "inputs": {"x": {"dtype": "uint8", "shape": [None, *IMAGE]}},
        "outputs": {"mean": {"dtype": "float32", "shape": [None, *IMAGE]}},
    }
    assert connected.status("scorer") == [{"version": 1, "state": "AVAILABLE", "error": ""}]


# errors


@pytest.mark.parametrize(
    "servable, inputs, signature, code, message",
    [
        ("encoder", {"x": images[:, :4]}, None, "INVALID_ARGUMENT", "x must have shape"),
        ("encoder", {"x": images + 0.5}, None, "INVALID_ARGUMENT", "x must be uint8"),
        ("encoder", {"y": images}, None, "INVALID_ARGUMENT", "there is no input y"),
        (
            "encoder",
            {"image_bytes": [b"no image"]},
            "encode_image",
            "INVALID_ARGUMENT",
            "image_bytes must be PNG or JPEG",
        ),
        ("encoder", {"x": images}, "encodes", "INVALID_ARGUMENT", "has no signature encodes"),
        ("decoder", {"z": np.full((1, LATENT), np.nan)}, None, "INVALID_ARGUMENT", "z must be finite"),
        ("decoder", {"seed": [[0, 2**40]]}, "generate", "INVALID_ARGUMENT", "seed must be int32"),
        ("encode", {"x": images}, None, "NOT_FOUND", "encode"),
    ],
)
def test_a_bad_request_is_an_error_at_once(server, monkeypatch, servable, inputs, signature, code, message):
    monkeypatch.setattr(client, "time", types.SimpleNamespace(sleep=lambda _: pytest.fail("it was tried again")))
    for transport, address in server.items():
        with client.Client(address, transport) as made, pytest.raises(client.ServingError) as caught:
            made.predict(servable, inputs, signature)
        assert caught.value.code == code and message in caught.value.message, transport


def test_too_large_a_request_is_not_tried_again(server, monkeypatch):
    monkeypatch.setattr(client, "time", types.SimpleNamespace(sleep=lambda _: pytest.fail("it was tried again")))
    with client.Client(server["grpc"], "grpc") as made, pytest.raises(client.ServingError, match="larger than max"):
        made.predict("encoder", {"x": np.zeros((22_000, *IMAGE), np.uint8)})


def test_wrong_arguments():
    with pytest.raises(ValueError, match="transport must be rest or grpc"):
        client.Client(transport="http")
    with pytest.raises(ValueError, match="timeout must be more than 0"):
        client.Client(timeout=0)
    with client.Client() as made, pytest.raises(ValueError, match="a version or a label, not both"):
        made.predict("encoder", {}, version=1, label="stable")


@contextlib.contextmanager
def _stub(*answers):
    """An HTTP server that gives these answers, (status, object or text), the last of them for ever; status 0 is none.

    Yields its address, and a list of (method, path, body) of the requests.
    """
    seen, ended = [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0))))
            status, content = answers[min(len(seen), len(answers)) - 1]
            if not status:
                ended.wait(10)
                return
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{stub.server_port}", seen
        finally:
            ended.set()
            stub.shutdown()
            thread.join()


STATES = (200, {"model_version_status": [{"version": "3", "state": "AVAILABLE"}]})


@pytest.fixture
def waits(monkeypatch):
    """The seconds that the client waited, without waiting."""
    found = []
    monkeypatch.setattr(client, "time", types.SimpleNamespace(sleep=found.append))
    return found


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(waits, status):
    with _stub((status, {"error": "busy"}), (status, {"error": "busy"}), STATES) as (address, seen):
        with client.Client(address) as made:
            assert made.status("encoder", label="stable") == [{"version": 3, "state": "AVAILABLE", "error": ""}]
    assert [path for _, path, _ in seen] == ["/v1/models/encoder/labels/stable"] * 3
    assert 0.1 <= waits[0] <= 0.2 <= waits[1] <= 0.4


def test_it_gives_up(waits):
    with _stub((503, {"error": "it is being loaded"})) as (address, seen), client.Client(address, retries=2) as made:
        with pytest.raises(client.ServingError, match=r"^UNAVAILABLE: it is being loaded \(tried 3 times\)$"):
            made.status("encoder")
    assert len(seen) == 3 and len(waits) == 2


@pytest.mark.parametrize(
    "answer, message",
    [
        ((400, {"error": "bad"}), "INVALID_ARGUMENT: bad"),
        ((500, "<html>oops"), "INTERNAL: <html>oops"),
        ((418, ""), "HTTP_418: "),
        ((200, "<html>hello"), "answered no JSON object"),
    ],
)
def test_other_errors_are_not_tried_again(waits, answer, message):
    with _stub(answer) as (address, seen), client.Client(address) as made:
        with pytest.raises(client.ServingError, match=message):
            made.status("encoder")
    assert len(seen) == 1 and not waits


def test_a_timeout_is_an_error(waits):
    with _stub((0, None)) as (address, seen), client.Client(address, timeout=0.2) as made:
        with pytest.raises(client.ServingError, match=r"DEADLINE_EXCEEDED: .* did not answer within 0.2 s"):
            made.status("encoder")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with client.Client(f"127.0.0.1:{silent.getsockname()[1]}", "grpc", timeout=0.2) as made:
            with pytest.raises(client.ServingError, match=r"DEADLINE_EXCEEDED: .* did not answer within 0.2 s"):
                made.status("encoder")
    assert len(seen) == 1 and not waits


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_server_that_is_not_there(waits, transport):
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        with client.Client(f"127.0.0.1:{taken.getsockname()[1]}", transport, retries=1) as made:
            with pytest.raises(client.ServingError, match=r"^UNAVAILABLE: .*\(tried 2 times\)$"):
                made.status("encoder")
    assert len(waits) == 1


# the command line

ALONE = """
import runpy, sys
sys.modules.update(dict.fromkeys(["grpc", "keras", "tensorflow", "tfvae"]))  # None: importing them fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _ran(*arguments):
    command = [sys.executable, "-c", ALONE, str(EXPORT / "client.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_command_line(exported, server, tmp_path):
    address = ["--address", server["rest"]]
    done = _ran("generate", "--count", 3, "--seed", 5, "--out", tmp_path / "drawn", *address)
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "drawn").iterdir())
    assert [path.name for path in files] == ["0000.png", "0001.png", "0002.png"]
    drawn = np.stack([tf.io.decode_png(path.read_bytes()) for path in files])
    means = np.concatenate([exported[0].sample(1, seed=[5, i]) for i in range(3)])
    np.testing.assert_allclose(drawn, 255 * means, atol=0.51)

    done = _ran(*address, "encode", *files)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines] == [str(path) for path in files]
    np.testing.assert_allclose(
        [line["mean"] for line in lines], exported[0].encode(tf.constant(drawn)).mean(), atol=1e-5
    )

    done = _ran("score", *files, "--log-marginal", *address)
    assert done.returncode == 0, done.stderr
    for line in map(json.loads, done.stdout.splitlines()):
        assert line["elbo"] == pytest.approx(line["reconstruction"] - line["kl"], rel=1e-5)
        assert line["log_marginal"] < 0

    z = [-0.5, *[0.25] * (LATENT - 1)]
    mean = np.asarray(exported[0].decode(tf.constant([z])).mean()[0])
    done = _ran("decode", *z, *address)
    np.testing.assert_allclose(json.loads(done.stdout), mean, atol=1e-5)
    done = _ran("decode", *z, "--out", tmp_path / "one.png", "--range", 0, 2, *address)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(tf.io.decode_png((tmp_path / "one.png").read_bytes()), 127.5 * mean, atol=0.51)

    done = _ran("status", *address)
    assert done.stdout.splitlines() == [f"{name} version 1: AVAILABLE" for name in ("encoder", "decoder", "scorer")]

    done = _ran("decode", 1, 2, *address)
    assert done.returncode == 1
    assert done.stderr == f"error: INVALID_ARGUMENT: z must have shape [-1, {LATENT}], not [1, 2]\n"
    done = _ran("encode", tmp_path / "none.png", *address)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "none.png" in done.stderr


def test_command_line_by_grpc(server):
    done = processes.run(EXPORT / "client.py", "--grpc", "--address", server["grpc"], "status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("encoder version 1: AVAILABLE")


def test_colours_and_shapes_of_images():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    np.testing.assert_array_equal(client._to_image(pixels / 255, 0, 1), pixels)
    np.testing.assert_array_equal(client._to_image(np.array([[-1.0, 0.0, 3.0]]), -1, 1), [[0, 128, 255]])
    with pytest.raises(ValueError, match=r"shape \[4\]: that is no image"):
        client._to_image(np.zeros(4), 0, 1)


# configurations and scripts


def test_configurations(exported):
    models = settings.read_models_file(EXPORT / "models.config", exported[1])
    assert [model.name for model in models] == ["encoder", "decoder", "scorer"]
    assert {(model.policy, model.numbers, model.base_path.parent) for model in models} == {
        ("latest", (2,), exported[1])
    }
    batching = settings.read_batching_file(EXPORT / "batching.config")
    assert batching == (64, 500, 100, 2, (1, 2, 4, 8, 16, 32, 64))
    assert client.ROWS == batching.max_batch_size
    lines = (EXPORT / "monitoring.config").read_text().splitlines()
    monitoring = " ".join(line.strip() for line in lines if not line.startswith("#"))
    assert monitoring == f'prometheus_config {{ enable: true path: "{rest.METRICS_PATH}" }}'


@pytest.fixture
def script(exported, tmp_path):
    """A function that runs serve.sh where only fake programs are on the path."""
    fakes = tmp_path / "programs"
    fakes.mkdir()
    for name in ("cat", "dirname", "mktemp", "sed"):
        (fakes / name).symlink_to(shutil.which(name))

    def run(*arguments, programs=None, **environment):
        for name, text in (programs or {}).items():
            (fakes / name).write_text(f"#!/bin/sh\n{text}\n")
            (fakes / name).chmod(0o755)
        return subprocess.run(
            [str(EXPORT / "serve.sh"), *map(str, arguments)],
            capture_output=True,
            text=True,
            env={"PATH": str(fakes), "TMPDIR": str(tmp_path)} | environment,
            timeout=30,
        )

    return run


SERVING = {"tensorflow_model_server": 'for word in "$@"; do echo "$word"; done; cat "${3#--model_config_file=}"'}


def test_the_command_of_docker(exported, script):
    done = script(
        "--dry-run", exported[1], "--version", "a b", "it's", programs={"docker": "exit 0"} | SERVING, REST_PORT="9001"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("docker run --rm --init -p 127.0.0.1:9001:8501 -p 127.0.0.1:8500:8500 ")
    assert f"-v {exported[1]}:/models:ro -v {EXPORT}:/config:ro" in done.stdout
    assert done.stdout.endswith(" --version 'a b' 'it'\\''s'\n")


def test_the_binary(exported, script, tmp_path):
    fakes = {"docker": "exit 1"} | SERVING  # a docker whose daemon does not run
    done = script("--dry-run", exported[1], programs=fakes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tensorflow_model_server --port=8500 --rest_api_port=8501 --model_config_file=")
    folder = tmp_path / "a|b & c"
    folder.mkdir()
    done = script(folder, "--flag=x y", GRPC_PORT="9000")
    assert done.returncode == 0, done.stderr
    assert "--port=9000\n" in done.stdout and "--flag=x y\n" in done.stdout
    assert f'base_path: "{folder}/encoder"' in done.stdout and "/models/" not in done.stdout.split("config {")[1]
    assert "listens on all of this machine's addresses" in done.stderr


def test_errors_of_the_script(exported, script):
    done = script(exported[1])
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "tfvae serve" in done.stderr
    done = script(exported[1] / "none")
    assert done.returncode == 2 and "tfvae export" in done.stderr
    done = script(exported[1], REST_PORT="http")
    assert done.returncode == 2 and "must be numbers" in done.stderr
    assert script("--dryrun").returncode == 2
    assert "--dry-run" in script("--help").stdout


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck():
    done = subprocess.run(["shellcheck", str(EXPORT / "serve.sh")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_compose_is_the_script(exported, script):
    service = YAML(typ="safe").load(EXPORT / "docker-compose.yml")["services"]["serving"]
    command = script("--dry-run", exported[1], programs={"docker": "exit 0"}).stdout.split()
    entry = command.index("--entrypoint")
    assert [command[entry + 1]] == service["entrypoint"]
    assert command[entry + 2] == service["image"]
    assert sorted(command[entry + 3 :]) == sorted(service["command"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert all(volume.endswith(":ro") for volume in service["volumes"])


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_health_check_of_compose(server):
    """Long: it is the first, for which a server is started."""
    service = YAML(typ="safe").load(EXPORT / "docker-compose.yml")["services"]["serving"]
    _, *command = service["healthcheck"]["test"]
    assert "$" not in command[-1]  # compose would put its own variables there
    for address, healthy in ((server["rest"], True), ("127.0.0.1:1", False)):
        host, port = address.split(":")
        test = command[-1].replace("127.0.0.1/8501", f"{host}/{port}")
        done = subprocess.run([*command[:-1], test], capture_output=True, timeout=20)
        assert (done.returncode == 0) == healthy
    missing = command[-1].replace("127.0.0.1/8501", server["rest"].replace(":", "/")).replace("encoder", "none")
    assert subprocess.run([*command[:-1], missing], capture_output=True, timeout=20).returncode != 0


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.slow
def test_the_examples_of_the_readme(server, tmp_path):
    """Long: a Python starts for each call of the client."""
    blocks = re.findall(r"```sh\n(.*?)```", (EXPORT / "README.md").read_text(), re.DOTALL)
    blocks = [block for block in blocks if "curl -s" in block or block.startswith("python export/client.py")]
    commands = "".join(line for block in blocks for line in block.splitlines(keepends=True) if "--grpc" not in line)
    ours = f"{sys.executable} {EXPORT / 'client.py'} --address {server['rest']}"
    text = commands.replace("127.0.0.1:8501", server["rest"]).replace("python export/client.py", ours)
    done = subprocess.run(
        ["sh", "-euc", text.replace("python3 -c", f"{sys.executable} -c")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        env=os.environ | {"no_proxy": "*"},
    )
    assert done.returncode == 0, done.stderr
    assert '{"error"' not in done.stdout, done.stdout
    assert done.stdout.count('{"predictions":') == commands.count('"instances"') > 5
    assert done.stdout.count('{"outputs":') == commands.count('"inputs"') > 5
    assert (tmp_path / "decoded.png").is_file()
