"""Properties that every part has."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests import members
from tests.models import begin, small_images, small_vae, weights
from tfvae import distributions, priors, random

DENSITIES = {name: make for name, make in members.POSTERIORS.items() if name != "Deterministic"}  # it has none
CONDITIONALS = {**DENSITIES, **members.LIKELIHOODS}
SPHERES = ("PowerSpherical", "SphericalUniform")  # densities on a sphere, not in space
ESTIMATED = ("Hierarchical", "InverseAutoregressiveFlow", "PlanarFlow", "AutoregressiveFlow", "RealNVP")  # moments
SEED = random.seed(0, random.Stream.SAMPLING)


def built(make, features=(16,)):
    layer = make()
    layer.build((None, *features))
    for weight in layer.trainable_weights:  # away from zero biases and their symmetries
        weight.assign(0.5 * np.random.default_rng(0).normal(size=weight.shape))
    return layer


def features(batch=5, shape=(16,)):
    return tf.constant(np.random.default_rng(1).normal(size=(batch, *shape)), tf.float32)


@pytest.mark.parametrize("module", members.KINDS, ids=lambda module: module.__name__)
def test_members_lists_every_public_part(module):
    assert set(members.KINDS[module]) == set(module.__all__) - set(members.OF_TABLES)


@pytest.mark.parametrize(
    ("module", "name"),
    [(m, n) for m in members.KINDS for n in m.__all__],
    ids=lambda case: getattr(case, "__name__", case),
)
def test_a_public_part_and_what_it_adds_have_docstrings(module, name):
    """Theirs, not their base's; a method that is in a base is described there."""
    part = getattr(module, name)
    assert vars(part).get("__doc__") if inspect.isclass(part) else part.__doc__
    for method, function in vars(part).items() if inspect.isclass(part) else ():
        inherited = any(hasattr(base, method) for base in part.__bases__)
        if inspect.isfunction(function) and not method.startswith("_") and not inherited:
            assert function.__doc__, method


@pytest.mark.parametrize("name", CONDITIONALS)
def test_conditional_shapes(name):
    layer = built(CONDITIONALS[name])
    distribution = layer(features())
    assert distribution.batch_shape == (5,) and distribution.event_shape == layer.event_shape
    assert distribution.sample(7, seed=SEED).shape == (7, 5, *layer.event_shape)
    assert distribution.log_prob(distribution.sample(7, seed=SEED)).shape == (7, 5)
    assert layer(tf.stack([features()] * 2)).batch_shape == (2, 5)


@pytest.mark.parametrize("name", CONDITIONALS)
def test_conditional_mean_is_the_mean_of_samples(name):
    """Of likelihoods few elements: each draw of a `NegativeBinomial` is a quantile of a gamma distribution."""
    few = {} if name in members.POSTERIORS else {"event": (4, 4, 1)}
    distribution = built(lambda: CONDITIONALS[name](**few))(features())
    count = 20_000 if name in members.POSTERIORS else 2_000
    sample = tf.cast(distribution.sample(count, seed=SEED), tf.float32).numpy()
    draws = distributions.MOMENT_DRAWS if name in ESTIMATED else count
    deviation = sample.std(axis=0)
    if name == "ZeroInflatedNegativeBinomial":  # of which the draws may all be 0
        deviation = distribution.stddev().numpy()
    error = np.abs(sample.mean(axis=0) - distribution.mean()) / (deviation / np.sqrt(draws) + 1e-4)
    assert error.max() < 5.5


@pytest.mark.parametrize("name", members.POSTERIORS)
def test_posterior_knows_its_standard_deviation_and_its_center(name):
    layer = built(members.POSTERIORS[name])
    distribution = layer(features())
    deviation = distribution.sample(20_000, seed=SEED).numpy().std(axis=0)
    np.testing.assert_allclose(distribution.stddev(), deviation, rtol=0.5 if name in ESTIMATED else 0.05, atol=1e-3)
    center = layer.center(distribution)
    assert center.shape == (5, members.LATENT)
    if name in SPHERES:
        np.testing.assert_allclose(tf.norm(center, axis=-1), 1, rtol=1e-5)
    else:
        assert np.abs(center - distribution.mean()).max() < 2 * deviation.max() + 1e-6


@pytest.mark.parametrize("name", members.POSTERIORS)
def test_posterior_moments_do_not_depend_on_the_place_in_a_batch(name):
    layer, given = built(members.POSTERIORS[name]), features()
    for moment in ("mean", "stddev", "variance"):
        alone = tf.concat([getattr(layer(given[i : i + 1]), moment)() for i in range(5)], axis=0)
        np.testing.assert_allclose(getattr(layer(given), moment)(), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONDITIONALS)
def test_rows_that_are_drawn_alike_are_still_independent_draws(name):
    """Whatever spreads the rows, of parameters and noise, samples keep their shape, and a row its distribution."""
    distribution = built(CONDITIONALS[name])(tf.tile(features(1), [3, 1]))
    z = tf.cast(distributions.draw_rows_alike(distribution, 50, SEED), tf.float32).numpy()
    assert z.shape == (50, 3, *distribution.event_shape)
    np.testing.assert_allclose(z[:, 1:], z[:, :1].repeat(2, axis=1), rtol=1e-4, atol=1e-5)
    assert len(np.unique(z[:, 0], axis=0)) > 1
    if name in members.POSTERIORS:
        assert len(np.unique(z[:, 0], axis=0)) == 50


@pytest.mark.parametrize("name", members.POSTERIORS)
def test_posterior_says_what_its_distribution_is_like(name):
    layer = built(members.POSTERIORS[name])
    distribution = layer(features())
    z, log_q = distribution.experimental_sample_and_log_prob(3, seed=SEED)
    assert np.isfinite(log_q).all() == layer.has_density
    assert np.allclose(tf.norm(z, axis=-1), 1) == (not layer.flat)
    if layer.refinable:
        again = layer.from_unconstrained(layer.unconstrained(distribution))
        for moment in ("mean", "stddev"):
            np.testing.assert_allclose(getattr(again, moment)(), getattr(distribution, moment)(), rtol=1e-5)
    else:
        with pytest.raises(NotImplementedError, match=f"{name} is not refinable"):
            layer.unconstrained(distribution)
        with pytest.raises(NotImplementedError, match=f"{name} is not refinable"):
            layer.from_unconstrained(z)


@pytest.mark.parametrize("name", members.PRIORS)
def test_prior_says_where_latents_may_lie(name):
    prior = members.PRIORS[name]()
    z = tf.random.stateless_normal([4, members.LATENT], [0, 0])
    assert np.array_equal(prior.nearest(z), z) == prior.flat
    drawn = given(prior).sample(4, seed=SEED)
    np.testing.assert_allclose(prior.nearest(drawn), drawn, rtol=1e-5)
    start, end = drawn[:2], drawn[2:]
    path = next(iter(prior.paths.values()))
    np.testing.assert_array_equal(prior.between(start, end, 0.3), path(start, end, 0.3))
    for path in prior.paths.values():
        np.testing.assert_allclose(prior.nearest(path(start, end, 0.3)), path(start, end, 0.3), atol=1e-5)


@pytest.mark.parametrize("name", members.OBJECTIVES)
def test_objective_says_what_changes_with_the_step(name):
    schedule = members.OBJECTIVES[name]().schedule
    assert (schedule is not None) == (name in ("Capacity", "ELBO"))
    if schedule is not None:
        values = np.array(schedule.value(np.arange(6)))
        assert values[0] == 0 and values[4] == values[5] and np.all(np.diff(values[:5]) > 0)


@pytest.mark.parametrize("name", CONDITIONALS)
def test_conditional_gradient_reaches_every_weight(name):
    layer = built(CONDITIONALS[name])
    value = tf.stop_gradient(layer(features()).sample(seed=SEED))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(features()).log_prob(value))
    for gradient in tape.gradient(loss, layer.trainable_weights):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", members.POSTERIORS)
def test_posterior_samples_carry_gradients(name):
    layer = built(members.POSTERIORS[name])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(features()).sample(3, seed=SEED) ** 2)
    for gradient in tape.gradient(loss, layer.trainable_weights):
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", DENSITIES)
def test_posterior_is_finite_for_huge_features(name):
    distribution = built(members.POSTERIORS[name])(1e6 * features())
    z = distribution.sample(3, seed=SEED)
    assert np.isfinite(z).all() and np.isfinite(distribution.log_prob(z)).all()


@pytest.mark.parametrize("name", CONDITIONALS)
def test_conditional_is_float32_under_mixed_precision(name):
    layer = built(CONDITIONALS[name])
    distribution = layer(tf.cast(features(), tf.float16))
    assert distribution.dtype == tf.float32
    assert {weight.dtype for weight in layer.weights} == {"float32"}


def given(prior):
    """The prior's distribution, batch []; where it wants a condition or posteriors, these."""
    if isinstance(prior, priors.ConditionalNormal):
        return tfd.BatchReshape(prior.distribution(tf.ones((1, members.CONDITION))), [])
    encoder = built(members.POSTERIORS["DiagonalNormal"], members.IMAGE[:1])
    return prior.distribution(infer=lambda x, condition: encoder(tf.reduce_mean(x, axis=(2, 3)) / 4))


@pytest.mark.parametrize("name", members.PRIORS)
def test_prior(name):
    prior = members.PRIORS[name]()
    distribution = given(prior)
    assert distribution.batch_shape == () and distribution.event_shape == prior.event_shape
    sample = distribution.sample(20_000, seed=SEED).numpy()
    assert sample.shape == (20_000, *prior.event_shape) and sample.dtype == np.float32
    assert np.isfinite(distribution.log_prob(sample)).all()
    draws = distributions.MOMENT_DRAWS if name in ESTIMATED else 20_000
    assert np.abs(sample.mean(axis=0) - distribution.mean()).max() < 5 * sample.std() / np.sqrt(draws)


@pytest.mark.parametrize("name", members.PRIORS)
def test_prior_gradient_reaches_every_weight(name):
    prior = members.PRIORS[name]()
    for weight in prior.trainable_weights:
        weight.assign(0.5 * np.random.default_rng(0).normal(size=weight.shape))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(given(prior).log_prob(0.5 * tf.ones((2, *prior.event_shape))))
    for gradient in tape.gradient(loss, prior.trainable_weights):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", members.PRIORS)
def test_prior_walks_from_one_latent_to_another(name):
    prior = members.PRIORS[name]()
    start, end = (given(prior).sample(5, seed=random.fold(SEED, i)) for i in range(2))
    for weight, expected in ((0.0, start), (1.0, end)):
        np.testing.assert_allclose(prior.between(start, end, weight), expected, atol=1e-5)
    if name in SPHERES:
        np.testing.assert_allclose(tf.norm(prior.between(start, end, 0.3), axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in members.PRIORS if name not in SPHERES])
def test_prior_integrates_to_one(name):
    distribution = given(members.PRIORS[name]())
    points = np.random.default_rng(0).uniform(-7, 7, (400_000, members.LATENT)).astype(np.float32)
    values = np.exp(distribution.log_prob(points)) * 14.0**members.LATENT
    assert abs(values.mean() - 1) < 5 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("name", SPHERES)
def test_spherical_density_integrates_to_one(name):
    made = {**members.POSTERIORS, **members.PRIORS}[name]()
    distribution = made.distribution() if name in members.PRIORS else built(lambda: made)(features(1))
    directions = np.random.default_rng(0).normal(size=(200_000, 1, members.LATENT)).astype(np.float32)
    density = np.exp(distribution.log_prob(directions / np.linalg.norm(directions, axis=-1, keepdims=True)))
    area = 4 * np.pi  # of the sphere in space
    assert abs(area * density.mean() - 1) < 5 * area * density.std() / np.sqrt(density.size) + 1e-5


@pytest.mark.parametrize("name", [name for name in DENSITIES if name not in SPHERES])
def test_posterior_integrates_to_one(name):
    layer = built(members.POSTERIORS[name])
    for weight in layer.trainable_weights:
        weight.assign(0.1 * tf.convert_to_tensor(weight))  # near the standard normal, for the proposal below
    distribution = layer(features(1))
    proposal = members.PRIORS["StandardNormal"]().distribution()
    points = 2 * proposal.sample(200_000, seed=SEED)
    log_proposal = proposal.log_prob(points / 2) - members.LATENT * np.log(2)
    ratio = np.exp(distribution.log_prob(points[:, None])[:, 0] - log_proposal)
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(ratio))


COUNTS = np.arange(2000, dtype=np.float32)
VALUES = {  # of the discrete likelihoods
    "Bernoulli": COUNTS[:2],
    "Categorical": COUNTS[:4],
    "DiscretizedLogistic": COUNTS[:256] / 255,
    "MixtureOfDiscretizedLogistics": COUNTS[:256] / 255,
    "NegativeBinomial": COUNTS,
    "Observed": COUNTS[:2],
    "Ordinal": COUNTS[:4],
    "Poisson": COUNTS,
    "ZeroInflatedNegativeBinomial": COUNTS,
}


@pytest.mark.parametrize(("name", "values"), VALUES.items(), ids=VALUES)
def test_discrete_likelihood_sums_to_one(name, values):
    layer = members.LIKELIHOODS[name]((1,))
    layer.build((None, 16))
    probabilities = np.exp(layer(features()).log_prob(values[:, None, None]))  # [values, B]
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-4)


RANGES = {  # of the continuous ones
    "Columns": (-60, 60),
    "ContinuousBernoulli": (0, 1),
    "Laplace": (-60, 60),
    "LogNormal": (1e-6, 100),
    "Normal": (-60, 60),
    "StudentT": (-200, 200),
}


def test_all_likelihoods_are_summed_or_integrated():
    assert {**VALUES, **RANGES}.keys() == members.LIKELIHOODS.keys()


@pytest.mark.parametrize(("name", "low", "high"), [(name, *ends) for name, ends in RANGES.items()])
def test_continuous_likelihood_integrates_to_one(name, low, high):
    layer = built(lambda: members.LIKELIHOODS[name]((1,)))
    grid = np.linspace(low, high, 200_001, dtype=np.float32)
    density = np.exp(layer(features()).log_prob(grid[:, None, None]))  # [grid, B]
    np.testing.assert_allclose(np.trapezoid(density, grid, axis=0), 1, rtol=1e-3)


@pytest.mark.parametrize("name", members.LIKELIHOODS)
def test_likelihood_draws_from_its_support_and_knows_what_lies_outside(name):
    layer = built(members.LIKELIHOODS[name])
    assert tf.reduce_all(layer.support(layer(features()).sample(20, seed=SEED)))
    outside = layer.support(tf.constant([[np.nan], [np.inf]]))
    np.testing.assert_array_equal(outside, [[name in ("Columns", "Observed")], [False]])  # they take what is missing
    assert tf.reduce_all(layer.support(tf.fill(members.IMAGE, layer.filler)))


@pytest.mark.parametrize("name", members.LIKELIHOODS)
def test_likelihood_of_elements_sums_to_that_of_the_event(name):
    layer = built(members.LIKELIHOODS[name])
    assert layer.elementwise
    p = layer(features())
    x = p.sample(seed=SEED)
    elements = distributions.log_prob_of_elements(p, x)
    assert elements.shape == (5, *members.IMAGE)
    np.testing.assert_allclose(tf.reduce_sum(elements, axis=(1, 2, 3)), p.log_prob(x), rtol=1e-4)


@pytest.mark.parametrize("name", members.LIKELIHOODS)
def test_likelihood_gives_a_value_that_stands_for_several_distributions(name):
    layer = built(members.LIKELIHOODS[name])
    summary = layer.summary(layer(tf.stack([features(), features()])))  # [2, B, *event, ...]
    value = layer.value_of(tf.nest.map_structure(lambda part: tf.reduce_mean(part, axis=0), summary))
    assert value.shape == (5, *members.IMAGE) and value.dtype == tf.float32 and np.isfinite(value).all()
    np.testing.assert_allclose(layer.value_of(layer.summary(layer(features()))), value, rtol=1e-5)


@pytest.mark.parametrize("name", members.LIKELIHOODS)
def test_likelihood_is_finite_for_huge_features(name):
    layer = built(members.LIKELIHOODS[name])
    for value in (layer.filler, 1.0):
        assert np.isfinite(layer(1e4 * features()).log_prob(tf.fill(members.IMAGE, value))).all()


@pytest.mark.parametrize("name", members.LIKELIHOODS)
@pytest.mark.parametrize("shape", [(16,), (8, 8, 4)], ids=["flat", "maps"])
def test_likelihood_starts_at_a_mean(name, shape):
    layer = members.LIKELIHOODS[name]()
    layer.build((None, *shape))
    mean = np.full(members.IMAGE, 0.2, np.float32)
    before = layer(tf.zeros((2, *shape))).mean()
    layer.start(mean)
    known = layer.raw(tf.constant(mean)) is not None
    np.testing.assert_allclose(layer(tf.zeros((2, *shape))).mean(), [mean] * 2 if known else before, rtol=1e-5)


ALL = {
    f"{module.__name__}.{name}": make
    for module, made in members.KINDS.items()
    if made is not members.ENCODERS
    for name, make in made.items()
}


@pytest.mark.parametrize("name", ALL)
def test_config_round_trip(name):
    part = ALL[name]()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(part))
    assert type(again) is type(part) and again.get_config() == part.get_config()


KEYWORDS = {
    "posterior": members.POSTERIORS,
    "prior": members.PRIORS,
    "likelihood": members.LIKELIHOODS,
    "objective": members.OBJECTIVES,
}
PARTS = {
    f"{keyword}-{name}": {keyword: make} | members.PARTNERS.get(f"{keyword}-{name}", {})
    for keyword, made in KEYWORDS.items()
    for name, make in made.items()
    if f"{keyword}-{name}" not in ("prior-Hierarchical", "prior-SphericalUniform")  # they come with their posteriors
}
PARTS |= {f"networks-{n}": {"encoder": members.ENCODERS[n], "decoder": members.DECODERS[n]} for n in members.ENCODERS}


def conforming(parts):
    """An otherwise default VAE. Its optimizer is SGD: Adam would blow the rounding of small gradients up to a step."""
    begin(0)
    vae = small_vae(keras.optimizers.SGD(1e-3), **{name: make() for name, make in parts.items()})
    vae.optimizer.build(vae.trainable_variables)
    return vae


def batch_for(vae, rows=slice(0, 9)):
    images = tf.constant(small_images()[rows])
    return (images, tf.one_hot(tf.range(len(images)) % 2, members.CONDITION)) if vae.condition_size else images


COMBINATIONS = {"-".join(row): members.combined(*row) for row in members.COMBINED}
CASES = [pytest.param(parts, [2], id=name) for name, parts in COMBINATIONS.items()] + [
    pytest.param(parts, [0, 1], id=f"{name}-alone", marks=pytest.mark.slow) for name, parts in PARTS.items()
]


@pytest.mark.parametrize("kind", range(5))
def test_combinations_hold_every_member(kind):
    """Of each kind, so that what is run by default leaves none out."""
    made = (members.POSTERIORS, members.PRIORS, members.LIKELIHOODS, members.OBJECTIVES, members.ENCODERS)[kind]
    assert {row[kind] for row in members.COMBINED} == set(made)


@pytest.mark.parametrize(("parts", "steps"), CASES)
def test_conformance(parts, steps, two_replicas, tmp_path):
    """Parts take the same steps on one device and on two replicas; saved and loaded they are the same.

    By default a step each, in the middle of what objectives change with the step; members alone take the first two.
    """
    plain = conforming(parts)
    before, data = weights(plain), batch_for(plain)
    with two_replicas.scope():
        spread = conforming(parts)
    rows = (slice(0, 5), slice(5, 9))

    def of_replica(array):
        return two_replicas.experimental_distribute_values_from_function(
            lambda context: array[rows[context.replica_id_in_sync_group]]
        )

    for vae in (plain, spread):
        vae.optimizer.iterations.assign(steps[0])
    for _ in steps:
        plain.train_step(data)
        two_replicas.run(spread.train_step, args=(tf.nest.map_structure(of_replica, data),))
    assert [int(vae.optimizer.iterations.numpy()) for vae in (plain, spread)] == [steps[-1] + 1] * 2
    assert np.isfinite(weights(plain)).all() and np.abs(weights(plain) - before).max() > 0
    np.testing.assert_allclose(weights(spread), weights(plain), atol=1e-5)
    plain.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_array_equal(weights(again), weights(plain))
    np.testing.assert_array_equal(again(data), plain(data))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=() if "Ordinal" in row else pytest.mark.slow, id="-".join(row))
        for row in members.COMBINED
    ],
)
def test_steps_under_xla_are_those_taken_eagerly(row):
    """Long: a program of XLA's each."""
    plain, compiled = (conforming(members.combined(*row)) for _ in range(2))
    data = batch_for(plain)
    step = tf.function(compiled.train_step, jit_compile=True, autograph=False)
    for _ in range(2):
        plain.train_step(data)
        step(data)
    np.testing.assert_allclose(weights(compiled), weights(plain), atol=1e-5)
