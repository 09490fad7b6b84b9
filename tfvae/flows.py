"""Normalising flows: the networks they learn, and the bijectors that TFP lacks."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfvae.distributions import as_shape, soft_clip

__all__ = ["MADE", "Coupling", "Planar", "reverse"]

register = keras.saving.register_keras_serializable("tfvae")

BISECTIONS = 40  # halve the bracket of a planar flow's root below the rounding of float32


@register
class MADE(keras.layers.Layer):
    """Masked autoregressive network: z `[..., n]` -> two tensors `[..., n]`, whose element i sees only z_1..z_{i-1}.

    Hidden unit k has a degree d_k in 1..n-1 and sees the inputs i <= d_k; output i sees the hidden units d_k < i. A
    context, where there is one, is seen by all. The outputs start at small numbers.
    Germain, Gregor, Murray and Larochelle 2015, arXiv:1502.03509.

    Args:
        event_size: n.
        units: width of each hidden layer.
        activation: Keras' name of the activation.

    Call arguments: z `[..., n]`; context `[..., F]` or None, of batch dimensions that broadcast to z's.
    """

    def __init__(
        self, event_size: int, units: list[int] | tuple[int, ...] = (64, 64), activation: str = "relu", **kwargs
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.event_size, self.units, self.activation = event_size, as_shape(units), activation
        self.nonlinearity = keras.activations.get(activation)

    def build(self, z_shape: tuple, context_shape: tuple | None = None) -> None:
        n = self.event_size
        hidden = [np.arange(width) % max(1, n - 1) + min(1, n - 1) for width in self.units]
        degrees = [np.arange(1, n + 1), *hidden]
        output = np.tile(np.arange(1, n + 1), 2)
        self.masks = [before[:, None] <= after for before, after in itertools.pairwise(degrees)]
        self.masks = [mask.astype(np.float32) for mask in (*self.masks, degrees[-1][:, None] < output)]
        small = keras.initializers.RandomNormal(stddev=0.01)
        starts = ["glorot_uniform"] * len(self.units) + [small]
        self.kernels = [
            self.add_weight(shape=mask.shape, initializer=start, name=f"kernel_{i}")
            for i, (mask, start) in enumerate(zip(self.masks, starts, strict=True))
        ]
        self.biases = [
            self.add_weight(shape=mask.shape[1:], initializer="zeros", name=f"bias_{i}")
            for i, mask in enumerate(self.masks)
        ]
        self.context_kernel = None
        if context_shape is not None:
            shape = (context_shape[-1], self.units[0])
            self.context_kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="context_kernel")

    def call(self, z: tf.Tensor, context: tf.Tensor | None = None) -> Any:
        last = len(self.masks) - 1
        for i, (kernel, mask, bias) in enumerate(zip(self.kernels, self.masks, self.biases, strict=True)):
            z = tf.tensordot(z, kernel * mask, 1) + bias  # [..., width]
            if i == 0 and context is not None:
                z += tf.tensordot(context, tf.convert_to_tensor(self.context_kernel), 1)
            if i < last:
                z = self.nonlinearity(z)
        return z[..., : self.event_size], z[..., self.event_size :]

    def get_config(self) -> dict[str, Any]:
        own = {"event_size": self.event_size, "units": list(self.units), "activation": self.activation}
        return super().get_config() | own


@register
class Coupling(keras.layers.Layer):
    """The network of an affine coupling: the masked half of z `[..., m]` -> shift and log scale `[..., n - m]`.

    The log scale is softly clipped to stay within -3 and 3. Dinh, Sohl-Dickstein and Bengio 2016, arXiv:1605.08803.

    Args:
        output_size: n - m.
        units: width of each hidden layer.
        activation: Keras' name of the activation.
    """

    def __init__(
        self, output_size: int, units: list[int] | tuple[int, ...] = (64, 64), activation: str = "relu", **kwargs
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.output_size, self.units, self.activation = output_size, as_shape(units), activation
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.hidden = [keras.layers.Dense(width, activation=activation, dtype="float32") for width in self.units]
        self.last = keras.layers.Dense(2 * output_size, kernel_initializer=small, dtype="float32")

    def build(self, z_shape: tuple) -> None:
        for layer in (*self.hidden, self.last):
            layer.build(z_shape)
            z_shape = (*z_shape[:-1], layer.units)

    def call(self, z: tf.Tensor) -> Any:
        for layer in (*self.hidden, self.last):
            z = layer(z)
        shift, log_scale = tf.split(z, 2, axis=-1)
        return shift, soft_clip(log_scale, 3.0)

    def get_config(self) -> dict[str, Any]:
        own = {"output_size": self.output_size, "units": list(self.units), "activation": self.activation}
        return super().get_config() | own


class Planar(tfb.Bijector):
    """y = x + u' tanh(w x + b), with the component of u' along w such that w u' > -1: then it can be inverted.

    With the direction e = w/|w|, u' is u but along e, where its component is softplus(e u + 1/|w|) - 1/|w|.
    Its inverse is the root of a rising function of one number, by bisection; gradients are those of a Newton step.
    Rezende and Mohamed 2015, arXiv:1505.05770, appendix A.1 with a smooth form for small w.

    Args:
        u: `[..., n]`.
        w: `[..., n]`, not zero.
        b: `[...]`.
    """

    def __init__(self, u: tf.Tensor, w: tf.Tensor, b: tf.Tensor):
        parameters = dict(locals())
        super().__init__(forward_min_event_ndims=1, dtype=tf.float32, parameters=parameters, name="planar")
        self.w, self.b = w, b
        length = tf.norm(w, axis=-1)  # [...]
        direction = w / length[..., None]
        along = tf.reduce_sum(direction * u, axis=-1)
        self.slope = length * tf.math.softplus(along + 1.0 / length) - 1.0  # w u', above -1
        self.u = u + (self.slope / length - along)[..., None] * direction

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}  # as TFP's flows: the batch shape is that of the base

    def _forward(self, x):
        return x + self.u * tf.tanh(self._activation(x))[..., None]

    def _forward_log_det_jacobian(self, x):
        return tf.math.log1p(self.slope * (1.0 - tf.tanh(self._activation(x)) ** 2))

    def _inverse(self, y):
        target = tf.reduce_sum(self.w * y, axis=-1) + self.b  # = a + slope tanh(a), for a = w x + b
        low = tf.stop_gradient(target - tf.abs(self.slope))
        high = tf.stop_gradient(target + tf.abs(self.slope))

        def halve(low, high):
            middle = 0.5 * (low + high)
            below = middle + self.slope * tf.tanh(middle) < target
            return tf.where(below, middle, low), tf.where(below, high, middle)

        low, high = tf.while_loop(lambda *_: True, halve, (low, high), maximum_iterations=BISECTIONS)
        a = tf.stop_gradient(0.5 * (low + high))
        tanh = tf.tanh(a)
        a -= (a + self.slope * tanh - target) / tf.stop_gradient(1.0 + self.slope * (1.0 - tanh**2))
        return y - self.u * tf.tanh(a)[..., None]

    def _activation(self, x):
        return tf.reduce_sum(self.w * x, axis=-1) + self.b


def make_gates(made: MADE, context: tf.Tensor | None = None) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Make a function z -> (shift, log scale) for `tfb.MaskedAutoregressiveFlow`, of a MADE.

    The flow's inverse is then z' = gate z + (1 - gate) mean, gate = sigmoid(.): a step of an inverse autoregressive
    flow.
    """

    def shift_and_log_scale(z):
        mean, raw_gate = made(z, context)
        raw_gate = soft_clip(raw_gate + 2.0, 7.0)  # starts near the identity
        return -mean * tf.exp(-raw_gate), tf.math.softplus(-raw_gate)

    return shift_and_log_scale


def reverse(size: int) -> tfb.Permute:
    """Give the bijector that reverses the order of `size` latents."""
    return tfb.Permute(np.arange(size)[::-1].astype(np.int32))
