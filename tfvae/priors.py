"""Priors p(z): distributions over latents, event `[n]`, batch `[]`, or `[B]` given conditions."""

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tfvae import distributions, flows, networks
from tfvae.posteriors import DiagonalNormal

__all__ = [
    "AutoregressiveFlow",
    "ConditionalNormal",
    "Hierarchical",
    "MixtureOfNormals",
    "RealNVP",
    "SphericalUniform",
    "StandardNormal",
    "VampPrior",
]

register = keras.saving.register_keras_serializable("tfvae.priors")


def standard_normal(shape):
    """N(0, I) with this event shape."""
    return distributions.MultivariateNormalDiag(tf.zeros(shape), tf.ones(shape))


@register
class StandardNormal(distributions.Prior):
    """p(z) = N(z; 0, I), `tfd.MultivariateNormalDiag`. Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n.
    """

    @property
    def paths(self):
        """The line, and the arc, on which the length of z stays near that of draws; a line's middle is shorter.

        White 2016, "Sampling generative networks", arXiv:1609.04468.
        """
        return {"line": distributions.line, "arc": distributions.arc}

    def distribution(self, condition=None, infer=None):
        return standard_normal(self.event_shape)


@register
class MixtureOfNormals(distributions.Prior):
    """p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2), all learned; `tfd.MixtureSameFamily`, faster.

    The means start at draws of the standard normal, the scales at 1, the weights alike. There is no closed KL to it.
    In VAEs: Dilokthanakul et al. 2016, arXiv:1611.02648; as a baseline in Tomczak and Welling 2018, arXiv:1705.07120.

    Args:
        event_shape: the latent size n.
        components: how many, at least 1.
    """

    def __init__(self, event_shape, components: int = 10, **kwargs):
        super().__init__(event_shape, **kwargs)
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        self.components = components
        shape = (components, *self.event_shape)
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        self.loc = self.add_weight(shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0), name="loc")
        self.raw_scale = self.add_weight(shape=shape, initializer="zeros", name="raw_scale")

    def distribution(self, condition=None, infer=None):
        normals = distributions.MultivariateNormalDiag(self.loc.value, distributions.bounded_exp(self.raw_scale.value))
        return distributions.MixtureOfNormals(distributions.Categorical(logits=self.logits.value), normals)

    def get_config(self):
        return super().get_config() | {"components": self.components}


@register
class VampPrior(distributions.Prior):
    """p(z) = sum_k w_k q(z|u_k): a mixture of the posteriors of learned pseudo-inputs u_k; `tfd.MixtureSameFamily`.

    `VAE.adapt` starts them at examples of the data; else they start at draws near the middle of [low, high], or near
    0.5. In a conditional VAE each has a learned condition of its own. There is no closed KL to it.
    Tomczak and Welling 2018, "VAE with a VampPrior", arXiv:1705.07120.

    Args:
        event_shape: the latent size n.
        output_shape: shape of x.
        components: how many pseudo-inputs, at least 1.
        low, high: bounds that pseudo-inputs are clipped to; None for those of x, if it has any, as preprocessor and
            likelihood of the VAE say.
        condition_size: k, of the conditions of a conditional VAE; 0 without.
    """

    def __init__(
        self,
        event_shape,
        output_shape: list[int],
        components: int = 100,
        low: float | None = None,
        high: float | None = None,
        condition_size: int = 0,
        **kwargs,
    ):
        super().__init__(event_shape, **kwargs)
        if components < 1:
            raise ValueError(f"components must be 1 or more, not {components}")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"VampPrior needs low < high, not low={low}, high={high}")
        self.x_shape, self.components = distributions.as_shape(output_shape), components
        self.low, self.high, self.condition_size = low, high, condition_size
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        start = keras.initializers.RandomNormal(0.5, 0.05)
        self.inputs = self.add_weight(shape=(components, *self.x_shape), initializer=start, name="inputs")
        self.keep_within(low, high)
        self.conditions = None
        if condition_size:
            shape = (components, condition_size)
            self.conditions = self.add_weight(shape=shape, initializer="zeros", name="conditions")

    def distribution(self, condition=None, infer=None):
        if infer is None:
            raise ValueError("a VampPrior is made of posteriors: call distribution with infer, the VAE's function")
        x, (low, high) = self.inputs.value, self.bounds
        if low is not None:
            x = tf.maximum(x, low)
        if high is not None:
            x = tf.minimum(x, high)
        conditions = None if self.conditions is None else self.conditions.value
        components, weights = infer(x, conditions), distributions.Categorical(logits=self.logits.value)

        def chosen(indices):
            return infer(*(None if part is None else tf.gather(part, indices) for part in (x, conditions)))

        return distributions.mix(weights, components, chosen)

    def keep_within(self, low, high):
        self.bounds = low, high = [
            own if own is not None else of_x for own, of_x in ((self.low, low), (self.high, high))
        ]
        if low is None or high is None:
            return
        inputs = tf.convert_to_tensor(self.inputs)
        if tf.reduce_any((inputs < low) | (inputs > high)):  # where they would be clipped, and learn nothing
            self.inputs.assign(0.5 * (low + high) + (high - low) * (inputs - 0.5))

    def start(self, x, condition=None):
        rows = tf.range(self.components) % tf.shape(x)[0]  # repeated where there are fewer examples
        self.inputs.assign(tf.gather(x, rows))
        if self.conditions is not None:
            self.conditions.assign(tf.gather(condition, rows))

    def get_config(self):
        own = ("components", "low", "high", "condition_size")
        shape = {"output_shape": list(self.x_shape)}
        return super().get_config() | shape | {name: getattr(self, name) for name in own}


@register
class SphericalUniform(distributions.Prior):
    """p(z) uniform on the unit sphere of R^n, n at least 2; `tfd.SphericalUniform`. For the posterior `PowerSpherical`.

    Davidson et al. 2018, "Hyperspherical variational auto-encoders", arXiv:1804.00891.

    Args:
        event_shape: the latent size n.

    Raises:
        ValueError: when n is 1.
    """

    flat = False

    def __init__(self, event_shape, **kwargs):
        super().__init__(event_shape, **kwargs)
        if self.event_shape == (1,):
            raise ValueError("a sphere needs a latent size of 2 or more, not 1")

    def distribution(self, condition=None, infer=None):
        return distributions.SphericalUniform(self.event_shape[0])

    @property
    def paths(self):
        """The shorter arc of the great circle through both."""
        return {"arc": self._arc}

    def nearest(self, z):
        """The point of the sphere in the direction of z `[..., n]`."""
        return z / tf.maximum(tf.norm(z, axis=-1, keepdims=True), 1e-6)

    @staticmethod
    def _arc(start, end, weight):
        angle = tf.acos(tf.clip_by_value(tf.reduce_sum(start * end, axis=-1, keepdims=True), -1 + 1e-6, 1 - 1e-6))
        return (tf.sin((1 - weight) * angle) * start + tf.sin(weight * angle) * end) / tf.sin(angle)


class _FlowPrior(distributions.Prior):
    """The standard normal through a chain of `layers` bijectors, between which the order of the latents is turned."""

    def __init__(self, event_shape, layers, units, activation, **kwargs):
        super().__init__(event_shape, **kwargs)
        if layers < 1:
            raise ValueError(f"layers must be 1 or more, not {layers}")
        self.layers, self.units, self.activation = layers, distributions.as_shape(units), activation

    def distribution(self, condition=None, infer=None):
        turn = flows.reverse(self.event_shape[0])
        steps = [bijector for network in self.networks for bijector in (self.bijector(network), turn)]
        return distributions.Flow(standard_normal(self.event_shape), tfb.Chain(steps))

    def get_config(self):
        return super().get_config() | {name: getattr(self, name) for name in ("layers", "units", "activation")}


@register
class AutoregressiveFlow(_FlowPrior):
    """A masked autoregressive flow: z_i = mean_i(z_<i) + scale_i(z_<i) e_i, T times; `tfb.MaskedAutoregressiveFlow`.

    A density takes T passes, a sample n T. The log scale stays within -3 and 3.
    Papamakarios, Pavlakou and Murray 2017, arXiv:1705.07057; as a prior: Chen et al. 2016, arXiv:1611.02731.

    Args:
        event_shape: the latent size n.
        layers: T.
        units: width of the hidden layers of each network.
        activation: Keras' name of their activation.
    """

    def __init__(self, event_shape, layers: int = 2, units: list[int] = (64, 64), activation: str = "relu", **kwargs):
        super().__init__(event_shape, layers, units, activation, **kwargs)
        self.networks = [flows.MADE(self.event_shape[0], units, activation) for _ in range(layers)]
        for network in self.networks:
            network.build((None, *self.event_shape))

    def bijector(self, network):
        """Map [..., n] -> [..., n]: one autoregressive layer, with log scales of -3 to 3."""

        def shift_and_log_scale(z):
            shift, log_scale = network(z)
            return shift, distributions.soft_clip(log_scale, 3.0)

        return tfb.MaskedAutoregressiveFlow(shift_and_log_scale)


@register
class RealNVP(_FlowPrior):
    """Affine couplings: one half of z stays, and gives shift and scale of the other; T times; `tfb.RealNVP`.

    A density and a sample take T passes each. Dinh, Sohl-Dickstein and Bengio 2016, arXiv:1605.08803.

    Args:
        event_shape: the latent size n, at least 2.
        layers: T; with 2 or more each latent is transformed.
        units: width of the hidden layers of each network.
        activation: Keras' name of their activation.

    Raises:
        ValueError: when n is 1.
    """

    def __init__(self, event_shape, layers: int = 4, units: list[int] = (64, 64), activation: str = "relu", **kwargs):
        super().__init__(event_shape, layers, units, activation, **kwargs)
        n = self.event_shape[0]
        if n < 2:
            raise ValueError("RealNVP halves the latents: it needs a latent size of 2 or more, not 1")
        self.networks = [flows.Coupling(n - n // 2, units, activation) for _ in range(layers)]
        for network in self.networks:
            network.build((None, n // 2))

    def bijector(self, network):
        """Map [..., n] -> [..., n]: one coupling layer, which leaves the first half of the coordinates."""
        return tfb.RealNVP(self.event_shape[0] // 2, shift_and_log_scale_fn=lambda z, _: network(z))


@register
class ConditionalNormal(distributions.Prior):
    """p(z|c) = N(z; loc(c), diag(scale(c))^2), by dense layers from the condition c; `tfd.MultivariateNormalDiag`.

    Sohn, Lee and Yan 2015, "Learning structured output representation using deep conditional generative models".

    Args:
        event_shape: the latent size n.
        condition_size: k, of the conditions of a conditional VAE.
        units: width of the dense layers.
        activation: Keras' name of their activation.
    """

    def __init__(self, event_shape, condition_size: int, units: list[int] = (64,), activation: str = "tanh", **kwargs):
        super().__init__(event_shape, **kwargs)
        if condition_size < 1:
            raise ValueError("ConditionalNormal is for conditional VAEs: load the data with a condition")
        self.condition_size, self.units, self.activation = condition_size, distributions.as_sizes(units), activation
        self.network = networks.mlp(condition_size, self.units, activation)
        self.normal = DiagonalNormal(self.event_shape)
        self.normal.build(self.network.output_shape)

    def distribution(self, condition=None, infer=None):
        if condition is None:
            raise ValueError("the prior ConditionalNormal needs conditions")
        return self.normal(self.network(condition))

    def get_config(self):
        own = ("condition_size", "units", "activation")
        return super().get_config() | {name: getattr(self, name) for name in own}


@register
class Hierarchical(distributions.Prior):
    """p(z) = p(z_L) p(z_L-1|z_L) ... p(z_1|z_2), z = [z_1, ..., z_L]; p(z_L) standard, the others diagonal normals.

    The decoder sees z_1 alone. For the posterior of the same name, from dense layers like its own.
    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519, section 5.

    Args:
        event_shape: the sizes of z_1, ..., z_L, the one nearest to x first.
        units: width of the dense layers between two.
        activation: Keras' name of their activation.
    """

    def __init__(self, event_shape: list[int], units: list[int] = (64, 64), activation: str = "tanh", **kwargs):
        self.layer_sizes = distributions.as_shape(event_shape)
        super().__init__(sum(self.layer_sizes), **kwargs)
        self.units, self.activation = distributions.as_sizes(units), activation
        downwards = self.layer_sizes[::-1]
        self.networks = [networks.mlp(size, self.units, activation) for size in downwards[:-1]]
        self.normals = [DiagonalNormal(size) for size in downwards[1:]]
        for normal, network in zip(self.normals, self.networks, strict=True):
            normal.build(network.output_shape)

    @property
    def decoder_shape(self):
        return self.layer_sizes[:1]

    def distribution(self, condition=None, infer=None):
        following = [
            lambda z, normal=normal, network=network: normal(distributions.over_rows(network, z))
            for normal, network in zip(self.normals, self.networks, strict=True)
        ]
        top = standard_normal(self.layer_sizes[-1:])
        return distributions.Ancestral(top, following, self.layer_sizes[::-1], turned=True)

    def get_config(self):
        own = {"event_shape": list(self.layer_sizes), "units": list(self.units), "activation": self.activation}
        return super().get_config() | own
