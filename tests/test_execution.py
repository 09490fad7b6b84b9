"""Groups of steps give the numbers of single steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests import members
from tests.models import GRAPH, begin, dataset, small_images, small_vae, weights
from tfvae import networks, objectives, random, trainer
from tfvae.programs import program
from tfvae.trainer import xla


def fitted(images=None, batch_size=5, size=1, epochs=2, **compiled):
    """Weights and logs of a VAE trained by groups of `size` steps."""
    begin(0)
    fit = {}
    vae = small_vae(keras.optimizers.Adam(1e-2), compiled={"steps_per_execution": size} | compiled)
    data = dataset(small_images(23) if images is None else images, batch_size)
    if size == 1:  # or it would be chosen
        fit["callbacks"] = [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
    history = vae.fit(data, validation_data=data, epochs=epochs, verbose=0, **fit).history
    return weights(vae), history, int(vae.optimizer.iterations)


KINDS = {"eagerly": {"run_eagerly": True}, "by a program": {}, "by XLA": {"jit_compile": True}}  # of single steps


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k == "eagerly" else pytest.mark.slow) for k in KINDS])
@pytest.mark.parametrize("count", [pytest.param(20, marks=pytest.mark.slow), 23])  # 23: the last of five has three
@pytest.mark.parametrize("size", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_groups_give_the_numbers_of_single_steps(kind, count, size):
    """Long: programs of groups and of validation."""
    single, logs, steps = fitted(small_images(count), **KINDS[kind])
    grouped, other, same = fitted(small_images(count), size=size, jit_compile=kind == "by XLA")
    assert steps == same == 2 * -(-count // 5)
    np.testing.assert_allclose(grouped, single, atol=1e-6)
    for name, values in logs.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-5)


def test_batches_of_all_sizes_of_a_small_data_set_are_one_program():
    """And in it have the numbers of single steps."""
    _, logs, _ = fitted(epochs=1)
    begin(0)
    vae = small_vae(keras.optimizers.Adam(1e-2), compiled=GRAPH)
    images = small_images(23)
    history = vae.fit(images, batch_size=5, validation_data=images, epochs=2, verbose=0, shuffle=False).history
    for function in (vae.train_function, vae.test_function):
        assert function._run_group.experimental_get_tracing_count() == 1
        assert function._run_one.experimental_get_tracing_count() == 0
    for name, (value,) in logs.items():
        np.testing.assert_allclose(history[name][0], value, rtol=1e-5)


def test_parts_that_need_the_size_of_a_batch_have_a_program_for_each():
    vae, real = small_vae(compiled=GRAPH), tfvae.VAE.terms

    def terms(data, *more, **settings):
        tf.zeros([data.shape[0]])  # a TypeError where it is not known
        return real(vae, data, *more, **settings)

    vae.terms = terms
    vae.fit(small_images(23), batch_size=5, verbose=0)
    assert int(vae.optimizer.iterations) == 5 == vae.train_function.steps


@pytest.mark.slow
def test_batches_of_any_sizes_in_any_order():
    images = small_images(30)
    sizes = [4, 4, 7, 4, 4, 4, 2, 1]
    parts = np.split(images, np.cumsum(sizes)[:-1])

    def batches():
        yield from parts

    data = tf.data.Dataset.from_generator(batches, output_signature=tf.TensorSpec([None, *members.IMAGE], tf.uint8))
    data = data.apply(tf.data.experimental.assert_cardinality(len(sizes)))
    found = []
    for size in (1, 4, 100):
        begin(0)
        vae = small_vae(keras.optimizers.SGD(1e-2), compiled={"steps_per_execution": size, "jit_compile": False})
        vae.fit(data, verbose=0, callbacks=[EachBatch()] if size == 1 else None)
        assert int(vae.optimizer.iterations) == len(sizes)
        found.append(weights(vae))
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)


class EachBatch(keras.callbacks.Callback):
    seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1


def test_what_is_chosen_unasked():
    vae, images = small_vae(compiled=GRAPH), small_images(23)
    data = images[:5]

    def chosen(first, batch_size=None, callbacks=None, **limits):
        return trainer.choose_group_size(vae, first, batch_size, callbacks, limits.values())

    assert chosen(data) == chosen(images, 32) == trainer.MAX_STEPS
    assert chosen(data, callbacks=[EachBatch()]) == 1
    assert chosen(data, callbacks=EachBatch()) == 1
    assert chosen(data, callbacks=[keras.callbacks.LambdaCallback(on_batch_end=lambda *a: None)]) == 1
    assert chosen(data, callbacks=[keras.callbacks.TensorBoard(update_freq=10)]) == 1
    assert chosen(data, callbacks=[keras.callbacks.EarlyStopping(), keras.callbacks.TerminateOnNaN()]) > 1
    assert chosen(data, steps_per_epoch=250) == 50 and chosen(data, steps_per_epoch=250, validation_steps=15) == 5
    assert chosen(None) == 1
    assert chosen(np.zeros((3, 2**21, 1, 1), np.uint8)) == 1
    large = np.zeros((1, 2**14, 1, 1), np.uint8)
    assert chosen(large, 2**8) == 2
    vae.compile(steps_per_execution=7)
    assert chosen(data) == 7
    vae.compile(run_eagerly=True)
    assert chosen(data) == 1


def test_a_callback_of_ones_own_sees_each_batch():
    counting = EachBatch()
    small_vae(compiled=GRAPH).fit(dataset(small_images(23), 5), verbose=0, callbacks=[counting])
    assert counting.seen == 5


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_prediction_in_groups_is_that_of_the_model(jit):
    vae, images = small_vae(compiled={"jit_compile": jit}), small_images(23)
    expected = vae(images)
    for data in (dataset(images, 5), images):
        np.testing.assert_allclose(vae.predict(data, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(vae.predict(images, batch_size=4, steps=3, verbose=0), expected[:12], atol=1e-6)
    assert vae.steps_per_execution == 1


def test_the_first_batch_is_read_once_before_training():
    images, read = small_images(20), []

    def batches():
        for start in range(0, 20, 5):
            read.append(start)
            yield images[start : start + 5]

    data = tf.data.Dataset.from_generator(batches, output_signature=tf.TensorSpec([5, *members.IMAGE], tf.uint8))
    small_vae(compiled=GRAPH).fit(data.apply(tf.data.experimental.assert_cardinality(4)), verbose=0)
    assert read == [0, *range(0, 20, 5)]


def test_limited_steps_are_kept():
    data = dataset(small_images(23), 5).repeat()
    vae = small_vae(compiled=GRAPH)
    vae.fit(data, steps_per_epoch=6, epochs=2, validation_data=data, validation_steps=4, verbose=0)
    assert int(vae.optimizer.iterations) == 12 and float(vae.batches.result()) == 4
    assert vae.steps_per_execution == 1


def test_arrays_are_held_out_shuffled_and_grouped():
    images = small_images(40)
    logs = {}
    for size in (1, 100):
        begin(0)
        vae = small_vae(compiled={"steps_per_execution": size, "run_eagerly": size == 1})
        callbacks = [EachBatch()] if size == 1 else []
        history = vae.fit(images, batch_size=5, epochs=2, validation_split=0.25, verbose=0, callbacks=callbacks)
        assert int(vae.optimizer.iterations) == 12 and float(vae.batches.result()) == 2
        logs[size] = history.history
    assert set(logs[1]) == {
        f"{split}{name}" for split in ("", "val_") for name in ("loss", "elbo", "reconstruction", "kl")
    }
    for name, values in logs[1].items():
        np.testing.assert_allclose(logs[100][name], values, rtol=1e-5)
    with pytest.raises(ValueError, match=r"validation_split=2\.0"):
        vae.fit(images, validation_split=2.0)


def test_what_is_read_but_once_runs_step_by_step():
    def batches():
        for part in np.split(small_images(20), 4):
            yield (part,)

    vae = small_vae(compiled={"steps_per_execution": 3})
    vae.fit(batches(), steps_per_epoch=4, verbose=0)
    assert int(vae.optimizer.iterations) == 4 and vae.steps_per_execution == 3


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 100])
def test_single_batches(size):
    vae, images = small_vae(compiled={"steps_per_execution": size}), small_images(5)
    before = weights(vae)
    assert len(vae.train_on_batch(images)) == len(vae.test_on_batch(images)) == 4
    assert int(vae.optimizer.iterations) == 1 and np.any(weights(vae) != before)


def step_seed(first):
    """The seed of a step for the rows from `first` on."""
    return random.seed(0, random.Stream.TRAINING, 7, first)


def test_halves_give_the_gradients_of_the_whole():
    """With XLA a batch goes through in two halves: the same noise, losses and gradients, regularisers' too."""
    encoder = networks.mlp(members.IMAGE, [16], "tanh")
    encoder.layers[-1].kernel_regularizer = keras.regularizers.L2(0.1)
    vae = small_vae(compiled=GRAPH, encoder=encoder)
    data = tf.constant(small_images(2 * trainer.SMALLEST_PART + 1))

    def found(jit_compile):
        vae.jit_compile = jit_compile
        function = program(
            lambda: trainer.compute_gradients(vae, data, step_seed, len(data)), jit_compile=jit_compile, autograph=False
        )
        return function()

    (whole, gradients), (halves, sums) = found(False), found(True)
    for one, other in zip((*whole, *gradients), (*halves, *sums), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    assert np.abs(gradients[0]).max() > 0.01


def test_halves_with_weights_give_the_gradients_of_the_whole():
    """Also where nothing follows from a variable: it has no gradient."""
    vae, seeds = small_vae(compiled=GRAPH), []
    unused = vae.encoder.add_weight(shape=[2], name="unused")
    data, total = tf.constant(small_images(2 * trainer.SMALLEST_PART + 1)), tf.constant(7.5)
    sample_weights = tf.constant(np.random.default_rng(1).uniform(size=len(data)).astype(np.float32))

    def seed(first):
        seeds.append(first)
        return step_seed(first)

    def found(jit_compile):
        vae.jit_compile = jit_compile
        return trainer.compute_gradients(vae, data, seed, total, sample_weights)

    (whole, gradients), (halves, sums) = found(False), found(True)
    assert seeds == [0, 0, trainer.SMALLEST_PART]
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)
    for variable, one, other in zip(vae.trainable_weights, gradients, sums, strict=True):
        if variable is unused:
            assert one is None and other is None
        else:
            assert np.abs(one).max() > 1e-3
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_schedules_gradient_accumulation_and_mixed_precision_in_groups():
    def trained(size):
        begin(0)
        rate = keras.optimizers.schedules.CosineDecay(0.05, 8)
        optimizer = keras.optimizers.AdamW(
            rate, gradient_accumulation_steps=2, clipnorm=1.0, ema_momentum=0.9, use_ema=True
        )
        vae = small_vae(optimizer, compiled={"steps_per_execution": size, "jit_compile": True})
        vae.fit(dataset(small_images(20), 5), epochs=2, verbose=0, callbacks=[EachBatch()])
        return weights(vae)

    np.testing.assert_allclose(trained(3), trained(1), atol=1e-5)


def test_a_run_goes_on_in_the_middle_of_a_group():
    """Six steps in groups of four, saved after three: the same as at once, one by one."""
    images = small_images(30)
    whole, parts = (small_vae(seed=3, compiled=kind) for kind in ({"run_eagerly": True}, {"steps_per_execution": 4}))
    parts.set_weights(whole.get_weights())
    whole.fit(dataset(images, 5), verbose=0)
    parts.fit(dataset(images[:15], 5), verbose=0)
    parts.fit(dataset(images[15:], 5), verbose=0)
    np.testing.assert_allclose(weights(parts), weights(whole), atol=1e-6)


def test_small_batches_are_not_halved():
    """Nor are those of objectives that look at the batch: their gradients are those of the whole, to the bit."""
    small, large = (tf.constant(small_images(2 * trainer.SMALLEST_PART + more)) for more in (-1, 1))
    for data, objective in ((small, objectives.ELBO()), (large, objectives.FreeBits())):
        vae, seeds = small_vae(compiled=GRAPH, objective=objective), []

        def seed(first, seeds=seeds):
            seeds.append(first)
            return step_seed(first)

        vae.jit_compile = True
        _, found = trainer.compute_gradients(vae, data, seed, len(data))
        assert seeds == [0]
        for one, other in zip(found, vae.gradients(data, step_seed(0), len(data))[1], strict=True):
            np.testing.assert_array_equal(one, other)


def test_on_replicas_xla_compiles_the_gradients_alone_and_once(two_replicas, monkeypatch):
    """The program runs eagerly here."""
    made, images = [], tf.constant(small_images(40))
    monkeypatch.setattr(xla, "program", lambda function, **settings: made.append(settings) or function)
    with two_replicas.scope():
        vae = small_vae(compiled=GRAPH)
    vae.jit_compile = True

    expected = vae.gradients(images, step_seed(0), 80)[1]
    for _ in range(2):
        _, found = trainer.compute_gradients(vae, images, step_seed, 80)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    (settings,) = made
    assert settings["jit_compile"] and not settings["autograph"]
    vae.run_eagerly = True
    trainer.compute_gradients(vae, images, step_seed, 80)
    vae.forget_programs()
    trainer.compute_gradients(vae, images, step_seed, 80)
    assert len(made) == 1
    vae.run_eagerly = False
    trainer.compute_gradients(vae, images, step_seed, 80)
    assert len(made) == 2


def test_xla_where_it_helps(two_replicas):
    def chosen(jit_compile, **parts):
        return small_vae(compiled={"jit_compile": jit_compile}, **parts).jit_compile

    assert chosen("auto") and not chosen(False)
    assert not chosen("auto", encoder=networks.conv(members.IMAGE, [4]))
    assert chosen(True, encoder=networks.conv(members.IMAGE, [4]))
    with two_replicas.scope():
        assert chosen("auto") and not chosen("auto", objective=objectives.FreeBits())
