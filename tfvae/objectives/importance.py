"""Bounds by importance weights, tighter than the ELBO, and estimators of their gradients.

All draw the same z from the same seed, for the same number of draws in total.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfvae import random
from tfvae.objectives.base import Objective, Terms, log_mean_exp, register
from tfvae.objectives.given import Given

__all__ = ["CIWAE", "IWAE", "MIWAE", "PIWAE"]

CHOICE = 1000  # the number of its draw: a posterior of several layers takes the first few


def _weight_gradient(value: tf.Tensor, weight: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Give a value unchanged; a gradient that flows back through it is multiplied by `weight()`.

    The weight is a function because it is known later than the value, from what is computed of it: it is called when
    the gradient is.
    """

    @tf.custom_gradient
    def identity(value):
        return tf.identity(value), lambda gradient: gradient * weight()

    return identity(value)


def _keep_path_only(posterior: tfd.Distribution, z: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Give log_q `[S, B]` of the posterior's samples z unchanged; its gradient is only that through z.

    The other part, the score d log q / d phi at z held fixed, is 0 in expectation; for a flow it costs an inversion.
    """
    held = posterior.log_prob(tf.stop_gradient(z))  # [S, B]: its gradient is the score
    return log_q - held + tf.stop_gradient(held)


def _split_groups(values: tf.Tensor, groups: int) -> tf.Tensor:
    """Split samples `[M * K, B]` into M groups: `[M, K, B]`."""
    return tf.reshape(values, [groups, values.shape[0] // groups, -1])


def _replace_gradient(surrogate: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Give a value unchanged, with the gradient of `surrogate`, of the same shape."""
    return tf.stop_gradient(value) + (surrogate - tf.stop_gradient(surrogate))


def choose_by_weight(v: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
    """Draw `count` samples for each example, with replacement, sample s with probability v_s.

    Args:
        v: probabilities `[S, B]`, whose sums over S are 1.
        count: C.
        seed: int32 `[2]`.

    Returns:
        indices (s, b) `[C, B, 2]`, as `tf.gather_nd` takes them.
    """
    to = tf.cumsum(v, axis=0)  # [S, B]
    at = random.uniform([count, tf.shape(v)[1], 1], seed)[..., 0] * to[-1]  # [C, B]
    s = tf.reduce_sum(tf.cast(to <= at[:, None], tf.int32), axis=1)  # [C, B]
    s = tf.minimum(s, tf.shape(v)[0] - 1)  # at may round to the end
    return tf.stack([s, tf.broadcast_to(tf.range(tf.shape(s)[1]), tf.shape(s))], axis=-1)


@register
@dataclass(frozen=True)
class IWAE(Objective):
    """loss = -E log 1/S sum_s w_s, w_s = p(x|z_s) p(z_s) / q(z_s|x): minus a bound that tightens as S grows.

    The reported `elbo` stays the ELBO, with the same samples, and lies below the bound.
    Burda, Grosse and Salakhutdinov 2015, arXiv:1509.00519.

    As S grows the gradient in the parameters of q shrinks faster than its noise. Two estimators of it do without the
    score, its part that is not through z. "stl" leaves it out, to stick the landing (Roeder et al. 2017,
    arXiv:1703.09194): no noise is left where q is exact; with S > 1 it is biased. "dreg" is doubly reparameterised
    (Tucker et al. 2018, arXiv:1810.04152), and unbiased: the path through z_s is weighed by v_s^2, v_s = w_s / sum w,
    not by v_s. The gradient in decoder and prior is the same for all three: sum_s v_s d log w_s.

    That sum needs a pass forward for each draw, but one back for few: it is the mean of d log w_s over draws chosen
    with probability v_s (Burda et al., section 3). With `chosen` the gradient goes through so many: many samples take
    a fraction of the time, for more noise about the same expectation.

    Args:
        samples: S, at least 1; with 1 it is the ELBO, its KL estimated.
        estimator: "standard", "stl" or "dreg", of the gradient; the loss's value is the same for all.
        chosen: how many draws the gradient goes through, chosen by their weights; all S unless given.
    """

    samples: int = 5
    estimator: Literal["standard", "stl", "dreg"] = "standard"
    chosen: int | None = None

    def __post_init__(self):
        if self.samples < 1 or (self.chosen is not None and self.chosen < 1):
            raise ValueError(f"samples must be 1 or more, and so must chosen where it is given: {self}")
        if self.estimator not in ("standard", "stl", "dreg"):
            raise ValueError(f"estimator must be standard, stl or dreg: {self}")

    def __call__(self, given: Given) -> Terms:
        def weigh(z, log_q, v=None):  # -> log p(x|z), log w, v, each [S, B]
            if self.estimator != "standard":
                log_q = _keep_path_only(given.posterior, z, log_q)
            if self.estimator == "dreg":  # the bound's gradient has v once, and z's path once more
                z, log_q = _weight_gradient(z, lambda: again[..., None]), _weight_gradient(log_q, lambda: again)
            log_likelihood = given.log_likelihood(z)
            log_weight = log_likelihood + given.prior.log_prob(z) - log_q
            again = tf.stop_gradient(tf.nn.softmax(log_weight, axis=0)) if v is None else v
            return log_likelihood, log_weight, again

        z, log_q = given.draw(self.samples)  # [S, B, n], [S, B]
        kl = given.kl(z, log_q)  # [B]
        log_likelihood, log_weight, v = weigh(z, log_q)
        bound = log_mean_exp(log_weight, axis=0)  # [B]
        if self.chosen:
            choice = choose_by_weight(v, self.chosen, random.fold(given.seed, CHOICE))  # [C, B, 2]
            _, log_weight, _ = weigh(*(tf.gather_nd(values, choice) for values in (z, log_q, v)))  # [C, B]
            bound = _replace_gradient(tf.reduce_mean(log_weight, axis=0), bound)
        return Terms(-bound, tf.reduce_mean(log_likelihood, axis=0), kl)


@register
@dataclass(frozen=True)
class MIWAE(Objective):
    """loss = minus the mean of `groups` bounds of IWAE, each with `samples` separate draws of z.

    Between the ELBO (samples = 1) and IWAE (groups = 1): the more draws to a bound the tighter it is, the more bounds
    the less noise has the gradient in the parameters of q. Rainforth et al. 2018, arXiv:1802.04537.

    Args:
        groups: bounds that are averaged, at least 1.
        samples: draws of z to a bound, at least 1.
    """

    groups: int = 8
    samples: int = 8

    def __post_init__(self):
        if self.groups < 1 or self.samples < 1:
            raise ValueError(f"groups and samples must be 1 or more: {self}")

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(self.groups * self.samples)  # [S, B, n], [S, B]
        log_likelihood = given.log_likelihood(z)  # [S, B]
        log_weight = log_likelihood + given.prior.log_prob(z) - log_q  # [S, B]
        bounds = log_mean_exp(_split_groups(log_weight, self.groups), axis=1)  # [M, B]
        return Terms(-tf.reduce_mean(bounds, axis=0), tf.reduce_mean(log_likelihood, axis=0), given.kl(z, log_q))


@register
@dataclass(frozen=True)
class CIWAE(Objective):
    """loss = -(beta ELBO + (1 - beta) IWAE), both bounds by the same draws of z.

    The ELBO is the mean of log p(x|z) p(z) / q(z|x) over the draws. Rainforth et al. 2018, arXiv:1802.04537.

    Args:
        samples: draws of z per example, at least 1.
        beta: the ELBO's share, from 0 to 1.
    """

    samples: int = 64
    beta: float = 0.5

    def __post_init__(self):
        if self.samples < 1 or not 0 <= self.beta <= 1:
            raise ValueError(f"samples must be 1 or more, beta from 0 to 1: {self}")

    def __call__(self, given: Given) -> Terms:
        z, log_q = given.draw(self.samples)  # [S, B, n], [S, B]
        log_likelihood = given.log_likelihood(z)  # [S, B]
        log_weight = log_likelihood + given.prior.log_prob(z) - log_q  # [S, B]
        bound = log_mean_exp(log_weight, axis=0)  # [B]
        elbo = tf.reduce_mean(log_weight, axis=0)  # [B]
        loss = -(self.beta * elbo + (1 - self.beta) * bound)
        return Terms(loss, tf.reduce_mean(log_likelihood, axis=0), given.kl(z, log_q))


@register
@dataclass(frozen=True)
class PIWAE(Objective):
    """Decoder and prior learn by IWAE with groups * samples draws of z, the posterior by MIWAE with the same draws.

    So the model has the tight bound, and the posterior gradients with little noise. The loss's value is minus IWAE's
    bound. Rainforth et al. 2018, arXiv:1802.04537.

    Args:
        groups: bounds that are averaged for the posterior, at least 1.
        samples: draws of z to such a bound, at least 1.
    """

    groups: int = 8
    samples: int = 8

    def __post_init__(self):
        if self.groups < 1 or self.samples < 1:
            raise ValueError(f"groups and samples must be 1 or more: {self}")

    def __call__(self, given: Given) -> Terms:
        total = self.groups * self.samples
        z, log_q = given.draw(total)  # [S, B, n], [S, B]
        kl = given.kl(z, log_q)  # [B]
        z = _weight_gradient(z, lambda: tf.exp(log_inference - log_generative)[..., None])
        log_likelihood = given.log_likelihood(z)  # [S, B]
        log_joint = log_likelihood + given.prior.log_prob(z)  # [S, B]

        # how much each draw counts: for IWAE w / sum w, for MIWAE w / sum w of its group / groups
        log_weight = tf.stop_gradient(log_joint - log_q)  # [S, B]
        by_group = tf.nn.log_softmax(_split_groups(log_weight, self.groups), axis=1) - math.log(self.groups)
        log_inference = tf.reshape(by_group, tf.shape(log_weight))  # [S, B]
        log_generative = tf.maximum(tf.nn.log_softmax(log_weight, axis=0), -60.0)  # their ratio fits in float32

        surrogate = tf.exp(log_generative) * log_joint - tf.exp(log_inference) * log_q  # [S, B]
        surrogate = tf.reduce_sum(surrogate, axis=0)  # [B]: its gradient is wanted, not its value
        bound = log_mean_exp(log_weight, axis=0)  # [B]
        return Terms(-_replace_gradient(surrogate, bound), tf.reduce_mean(log_likelihood, axis=0), kl)
