"""Posteriors q(z|x): features -> distribution over latents, event `[n]`, batch `[B]`."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb

from tfvae import distributions, flows, networks

__all__ = [
    "Deterministic",
    "DiagonalNormal",
    "FullNormal",
    "Hierarchical",
    "InverseAutoregressiveFlow",
    "PlanarFlow",
    "PowerSpherical",
]

register = keras.saving.register_keras_serializable("tfvae.posteriors")


@register
class DiagonalNormal(distributions.Conditional):
    """q(z|x) = N(z; loc(x), diag(scale(x))^2), `tfd.MultivariateNormalDiag`.

    The features give the logarithm of the variance: the scale is exp(raw / 2), softly clipped to
    stay within exp(-7) and exp(7). With exp(raw) an MLP on MNIST is two nats behind after four epochs.
    Kingma and Welling 2013, arXiv:1312.6114.

    Args:
        event_shape: the latent size n.
    """

    parameters = 2
    refinable = True

    def distribution(self, loc, raw_variance):  # [..., n], [..., n]
        return distributions.MultivariateNormalDiag(loc, distributions.bounded_exp(raw_variance / 2))

    def unconstrained(self, distribution):
        """Means and logarithms of scales, `[2, ..., n]`."""
        return tf.stack([distribution.mean(), tf.math.log(distribution.stddev())])

    def from_unconstrained(self, parameters):
        loc, log_scale = tf.unstack(parameters)
        return distributions.MultivariateNormalDiag(loc, tf.exp(log_scale))


@register
class FullNormal(distributions.Conditional):
    """q(z|x) = N(z; loc(x), L(x) L(x)^T), L = diag(scale) (I + N), N strictly lower triangular;
    `tfd.MultivariateNormalTriL`. n (n + 3) / 2 numbers from the features.

    The scale is as in `DiagonalNormal`; the numbers of N are softly clipped to stay within -7 and 7.
    Kingma and Welling 2019, arXiv:1906.02691, section 2.5.1.

    Args:
        event_shape: the latent size n.
    """

    @property
    def shapes(self):
        n = self.event_shape[0]
        return (n,), (n,), (n * (n - 1) // 2,)

    def distribution(self, loc, raw_variance, raw_lower):  # [..., n], [..., n], [..., n (n - 1) / 2]
        scale = distributions.bounded_exp(raw_variance / 2)[..., None]  # [..., n, 1]
        if self.event_shape == (1,):
            return distributions.MultivariateNormalTriL(loc, scale)
        lower = tfp.math.fill_triangular(distributions.soft_clip(raw_lower, 7.0))  # [..., n - 1, n - 1]
        strictly = tf.pad(lower, [[0, 0]] * (lower.shape.rank - 2) + [[1, 0], [0, 1]])  # [..., n, n]
        return distributions.MultivariateNormalTriL(loc, scale * (tf.eye(self.event_shape[0]) + strictly))


@register
class Deterministic(distributions.Conditional):
    """q(z|x) has all its probability at loc(x): the encoder of a plain autoencoder, `tfd.VectorDeterministic`.

    Its density there is infinite, so KL(q || p) is infinite, the ELBO and what importance sampling finds for log p(x)
    are -infinity: a point bounds nothing. It goes with objectives whose loss has no KL: `Reconstruction`, `MMD`.

    Args:
        event_shape: the latent size n.
    """

    has_density = False

    def distribution(self, loc):  # [..., n]
        return distributions.Point(loc)


@register
class PowerSpherical(distributions.Conditional):
    """q(z|x) ~ (1 + direction(x) z)^concentration(x) on the unit sphere of R^n, n at least 2; `tfd.PowerSpherical`.

    The concentration stays within exp(-7) and exp(7). It goes with the prior `SphericalUniform`, to which its KL has a
    closed form. De Cao and Aziz 2020, arXiv:2006.04437; in VAEs: Davidson et al. 2018, arXiv:1804.00891.

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

    @property
    def shapes(self):
        return self.event_shape, ()

    def distribution(self, raw_direction, raw_concentration):  # [..., n], [...]
        start = tf.one_hot(0, self.event_shape[0], 1e-3)  # no direction is that of the zero vector
        direction = tf.math.l2_normalize(raw_direction + start, axis=-1)
        return distributions.PowerSpherical(direction, distributions.bounded_exp(raw_concentration))

    def center(self, distribution):
        return distribution.mean_direction  # the mean lies within the sphere, where nothing was ever decoded


class _FlowPosterior(distributions.Conditional):
    """A base posterior and a bijector, both of the features."""

    def __init__(self, event_shape, layers=4, base: distributions.Conditional | None = None, **kwargs):
        super().__init__(event_shape, **kwargs)
        if layers < 1:
            raise ValueError(f"layers must be 1 or more, not {layers}")
        self.layers = layers
        self.base = DiagonalNormal(event_shape) if base is None else base
        if self.base.event_shape != self.event_shape:
            raise ValueError(f"the base has events of shape {self.base.event_shape}, the flow {self.event_shape}")

    def build(self, input_shape):
        super().build(input_shape)
        if not self.base.built:  # read from a file, it is
            self.base.build(input_shape)

    def call(self, features):
        return distributions.Flow(self.base(features), self.bijector(features))

    def center(self, distribution):
        return distribution.bijector.forward(self.base.center(distribution.distribution))

    def get_config(self):
        own = {"layers": self.layers, "base": keras.saving.serialize_keras_object(self.base)}
        return super().get_config() | own

    @classmethod
    def from_config(cls, config):
        return cls(**(config | {"base": keras.saving.deserialize_keras_object(config["base"])}))


@register
class InverseAutoregressiveFlow(_FlowPosterior):
    """z_0 from a base posterior; z_t = gate_t z_t-1 + (1 - gate_t) mean_t, and the order turned around, T times.

    mean_t and the gate's logit are a masked autoregressive network of z_t-1 and the features, so the log-determinant is
    sum_ti log gate_ti. A sample and its density take T passes; the density of another point takes n T.
    `tfb.MaskedAutoregressiveFlow`, inverted. Kingma et al. 2016, arXiv:1606.04934.

    Args:
        event_shape: the latent size n.
        layers: T.
        units: width of the hidden layers of each network.
        activation: Keras' name of their activation.
        base: the base posterior; `DiagonalNormal` unless given.
    """

    shapes = ()

    def __init__(self, event_shape, layers: int = 2, units: list[int] = (64, 64), activation: str = "relu", **kwargs):
        super().__init__(event_shape, layers, **kwargs)
        n = self.event_shape[0]
        self.networks = [flows.MADE(n, units, activation) for _ in range(layers)]

    def build(self, input_shape):
        super().build(input_shape)
        for network in self.networks:
            network.build((None, *self.event_shape), input_shape)

    def bijector(self, features):
        """Map [..., n] -> [..., n]: the layers, each followed by a reversal of the coordinates."""
        steps = []
        for network in self.networks:
            step = tfb.Invert(tfb.MaskedAutoregressiveFlow(flows.gated(network, features)))
            steps += [step, flows.reverse(self.event_shape[0])]
        return tfb.Chain(steps[::-1])  # a chain begins with its last

    def get_config(self):
        made = self.networks[0]
        return super().get_config() | {"units": list(made.units), "activation": made.activation}


@register
class PlanarFlow(_FlowPosterior):
    """z_0 from a base posterior; z_t = z_t-1 + u_t tanh(w_t z_t-1 + b_t), T times, with u, w, b of the features.

    A sample and its density take T cheap steps; the density of another point takes the roots of T functions of one
    number. |w| stays within exp(-3) and exp(3), the numbers of u within -7 and 7.
    Rezende and Mohamed 2015, arXiv:1505.05770.

    Args:
        event_shape: the latent size n.
        layers: T.
        base: the base posterior; `DiagonalNormal` unless given.
    """

    def __init__(self, event_shape, layers: int = 4, **kwargs):
        super().__init__(event_shape, layers, **kwargs)

    @property
    def shapes(self):
        n = self.event_shape[0]
        return ((n,), (n,), (), ()) * self.layers

    def bijector(self, features):
        """Map [..., n] -> [..., n]: the planar layers, whose parameters are those of `features`."""
        raw, n = self.raw_parameters(features), self.event_shape[0]
        steps = []
        for t in range(self.layers):
            raw_u, raw_direction, raw_length, b = raw[4 * t : 4 * t + 4]
            direction = tf.math.l2_normalize(raw_direction + tf.one_hot(t % n, n), axis=-1)  # starts along an axis
            length = distributions.bounded_exp(raw_length, 3.0)[..., None]
            steps.append(flows.Planar(distributions.soft_clip(raw_u, 7.0), length * direction, b))
        return tfb.Chain(steps[::-1])


@register
class Hierarchical(distributions.Conditional):
    """q(z|x) = q(z_1|x) q(z_2|z_1) ... q(z_L|z_L-1), diagonal normals, z = [z_1, ..., z_L]: several stochastic layers.

    The features give the first; each further one comes from the one before through dense layers. It goes with the prior
    of the same name. Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519, section 5.

    Args:
        event_shape: the sizes of z_1, ..., z_L, the one nearest to x first.
        units: width of the dense layers between two.
        activation: Keras' name of their activation.
    """

    shapes = ()

    def __init__(self, event_shape: list[int], units: list[int] = (64, 64), activation: str = "tanh", **kwargs):
        self.layer_sizes = distributions.as_shape(event_shape)
        super().__init__(sum(self.layer_sizes), **kwargs)
        self.units, self.activation = distributions.as_sizes(units), activation
        self.normals = [DiagonalNormal(size) for size in self.layer_sizes]
        self.networks = [networks.mlp(size, self.units, activation) for size in self.layer_sizes[:-1]]

    def build(self, input_shape):
        super().build(input_shape)
        for normal, shape in zip(self.normals, [input_shape, *(n.output_shape for n in self.networks)], strict=True):
            normal.build(shape)

    def call(self, features):
        first, *others = self.normals
        following = [
            lambda z, normal=normal, network=network: normal(distributions.over_rows(network, z))
            for normal, network in zip(others, self.networks, strict=True)
        ]
        return distributions.Ancestral(first(features), following, self.layer_sizes)

    def center(self, distribution):
        return distribution.means()

    def get_config(self):
        own = {"event_shape": list(self.layer_sizes), "units": list(self.units), "activation": self.activation}
        return super().get_config() | own
