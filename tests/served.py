"""Calls every signature of exported servables in each way there is; prints how far answers are from the model's.

    python tests/served.py MODELS  ->  JSON: [way, servable, signature, output, largest difference], of each

It imports neither Keras nor what made the models.
"""

import base64
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.modules["keras"] = sys.modules["tf_keras"] = None  # TensorFlow imports it where it can

import numpy as np  # noqa: E402
import requests  # noqa: E402
import tensorflow as tf  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from benchmarks.serve_command import serving  # noqa: E402


def stored(path):
    """A version's check.npz: signature -> (inputs, outputs), name -> array each."""
    found = {}
    with np.load(path / "assets.extra" / "check.npz") as file:
        for key, value in file.items():
            signature, kind, name = key.split("/")
            found.setdefault(signature, ({}, {}))[kind == "outputs"][name] = value
    return found


def difference(value, expected):
    """The largest, of 1, or of the value where that is larger; infinity for other shapes, or NaN."""
    if np.shape(value) != expected.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        relative = np.abs(value - expected) / np.maximum(1.0, np.abs(expected))
    worst = np.max(np.where(value == expected, 0.0, relative), initial=0.0)
    return float(worst) if np.isfinite(worst) else float("inf")


def by_loading(path):
    """tf.saved_model.load -> signature, inputs -> outputs."""
    loaded = tf.saved_model.load(str(path))

    def call(signature, inputs):
        outputs = loaded.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: output.numpy() for name, output in outputs.items()}

    return call


def by_command(path):
    """What `saved_model_cli run` does, without starting a process for each."""
    from tensorflow.python.tools import saved_model_cli

    def call(signature, inputs):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            for name, value in inputs.items():
                np.save(os.path.join(folder, f"{name}.npy"), value)
            given = ";".join(f"{name}={os.path.join(folder, name)}.npy" for name in inputs)
            feed = saved_model_cli.load_inputs_from_input_arg_string(given, "", "")
            saved_model_cli.run_saved_model_with_feed_dict(str(path), "serve", signature, feed, folder, True)
            return {p.stem: np.load(p) for p in pathlib.Path(folder).glob("*.npy") if p.stem not in inputs}

    return call


def by_rest(address, servable):
    """Rows, over REST."""

    def plain(value):
        return {"b64": base64.b64encode(bytes(value)).decode()} if isinstance(value, bytes) else value

    def call(signature, inputs):
        rows = [
            {name: plain(value) for name, value in zip(inputs, row, strict=True)}
            for row in zip(*(value.tolist() for value in inputs.values()), strict=True)
        ]
        url = f"http://{address}/v1/models/{servable}:predict"
        answer = requests.post(url, json={"signature_name": signature, "instances": rows}, timeout=300)
        assert answer.ok, answer.text
        predictions = answer.json()["predictions"]
        if isinstance(predictions[0], dict):
            return {name: np.array([row[name] for row in predictions]) for name in predictions[0]}
        return {None: np.array(predictions)}  # of the only output

    return call


def by_grpc(address, servable):
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(address))

    def call(signature, inputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = servable, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        return {name: tf.make_ndarray(t) for name, t in stub.Predict(request, timeout=300).outputs.items()}

    return call


def compared(way, servable, path, call):
    """Calls all signatures of a version."""
    for signature, (inputs, outputs) in stored(path).items():
        answers = call(signature, inputs)
        if None in answers:
            answers = {next(iter(outputs)): answers[None]}
        assert set(answers) == set(outputs), (way, servable, signature)
        for name, value in answers.items():
            yield way, servable, signature, name, difference(value, outputs[name])


def main(models):
    found = []
    versions = {path.parent.name: path for path in models.glob("*/*") if path.name.isdigit()}
    for servable, path in versions.items():
        found += compared("tf.saved_model.load", servable, path, by_loading(path))
    assert not {"tfvae", "tensorflow_probability"} & set(sys.modules)
    for servable, path in versions.items():
        found += compared("saved_model_cli", servable, path, by_command(path))
    with serving(models) as server:
        for servable, path in versions.items():
            found += compared("REST", servable, path, by_rest(server.rest, servable))
            found += compared("gRPC", servable, path, by_grpc(server.grpc, servable))
    print(json.dumps(found))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
