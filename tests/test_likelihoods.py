import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from tests import members
from tfvae import distributions, likelihoods, preprocessing, priors

IMAGE = (4, 4, 3)


def built(layer):
    layer.build((None, 8))
    return layer


@pytest.mark.parametrize("scale_shape", [[], [3], [1, 1, 3], [4, 4, 3]])
@pytest.mark.parametrize("kind", [likelihoods.Normal, likelihoods.Laplace])
def test_a_learned_scale_starts_where_it_is_told(kind, scale_shape):
    layer = built(kind(IMAGE, scale=0.3, scale_shape=scale_shape))
    ratio = 1.0 if kind is likelihoods.Normal else np.sqrt(2)  # of a Laplace's standard deviation to its scale
    np.testing.assert_allclose(layer(tf.zeros((2, 8))).stddev(), np.full((2, *IMAGE), 0.3 * ratio), rtol=1e-5)
    assert layer.log_ratio.shape == tuple(scale_shape)


@pytest.mark.slow
def test_a_learned_scale_finds_the_spread_of_the_data():
    layer = built(likelihoods.Normal((2,), scale_shape=[2]))
    x = tf.constant(np.random.default_rng(0).normal(size=(5000, 2)) * [0.2, 3.0], tf.float32)
    for _ in range(300):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(tf.zeros((1, 8))).log_prob(x))
        layer.log_ratio.assign_sub(0.1 * tape.gradient(loss, layer.log_ratio.value))
    np.testing.assert_allclose(layer.learned_scale(), np.std(x, axis=0), rtol=0.03)


def test_a_fixed_normal_is_the_squared_error():
    layer = built(likelihoods.Normal((5,), scale=0.5))
    assert len(layer.trainable_weights) == 2  # the projection's alone
    x, features = np.ones((3, 5), np.float32), tf.random.stateless_normal((3, 8), [0, 0])
    p = layer(features)
    error = np.sum((x - p.mean()) ** 2, axis=-1) / (2 * 0.5**2)
    np.testing.assert_allclose(p.log_prob(x), -error - 5 * np.log(0.5 * np.sqrt(2 * np.pi)), rtol=1e-4)


@pytest.mark.parametrize("name", members.LIKELIHOODS)
@pytest.mark.parametrize(
    ("event", "features"),
    [
        pytest.param((4,), (8,), id="vector"),
        pytest.param(IMAGE, (8,), id="image", marks=pytest.mark.slow),  # as `test_members` has them
        pytest.param(IMAGE, (4, 4, 2), id="image-maps"),
    ],
)
def test_samples_of_latents_are_a_second_batch_axis(name, event, features):
    layer = members.LIKELIHOODS[name](event)
    layer.build((None, *features))
    p = layer(tf.random.stateless_normal((2, 3, *features), [0, 0]))  # [S, B]
    assert p.batch_shape == (2, 3) and p.mean().shape == (2, 3, *event)
    x = p.sample(seed=[0, 0])
    assert x.shape == (2, 3, *event)
    np.testing.assert_allclose(p.log_prob(x[0])[0], p.log_prob(x)[0], rtol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.ones((2, 3, *features))).log_prob(x))
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(loss, layer.trainable_weights))


@pytest.mark.parametrize("levels", [2, 16, 256, 65536])
@pytest.mark.parametrize("scale", [1e-4, 0.01, 0.1, 100.0])
def test_a_quantized_logistic_is_that_of_tfp_in_float64(levels, scale):
    steps = levels - 1
    k = np.unique(np.round(np.linspace(0, steps, 200)))
    for loc in (-4.5, 0.0, 0.3, 1.0, 5.5):
        logistic = tfd.Logistic(np.float64(steps * loc - 0.5), np.float64(steps * scale))
        expected = tfd.QuantizedDistribution(logistic, low=0.0, high=float(steps)).log_prob(k)
        ours = distributions.QuantizedLogistic(loc, scale, levels).log_prob(tf.constant(k / steps, tf.float32))
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-3)  # float32 knows x / scale no better


@pytest.mark.parametrize(
    "layer", [likelihoods.DiscretizedLogistic(256), likelihoods.MixtureOfDiscretizedLogistics(256)]
)
def test_gradients_are_finite_at_the_ends_and_in_the_far_tails(layer):
    values = tf.range(256.0) / 255.0
    for size in (0.0, 1.0, 10.0, 1e3, 1e6):
        raw = [size * tf.random.stateless_normal((9, *shape), [i, 0]) for i, shape in enumerate(layer.shapes)]
        with tf.GradientTape() as tape:
            tape.watch(raw)
            log_prob = layer.distribution(*raw).log_prob(values)
        assert np.isfinite(log_prob).all() and (log_prob.numpy() < 0).all()
        assert all(np.isfinite(gradient).all() for gradient in tape.gradient(log_prob, raw))


@pytest.mark.parametrize("levels", [2, 32, 256])
def test_a_quantized_logistic_sums_to_one_and_knows_its_mean(levels):
    loc, scale = (a.astype(np.float32) for a in np.meshgrid([-3.0, 0.0, 0.2, 0.5, 1.1], [1e-4, 0.01, 0.1, 50.0]))
    p = distributions.QuantizedLogistic(loc, scale, levels)
    values = np.arange(levels, dtype=np.float32)[:, None, None] / (levels - 1)
    probabilities = np.exp(p.log_prob(values), dtype=np.float64)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=2e-5)
    np.testing.assert_allclose(p.mean(), (values * probabilities).sum(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["DiscretizedLogistic", "MixtureOfDiscretizedLogistics", "Categorical"])
def test_the_mean_is_the_same_in_graphs_and_under_xla(name):
    layer = built(getattr(likelihoods, name)(IMAGE, **({"classes": 5} if name == "Categorical" else {})))
    features = tf.random.stateless_normal((2, 3, 8), [0, 0])
    expected = layer(features).mean()
    assert expected.shape == (2, 3, *IMAGE)
    for jit in (False, True):
        mean = tf.function(
            lambda features: layer(features).mean(), [tf.TensorSpec([None, None, 8])], jit_compile=jit, autograph=False
        )
        np.testing.assert_allclose(mean(features), expected, rtol=1e-5)


@pytest.mark.parametrize("event", [(6,), IMAGE])
def test_two_levels_alike_are_one_bit_per_dimension(event):
    x = np.random.default_rng(0).integers(0, 2, (3, *event)).astype(np.float32)
    for layer in (likelihoods.DiscretizedLogistic(event, levels=2), likelihoods.Categorical(event, classes=2)):
        log_prob = built(layer)(tf.zeros((3, 8))).log_prob(x)
        np.testing.assert_allclose(-log_prob / (np.log(2) * np.prod(event)), 1, rtol=1e-6)


def test_a_mixture_of_one_is_its_component():
    one, mixture = likelihoods.DiscretizedLogistic(5), likelihoods.MixtureOfDiscretizedLogistics(5, components=1)
    raw = [tf.random.stateless_normal((4, 5), [i, 0]) for i in range(3)]
    x = np.random.default_rng(0).integers(0, 256, (4, 5)).astype(np.float32) / 255
    p, q = one.distribution(*raw[1:]), mixture.distribution(*(r[..., None] for r in raw))
    np.testing.assert_allclose(q.log_prob(x), p.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(q.mean(), p.mean(), rtol=1e-5)


@pytest.mark.parametrize("adapted", [False, True])
def test_components_start_apart(adapted):
    layer = built(likelihoods.MixtureOfDiscretizedLogistics((3,), components=4))
    if adapted:
        layer.start([0.1, 0.5, 0.9])
    mixture = layer(tf.zeros((1, 8))).distribution
    means = mixture.components_distribution.mean()[0].numpy()  # [3, 4]
    assert (np.diff(means, axis=-1) > 0.03).all()
    np.testing.assert_allclose(mixture.mean()[0], [0.1, 0.5, 0.9] if adapted else [0.5] * 3, rtol=1e-4)


@pytest.mark.parametrize("levels", [2, 8, 256])
def test_levels_start_at_a_mean_but_for_their_rounding(levels):
    mean = np.array([0.001, 0.03, 0.5, 0.8, 0.999], np.float32)
    for kind in (likelihoods.DiscretizedLogistic, likelihoods.MixtureOfDiscretizedLogistics):
        layer = built(kind(5, levels=levels))
        layer.start(mean)
        np.testing.assert_allclose(layer(tf.zeros((1, 8))).mean()[0], mean, atol=0.4 / (levels - 1) ** 2)


def test_levels_are_those_of_rescaled_pixels_and_no_others():
    x = preprocessing.Rescale()(tf.cast(tf.range(256), tf.uint8))
    layer = likelihoods.DiscretizedLogistic(256)
    assert tf.reduce_all(layer.support(x)) and "k / 255" in layer.domain
    assert not tf.reduce_any(layer.support(x[:-1] + 0.3 / 255))
    assert not tf.reduce_any(layer.support(tf.constant([-1 / 255, 256 / 255])))
    assert tf.reduce_sum(tf.cast(likelihoods.DiscretizedLogistic(256, levels=16).support(x), tf.int32)) == 16


def test_a_class_index_has_the_moments_of_its_probabilities():
    layer = built(likelihoods.Categorical((2,), classes=4))
    p = layer(tf.random.stateless_normal((3, 8), [0, 0])).distribution
    probabilities, k = p.probs_parameter().numpy(), np.arange(4)  # [3, 2, 4]
    mean = (k * probabilities).sum(axis=-1)
    np.testing.assert_allclose(p.mean(), mean, rtol=1e-5)
    np.testing.assert_allclose(p.variance(), (k**2 * probabilities).sum(axis=-1) - mean**2, rtol=1e-4)
    assert p.sample(seed=[0, 0]).dtype == tf.float32


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_classes_start_at_a_mean(classes):
    layer = built(likelihoods.Categorical(5, classes=classes))
    mean = np.linspace(0.01, classes - 1.01, 5).astype(np.float32)
    layer.start(mean)
    np.testing.assert_allclose(layer(tf.zeros((1, 8))).mean()[0], mean, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: likelihoods.Normal(IMAGE, scale=0.0), "scale must be positive"),
        (lambda: likelihoods.Normal(IMAGE, scale_shape=[2, 4, 4, 3]), "does not broadcast"),
        (lambda: likelihoods.Normal(IMAGE, per_row=True, scale_shape=[]), "choose one of them"),
        (lambda: likelihoods.Laplace(IMAGE, floor=1.0), "floor, a part of the scale, must be from 0"),
        (lambda: likelihoods.StudentT(IMAGE, df=2.0), "df must be more than 2"),
        (lambda: likelihoods.StudentT(IMAGE, df_shape=[2, 4, 4, 3]), "df_shape .* does not broadcast"),
        (lambda: likelihoods.NegativeBinomial(IMAGE, [5]), "total_count_shape .* does not broadcast"),
        (lambda: likelihoods.Poisson(IMAGE, offset=True, latent_total=True), "choose one of them"),
        (lambda: likelihoods.Categorical(IMAGE, classes=1), "classes must be 2 or more"),
        (lambda: likelihoods.Ordinal(IMAGE, classes=1), "classes must be 2 or more"),
        (lambda: likelihoods.DiscretizedLogistic(IMAGE, levels=1), "levels must be 2 or more"),
        (lambda: likelihoods.MixtureOfDiscretizedLogistics(IMAGE, components=0), "components must be 1 or more"),
        (lambda: priors.MixtureOfNormals(2, components=0), "components must be 1 or more"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("event", [(5,), (4, 4, 1), (7, 5, 3)])
def test_bernoulli_is_tfps(event):
    rng = np.random.default_rng(0)
    logits = tf.constant(rng.normal(size=(3, 4, *event)) * 10 ** rng.uniform(-3, 2.5, size=(3, 4, *event)), tf.float32)
    x = tf.constant(rng.integers(0, 2, (4, *event)), tf.float32)

    def made(logits):
        return distributions.Independent(distributions.Bernoulli(logits=logits, dtype=tf.float32), len(event))

    ours = made(logits)
    theirs = tfd.Independent(tfd.Bernoulli(logits=tf.cast(logits, tf.float64), dtype=tf.float64), len(event))
    value, gradient = tfp.math.value_and_gradient(lambda v: made(v).log_prob(x), logits)
    np.testing.assert_allclose(value, theirs.log_prob(tf.cast(x, tf.float64)), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(gradient, x - tf.sigmoid(logits), atol=1e-6)
    assert ours.batch_shape == (3, 4) and ours.event_shape == event
    np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=1e-6)


KINDS_OF_REAL = (likelihoods.Normal, likelihoods.Laplace, likelihoods.StudentT, likelihoods.LogNormal)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_densities_are_those_of_scipy():
    loc, scale, df = numbers(50), np.exp(numbers(50, seed=1) / 2), 2 + np.exp(2 * numbers(50, seed=2))
    x = 5.0 * numbers(50, seed=3).astype(float)
    ours, theirs = distributions.StudentT(df, loc, scale), scipy.stats.t(df.astype(float), loc, scale)
    np.testing.assert_allclose(ours.log_prob(x), theirs.logpdf(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.variance(), theirs.var(), rtol=1e-4)
    ours, theirs = distributions.LogNormal(loc, scale), scipy.stats.lognorm(scale.astype(float), scale=np.exp(loc))
    np.testing.assert_allclose(ours.log_prob(np.exp(x / 3)), theirs.logpdf(np.exp(x / 3)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-4)
    np.testing.assert_allclose(ours.variance(), theirs.var(), rtol=1e-3)


def test_zero_inflated_counts_have_more_zeros():
    count, logits, zero = np.exp(numbers(40)), 2 * numbers(40, seed=1), numbers(40, seed=2)
    ours = distributions.ZeroInflatedNegativeBinomial(count, logits, zero)
    theirs, more = scipy.stats.nbinom(count, 1 / (1 + np.exp(logits))), 1 / (1 + np.exp(-zero))
    x = np.arange(30, dtype=np.float32)[:, None]
    expected = more * (x == 0) + (1 - more) * theirs.pmf(x)
    np.testing.assert_allclose(np.exp(ours.log_prob(x)), expected, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(ours.mean(), (1 - more) * theirs.mean(), rtol=1e-4)
    square = (1 - more) * (theirs.var() + theirs.mean() ** 2)
    np.testing.assert_allclose(ours.variance(), square - ((1 - more) * theirs.mean()) ** 2, rtol=1e-3)


@pytest.mark.parametrize("df", [2.1, 5.0, 50.0])
def test_draws_of_students_t_are_distributed_so(df):
    p = distributions.Independent(distributions.StudentT([df], [1.0], [2.0]), 1)
    x = p.sample(5000, seed=[3, 4]).numpy().ravel()
    assert scipy.stats.kstest(x, scipy.stats.t(df, 1.0, 2.0).cdf).pvalue > 1e-3


def test_draws_of_zero_inflated_counts_have_their_frequencies():
    p = distributions.Independent(distributions.ZeroInflatedNegativeBinomial([2.0], [0.5], [-0.5]), 1)
    x = p.sample(5000, seed=[3, 4]).numpy().ravel()
    k = np.arange(8, dtype=np.float32)
    expected = np.exp(p.log_prob(k[:, None]))
    np.testing.assert_allclose((x == k[:, None]).mean(axis=1), expected, atol=5 * np.sqrt(0.25 / 5000))


def test_draws_and_means_of_logarithms_stay_finite():
    p = distributions.Independent(distributions.LogNormal([-1e3, 0.0, 1e3], [1e3, 1e3, 1.0]), 1)
    for values in (p.sample(100, seed=[0, 0]), p.mean(), p.variance()):
        assert np.isfinite(values).all() and (values.numpy() > 0).all()


@pytest.mark.parametrize("options", [{}, {"per_row": True, "floor": 0.2}, {"scale_shape": [3], "floor": 0.2}])
@pytest.mark.parametrize("kind", KINDS_OF_REAL)
def test_another_unit_of_columns_moves_the_density_by_its_logarithm(kind, options):
    x = (numbers(200, 3) * [0.1, 1.0, 50.0] + [5.0, 0.0, -100.0]).astype(np.float32)
    x = np.exp(x / 50) if kind is likelihoods.LogNormal else x
    log_probs, means = [], []
    for unit in (1.0, 10.0):
        layer = built(kind(3, standardize=True, **options))
        layer.measure(unit * x)
        for weight in layer.trainable_weights:
            weight.assign(0.3 * numbers(*weight.shape, seed=1))
        p = layer(numbers(200, 8, seed=2))
        log_probs.append(p.log_prob(unit * x))
        means.append(p.mean())
    np.testing.assert_allclose(log_probs[1], log_probs[0] - 3 * np.log(10), rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(means[1], 10 * means[0], rtol=1e-4, atol=1e-3)


def test_units_are_those_of_what_is_seen():
    x = np.array([[1.0, 7.0, 0.0, np.nan, 3.0], [3.0, 7.0, 0.0, np.nan, np.nan]], np.float32)
    layer = likelihoods.Normal(5, standardize=True)
    layer.measure(x)
    np.testing.assert_array_equal(layer.location, [2.0, 7.0, 0.0, 0.0, 3.0])
    np.testing.assert_array_equal(layer.unit, [1.0, 7.0, 1.0, 1.0, 3.0])
    layer.measure(tf.fill((1000, 5), 0.1))
    np.testing.assert_allclose(layer.unit, [0.1] * 5, rtol=1e-6)
    layer = likelihoods.LogNormal(2, standardize=True)
    layer.measure(np.exp([[1.0, 2.0], [3.0, np.nan]]))
    np.testing.assert_allclose(layer.location, [2.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(layer.unit, [1.0, 2.0], rtol=1e-6)


def test_a_layer_without_units_measures_nothing():
    layer = built(likelihoods.StudentT(2))
    layer.measure(numbers(5, 2))
    assert len(layer.weights) == 2  # the projection's


@pytest.mark.parametrize("features", [(8,), (4, 4, 2)], ids=["flat", "maps"])
@pytest.mark.parametrize("kind", KINDS_OF_REAL)
def test_measured_layers_start_at_the_mean_of_the_data(kind, features):
    x = np.exp(0.1 * numbers(50, *IMAGE)) + 3
    layer = kind(IMAGE, scale=0.5, per_row=True, standardize=True)
    layer.build((None, *features))
    layer.measure(x)
    layer.start(x.mean(axis=0))
    mean = layer(tf.zeros((2, *features))).mean()
    np.testing.assert_allclose(mean, [x.mean(axis=0)] * 2, rtol=1e-5 if len(features) == 1 else 0.01)


@pytest.mark.parametrize("kind", KINDS_OF_REAL)
def test_scales_of_rows_that_are_alike_are_those_of_columns(kind):
    layer, of_rows = kind(3, 0.4, scale_shape=[3], floor=0.1), kind(3, 0.4, per_row=True, floor=0.1)
    raw, raw_scale, x = numbers(5, 3), numbers(3, seed=1), np.exp(numbers(5, 3, seed=2))
    layer.log_ratio.assign(raw_scale)
    expected = layer.distribution(raw).log_prob(x)
    found = of_rows.distribution(raw, tf.broadcast_to(raw_scale, (5, 3))).log_prob(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_scale_keeps_above_its_floor():
    layer = likelihoods.Normal(2, scale=2.0, scale_shape=[2], floor=0.25)
    np.testing.assert_allclose(layer.learned_scale(), [2.0, 2.0])
    layer.log_ratio.assign([-100.0, 100.0])
    low, high = layer.learned_scale().numpy()
    assert 0.5 < low < 0.502 and 1000 < high < 2000


def test_degrees_of_freedom_are_learned_within_bounds():
    layer = likelihoods.StudentT(3, df=5.0, df_shape=[3])
    np.testing.assert_allclose(layer.learned_df(), [5.0] * 3)
    layer.raw_df.assign([-1e6, 0.0, 1e6])
    np.testing.assert_allclose(layer.learned_df(), 2 + 3 * np.exp([-4.0, 0.0, 4.0]), rtol=1e-5)
    assert likelihoods.StudentT(3).learned_df() == 5.0


TOTALS = {
    "Poisson": lambda **options: likelihoods.Poisson(4, **options),
    "NegativeBinomial": lambda **options: likelihoods.NegativeBinomial(4, **options),
    "NegativeBinomial-columns": lambda **options: likelihoods.NegativeBinomial(4, [4], **options),
    "ZeroInflatedNegativeBinomial": lambda **options: likelihoods.ZeroInflatedNegativeBinomial(4, [], **options),
}
COUNTED = np.array([[3, 0, 7, 2], [1, 1, np.nan, 0], [0, 0, 0, 0], [np.nan] * 4, [900, 2, np.nan, 40]], np.float32)


def by_hand(name, raw, x):
    """log p of each element of a row, float64, given its total."""
    seen = ~np.isnan(x)
    raw = [r.astype(np.float64) for r in raw]
    raw_count = raw.pop(0) if name == "NegativeBinomial" else np.zeros(4)
    share = np.exp(15 * np.tanh(raw[0] / 15))
    share /= share.sum()
    mean = max(np.sum(x[seen]), 1e-3) / share[seen].sum() * share[seen] if seen.any() else []
    if name == "Poisson":
        return scipy.stats.poisson(mean).logpmf(x[seen])
    count = np.exp(7 * np.tanh(raw_count / 7))[seen]
    p = scipy.stats.nbinom(count, count / (count + mean))
    if name != "ZeroInflatedNegativeBinomial":
        return p.logpmf(x[seen])
    more = 1 / (1 + np.exp(-15 * np.tanh(raw[1][seen] / 15)))
    return np.log(more * (x[seen] == 0) + (1 - more) * p.pmf(x[seen]))


@pytest.mark.parametrize("name", TOTALS)
def test_counts_given_their_total_are_those_by_hand(name):
    layer = TOTALS[name](offset=True)
    raw = [numbers(5, *shape, seed=i) for i, shape in enumerate(layer.shapes)]
    with tf.GradientTape() as tape:
        given = [tf.constant(r) for r in raw]
        tape.watch(given)
        p = layer.distribution(*given)
        log_prob = p.log_prob(COUNTED)
    expected = [np.sum(by_hand(name, [r[i] for r in raw], x)) for i, x in enumerate(COUNTED)]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4, atol=1e-5)
    assert log_prob[3] == 0  # all are missing
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(log_prob, given))
    elements = distributions.log_prob_of_elements(p, COUNTED).numpy()
    assert (elements[np.isnan(COUNTED)] == 0).all()
    np.testing.assert_allclose(elements.sum(axis=-1), log_prob, rtol=1e-5)
    np.testing.assert_allclose(p[1:3].log_prob(COUNTED[1:3]), log_prob[1:3], rtol=1e-5)
    missing = np.isnan(COUNTED)
    filled = distributions.log_prob_of_elements(p, np.where(missing, layer.filler, COUNTED), missing)
    np.testing.assert_array_equal(filled, elements)  # what stands in for a missing element is no part of the total


@pytest.mark.parametrize("options", [{"offset": True}, {"latent_total": True}], ids=str)
@pytest.mark.parametrize("name", TOTALS)
def test_means_add_up_to_the_typical_total(name, options):
    layer = built(TOTALS[name](**options))
    assert layer.total == 1.0 and len(layer.non_trainable_weights) == 1
    share = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    x = share * np.array([[10], [20], [1000], [30], [0]], np.float32)
    x[0, 2] = np.nan
    layer.measure(x)
    assert 20 < layer.total < 35  # the median, but for the row that misses one
    layer.start(share * 300)
    mean = layer(tf.zeros((1, 8))).mean()[0]
    np.testing.assert_allclose(mean / tf.reduce_sum(mean), share, rtol=1e-4)
    more = 1 / (1 + np.exp(-2.0)) if name.startswith("Zero") else 1.0
    np.testing.assert_allclose(tf.reduce_sum(mean), layer.total * more, rtol=1e-4)
    layer.measure(np.zeros((3, 4)))
    assert layer.total == 1.0


@pytest.mark.parametrize("features", [(8,), (4, 4, 2)], ids=["flat", "maps"])
def test_a_latent_total_is_one_number_of_an_event(features):
    layer = likelihoods.Poisson(IMAGE, latent_total=True)
    layer.build((None, *features))
    layer.start(np.full(IMAGE, 2.0))
    p = layer(numbers(2, 3, *features))
    assert p.mean().shape == (2, 3, *IMAGE)
    raw_rate, raw_total = layer.raw_parameters(numbers(2, 3, *features))
    total = np.exp(15 * np.tanh(np.mean(raw_total, axis=(2, 3, 4)) / 15))
    np.testing.assert_allclose(tf.reduce_sum(p.mean(), axis=(2, 3, 4)), total, rtol=1e-4)
    share = tf.nn.softmax(tf.reshape(distributions.soft_clip(raw_rate, 15.0), (2, 3, -1)))
    np.testing.assert_allclose(tf.reshape(p.mean(), (2, 3, -1)), share * total[..., None], rtol=1e-4)


@pytest.mark.parametrize("kind", [likelihoods.NegativeBinomial, likelihoods.ZeroInflatedNegativeBinomial])
def test_dispersions_of_rows_that_are_alike_are_those_of_columns(kind):
    layer, of_rows = kind(3, [3]), kind(3)
    count, x = numbers(3), np.arange(15, dtype=np.float32).reshape(5, 3)
    raw = [numbers(5, 3, seed=i) for i in range(layer.parameters)]
    layer.raw_count.assign(count)
    expected = layer.distribution(*raw).log_prob(x)
    np.testing.assert_allclose(of_rows.distribution(np.tile(count, (5, 1)), *raw).log_prob(x), expected, rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_in_order_have_cumulative_probabilities(classes):
    layer = built(likelihoods.Ordinal(2, classes))
    np.testing.assert_allclose(layer.summary(layer(tf.zeros((1, 8)))), np.full((1, 2, classes), 1 / classes), rtol=1e-4)
    layer.raw_cuts.assign(numbers(*layer.raw_cuts.shape))
    location = np.linspace(-4, 4, 50, dtype=np.float32)[:, None] * [1.0, 1.0]
    probabilities = layer.summary(layer.distribution(tf.constant(location, tf.float32))).numpy()  # [50, 2, classes]
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
    below = 1 / (1 + np.exp(location[..., None] - layer.cuts()))
    np.testing.assert_allclose(probabilities.cumsum(axis=-1)[..., :-1], below, rtol=1e-4)
    assert (np.diff(layer.cuts(), axis=-1) > 0).all() and (np.diff(below, axis=0) < 0).all()
    mean = layer.distribution(tf.constant(location, tf.float32)).mean()
    assert (np.diff(mean, axis=0) > 0).all()


def test_classes_in_order_are_measured():
    layer = built(likelihoods.Ordinal(2, 3))
    codes = np.array([[0.0, 2.0]] * 20 + [[1.0, np.nan]] * 60 + [[2.0, 2.0]] * 17, np.float32)
    layer.measure(codes)
    expected = np.array([[21, 61, 18], [1, 1, 38]]) / [[100], [40]]
    np.testing.assert_allclose(layer.summary(layer(tf.zeros((1, 8))))[0], expected, rtol=1e-3)


def test_classes_in_order_are_finite_far_away():
    layer = likelihoods.Ordinal(3, 4)
    layer.raw_cuts.assign([[0.0, -1e4, 1e3]] * 3)
    for location in (-1e6, 0.0, 30.0, 1e6):
        with tf.GradientTape() as tape:
            raw = tf.fill((4, 3), location)
            tape.watch(raw)
            log_prob = layer.distribution(raw).log_prob(tf.range(4.0)[:, None] * tf.ones(3))
        gradients = tape.gradient(log_prob, [raw, layer.raw_cuts.value])
        assert np.isfinite(log_prob).all() and all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("kind", [likelihoods.Categorical, likelihoods.Ordinal])
def test_the_likeliest_class_on_average_stands_for_several_distributions(kind):
    layer = kind(2, 3)
    assert layer.value_of(tf.constant([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])).numpy().tolist() == [2.0, 0.0]


def test_the_average_of_logarithms_stands_for_several_distributions():
    layer = likelihoods.LogNormal(1)
    summary = layer.summary(layer.distribution(tf.constant([[0.0], [2.0]])))
    np.testing.assert_allclose(layer.value_of(tf.reduce_mean(summary, axis=0)), [np.e], rtol=1e-2)


ALL_OPTIONS = {
    "StudentT": lambda: likelihoods.StudentT(4, 0.3, None, True, 0.1, True, 6.0, [4]),
    "LogNormal": lambda: likelihoods.LogNormal(4, 0.3, [4], False, 0.1, True),
    "NegativeBinomial": lambda: likelihoods.NegativeBinomial(4, [4], latent_total=True),
    "ZeroInflatedNegativeBinomial": lambda: likelihoods.ZeroInflatedNegativeBinomial(4, [], offset=True),
    "Poisson": lambda: likelihoods.Poisson(4, offset=True),
    "Ordinal": lambda: likelihoods.Ordinal(4, 3),
}


@pytest.mark.parametrize("make", ALL_OPTIONS.values(), ids=ALL_OPTIONS)
def test_a_copy_with_the_same_weights_is_the_same(make):
    layer = built(make())
    layer.measure(np.random.default_rng(0).integers(1, 3, (9, 4)).astype(np.float32))
    again = built(type(layer).from_config(layer.get_config()))
    again.set_weights(layer.get_weights())
    x, given = np.ones((5, 4), np.float32), numbers(5, 8)
    np.testing.assert_array_equal(again(given).log_prob(x), layer(given).log_prob(x))


@pytest.mark.parametrize("shape", [[3], [1]])
def test_learned_counts_start_at_the_spread_of_the_data(shape):
    """Of columns whose mean and variance are those of negative binomial distributions; missing cells are left out."""
    rng = np.random.default_rng(0)
    spread = np.array([5.0, 5.0, 5.0])
    x = rng.poisson(rng.gamma(spread, np.array([1.0, 10.0, 400.0]) / spread, (20_000, 3))).astype(np.float32)
    x[::3, 1] = np.nan
    layer = likelihoods.NegativeBinomial(3, shape)
    layer.build((None, 4))
    layer.measure(x)
    layer.start(np.nanmean(x, axis=0))
    p = layer(tf.zeros((1, 4)))
    np.testing.assert_allclose(p.mean()[0], np.nanmean(x, axis=0), rtol=1e-4)
    np.testing.assert_allclose(p.variance()[0], np.nanvar(x, axis=0), rtol=0.15)
