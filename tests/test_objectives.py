import dataclasses
import functools
import logging
import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tests import members
from tests.models import FixedNormal, begin, dataset, linear_gaussian, small_images, small_vae, weights
from tfvae import distributions, objectives, priors, random
from tfvae.objectives import Given, divergence, importance

SEED = random.seed(0, random.Stream.EVALUATION)
model = functools.cache(linear_gaussian)  # no test here changes it


def terms(objective, step=0, seed=SEED):
    vae, x, exact = model()
    return objective(Given(tf.constant(x), vae.infer(x), vae.prior.distribution(), vae.decode, step, seed)), exact


def wrong_posterior(right):
    return distributions.MultivariateNormalDiag(right.mean() + 0.3, 1.5 * right.stddev())


def wrong_terms(objective, step=0, prior=None):
    """The objective's terms under a posterior that is not the exact one."""
    vae, x, _ = model()
    prior = prior or vae.prior.distribution()
    return objective(Given(tf.constant(x), wrong_posterior(vae.infer(x)), prior, vae.decode, step, SEED))


# the ELBO and its parts


def test_elbo_of_the_exact_posterior_is_log_marginal():
    found, exact = terms(objectives.ELBO(samples=40_000))
    np.testing.assert_allclose(found.elbo, exact, atol=0.05)
    np.testing.assert_allclose(np.mean(found.elbo), exact.mean(), atol=0.01)


def test_elbo_of_another_posterior_is_below_by_its_divergence():
    vae, x, exact = model()
    right = vae.infer(x)
    found = wrong_terms(objectives.ELBO(samples=40_000))
    np.testing.assert_allclose(exact - found.elbo, wrong_posterior(right).kl_divergence(right), atol=0.15)


def test_loss_weighs_the_kl_and_elbo_does_not():
    plain, _ = terms(objectives.ELBO())
    weighted, _ = terms(objectives.ELBO(beta=4.0))
    np.testing.assert_allclose(weighted.elbo, plain.elbo)
    np.testing.assert_allclose(weighted.loss, 4 * plain.kl - plain.reconstruction, rtol=1e-5)
    np.testing.assert_allclose(plain.loss, -plain.elbo, rtol=1e-5)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (5, 1.0), (10, 2.0), (1000, 2.0)])
def test_warmup_raises_the_weight_linearly(step, weight):
    assert float(objectives.ELBO(beta=2.0, warmup_steps=10).weight(tf.constant(step))) == weight


@pytest.mark.parametrize(("step", "weight"), [(0, 0), (5, 1), (10, 2), (24, 2), (25, 0), (30, 1), (49, 2), (1000, 0)])
def test_warmup_begins_anew_in_each_cycle(step, weight):
    objective = objectives.ELBO(beta=2.0, warmup_steps=10, cycle_steps=25)
    assert float(objective.weight(step)) == float(objective.weight(keras.Variable(step, dtype="int64"))) == weight


@pytest.mark.parametrize(("step", "capacity"), [(0, 0.0), (5, 1.0), (10, 2.0), (1000, 2.0)])
def test_capacity_rises_linearly(step, capacity):
    assert float(objectives.Capacity(nats=2.0, steps=10).capacity(tf.constant(step))) == capacity
    assert objectives.Capacity(nats=2.0, steps=0).capacity(step) == 2.0


def test_closed_kl_is_the_mean_over_samples():
    vae, x, _ = model()
    posterior, prior = vae.infer(x), vae.prior.distribution()
    z, log_q = posterior.experimental_sample_and_log_prob(100_000, seed=SEED)
    sampled = tf.reduce_mean(log_q - prior.log_prob(z), axis=0)
    np.testing.assert_allclose(objectives.kl_divergence(posterior, prior, z, log_q), sampled, atol=0.03)


def test_pairs_with_a_closed_kl():
    """The closed form must be found, or an estimate would be used unseen."""
    posterior = model()[0].infer(np.zeros((1, 4), np.float32))
    assert tfd.kl_divergence(posterior, model()[0].prior.distribution()).shape == (1,)


def test_an_estimated_kl_is_right_and_said_once(caplog):
    divergence._say_estimated.cache_clear()
    mixture = tfd.MixtureSameFamily(  # of one component: the standard normal, but nothing closed is known of it
        tfd.Categorical(logits=[0.0]), distributions.MultivariateNormalDiag(tf.zeros((1, 2)), tf.ones((1, 2)))
    )
    with caplog.at_level(logging.INFO, "tfvae"):
        estimated = wrong_terms(objectives.ELBO(samples=20_000), prior=mixture)
        wrong_terms(objectives.IWAE(), prior=mixture)
    np.testing.assert_allclose(estimated.kl, wrong_terms(objectives.ELBO()).kl, atol=0.1)
    (message,) = caplog.messages
    assert "MultivariateNormalDiag || MixtureSameFamily" in message


# every loss, beside the same in numpy


def log_normal(value, loc, scale):
    return -0.5 * ((value - loc) / scale) ** 2 - np.log(scale) - 0.5 * math.log(2 * math.pi)


def log_mean_exp(values, axis):
    return np.logaddexp.reduce(values, axis=axis) - math.log(values.shape[axis])


def by_hand(samples):
    """The draws, the densities and the KL of `wrong_terms`, float64."""
    vae, x, _ = model()
    posterior = wrong_posterior(vae.infer(x))
    z = posterior.sample(samples, seed=SEED).numpy().astype(float)  # [S, B, n]
    loc, scale = posterior.mean().numpy().astype(float), posterior.stddev().numpy().astype(float)  # [B, n]
    loading, shift = vae.likelihood.get_weights()
    log_likelihood = log_normal(x, z @ loading + shift, FixedNormal.SCALE).sum(axis=-1)  # [S, B]
    log_q, log_p = log_normal(z, loc, scale).sum(axis=-1), log_normal(z, 0, 1).sum(axis=-1)
    units = 0.5 * (loc**2 + scale**2 - 1) - np.log(scale)  # [B, n]
    return SimpleNamespace(
        z=z,
        loc=loc,
        scale=scale,
        log_q=log_q,
        log_p=log_p,
        reconstruction=log_likelihood.mean(axis=0),
        units=units,
        kl=units.sum(axis=-1),
        log_weight=log_likelihood + log_p - log_q,
    )


def free_bits(it, nats):
    costs = it.units.mean(axis=0) > nats
    assert costs.any() and not costs.all()
    return np.where(costs, it.units, nats).sum(axis=-1) - it.reconstruction


def beta_tc(it, alpha, beta, gamma):
    each = log_normal(it.z[0][:, None], it.loc, it.scale)  # [B, M, n]
    aggregate, units = log_mean_exp(each.sum(axis=-1), axis=1), log_mean_exp(each, axis=1).sum(axis=-1)
    parts = alpha * (it.log_q[0] - aggregate) + beta * (aggregate - units) + gamma * (units - it.log_p[0])
    return parts - it.reconstruction


def dip(it, off_diagonal, diagonal, aggregate):
    covariance = np.cov(it.loc.T, bias=True) + aggregate * np.diag((it.scale**2).mean(axis=0))
    off = sum(covariance[i, j] ** 2 for i in range(2) for j in range(2) if i != j)
    return it.kl - it.reconstruction + off_diagonal * off + diagonal * ((np.diag(covariance) - 1) ** 2).sum()


def kernel(a, b, scales):
    return sum(4 * s / (4 * s + ((a - b) ** 2).sum()) for s in scales)  # C = 2 n s, n = 2


def mean_discrepancy(one, other, scales):
    count, total = len(one), 0.0
    for i in range(count):
        for j in range(count):
            total -= 2 * kernel(one[i], other[j], scales) / count**2
            if i != j:
                within = kernel(one[i], one[j], scales) + kernel(other[i], other[j], scales)
                total += within / (count * (count - 1))
    return total


def mmd(it, weight, kl, scales):
    other = model()[0].prior.distribution().sample(len(it.loc), seed=random.fold(SEED, 1)).numpy()
    return kl * it.kl - it.reconstruction + weight * mean_discrepancy(it.z[0], other.astype(float), scales)


def miwae(it, groups):
    grouped = it.log_weight.reshape(groups, -1, it.log_weight.shape[-1])
    return -log_mean_exp(grouped, axis=1).mean(axis=0)


SCALES = (0.1, 0.2, 0.5, 1, 2, 5, 10)
LOSSES = {  # objective, its draws of z, its loss from what `by_hand` gives
    "ELBO": (objectives.ELBO(2.0, samples=4), 4, lambda it: 2 * it.kl - it.reconstruction),
    "ELBO-0": (objectives.ELBO(0.0, warmup_steps=5), 1, lambda it: -it.reconstruction),
    "ELBO-warm": (objectives.ELBO(2.0, warmup_steps=8), 1, lambda it: it.kl - it.reconstruction),
    "FreeBits": (objectives.FreeBits(0.5, samples=3), 3, lambda it: free_bits(it, 0.5)),
    "Capacity": (objectives.Capacity(5.0, 10, 7.0, 2), 2, lambda it: 7 * abs(it.kl - 2) - it.reconstruction),
    "Capacity-0": (objectives.Capacity(5.0, 10, gamma=0.0), 1, lambda it: -it.reconstruction),
    "Reconstruction": (objectives.Reconstruction(), 1, lambda it: -it.reconstruction),
    "Reconstruction-l2": (
        objectives.Reconstruction(0.3),
        1,
        lambda it: 0.15 * (it.z[0] ** 2).sum(axis=-1) - it.reconstruction,
    ),
    "BetaTC": (objectives.BetaTC(3.0, alpha=2.0, gamma=0.5), 1, lambda it: beta_tc(it, 2, 3, 0.5)),
    "BetaTC-1": (objectives.BetaTC(1.0), 1, lambda it: it.log_q[0] - it.log_p[0] - it.reconstruction),
    "DIP-I": (objectives.DIP(2.0, 3.0), 1, lambda it: dip(it, 2, 3, False)),
    "DIP-II": (objectives.DIP(2.0, 3.0, aggregate=True), 1, lambda it: dip(it, 2, 3, True)),
    "MMD": (objectives.MMD(10.0), 1, lambda it: mmd(it, 10, 0, SCALES)),
    "MMD-InfoVAE": (objectives.MMD(5.0, kl=0.5, scales=[1.0]), 1, lambda it: mmd(it, 5, 0.5, [1])),
    "IWAE": (objectives.IWAE(6), 6, lambda it: miwae(it, 1)),
    "IWAE-stl": (objectives.IWAE(6, "stl"), 6, lambda it: miwae(it, 1)),
    "IWAE-dreg": (objectives.IWAE(6, "dreg"), 6, lambda it: miwae(it, 1)),
    "IWAE-chosen": (objectives.IWAE(6, "dreg", chosen=2), 6, lambda it: miwae(it, 1)),
    "MIWAE": (objectives.MIWAE(2, 3), 6, lambda it: miwae(it, 2)),
    "CIWAE": (
        objectives.CIWAE(6, beta=0.3),
        6,
        lambda it: 0.7 * miwae(it, 1) - 0.3 * it.log_weight.mean(axis=0),
    ),
    "PIWAE": (objectives.PIWAE(2, 3), 6, lambda it: miwae(it, 1)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_terms_are_those_by_hand(name):
    objective, samples, loss = LOSSES[name]
    found, it = wrong_terms(objective, step=4), by_hand(samples)
    np.testing.assert_allclose(found.reconstruction, it.reconstruction, rtol=1e-4)
    np.testing.assert_allclose(found.kl, it.kl, rtol=1e-4)
    np.testing.assert_allclose(found.loss, loss(it), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", members.OBJECTIVES)
def test_a_prior_may_have_a_batch(name):
    objective = members.OBJECTIVES[name]()
    batch = distributions.MultivariateNormalDiag(tf.zeros((30, 2)), tf.ones((30, 2)))
    for one, other in zip(wrong_terms(objective), wrong_terms(objective, prior=batch), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


# units, batches, points


def test_free_bits_charges_a_batch_what_its_definition_says():
    found, it = wrong_terms(objectives.FreeBits(0.5)), by_hand(1)
    charged = np.mean(found.loss + found.reconstruction)
    assert charged == pytest.approx(np.maximum(0.5, it.units.mean(axis=0)).sum(), rel=1e-5)


def test_units_that_are_not_independent_are_refused():
    vae, x, _ = model()
    posterior = tfd.MultivariateNormalTriL(tf.zeros((30, 2)), tf.eye(2))
    with pytest.raises(ValueError, match=r"MultivariateNormalTriL.*DiagonalNormal.*StandardNormal"):
        objectives.BetaTC(1.0)(Given(x, posterior, vae.prior.distribution(), vae.decode, 0, SEED))
    assert np.isfinite(wrong_terms(objectives.BetaTC(1.0), prior=priors.MixtureOfNormals(2).distribution()).loss).all()


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_free_bits_of_a_prior_without_units_are_those_of_the_whole_kl(share):
    prior = priors.MixtureOfNormals(2).distribution()
    kl = wrong_terms(objectives.ELBO(), prior=prior).kl.numpy()
    nats = share * kl.mean() / 2  # for each of two latents
    found = wrong_terms(objectives.FreeBits(nats), prior=prior)
    np.testing.assert_allclose(found.kl, kl, rtol=1e-5)
    assert np.mean(found.loss + found.reconstruction) == pytest.approx(max(2 * nats, kl.mean()), rel=1e-4)


def test_units_have_the_density_of_the_whole():
    whole = wrong_posterior(model()[0].infer(model()[1]))
    z = whole.sample(seed=SEED)
    units = distributions.units_of(whole)
    np.testing.assert_allclose(tf.reduce_sum(units.log_prob(z), axis=-1), whole.log_prob(z), rtol=1e-5)


def test_discrepancy_is_zero_between_equal_distributions_and_not_between_others():
    objective = objectives.MMD(1.0)
    one, other = np.random.default_rng(0).normal(size=(2, 2000, 3)).astype(np.float32)
    assert abs(objective.discrepancy(one, other)) < 5e-3
    assert objective.discrepancy(one, other + 1) > 0.3
    alone = objective.discrepancy(one[:1], other[:1])
    assert np.isfinite(alone)  # though it says nothing


class Point:
    """One point, as a density: infinite."""

    def __init__(self, loc):
        self.loc = loc

    def experimental_sample_and_log_prob(self, samples, seed):
        return tf.repeat(self.loc[None], samples, axis=0), tf.fill([samples, len(self.loc)], math.inf)


@pytest.mark.parametrize(
    "objective",
    [
        objectives.ELBO(beta=0.0),
        objectives.Capacity(gamma=0.0),
        objectives.Reconstruction(l2=0.1),
        objectives.MMD(10.0),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_a_point_as_posterior(objective):
    vae, x, _ = model()
    loc = vae.infer(x).mean()
    with tf.GradientTape() as tape:
        tape.watch(loc)
        found = objective(Given(x, Point(loc), vae.prior.distribution(), vae.decode, 0, SEED))
    assert np.isposinf(found.kl).all() and np.isfinite(found.loss).all() and objective.monitor == "reconstruction"
    assert np.isfinite(tape.gradient(found.loss, loc)).all()


@pytest.mark.parametrize("objective", [objectives.ELBO(), objectives.MMD(1.0, kl=0.1), objectives.BetaTC(2.0)])
def test_the_elbo_chooses_the_best_epoch(objective):
    assert objective.monitor == "elbo"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objectives.ELBO(beta=-1.0), "samples 1 or more"),
        (lambda: objectives.ELBO(samples=0), "samples 1 or more"),
        (lambda: objectives.ELBO(warmup_steps=-1), "warmup_steps must be 0 or more"),
        (lambda: objectives.ELBO(warmup_steps=10, cycle_steps=5), "cycle_steps"),
        (lambda: objectives.ELBO(cycle_steps=-5), "cycle_steps"),
        (lambda: objectives.FreeBits(nats=-1.0), "nats"),
        (lambda: objectives.FreeBits(samples=0), "samples"),
        (lambda: objectives.Capacity(steps=-1), "steps"),
        (lambda: objectives.Capacity(gamma=-1.0), "gamma"),
        (lambda: objectives.Reconstruction(l2=-1.0), "l2"),
        (lambda: objectives.BetaTC(-1.0), "beta"),
        (lambda: objectives.DIP(1.0, -1.0), "diagonal"),
        (lambda: objectives.MMD(-1.0), "weight"),
        (lambda: objectives.MMD(1.0, kl=-1.0), "kl"),
        (lambda: objectives.MMD(1.0, scales=[1.0, 0.0]), "scales"),
        (lambda: objectives.MMD(1.0, scales=[]), "scales"),
        (lambda: objectives.IWAE(samples=0), "samples"),
        (lambda: objectives.IWAE(chosen=0), "chosen"),
        (lambda: objectives.IWAE(estimator="best"), "estimator must be standard, stl or dreg"),
        (lambda: objectives.MIWAE(groups=0), "groups"),
        (lambda: objectives.PIWAE(samples=0), "samples"),
        (lambda: objectives.CIWAE(beta=1.5), "beta"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


LEAST = {  # of each number of each objective
    objectives.ELBO: {"beta": 0.0, "warmup_steps": 0, "cycle_steps": 0, "samples": 1},
    objectives.FreeBits: {"nats": 0.0, "samples": 1},
    objectives.Capacity: {"nats": 0.0, "steps": 0, "gamma": 0.0, "samples": 1},
    objectives.Reconstruction: {"l2": 0.0},
    objectives.BetaTC: {"alpha": 0.0, "beta": 0.0, "gamma": 0.0},
    objectives.DIP: {"off_diagonal": 0.0, "diagonal": 0.0},
    objectives.MMD: {"weight": 0.0, "kl": 0.0},
    objectives.IWAE: {"samples": 1, "chosen": 1},
    objectives.MIWAE: {"groups": 1, "samples": 1},
    objectives.PIWAE: {"groups": 1, "samples": 1},
    objectives.CIWAE: {"samples": 1, "beta": 0.0},
}


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind, numbers in LEAST.items() for field in numbers],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_each_number_may_be_its_least_and_no_less(kind, field):
    numbers = LEAST[kind]
    step = 1 if isinstance(numbers[field], int) else 1e-3
    assert getattr(kind(**numbers), field) == numbers[field]
    with pytest.raises(ValueError, match=rf"^[^:]*\b{field}\b.*: {kind.__name__}"):
        kind(**numbers | {field: numbers[field] - step})


@pytest.mark.parametrize(
    "make",
    [
        lambda: objectives.ELBO(beta=0.0, warmup_steps=0, samples=1),
        lambda: objectives.ELBO(warmup_steps=5, cycle_steps=5),
        lambda: objectives.FreeBits(nats=0.0, samples=1),
        lambda: objectives.Capacity(nats=0.0, steps=0, gamma=0.0, samples=1),
        lambda: objectives.Reconstruction(l2=0.0),
        lambda: objectives.BetaTC(0.0, alpha=0.0, gamma=0.0),
        lambda: objectives.DIP(0.0, 0.0),
        lambda: objectives.MMD(0.0, kl=0.0, scales=[1e-3]),
        lambda: objectives.IWAE(samples=1, chosen=1),
        lambda: objectives.MIWAE(groups=1, samples=1),
        lambda: objectives.PIWAE(groups=1, samples=1),
        lambda: objectives.CIWAE(samples=1, beta=0.0),
        lambda: objectives.CIWAE(samples=1, beta=1.0),
    ],
)
def test_the_least_and_most_are_possible(make):
    assert np.isfinite(wrong_terms(make()).loss).all()


@pytest.mark.parametrize("name", members.OBJECTIVES)
def test_an_objective_cannot_be_changed(name):
    """What is compiled has its numbers in it."""
    objective = members.OBJECTIVES[name]()
    field = dataclasses.fields(objective)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(objective, field, getattr(objective, field))


@pytest.mark.parametrize("name", members.OBJECTIVES)
def test_an_objective_comes_back_from_a_file_that_knows_its_name_alone(name):
    """Under the package's name, not the module's: a file is read by a version that keeps it elsewhere."""
    objective = members.OBJECTIVES[name]()
    written = keras.saving.serialize_keras_object(objective)
    assert written["registered_name"] == f"tfvae>{name}"
    written["module"] = None
    assert keras.saving.deserialize_keras_object(written) == objective


@pytest.mark.parametrize(
    "name", {type(LOSSES[name][0]): name for name in reversed(LOSSES)}.values()
)  # the first of each
def test_only_objectives_of_the_whole_batch_depend_on_its_other_examples(name):
    """For others a batch goes through in parts, where that is faster."""
    objective = LOSSES[name][0]
    vae, x, _ = model()
    posterior, prior = wrong_posterior(vae.infer(x)), vae.prior.distribution()
    whole = objective(Given(x, posterior, prior, vae.decode, 4, SEED)).loss
    part = objective(Given(x[:2], posterior[:2], prior, vae.decode, 4, SEED)).loss
    assert np.allclose(whole[:2], part, rtol=1e-4) != objective.whole_batch


# bounds by importance weights


@pytest.mark.parametrize("estimator", ["standard", "stl", "dreg"])
def test_iwae_is_log_marginal_under_the_exact_posterior(estimator):
    found, exact = terms(objectives.IWAE(samples=3, estimator=estimator))
    np.testing.assert_allclose(-found.loss, exact, atol=1e-3)


def test_iwae_rises_with_samples_and_lies_above_the_elbo():
    vae, x, exact = model()
    posterior = wrong_posterior(vae.infer(np.repeat(x, 500, axis=0)))

    def bound(samples):
        objective = objectives.IWAE(samples=samples)
        found = objective(Given(np.repeat(x, 500, axis=0), posterior, vae.prior.distribution(), vae.decode, 0, SEED))
        return -float(np.mean(found.loss)), float(np.mean(found.elbo))

    (one, elbo), (few, _), (many, _) = bound(1), bound(5), bound(50)
    assert one == pytest.approx(elbo, abs=0.05)
    assert elbo + 0.05 < few < many < exact.mean() + 0.01


X = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
PARAMETERS = ("loc", "raw_scale", "prior_loc", "loading")  # the first two are the posterior's


class Toy:
    """z ~ N(prior_loc, I_2), x | z ~ N(z loading, 0.5^2 I_4), and a posterior with parameters of its own for each x."""

    def __init__(self, x=X, noise=0.5):
        rng = np.random.default_rng(3)
        self.x, self.noise = tf.constant(x), noise
        self.loc = tf.Variable(rng.normal(size=(len(x), 2)), dtype=tf.float32)
        self.raw_scale = tf.Variable(0.3 * rng.normal(size=(len(x), 2)), dtype=tf.float32)
        self.prior_loc = tf.Variable([0.3, -0.2])
        self.loading = tf.Variable(rng.normal(size=(2, 4)), dtype=tf.float32)

    def posterior(self, stopped=False):
        stop = tf.stop_gradient if stopped else tf.identity
        return distributions.MultivariateNormalDiag(stop(self.loc), tf.exp(stop(self.raw_scale)))

    def prior(self):
        return distributions.MultivariateNormalDiag(self.prior_loc, tf.ones(2))

    @staticmethod
    def normal(z, loading, noise=0.5):
        mean = tf.einsum("sbn,nd->sbd", z, loading)
        return tfd.MultivariateNormalDiag(mean, tf.fill(tf.shape(mean), noise))

    def decode(self, z):
        return self.normal(z, self.loading, self.noise)

    def loss(self, objective, seed=SEED):
        return objective(Given(self.x, self.posterior(), self.prior(), self.decode, 0, seed)).loss

    def gradients(self, objective):
        """Gradients of the loss's sum over the examples, by parameter."""
        variables = [getattr(self, name) for name in PARAMETERS]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(self.loss(objective))
        return dict(zip(PARAMETERS, tape.gradient(loss, variables), strict=True))


def assert_alike(one, other, names=PARAMETERS, rtol=1e-4):
    for name in names:
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("estimator", "samples"), [("stl", 1), ("dreg", 1), ("dreg", 7)])
def test_gradients_of_the_posterior_are_those_of_tfp(estimator, samples):
    toy = Toy()
    with tf.GradientTape() as tape:
        theirs = tfp.vi.monte_carlo_variational_loss(
            lambda z: toy.decode(z).log_prob(toy.x) + toy.prior().log_prob(z),
            toy.posterior(),
            importance_sample_size=samples,
            gradient_estimator=tfp.vi.GradientEstimators.DOUBLY_REPARAMETERIZED,
            stopped_surrogate_posterior=toy.posterior(stopped=True),
            seed=SEED,
        )  # [B]
    expected = tape.gradient(theirs, [toy.loc, toy.raw_scale])
    noise = tfp.random.split_seed(SEED, 2)[0]  # what TFP samples with
    with tf.GradientTape() as tape:
        ours = toy.loss(objectives.IWAE(samples, estimator), noise)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for one, other in zip(tape.gradient(ours, [toy.loc, toy.raw_scale]), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("estimator", ["stl", "dreg"])
def test_estimators_differ_in_the_posterior_only(estimator):
    standard, other = (Toy().gradients(objectives.IWAE(5, e)) for e in ("standard", estimator))
    assert_alike(standard, other, PARAMETERS[2:])
    assert np.abs(standard["loc"] - other["loc"]).max() > 0.01


@pytest.mark.parametrize("estimator", ["stl", "dreg"])
def test_no_noise_is_left_where_the_posterior_is_exact(estimator):
    vae, x, _ = model()

    def largest(objective):
        loc = tf.Variable(vae.infer(x).mean())
        with tf.GradientTape() as tape:
            posterior = distributions.MultivariateNormalDiag(loc, vae.infer(x).stddev())
            loss = objective(Given(x, posterior, vae.prior.distribution(), vae.decode, 0, SEED)).loss
        return np.abs(tape.gradient(loss, loc)).max()

    assert largest(objectives.IWAE(3, estimator)) < 1e-3 < 0.1 < largest(objectives.IWAE(3))


def many_alike():
    """The first example 20,000 times over: gradients of the posterior are draws, of the rest their sum."""
    toy = Toy(np.repeat(X[:1], 20_000, axis=0))
    for variable in (toy.loc, toy.raw_scale):
        variable.assign(tf.repeat(variable[:1], len(toy.x), axis=0))
    return toy


def assert_expectations_alike(one, other):
    for name in PARAMETERS[:2]:
        a, b = one[name].numpy(), other[name].numpy()  # [draws, n]
        error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a))
        assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error).all(), name


def test_dreg_has_the_expectation_of_the_standard_gradient_and_less_noise():
    standard, dreg = (many_alike().gradients(objectives.IWAE(4, e)) for e in ("standard", "dreg"))
    assert_expectations_alike(standard, dreg)
    assert np.var(dreg["loc"], axis=0).sum() < np.var(standard["loc"], axis=0).sum()


@pytest.mark.parametrize("estimator", ["standard", "stl", "dreg"])
def test_the_gradient_of_chosen_draws_has_the_expectation_of_that_of_all(estimator):
    whole, some = (many_alike().gradients(objectives.IWAE(4, estimator, chosen=c)) for c in (None, 2))
    assert_expectations_alike(whole, some)
    for name in PARAMETERS[2:]:  # sums over the 20,000
        np.testing.assert_allclose(some[name], whole[name], rtol=1e-3, atol=200, err_msg=name)


def test_draws_are_chosen_by_their_weights():
    v = tf.repeat(tf.constant([[0.1], [0.0], [0.6], [0.3]]), 5000, axis=1)  # [S, B]
    s, b = np.moveaxis(importance.choose_by_weight(v, 3, SEED).numpy(), -1, 0)  # [C, B]
    np.testing.assert_array_equal(b, np.broadcast_to(np.arange(5000), (3, 5000)))
    np.testing.assert_allclose(np.bincount(s.ravel(), minlength=4) / s.size, v[:, 0], atol=0.02)
    assert (s != 1).all()


def test_the_last_draw_is_chosen_where_rounding_goes_past_it(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda shape, seed: tf.ones(shape))
    choice = importance.choose_by_weight(tf.constant([[0.25, 1.0], [0.75, 0.0]]), 2, SEED).numpy()
    np.testing.assert_array_equal(choice, [[[1, 0], [1, 1]]] * 2)


@pytest.mark.parametrize("noise", [0.5, 0.02], ids=["", "weights-far-apart"])
def test_piwae_is_iwae_for_the_model_and_miwae_for_the_posterior(noise):
    toy = Toy(noise=noise)
    found = toy.gradients(objectives.PIWAE(3, 4))
    assert_alike(found, toy.gradients(objectives.IWAE(12)), PARAMETERS[2:])
    assert_alike(found, toy.gradients(objectives.MIWAE(3, 4)), PARAMETERS[:2])


def test_miwae_and_ciwae_at_their_ends_are_elbo_and_iwae():
    toy = Toy()
    iwae, elbo = toy.gradients(objectives.IWAE(6)), toy.gradients(objectives.MIWAE(6, 1))
    for objective in (objectives.MIWAE(1, 6), objectives.CIWAE(6, beta=0.0), objectives.PIWAE(1, 6)):
        assert_alike(toy.gradients(objective), iwae)
    assert_alike(toy.gradients(objectives.CIWAE(6, beta=1.0)), elbo)


GRAPHS = {
    "dreg": objectives.IWAE(5, "dreg"),
    "chosen": objectives.IWAE(5, "dreg", chosen=2),
    "PIWAE": objectives.PIWAE(2, 3),
}


@pytest.mark.parametrize(
    "objective",
    [pytest.param(made, id=name, marks=pytest.mark.slow) for name, made in GRAPHS.items()],
)
def test_gradients_are_the_same_eagerly_in_a_graph_and_under_xla(objective):
    """Long: four programs, which are what it is for."""
    toy = Toy()
    eager = toy.gradients(objective)
    for jit in (False, True):
        compiled = tf.function(functools.partial(toy.gradients, objective), jit_compile=jit)
        assert_alike(compiled(), eager)
        with tf.GradientTape() as tape:  # the gradient outside, where a graph has a second one for it
            loss = tf.function(functools.partial(toy.loss, objective), jit_compile=jit, autograph=jit)()
        assert_alike({"loc": tape.gradient(loss, toy.loc)}, eager, ["loc"])


# replicas

TOGETHER = {
    "FreeBits": objectives.FreeBits(2.5),
    "BetaTC": objectives.BetaTC(4.0),
    "DIP-I": objectives.DIP(5.0, 5.0),
    "DIP-II": objectives.DIP(5.0, 5.0, aggregate=True),
    "MMD": objectives.MMD(50.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("in_graph", [False, True], ids=["eagerly", "program"])
def test_two_replicas_measure_the_whole_batch(in_graph, two_replicas):
    """Long: five objectives, each on one device and twice on two replicas."""
    x = np.random.default_rng(4).normal(size=(5, 4)).astype(np.float32)
    start = np.random.default_rng(5).normal(size=(3, 4, 2)).astype(np.float32)

    def gradients(x, row, variables):
        """Of each objective's mean loss over the five examples, from the rows of one replica."""
        to_loc, to_scale, loading = variables
        found, seed = {}, random.seed(0, random.Stream.TRAINING, 0, row)
        for name, objective in TOGETHER.items():
            with tf.GradientTape() as tape:
                posterior = distributions.MultivariateNormalDiag(x @ to_loc, tf.exp(0.3 * (x @ to_scale)))
                prior = distributions.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
                loss = objective(
                    Given(x, posterior, prior, lambda z: Toy.normal(z, tf.transpose(loading)), 0, seed)
                ).loss
                loss = tf.reduce_sum(loss) / 5
            found[name] = tape.gradient(loss, variables)
        return found

    def of_a_replica(x, first):  # the rows up to `first`, or from there on
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        start, end = index * first, first + index * (5 - first)
        return gradients(x[start:end], start, variables)

    expected = gradients(tf.constant(x), 0, [tf.Variable(v) for v in start])
    with two_replicas.scope():
        variables = [tf.Variable(v) for v in start]

    def run(x, first):
        return two_replicas.run(of_a_replica, (x, first))

    run = tf.function(run, autograph=False) if in_graph else run
    for first in (3, 5):  # then the second replica has none
        found = run(tf.constant(x), tf.constant(first))
        for name, values in expected.items():
            for one, parts in zip(values, found[name], strict=True):
                two = two_replicas.reduce("SUM", parts, axis=None)
                np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5, err_msg=f"{name}, {first} rows")


@pytest.mark.slow
def test_two_replicas_give_the_weights_of_one(two_replicas):
    batches = dataset(small_images(21), 8)  # the last batch has five examples: three and two

    def fitted(strategy):
        begin(0)
        with strategy.scope():
            vae = small_vae(keras.optimizers.SGD(0.05), objective=objectives.BetaTC(4.0))
        return weights(vae), vae.fit(batches, epochs=1, verbose=0).history["loss"][0], weights(vae)

    (before, one_loss, one), (_, two_loss, two) = map(fitted, (tf.distribute.get_strategy(), two_replicas))
    np.testing.assert_allclose(one, two, atol=2e-6)
    assert two_loss == pytest.approx(one_loss, rel=1e-5) and np.abs(one - before).max() > 1e-3
