"""What a signature takes: its inputs' names, types and shapes, and their checks, which are part of the graph.

A check that fails is an InvalidArgument that begins with the input's name, whoever serves the model.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.exporting.table_columns import column_specs, read_columns
from tfvae.model import VAE
from tfvae.programs import program
from tfvae.tables import Schema

__all__ = ["Form", "check_inputs", "condition_forms", "data_forms", "decode_images"]

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


class Form(NamedTuple):
    """A way to give data, or conditions.

    Attributes:
        suffix: what it adds to a signature's name.
        specs: its inputs.
        load: what makes them what the VAE takes, a function of the checked inputs.
        gaps: whether numbers may be NaN, which says that they are missing.
    """

    suffix: str
    specs: list[tf.TensorSpec]
    load: Callable[..., tf.Tensor]
    gaps: bool = False


def data_forms(vae: VAE) -> list[Form]:
    """List the forms of x `[B, *event]`: as the VAE was trained on; of pixels, also float32 and images in bytes. Rows
    of a table have one form, an input for each column."""
    shape, preprocessor = vae.likelihood.event_shape, vae.preprocessor_view
    if preprocessor.schema is not None:
        return [_columns(vae, preprocessor.schema)]
    gaps = bool(tf.reduce_all(vae.likelihood.support(tf.fill([1, *shape], np.float32(np.nan)))))

    def supported(x, name):
        inside = preprocessor.support(x)
        if inside is not None:  # the preprocessor knows
            _require(inside, f"{name} must be {preprocessor.domain}")
        event = vae.preprocess(_condition(vae, x))
        _require(vae.likelihood.support(event), f"{name}, preprocessed, must be {vae.likelihood.domain}")
        return x

    def form(suffix, dtype):
        return Form(suffix, [tf.TensorSpec([None, *shape], dtype, "x")], lambda x: supported(x, "x"), gaps)

    forms = [form("", vae.data_dtype)]
    if vae.data_dtype == "uint8":
        forms.append(form("_float", "float32"))
        if len(shape) == 3 and shape[-1] in (1, 3):
            spec = tf.TensorSpec([None], tf.string, "image_bytes")
            forms.append(Form("_image", [spec], lambda x: supported(decode_images(x, shape), "image_bytes")))
    return forms


def _columns(vae: VAE, schema: Schema) -> Form:
    """Make the form of a table's rows: read as the schema encodes them, and held against what the likelihood models."""

    def load(*columns):
        x = read_columns(schema, columns)
        inside = tf.reduce_all(vae.likelihood.support(vae.preprocess(_condition(vae, x))), axis=0)  # [D]
        name = tf.constant(schema.names)[tf.argmin(tf.cast(inside, tf.int8))]  # of the first that is not
        tf.debugging.Assert(tf.reduce_all(inside), [name, f"must be, of {vae.likelihood.domain}"])
        return x

    return Form("", column_specs(schema), program(load, autograph=False), gaps=True)


def _condition(vae, x):
    """Pair x with any condition, where there are conditions: what the preprocessor is asked about."""
    return (x, tf.zeros([tf.shape(x)[0], vae.condition_size])) if vae.condition_size else x


def condition_forms(vae: VAE) -> list[Form]:
    """List the forms of a conditional VAE's conditions: float32 `[B, k]`, labels int32 `[B]`; none of another VAE."""
    if not vae.condition_size:
        return []

    def of_label(label):
        _require((label >= 0) & (label < vae.condition_size), f"label must be 0 to {vae.condition_size - 1}")
        return tf.one_hot(label, vae.condition_size)

    return [
        Form("", [tf.TensorSpec([None, vae.condition_size], tf.float32, "condition")], lambda condition: condition),
        Form("_label", [tf.TensorSpec([None], tf.int32, "label")], of_label),
    ]


def check_inputs(
    values: Sequence[tf.Tensor], specs: Sequence[tf.TensorSpec], gaps: Sequence[bool] | None = None
) -> list[tf.Tensor]:
    """Check that each input of a request has its spec's shape, finite numbers, and as many rows as the first.

    Numbers may be NaN where `gaps` says so of their input: there they are missing. TensorFlow Serving does not look at
    shapes; a reshape would make two rows of a row that is twice as long.
    """
    found, rows = [], None
    for value, spec, missing in zip(values, specs, gaps or [False] * len(specs), strict=True):
        # the default of a placeholder: the program's optimiser must not take its shape for known, and drop the checks
        shape = tf.shape(tf.raw_ops.PlaceholderWithDefault(input=value, shape=[None] * spec.shape.rank))
        rows = shape[0] if rows is None else rows
        expected = tf.stack([rows, *spec.shape[1:]])
        same = tf.reduce_all(tf.equal(shape, expected)) if spec.shape.rank else True
        wanted = ", ".join(f"rows of {specs[0].name}" if n is None else str(n) for n in spec.shape)
        checks = [
            tf.debugging.Assert(same, [f"{spec.name} must have shape [{wanted}], the same rows as", specs[0].name])
        ]
        if spec.dtype.is_floating:
            wrong = tf.reduce_any(tf.math.is_inf(value) if missing else ~tf.math.is_finite(value))
            or_nan = ", or NaN where missing" if missing else ""
            checks.append(tf.debugging.Assert(~wrong, [f"{spec.name} must be finite numbers{or_nan}"]))
        with tf.control_dependencies(checks):
            found.append(tf.ensure_shape(tf.identity(value), spec.shape))
    return found


def _require(condition, message):
    tf.debugging.Assert(tf.reduce_all(condition), [message])


def decode_images(encoded: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Decode PNG or JPEG files `[B]`, strings, of height, width and channels `shape`: uint8 `[B, *shape]`."""
    with tf.name_scope("image_bytes"):  # which errors of the decoders name
        return tf.map_fn(lambda one: _pixels(one, shape), encoded, fn_output_signature=tf.TensorSpec(shape, tf.uint8))


def _pixels(encoded, shape):
    """Decode one image. Its size is read before it is decoded: a small file may hold a large image."""
    height, width, channels = shape
    is_png = tf.strings.substr(encoded, 0, len(PNG)) == PNG
    is_jpeg = tf.strings.substr(encoded, 0, len(JPEG)) == JPEG
    with tf.control_dependencies([tf.debugging.Assert(is_png | is_jpeg, ["image_bytes must be PNG or JPEG files"])]):
        size = tf.cond(is_png, lambda: _png_size(encoded), lambda: tf.image.extract_jpeg_shape(encoded)[:2])
    fits = tf.reduce_all(tf.equal(size, [height, width]))
    message = [f"image_bytes must be images of {width} x {height} pixels; height and width are", size]
    with tf.control_dependencies([tf.debugging.Assert(fits, message)]):
        encoded = tf.identity(encoded)
    pixels = tf.cond(
        is_png,
        lambda: tf.io.decode_png(encoded, channels=channels),
        lambda: tf.io.decode_jpeg(encoded, channels=channels, dct_method="INTEGER_ACCURATE"),
    )
    return tf.ensure_shape(pixels, shape)


def _png_size(encoded):
    """Read height and width, int32 `[2]`; 0 of a file that ends before them."""
    header = tf.strings.substr(encoded + "\0" * 24, 16, 8)  # width, then height, 4 bytes each, the largest first
    places = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
    sizes = tf.reduce_sum(tf.reshape(tf.cast(tf.io.decode_raw(header, tf.uint8), tf.int64), [2, 4]) * places, axis=1)
    return tf.cast(tf.minimum(sizes, 2**31 - 1), tf.int32)[::-1]
