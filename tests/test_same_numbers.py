"""The same seed draws the same numbers eagerly, in a graph, under XLA and on two replicas: of every distribution.

All members go through one program of each kind: what is compiled together costs a fraction.
"""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests import members
from tests.models import small_images, small_vae
from tests.test_members import built, features
from tfvae import distributions, random

ROWS, SPLIT = 6, 4  # of a batch, and of it on the first replica
CONDITIONALS = {
    f"{kind}-{name}": make
    for kind, made in {"posterior": members.POSTERIORS, "likelihood": members.LIKELIHOODS}.items()
    for name, make in made.items()
}
MIXED = ("FullNormal", "Hierarchical", "PlanarFlow", "PowerSpherical")  # posteriors of which a VampPrior is made, too


def seed_at(row):
    return random.seed(0, random.Stream.SAMPLING, 7, row)


@pytest.fixture(scope="module")
def draw():
    """A function: features [B, 16], conditions [B, k], seed -> {name: samples [S, B, ...]} of every member."""
    layers = {name: built(make) for name, make in CONDITIONALS.items()}
    made = {name: make() for name, make in members.PRIORS.items()}
    made |= {f"VampPrior of {name}": members.PRIORS["VampPrior"]() for name in MIXED}
    for prior in made.values():
        for weight in prior.trainable_weights:
            weight.assign(0.5 * np.random.default_rng(0).normal(size=weight.shape))
    encoders = {name: built(members.POSTERIORS[name], members.IMAGE[:1]) for name in ("DiagonalNormal", *MIXED)}

    def of_prior(name, prior, conditions):
        encoder = encoders[name.removeprefix("VampPrior of ")] if " of " in name else encoders["DiagonalNormal"]
        return prior.distribution(conditions, lambda x, condition: encoder(tf.reduce_mean(x, axis=(2, 3)) / 4))

    def draw(features, conditions, seed):
        found = {name: layer(features).sample(3, seed=seed) for name, layer in layers.items()}
        for name, prior in made.items():
            p = of_prior(name, prior, conditions)
            rows = [tf.shape(features)[0]] if p.batch_shape.rank == 0 else []
            found[f"prior-{name}"] = p.sample([3, *rows], seed=seed)
            if hasattr(p, "chosen"):  # mixtures draw several samples for a row one after the other
                found[f"prior-{name}, one"] = p.sample(rows, seed=seed)[None]
        return found

    return draw


@pytest.fixture(scope="module")
def inputs():
    return features(ROWS), tf.one_hot(tf.range(ROWS) % members.CONDITION, members.CONDITION)


@pytest.fixture(scope="module")
def expected(draw, inputs):
    return draw(*inputs, seed_at(0))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "XLA"])
def test_programs_draw_what_is_drawn_eagerly(draw, inputs, expected, jit_compile):
    """Takes 10 s of CPU and more: 30 families are traced, and compiled."""
    program = tf.function(lambda *inputs: draw(*inputs, seed_at(0)), jit_compile=jit_compile, autograph=False)
    assert_same(program(*inputs), expected)


@pytest.mark.slow
def test_two_replicas_draw_together_what_one_draws(draw, inputs, expected, two_replicas):
    """Takes 5 s of CPU and more: 30 families are drawn from on each."""
    rows = (slice(0, SPLIT), slice(SPLIT, ROWS))

    def of_replica(values):
        return two_replicas.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group]
        )

    parts = [of_replica([part[own] for own in rows]) for part in inputs]
    found = two_replicas.run(draw, args=(*parts, of_replica([seed_at(0), seed_at(SPLIT)])))
    joined = {
        name: np.concatenate(two_replicas.experimental_local_results(values), axis=1) for name, values in found.items()
    }
    assert_same(joined, expected)


def counts(make, draws=20_000):
    """Draws of one scalar as frequencies of 0, 1, ..., and how many there were."""
    p = distributions.Independent(make(), 1)
    return np.bincount(p.sample(draws, seed=seed_at(0)).numpy().astype(int).ravel()), draws


def assert_frequencies(found, probabilities):
    frequencies, draws = found
    expected = draws * probabilities(np.arange(len(frequencies)))
    known = expected > 5
    assert (
        scipy.stats.chisquare(
            frequencies[known], expected[known] * frequencies[known].sum() / expected[known].sum()
        ).pvalue
        > 1e-3
    )
    assert abs(frequencies[~known].sum() - draws * (1 - expected[known].sum() / draws)) < 5 * np.sqrt(draws)


@pytest.mark.parametrize("rate", [0.01, 0.7, 12.0, 300.0, 5000.0])
def test_poisson_draws_have_its_frequencies(rate):
    assert_frequencies(counts(lambda: distributions.Poisson([rate])), scipy.stats.poisson(rate).pmf)


@pytest.mark.parametrize(("count", "logits"), [(0.01, 3.0), (0.7, 2.0), (5.0, -1.0), (400.0, 0.5)])
def test_negative_binomial_draws_have_its_frequencies(count, logits):
    exact = scipy.stats.nbinom(count, 1 / (1 + np.exp(logits)))
    assert_frequencies(counts(lambda: distributions.NegativeBinomial([count], logits=[logits])), exact.pmf)


def test_poisson_quantiles_are_exact_below_a_thousand():
    rates, levels = np.meshgrid([1e-3, 0.5, 3.0, 40.0, 999.0], (np.arange(64) + 0.5) / 64)
    found = distributions.Poisson(rates.astype(np.float32)).quantile(levels.astype(np.float32))
    np.testing.assert_array_equal(found, scipy.stats.poisson.ppf(levels, rates.astype(np.float32)))
    many = distributions.Poisson(1e4 * np.ones(64, np.float32)).quantile(levels[:, 0].astype(np.float32))
    assert np.abs(many - scipy.stats.poisson.ppf(levels[:, 0], 1e4)).max() <= 1


@pytest.mark.parametrize("name", members.LIKELIHOODS)
def test_a_part_of_a_batch_can_be_taken(name):
    p = built(members.LIKELIHOODS[name])(features())
    x = p.sample(seed=seed_at(0))
    np.testing.assert_allclose(p[1:3].log_prob(x[1:3]), p.log_prob(x)[1:3], rtol=1e-5)


PRIORS = ("VampPrior", "RealNVP", "MixtureOfNormals")
PAIRS = [
    pytest.param(objective, prior, marks=() if at % len(PRIORS) == number else pytest.mark.slow)
    for at, objective in enumerate(members.OBJECTIVES)
    for number, prior in enumerate(PRIORS)
]


@pytest.mark.parametrize(("objective", "prior"), PAIRS)
def test_every_objective_trains_with_every_kind_of_prior(objective, prior):
    vae = small_vae(prior=members.PRIORS[prior](), objective=members.OBJECTIVES[objective]())
    images = tf.constant(small_images(6))
    terms, gradients = vae.gradients(images, seed_at(0), len(images))
    assert all(np.isfinite(term).all() for term in terms)
    given = [gradient for gradient in gradients if gradient is not None]
    assert all(np.isfinite(tf.convert_to_tensor(gradient)).all() for gradient in given)
    assert len(given) > 4
