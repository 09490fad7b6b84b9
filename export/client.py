"""A client of the exported servables, by REST or gRPC: of `tfvae serve`, or of TensorFlow Serving.

    python export/client.py status
    python export/client.py generate --count 16 --seed 0 --out samples
    python export/client.py score samples/*.png

REST needs NumPy and requests; gRPC grpcio, tensorflow-serving-api and TensorFlow too; the command line, where it writes
PNG files, Pillow. None needs Keras or tfvae, and the file may be copied into another project:

    client = Client("127.0.0.1:8501")
    client.predict("decoder", {"seed": [[0, 0], [0, 1]]}, "generate")["samples"]  # [2, *event]
"""

import argparse
import base64
import json
import os
import pathlib
import random
import sys
import time

import numpy as np

__all__ = ["Client", "ServingError"]

CODES = {  # of HTTP's status -> gRPC's name
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    412: "FAILED_PRECONDITION",
    413: "TOO_LARGE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
RETRIED = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")  # what is worth another try: the server was busy, or is being started
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds between tries, before jitter
DTYPES = {  # of TensorFlow's names -> NumPy's
    "DT_FLOAT": "float32",
    "DT_HALF": "float16",
    "DT_DOUBLE": "float64",
    "DT_UINT8": "uint8",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_BOOL": "bool",
    "DT_STRING": "object",
}
SERVABLES = ("encoder", "decoder", "scorer")
ROWS = 64  # of a request of the command line: max_batch_size of batching.config


class ServingError(Exception):
    """A call that failed. `code` is gRPC's name, such as INVALID_ARGUMENT, whichever the transport; `message` is the
    server's own."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Client:
    """Calls servables.

    All calls may be repeated without harm: what is drawn is a function of the seed in the request. So a call is tried
    again, after a wait that doubles each time and is partly random, when the server is busy, is not ready, or cannot be
    reached; never when the request is bad, nor after a timeout. What fails in the end is a `ServingError`.

    Args:
        address: "host:port", of the REST port (8501) or the gRPC port (8500).
        transport: "rest" or "grpc".
        timeout: seconds that each try may take.
        retries: further tries after the first.
    """

    def __init__(self, address="127.0.0.1:8501", transport="rest", timeout=30.0, retries=3):
        transports = {"rest": _Rest, "grpc": _Grpc}
        if transport not in transports:
            raise ValueError(f"transport must be rest or grpc, not {transport!r}")
        if timeout <= 0 or retries < 0:
            raise ValueError(f"timeout must be more than 0, and retries 0 or more, not {timeout} and {retries}")
        self.retries = retries
        self._transport = transports[transport](address, timeout)
        self._known = {}  # (servable, version, label) -> metadata

    def predict(self, servable, inputs, signature=None, version=None, label=None):
        """Call a signature.

        Args:
            servable: "encoder", "decoder" or "scorer".
            inputs: name -> array or lists `[B, ...]`; of strings, list of bytes. Numbers are converted to the
                signature's type where that loses nothing but digits.
            signature: its name; None is the servable's first one.
            version: number, or label: name of a version. Without either, the newest is asked.

        Returns:
            dict: name -> array `[B, ...]`, of the signature's type.

        Raises:
            ServingError: when it fails.
            ValueError: when both a version and a label are given.
        """
        which = _which(servable, version, label)
        name = signature or "serving_default"
        specs = self._signature(which, name)
        if specs is not None:
            inputs = {key: _cast(value, specs["inputs"].get(key)) for key, value in inputs.items()}
        inputs = {key: np.asarray(value) for key, value in inputs.items()}
        outputs = self._call(self._transport.predict, which, name, inputs)
        if set(outputs) == {None}:  # REST does not name an only output
            names = list(specs["outputs"]) if specs else []
            if len(names) != 1:
                raise ServingError("INTERNAL", f"{servable} {name}: the answer does not name its outputs {names}")
            outputs = {names[0]: outputs[None]}
        types = {key: _dtype(spec) for key, spec in specs["outputs"].items()} if specs else {}
        return {key: np.asarray(value, types.get(key)) for key, value in sorted(outputs.items())}

    def metadata(self, servable, version=None, label=None):
        """Ask what a version takes and returns.

        Returns:
            dict: "version", its number; "signatures": name -> {"inputs": name -> {"dtype": NumPy's name, object for
            strings; "shape": list, None for the number of rows}, "outputs": the same}.

        Raises:
            ServingError, ValueError: as for `predict`.
        """
        which = _which(servable, version, label)
        self._known[which] = self._call(self._transport.metadata, which)
        return self._known[which]

    def status(self, servable, version=None, label=None):
        """List the states of a servable's versions, newest first.

        Returns:
            list of dicts: "version", its number; "state", such as AVAILABLE or LOADING; "error", a message or "".

        Raises:
            ServingError, ValueError: as for `predict`.
        """
        found = self._call(self._transport.status, _which(servable, version, label))
        return sorted(found, key=lambda state: -state["version"])

    def close(self):
        """Close the connections; a Client is also a context manager."""
        self._transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _signature(self, which, name):
        """Give the inputs and outputs of a signature; None for an unknown name, which the server refuses more clearly.

        Answers are kept. A newer version may have other signatures, so the server is asked again for an unknown one.
        """
        if name not in self._known.get(which, {"signatures": {}})["signatures"]:
            self.metadata(*which)
        return self._known[which]["signatures"].get(name)

    def _call(self, function, *arguments):
        """Call a function, and try again where that may help."""
        for attempt in range(self.retries + 1):
            try:
                return function(*arguments)
            except ServingError as error:
                # from gRPC: the request is too large, and stays too large
                hopeless = error.code not in RETRIED or "larger than max" in error.message
                if hopeless or attempt == self.retries:
                    tries = f" (tried {attempt + 1} times)" if attempt else ""
                    raise ServingError(error.code, error.message + tries) from error.__cause__
            # partly random: clients that were refused together must not come back together
            time.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1.0))


class _Rest:
    """Calls over REST, by column."""

    def __init__(self, address, timeout):
        import requests

        self.errors, self.timeout = requests.exceptions, timeout
        self.root = (address if "://" in address else f"http://{address}").rstrip("/")
        self.session = requests.Session()

    def predict(self, which, signature, inputs):
        body = {"signature_name": signature, "inputs": {name: _plain(array) for name, array in inputs.items()}}
        answer = self._json("POST", f"{self._path(which)}:predict", json.dumps(body))["outputs"]
        return {
            name: _decode_strings(value)
            for name, value in (answer if _names_outputs(answer) else {None: answer}).items()
        }

    def metadata(self, which):
        found = self._json("GET", f"{self._path(which)}/metadata")
        definitions = found["metadata"]["signature_def"]["signature_def"]
        signatures = {
            name: {
                side: {
                    key: _spec(info["dtype"], [int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])])
                    for key, info in definition[side].items()
                }
                for side in ("inputs", "outputs")
            }
            for name, definition in definitions.items()
            if not name.startswith("__")  # TensorFlow's own, for initialisation
        }
        return {"version": int(found["model_spec"]["version"]), "signatures": signatures}

    def status(self, which):
        return [
            {
                "version": int(state["version"]),
                "state": state["state"],
                "error": state.get("status", {}).get("error_message", ""),
            }
            for state in self._json("GET", self._path(which))["model_version_status"]
        ]

    def close(self):
        self.session.close()

    def _path(self, which):
        servable, version, label = which
        part = f"/versions/{version}" if version is not None else f"/labels/{label}" if label is not None else ""
        return f"/v1/models/{servable}{part}"

    def _json(self, method, path, body=None):
        """Send a request; give the answer, a JSON object.

        Raises:
            ServingError: when the answer is an error, or does not come.
        """
        url = self.root + path
        try:
            answer = self.session.request(
                method, url, data=body, timeout=self.timeout, headers={"Content-Type": "application/json"}
            )
        except self.errors.Timeout as error:
            raise ServingError("DEADLINE_EXCEEDED", f"{url} did not answer within {self.timeout:g} s") from error
        except (self.errors.ConnectionError, self.errors.ChunkedEncodingError) as error:
            raise ServingError("UNAVAILABLE", f"{url} cannot be reached, or broke off: {error}") from error
        except self.errors.RequestException as error:
            raise ServingError("INVALID_ARGUMENT", f"{url}: {error}") from error
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not answer.ok:
            message = found.get("error") if isinstance(found, dict) else None
            code = CODES.get(answer.status_code, f"HTTP_{answer.status_code}")
            raise ServingError(code, message or answer.text[:500] or answer.reason)
        if not isinstance(found, dict):
            raise ServingError(
                "INTERNAL", f"{url} answered no JSON object: is it a server of TensorFlow Serving's API?"
            )
        return found


class _Grpc:
    """Calls over gRPC."""

    def __init__(self, address, timeout):
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        self.grpc, self.tf, self.address, self.timeout = grpc, tf, address, timeout
        options = [
            ("grpc.max_receive_message_length", -1),  # else 4 MB, some images
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_retries", 0),  # there is one rule for both transports
            ("grpc.initial_reconnect_backoff_ms", int(1000 * FIRST_WAIT / 2)),  # else every try within 1 s fails alike
            ("grpc.max_reconnect_backoff_ms", int(1000 * LONGEST_WAIT)),
        ]
        self.channel = grpc.insecure_channel(address, options=options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, which, signature, inputs):
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._name(request.model_spec, which)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            try:
                request.inputs[name].CopyFrom(self.tf.make_tensor_proto(array))
            except (TypeError, ValueError) as error:
                raise ServingError("INVALID_ARGUMENT", f"{name} is not a tensor: {error}") from error
        outputs = self._answer(self.predictions.Predict, request).outputs
        return {name: self.tf.make_ndarray(tensor) for name, tensor in outputs.items()}

    def metadata(self, which):
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._name(request.model_spec, which)
        answer = self._answer(self.predictions.GetModelMetadata, request)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(definitions)
        signatures = {
            name: {
                side: {
                    key: _spec(types_pb2.DataType.Name(info.dtype), [dim.size for dim in info.tensor_shape.dim])
                    for key, info in getattr(definition, side).items()
                }
                for side in ("inputs", "outputs")
            }
            for name, definition in definitions.signature_def.items()
            if not name.startswith("__")
        }
        return {"version": answer.model_spec.version.value, "signatures": signatures}

    def status(self, which):
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        self._name(request.model_spec, which)
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            {"version": state.version, "state": states.Name(state.state), "error": state.status.error_message}
            for state in self._answer(self.models.GetModelStatus, request).model_version_status
        ]

    def close(self):
        self.channel.close()

    def _name(self, spec, which):
        spec.name, version, label = which
        if version is not None:
            spec.version.value = version
        elif label is not None:
            spec.version_label = label

    def _answer(self, method, request):
        try:
            return method(request, timeout=self.timeout)
        except self.grpc.RpcError as error:
            message = error.details() or ""
            if error.code() == self.grpc.StatusCode.DEADLINE_EXCEEDED:
                message = f"{self.address} did not answer within {self.timeout:g} s"
            raise ServingError(error.code().name, message) from error


def _which(servable, version, label):
    if version is not None and label is not None:
        raise ValueError(f"give a version or a label, not both: {version} and {label!r}")
    return servable, version, label


def _spec(dtype, sizes):
    """Make an entry of `Client.metadata` of TensorFlow's name of a type, and sizes."""
    return {"dtype": DTYPES.get(dtype, dtype), "shape": [None if size < 0 else size for size in sizes]}


def _dtype(spec):
    """Give NumPy's type of an entry of `Client.metadata`; None for types that NumPy lacks, such as bfloat16."""
    return np.dtype(spec["dtype"]) if spec["dtype"] in DTYPES.values() else None


def _cast(value, spec):
    """Convert an input to the signature's type; leave it as it is where it does not fit: the server refuses it."""
    dtype = _dtype(spec) if spec else None
    if dtype is not None and dtype.kind == "O":
        return np.asarray(value, dtype)  # bytes as they are: NumPy's own strings lose zeros at the end
    array = np.asarray(value)
    if dtype is None or array.dtype.kind not in "uif":
        return array
    if dtype.kind in "iu" and array.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        fits = not array.size or limits.min <= array.min() <= array.max() <= limits.max
    else:
        fits = (dtype.kind == "f" and array.dtype.kind in "iuf") or not array.size
    return array.astype(dtype) if fits else array


def _plain(array):
    """Convert an array to JSON's lists; bytes become {"b64": ...}."""
    if array.dtype.kind not in "OS":
        return array.tolist()

    def plain(value):
        if isinstance(value, list):
            return [plain(item) for item in value]
        return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    return plain(array.tolist())


def _names_outputs(answer):
    """Tell whether an answer by column names its outputs; it does not name a single one."""
    return isinstance(answer, dict) and set(answer) != {"b64"}


def _decode_strings(value):
    """Convert an output from JSON; {"b64": ...} becomes bytes."""
    if isinstance(value, list):
        return [_decode_strings(item) for item in value] if value and isinstance(value[0], (list, dict)) else value
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _to_image(mean, low, high):
    """Make a Pillow image of a mean `[*event]`: black for `low`, white for `high`.

    Raises:
        ValueError: when it is no image.
    """
    from PIL import Image

    image = mean[..., None] if mean.ndim == 2 else mean
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            f"the model's data has shape {list(mean.shape)}: that is no image, [H, W], [H, W, 1] or [H, W, 3]"
        )
    pixels = np.round(255 * np.clip((image - low) / (high - low), 0, 1)).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def encode(client, options):
    """Print mean and stddev of q(z|x) for each image, a line of JSON each."""
    for name, row in _predict_images(client, options, "encoder", "encode_image"):
        print(json.dumps({"image": name} | row))


def score(client, options):
    """Print elbo, reconstruction and kl for each image, nats, a line of JSON each."""
    rows = list(_predict_images(client, options, "scorer", "score_image", seeded=True))
    if options.log_marginal:
        further = _predict_images(client, options, "scorer", "log_marginal_image", seeded=True)
        rows = [(name, row | more) for (name, row), (_, more) in zip(rows, further, strict=True)]
    for name, row in rows:
        print(json.dumps({"image": name} | row))


def decode(client, options):
    """Print the mean of p(x|z), JSON, or write it as a PNG file."""
    mean = _predict(client, options, "decoder", "decode", {"z": [options.z]})["mean"][0]
    if options.out is None:
        print(json.dumps(mean.tolist()))
    else:
        _to_image(mean, *options.range).save(options.out, "PNG")
        print(f"written: {options.out}")


def generate(client, options):
    """Draw images, means E[p(x|z)] for z from the prior, and write them as PNG files."""
    options.out.mkdir(parents=True, exist_ok=True)
    for start in range(0, options.count, ROWS):
        rows = range(start, min(start + ROWS, options.count))
        seeds = [[options.seed, row] for row in rows]
        for row, mean in zip(
            rows, _predict(client, options, "decoder", "generate", {"seed": seeds})["samples"], strict=True
        ):
            path = options.out / f"{row:04}.png"
            _to_image(mean, *options.range).save(path)
            print(f"written: {path}")


def status(client, options):
    """Print the versions that are served, and their states; exit with 1 where a servable has none that is ready."""
    ready = True
    for servable in SERVABLES:
        states = client.status(servable)
        for state in states:
            print(f"{servable} version {state['version']}: {state['state']} {state['error']}".rstrip())
        ready &= any(state["state"] == "AVAILABLE" for state in states)
    return int(not ready)


def _predict_images(client, options, servable, signature, seeded=False):
    """Call a signature for each image; yield (name of the file, output -> number or list).

    An image's seed is [the seed, its place].
    """
    for start in range(0, len(options.images), ROWS):
        paths = options.images[start : start + ROWS]
        inputs = {"image_bytes": [path.read_bytes() for path in paths]}
        if seeded:
            inputs["seed"] = [[options.seed, start + row] for row in range(len(paths))]
        outputs = _predict(client, options, servable, signature, inputs)
        for row, path in enumerate(paths):
            yield str(path), {name: value[row].tolist() for name, value in outputs.items()}


def _predict(client, options, servable, signature, inputs):
    """Call a signature, for a conditional model with the label of the command line."""
    if options.label is not None:
        rows = len(next(iter(inputs.values())))
        signature, inputs = f"{signature}_label", inputs | {"label": [options.label] * rows}
    return client.predict(servable, inputs, signature, version=options.version)


def _parser():
    def common(parser, **default):
        parser.add_argument(
            "--address", metavar="HOST:PORT", help="default: 127.0.0.1:8501, of gRPC 127.0.0.1:8500", **default
        )
        parser.add_argument("--grpc", action="store_true", help="use gRPC in place of REST", **default)
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="of each try (default: 30)", **default)
        parser.add_argument(
            "--retries", type=int, metavar="N", help="further tries when the server is busy (default: 3)", **default
        )

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common(parser)
    parser.set_defaults(timeout=30.0, retries=3)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(function, *parents):
        text = function.__doc__.splitlines()[0]
        adding = verbs.add_parser(function.__name__, help=text, description=text, parents=parents)
        common(adding, default=argparse.SUPPRESS)  # before or after the verb
        adding.set_defaults(verb=function)
        return adding

    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--version", type=int, metavar="N", help="of the servable (default: the newest)")
    model.add_argument("--label", type=int, metavar="K", help="class, of a conditional model")
    images = argparse.ArgumentParser(add_help=False)
    images.add_argument("images", nargs="+", type=pathlib.Path, metavar="IMAGE", help="PNG or JPEG file")
    seeded = argparse.ArgumentParser(add_help=False)
    seeded.add_argument("--seed", type=int, default=0, help="of the noise: the same gives the same (default: 0)")
    drawn = argparse.ArgumentParser(add_help=False)
    drawn.add_argument(
        "--range",
        type=float,
        nargs=2,
        default=(0.0, 1.0),
        metavar=("BLACK", "WHITE"),
        help="of the data (default: 0 1)",
    )
    verb(encode, model, images)
    adding = verb(decode, model, drawn)
    adding.add_argument("z", nargs="+", type=float, metavar="Z", help="latent variables, as many as the model has")
    adding.add_argument("--out", type=pathlib.Path, metavar="FILE", help="PNG file (default: numbers are printed)")
    adding = verb(generate, model, seeded, drawn)
    adding.add_argument("--count", type=int, default=1, help="of images (default: 1)")
    adding.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER", help="made if it is missing")
    adding = verb(score, model, seeded, images)
    adding.add_argument("--log-marginal", action="store_true", help="importance-sampled log p(x) too, which is slower")
    verb(status)
    return parser


def main():
    options = _parser().parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # of gRPC's TensorFlow
    transport, port = ("grpc", 8500) if options.grpc else ("rest", 8501)
    try:
        with Client(options.address or f"127.0.0.1:{port}", transport, options.timeout, options.retries) as client:
            return options.verb(client, options) or 0
    except (ServingError, ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
