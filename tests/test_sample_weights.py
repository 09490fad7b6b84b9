"""Weights of examples: in the loss, in the logged means, in `evaluate`, on one device and on several."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import members
from tests.models import GRAPH, begin, dataset, small_images, small_vae, weights
from tfvae import evaluation, objectives, random

COUNT = 12
IMAGES = small_images(COUNT)
WEIGHTS = np.array([3, 0, 1, 2, 0, 0.5, 1, 1, 0, 2, 4, 0], np.float32)
CLASSES = np.arange(COUNT) % members.CONDITION


def made(strategy=None, **parts):
    begin(0)
    with (strategy or tf.distribute.get_strategy()).scope():
        return small_vae(keras.optimizers.SGD(0.05), **parts)


def triples(weights=WEIGHTS, batch_size=5):
    return dataset((IMAGES, weights), batch_size).map(lambda x, w: (x, None, w))


def of_each(vae):
    """Loss, elbo, reconstruction and kl of each example in the first batch of an evaluation."""
    return vae.terms(tf.constant(IMAGES), random.seed(vae.seed, random.Stream.EVALUATION, 0))


def test_evaluate_gives_weighted_means():
    vae = made()
    terms = of_each(vae)
    found = vae.evaluate(IMAGES, batch_size=COUNT, sample_weight=WEIGHTS, return_dict=True, verbose=0)
    for name in ("loss", "elbo", "reconstruction", "kl"):
        assert found[name] == pytest.approx(np.average(getattr(terms, name), weights=WEIGHTS), rel=1e-5)


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_gradient_is_that_of_the_weighted_mean(jit):
    """Under XLA a batch of 32 rows and more goes in two halves."""
    images, rng = small_images(37), np.random.default_rng(0)
    own = rng.uniform(0, 3, 37).astype(np.float32)
    vae, other = made(compiled={"jit_compile": jit}), made()
    vae.fit(images, sample_weight=own, batch_size=37, shuffle=False, verbose=0)
    seed = random.seed(0, random.Stream.TRAINING, 0)
    with tf.GradientTape() as tape:
        losses = other.terms(tf.constant(images), seed, training=True).loss
        loss = tf.reduce_sum(own * losses) / np.sum(own)
    other.optimizer.apply(tape.gradient(loss, other.trainable_weights), other.trainable_weights)
    np.testing.assert_allclose(weights(vae), weights(other), atol=1e-5)


def test_equal_weights_change_nothing_and_zeros_leave_examples_out():
    """Long: three trainings."""
    plain, equal = made(), made()
    logs = plain.fit(IMAGES, batch_size=5, verbose=0).history
    same = equal.fit(IMAGES, sample_weight=np.full(COUNT, 7.0), batch_size=5, verbose=0).history
    np.testing.assert_allclose(weights(equal), weights(plain), atol=1e-6)
    assert same["elbo"] == pytest.approx(logs["elbo"], rel=1e-5)
    silent = made()
    before = weights(silent)
    silent.fit(IMAGES, sample_weight=np.zeros(COUNT), verbose=0)
    np.testing.assert_array_equal(weights(silent), before)


FORMS = {
    "arrays": lambda vae: vae.fit(IMAGES, sample_weight=WEIGHTS, batch_size=5, shuffle=False, verbose=0),
    "a data set": lambda vae: vae.fit(triples(), verbose=0),
    "batches one by one": lambda vae: vae.fit(
        triples(), verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
    ),
    "a generator": lambda vae: vae.fit(((x, None, w) for x, _, w in triples().as_numpy_iterator()), verbose=0),
    "single batches": lambda vae: [vae.train_on_batch(x, sample_weight=w) for x, _, w in triples().as_numpy_iterator()],
}


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=() if form == "a data set" else pytest.mark.slow) for form in FORMS]
)
def test_every_form_of_data_has_weights(form):
    vae, expected = made(compiled=GRAPH), made()
    FORMS[form](vae)
    FORMS["arrays"](expected)
    np.testing.assert_allclose(weights(vae), weights(expected), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [objectives.ELBO(), objectives.FreeBits(0.1)], ids=["alone", "whole batch"])
def test_two_replicas_give_the_numbers_of_one(two_replicas, objective):
    """Takes 7 s of CPU: programs of both, for training and evaluation."""
    one, two = (made(strategy, compiled=GRAPH, objective=objective) for strategy in (None, two_replicas))
    logs = [vae.fit(triples(), validation_data=triples(), verbose=0).history for vae in (one, two)]
    np.testing.assert_allclose(weights(two), weights(one), atol=1e-6)
    for name, value in logs[0].items():
        assert logs[1][name] == pytest.approx(value, rel=1e-5)


def test_pairs_validation_and_a_part_held_out_have_weights():
    """Takes 5 s of CPU: batches of several sizes, each with a program of its own."""
    parts = {
        name: members.PARTNERS["prior-ConditionalNormal"][name]() for name in ("encoder", "decoder", "condition_size")
    }
    vae = made(**parts)
    history = vae.fit(
        IMAGES,
        CLASSES,
        sample_weight=WEIGHTS,
        batch_size=5,
        validation_data=(IMAGES, CLASSES, WEIGHTS),
        verbose=0,
    ).history
    expected = vae.evaluate(IMAGES, CLASSES, sample_weight=WEIGHTS, batch_size=5, return_dict=True, verbose=0)
    assert history["val_elbo"][-1] == pytest.approx(expected["elbo"], rel=1e-5)
    history = vae.fit(IMAGES, CLASSES, sample_weight=WEIGHTS, validation_split=0.5, verbose=0).history
    kept = slice(COUNT // 2, None)
    expected = vae.evaluate(IMAGES[kept], CLASSES[kept], sample_weight=WEIGHTS[kept], return_dict=True, verbose=0)
    assert history["val_elbo"][-1] == pytest.approx(expected["elbo"], rel=1e-5)


REFUSED = {
    "too few": (lambda vae: vae.fit(IMAGES, sample_weight=WEIGHTS[:-1]), r"weights have shape \(11,\).*12 examples"),
    "a table": (
        lambda vae: vae.fit(IMAGES, sample_weight=np.ones((COUNT, 2))),
        r"shape \(12, 2\).*one number for each",
    ),
    "negative": (lambda vae: vae.fit(IMAGES, sample_weight=-WEIGHTS), r"finite and 0 or more, but one is -3\.0"),
    "not a number": (
        lambda vae: vae.fit(IMAGES, sample_weight=WEIGHTS * np.nan),
        "finite and 0 or more, but one is nan",
    ),
    "in validation": (lambda vae: vae.fit(IMAGES, validation_data=(IMAGES, None, -WEIGHTS)), "finite and 0 or more"),
    "in a data set": (lambda vae: vae.fit(triples(-WEIGHTS)), "finite and 0 or more, but one is -3.0"),
    "beside a data set": (lambda vae: vae.fit(triples(), sample_weight=WEIGHTS), "goes with arrays"),
    "in an evaluation of each": (lambda vae: evaluation.elbo_terms(vae, triples()), "only fit and evaluate take"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_are_no_weights_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(made())
    assert "\n" not in str(caught.value)
