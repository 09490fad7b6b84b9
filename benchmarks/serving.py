"""Load on `tfvae serve`, from this machine: `python -m benchmarks.serving`. See docs/serving.md.

Requests of one image each, for `encode`, by so many clients at a time, each of which waits for its answer; with
batching and without; beside calling the SavedModel in a loop. gRPC is asked by `h2load` (nghttp2), and left out where
that is missing. Or, with --memory, what the server holds after many requests.
"""

import argparse
import asyncio
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil
import uvloop

from benchmarks.serve_command import serving

CLIENTS = (1, 8, 64)
IMAGE = (28, 28, 1)
MODELS = ("mlp", "wide", "convolutions")  # 200-200; 2000-2000; 32 and 64 channels

Figures = tuple[float, float, float]  # requests a second; milliseconds of half, and of 99 in 100, requests

__all__ = ["main"]


def main() -> None:
    """Print a table: requests a second, and milliseconds of half and of 99 in 100 requests."""
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement, in turn; medians are shown")
    parser.add_argument("--models", default=",".join(MODELS), help=f"some of {','.join(MODELS)}")
    parser.add_argument("--memory", type=int, metavar="REQUESTS", help="send so many, and show memory, instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models.split(","):
            models = pathlib.Path(folder, name)
            subprocess.run([sys.executable, "-m", "benchmarks.serving_models", name, str(models)], check=True)
            if options.memory:
                _memory(models, options.memory)
            else:
                _table(name, models, options)


def _table(name: str, models: pathlib.Path, options: argparse.Namespace) -> None:
    """Measure, and print a table."""
    found: dict[tuple[str, str, int], list[Figures]] = {}
    for run in range(options.runs):
        command = [sys.executable, "-m", "benchmarks.serving_direct", str(models), str(options.seconds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.setdefault(("direct", "-", 1), []).append(json.loads(done.stdout.splitlines()[-1]))
        for batching in (True, False):
            with serving(models, *([] if batching else ["--no-batching"])) as server:
                for api, load, address in (("REST", _rest_load, server.rest), ("gRPC", _grpc_load, server.grpc)):
                    for clients in CLIENTS:
                        figures = load(address, clients, options.seconds)
                        if figures:
                            found.setdefault((api, "yes" if batching else "no", clients), []).append(figures)
        print(f"{name}: run {run + 1} of {options.runs}", file=sys.stderr, flush=True)
    print(f"\n{name}\n\n| API | batching | clients | requests/s | p50, ms | p99, ms |\n|---|---|---:|---:|---:|---:|")
    for (api, batched, clients), measured in found.items():
        rate, half, most = np.median(measured, axis=0)
        print(f"| {api} | {batched} | {clients} | {rate:,.0f} | {half:.2f} | {most:.2f} |", flush=True)
    if shutil.which("h2load") is None:
        print("\ngRPC was left out: h2load is not on the PATH")


def _memory(models: pathlib.Path, requests: int) -> None:
    """Print the server's megabytes after each tenth of the requests."""
    with serving(models) as server:
        held = []
        for _ in range(11):
            held.append(psutil.Process(server.process.pid).memory_info().rss / 1e6)
            _rest_load(server.rest, 64, float("inf"), requests // 10)
        print(f"{requests:,} requests, MB:", " ".join(f"{megabytes:.0f}" for megabytes in held))


def _rest_load(address: str, clients: int, seconds: float, requests: float = float("inf")) -> Figures:
    """Let so many clients ask again and again over REST."""
    image = np.random.default_rng(0).integers(0, 256, IMAGE).tolist()
    body = json.dumps({"instances": [image]}).encode()
    host, port = address.split(":")
    head = f"POST /v1/models/encoder:predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return uvloop.run(_ask(host, int(port), head.encode() + body, clients, seconds, requests))


async def _ask(host: str, port: int, request: bytes, clients: int, seconds: float, requests: float) -> Figures:
    times: list[float] = []
    left = requests
    start = time.perf_counter()

    async def run():
        nonlocal left
        reader, writer = await asyncio.open_connection(host, port)
        while time.perf_counter() < start + seconds and left > 0:
            left -= 1
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            times.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(run() for _ in range(clients)))
    half, most = np.percentile(times, [50, 99]) * 1e3
    return len(times) / (time.perf_counter() - start), half, most


def _grpc_load(address: str, clients: int, seconds: float) -> Figures | None:
    """Do the same over gRPC; return None where there is no h2load."""
    if shutil.which("h2load") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path, log = pathlib.Path(folder, "request"), pathlib.Path(folder, "log")
        path.write_bytes(_grpc_request())
        command = ["h2load", "-t1", f"-c{clients}", "-m1", f"-D{seconds:.0f}", f"-d{path}", f"--log-file={log}"]
        command += ["-Hcontent-type: application/grpc", "-Hte: trailers"]
        url = f"http://{address}/tensorflow.serving.PredictionService/Predict"
        done = subprocess.run([*command, url], check=True, capture_output=True, text=True)
        assert " 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
        lines = [line.split("\t") for line in log.read_text().splitlines()]  # start, status, microseconds
    half, most = np.percentile([int(line[2]) for line in lines], [50, 99]) / 1e3
    return len(lines) / seconds, half, most


def _grpc_request() -> bytes:
    """Return a PredictRequest as it goes over the wire."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "encoder"
    image = np.random.default_rng(0).integers(0, 256, (1, *IMAGE)).astype(np.uint8)
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(image))
    message = request.SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message


if __name__ == "__main__":
    main()
