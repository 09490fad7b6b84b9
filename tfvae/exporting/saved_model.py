"""A version's folder: the SavedModel, requests to warm it up, and what the model itself answers to them."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfvae import random, tensorflow_output
from tfvae.exporting.signatures import Signature
from tfvae.exporting.table_columns import example_rows, plain
from tfvae.extras import require_extra
from tfvae.model import VAE
from tfvae.programs import program

__all__ = ["checksum", "compute_answers", "make_request", "write"]

EXAMPLES = 4  # of a check's requests
WARM_UP = (1, EXAMPLES)  # rows of warm-up requests


def write(
    path: pathlib.Path, servable: str, signatures: dict[str, Signature], requests: dict[str, dict[str, np.ndarray]]
) -> None:
    """Write a servable's SavedModel with `assets.extra`: tf_serving_warmup_requests, and check.npz with its answers.

    Args:
        path: of the new folder.
        servable: its name.
        signatures: name -> `Signature`; the first is `serving_default` too.
        requests: name -> inputs, name -> array.
    """
    functions = {
        name: program(signature.function, input_signature=signature.specs, autograph=False).get_concrete_function()
        for name, signature in signatures.items()
    }
    module = tf.Module()  # the Session loader needs the tf.Variables themselves, not those of Keras
    module.weights = [variable for function in functions.values() for variable in function.variables]
    default = next(iter(functions))
    with tensorflow_output.warnings_only():
        tf.saved_model.save(module, str(path), signatures={"serving_default": functions[default]} | functions)
    (path / "assets.extra").mkdir()
    outputs = compute_answers(functions, requests)
    requests, outputs = ({"serving_default": found[default]} | found for found in (requests, outputs))
    _write_warm_up(path / "assets.extra" / "tf_serving_warmup_requests", servable, requests)
    stored = {f"{name}/inputs/{key}": value for name, found in requests.items() for key, value in found.items()}
    stored |= {f"{name}/outputs/{key}": value for name, found in outputs.items() for key, value in found.items()}
    np.savez_compressed(path / "assets.extra" / "check.npz", **stored)  # type: ignore[arg-type]  # a name may be any


def compute_answers(
    functions: dict[str, Callable], requests: dict[str, dict[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """Compute what signatures answer: name -> output -> array; by one program, for each takes time to make."""

    @functools.partial(program, autograph=False)
    def all_of_them(given):
        return {name: function(*given[name].values()) for name, function in functions.items()}

    found = all_of_them(tf.nest.map_structure(tf.constant, requests))
    return {name: {key: plain(value.numpy()) for key, value in outputs.items()} for name, outputs in found.items()}


def _write_warm_up(path, servable, requests):
    """Write a TFRecord of PredictionLogs, which TensorFlow Serving runs before it says that a version is ready."""
    with require_extra("export"):
        from tensorflow_serving.apis import prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in requests.items():
            for rows in WARM_UP:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name, request.model_spec.signature_name = servable, name
                for key, value in inputs.items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(value[:rows]))
                writer.write(log.SerializeToString())


def make_request(vae: VAE, specs: Sequence[tf.TensorSpec]) -> dict[str, np.ndarray]:
    """Make a request that a signature takes: name -> array of `EXAMPLES` rows, the same each time."""
    seed, schema = random.seed(0, random.Stream.SAMPLING), vae.preprocessor_view.schema
    columns = example_rows(schema, EXAMPLES) if schema else {}
    found = {}
    for index, spec in enumerate(specs):
        shape, key = [EXAMPLES, *spec.shape[1:]], random.fold(seed, index)
        noise = random.uniform([EXAMPLES, int(np.prod(shape[1:]))], key)
        if spec.name in columns:
            value = columns[spec.name]
        elif spec.name == "x":
            value = _data(vae, tf.reshape(noise, shape), spec.dtype)
        elif spec.name == "image_bytes":
            grey = tf.cast(256 * tf.reshape(noise, [EXAMPLES, -1])[:, :1], tf.uint8)
            value = np.array([_png(vae.likelihood.event_shape, level) for level in grey.numpy()[:, 0]])
        elif spec.name == "seed":
            value = tf.reshape(tf.range(2 * EXAMPLES), [EXAMPLES, 2])
        elif spec.name == "label":
            value = tf.range(EXAMPLES) % vae.condition_size
        else:  # z, conditions
            value = tf.reshape(random.normal([EXAMPLES, int(np.prod(shape[1:]))], key), shape)
        found[spec.name] = np.asarray(value)
    return found


def _data(vae, noise, dtype):
    """Make data that preprocessor and likelihood take, of noise in [0, 1).

    Raises:
        ValueError: when no such data is known.
    """
    if dtype == tf.uint8:
        return tf.cast(256 * noise, tf.uint8)
    for data in (4 * noise - 2, noise, tf.round(noise), noise / tf.reduce_sum(noise, axis=-1, keepdims=True)):
        condition = (data, tf.zeros([len(data), vae.condition_size])) if vae.condition_size else data
        if tf.reduce_all(_inside(vae, data)) and tf.reduce_all(vae.likelihood.support(vae.preprocess(condition))):
            return data
    raise ValueError(f"no example is known of what {type(vae.likelihood).__name__} models: {vae.likelihood.domain}")


def _inside(vae: VAE, data: tf.Tensor) -> tf.Tensor:
    """Which elements of data the preprocessor takes; all that are finite, where it does not know."""
    inside = vae.preprocessor_view.support(data)
    return tf.math.is_finite(data) if inside is None else inside


def _png(shape, level):
    """Make an image whose pixels rise from a grey level, as a PNG file."""
    height, width, channels = shape
    pixels = (int(level) + np.arange(height * width * channels).reshape(shape)) % 256
    return tf.io.encode_png(pixels.astype(np.uint8)).numpy()


def checksum(path: pathlib.Path) -> str:
    """Compute the SHA-256 of a SavedModel's graph and variables: of what is loaded."""
    digest = hashlib.sha256()
    for file in [path / "saved_model.pb", *sorted((path / "variables").iterdir())]:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
