import numpy as np
import pytest
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
    ("event", "features"), [((4,), (8,)), (IMAGE, (8,)), (IMAGE, (4, 4, 2))], ids=["vector", "image", "image-maps"]
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
        (lambda: likelihoods.Categorical(IMAGE, classes=1), "classes must be 2 or more"),
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
