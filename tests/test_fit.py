"""`fit`, `evaluate` and `compile` as users of Keras know them: what they take, what they refuse, what they show."""

import json
import math
import re
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests import members
from tests.models import GRAPH, dataset, small_images, small_vae, weights
from tfvae import evaluation, likelihoods, networks, posteriors, preprocessing, priors
from tfvae.training.report import measures, tables

IMAGES = small_images(10)
REFUSED = {
    "loss": (lambda vae: vae.compile(loss="mse"), r"compile\(loss=...\): leave it out.*objective"),
    "positional loss": (lambda vae: vae.compile("adam", "mse"), r"compile\(loss=...\): leave it out"),
    "loss weights": (lambda vae: vae.compile(loss_weights=[2.0]), r"compile\(loss_weights=...\)"),
    "metrics": (lambda vae: vae.compile(metrics=["mae"]), r"compile\(metrics=...\).*elbo, reconstruction and kl"),
    "weighted metrics": (lambda vae: vae.compile(weighted_metrics=["mae"]), r"compile\(weighted_metrics=...\)"),
    "steps per execution": (lambda vae: vae.compile(steps_per_execution=0), "steps_per_execution must be 1 or more"),
    "batch size": (lambda vae: vae.fit(IMAGES, batch_size=0), "batch_size must be a whole number from 1, not 0"),
    "half a batch": (lambda vae: vae.fit(IMAGES, batch_size=0.5), "batch_size must be a whole number from 1, not 0.5"),
    "validation batch size": (lambda vae: vae.fit(IMAGES, validation_batch_size=-1), "validation_batch_size must be"),
    "steps per epoch": (lambda vae: vae.fit(IMAGES, steps_per_epoch=0), "steps_per_epoch must be a whole number"),
    "validation steps": (lambda vae: vae.fit(IMAGES, validation_steps=-1), "validation_steps must be a whole number"),
    "steps": (lambda vae: vae.evaluate(IMAGES, steps=0), "steps must be a whole number from 1, not 0"),
    "batch of evaluate": (lambda vae: vae.evaluate(IMAGES, batch_size=0), "batch_size must be a whole number from 1"),
    "batch of predict": (lambda vae: vae.predict(IMAGES, batch_size=0), "batch_size must be a whole number from 1"),
    "no examples": (lambda vae: vae.fit(IMAGES[:0]), r"x is empty: it has shape \(0, 8, 8, 1\)"),
    "nothing to evaluate": (lambda vae: vae.evaluate(IMAGES[:0]), "x is empty"),
    "nothing to validate": (lambda vae: vae.fit(IMAGES, validation_data=IMAGES[:0]), "validation_data is empty"),
    "no pairs to validate": (
        lambda vae: vae.fit(IMAGES, validation_data=(IMAGES[:0], None)),
        "validation_data is empty",
    ),
    "classes": (lambda vae: vae.fit(IMAGES, class_weight={0: 1.0}), "no classes to weigh: give sample_weight"),
    ".h5": (lambda vae: vae.save("never.h5"), r"never\.h5: a VAE is saved to a file that ends in \.keras"),
    "no ending": (lambda vae: vae.save("never"), r"never: a VAE is saved to a file that ends in \.keras"),
}


@pytest.fixture(scope="module")
def vae():
    return small_vae()


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_keras_would_misread_is_refused_in_one_line(vae, call, message):
    before = weights(vae)
    with pytest.raises(ValueError, match=message) as caught:
        call(vae)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(weights(vae), before)


def test_unknown_arguments_are_refused(vae):
    with pytest.raises(TypeError, match="unexpected keyword argument 'bach_size'"):
        vae.fit(IMAGES, bach_size=5)
    with pytest.raises(ValueError, match=r"not recognized: .*bach_size"):
        vae.evaluate(IMAGES, bach_size=5)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_before_compile_keras_own_words_come(vae, method):
    uncompiled = tfvae.VAE(
        vae.encoder, vae.posterior, vae.prior, vae.decoder, vae.likelihood, preprocessor=vae.preprocessor
    )
    with pytest.raises(ValueError, match=r"must call `compile\(\)` before"):
        getattr(uncompiled, method)(IMAGES)


def shown(capsys):
    """All counts of steps that a progress bar showed, (done, of)."""
    return [
        (int(a), int(b)) for a, b in re.findall(r"(\d+)/(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out))
    ]


@pytest.mark.parametrize(
    "asked", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(100, marks=pytest.mark.slow)]
)
def test_the_bar_never_shows_more_steps_than_there_are(capsys, asked):
    vae, data = small_vae(compiled={"steps_per_execution": asked}), dataset(small_images(35), 5)
    vae.fit(data, validation_data=data, epochs=1, verbose=1)
    counts = shown(capsys)
    assert counts[-1] == (7, 7) and all(done <= of == 7 for done, of in counts)
    vae.evaluate(data, verbose=1)
    vae.predict(data, verbose=1)
    counts = shown(capsys)
    assert counts[-1] == (7, 7) and all(done <= of == 7 for done, of in counts)


def test_the_bar_of_data_of_unknown_length_counts_what_came(capsys):
    data = dataset(small_images(35), 5).filter(lambda batch: True)
    small_vae(compiled=GRAPH).fit(data, verbose=1)
    assert shown(capsys)[-1] == (7, 7)


# saved models


def test_a_saved_model_has_a_format_and_others_are_refused(vae, tmp_path):
    vae.save(tmp_path / "vae.keras")
    for found, name in ((None, "old.keras"), (99, "new.keras")):
        with zipfile.ZipFile(tmp_path / "vae.keras") as there, zipfile.ZipFile(tmp_path / name, "w") as other:
            for entry in there.namelist():
                content = there.read(entry)
                if entry == "config.json":
                    config = json.loads(content)
                    assert config["config"].pop("format") == 1
                    config["config"] |= {} if found is None else {"format": found}
                    content = json.dumps(config)
                other.writestr(entry, content)
        with pytest.raises(ValueError, match=rf"has format {found or 0}, and this tfvae reads format 1.*train it anew"):
            keras.saving.load_model(tmp_path / name)


def test_a_loaded_model_is_compiled_as_it_was(tmp_path):
    vae = small_vae(keras.optimizers.SGD(0.5), compiled={"steps_per_execution": 7, "jit_compile": False})
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert again.steps_per_execution == 7 and not again.jit_compile
    assert again.optimizer.get_config() == vae.optimizer.get_config()


# parts of Keras


def with_dropout(compiled=None):
    """A VAE with dropout in its encoder, and dropout of a posterior of one's own."""
    encoder = keras.Sequential([keras.Input(members.IMAGE), keras.layers.Flatten(), keras.layers.Dropout(0.5)])
    return small_vae(keras.optimizers.SGD(0.05), compiled=compiled, encoder=encoder, posterior=Noisy(members.LATENT))


@keras.saving.register_keras_serializable("tests")
class Noisy(posteriors.DiagonalNormal):
    """A posterior that is told whether it is being trained."""

    def __init__(self, event_shape, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.dropout = keras.layers.Dropout(0.5)

    def call(self, features, training=False):
        self.training = training
        return super().call(self.dropout(features, training=training))


@pytest.mark.parametrize("compiled", [None, pytest.param(GRAPH, marks=pytest.mark.slow)], ids=["eagerly", "program"])
def test_dropout_follows_from_seed_and_step(tmp_path, compiled):
    """Trained, saved, loaded and trained on: the weights of a run that was not stopped."""
    vae, data = with_dropout(compiled), dataset(IMAGES, 5)
    first = with_dropout(compiled)
    first.set_weights(vae.get_weights())
    vae.fit(data, epochs=2, verbose=0)
    first.fit(data, verbose=0)
    first.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    again.fit(data, verbose=0)
    np.testing.assert_array_equal(weights(again), weights(vae))
    np.testing.assert_array_equal(vae(IMAGES), vae(IMAGES))  # and not where nothing is learned


def test_posterior_and_likelihood_are_told_that_they_are_trained(vae):
    noisy = with_dropout()
    noisy.train_step(tf.constant(IMAGES))
    assert noisy.posterior.training is True
    noisy.encode(IMAGES)
    assert noisy.posterior.training is False


def of_columns(preprocessor, **compiled):
    vae = tfvae.VAE(
        networks.mlp(4, [8]),
        posteriors.DiagonalNormal(2),
        priors.StandardNormal(2),
        networks.mlp(2, [8]),
        likelihoods.Normal(4),
        preprocessor=preprocessor,
    )
    vae.compile(jit_compile=False, **compiled)
    return vae


COLUMNS = (np.random.default_rng(0).normal(size=(60, 4)) * [1, 10, 100, 0.1] + [0, 5, -50, 1]).astype(np.float32)


def test_keras_normalization_is_a_preprocessor(tmp_path):
    """Long: trained, evaluated, saved, loaded, adapted anew."""
    vae = of_columns(keras.layers.Normalization())
    for kind in (COLUMNS, dataset(2 * COLUMNS, 20)):  # programs do not keep the first statistics
        vae.adapt(kind)
        vae.fit(kind, verbose=0)
        whole = kind if kind is COLUMNS else 2 * COLUMNS
        x = vae.preprocess(whole).numpy()
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-3)
    found = vae.evaluate(2 * COLUMNS, return_dict=True, verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    again.run_eagerly = True
    np.testing.assert_array_equal(again.preprocess(COLUMNS), vae.preprocess(COLUMNS))
    assert again.evaluate(2 * COLUMNS, return_dict=True, verbose=0) == pytest.approx(found, rel=1e-5)


def test_a_normalization_that_was_not_adapted_is_refused():
    with pytest.raises(ValueError, match=r"Normalization was not adapted.*call vae\.adapt\(data\) first"):
        of_columns(keras.layers.Normalization()).fit(COLUMNS, verbose=0)
    inner = keras.layers.Normalization()
    vae = of_columns(keras.Sequential([keras.Input((4,)), inner]), run_eagerly=True)
    with pytest.raises(ValueError, match=r"Normalization was not adapted.*its own adapt\(data\) first"):
        vae.adapt(COLUMNS)
    inner.adapt(COLUMNS)
    vae.adapt(COLUMNS)
    vae.fit(COLUMNS, verbose=0)
    known = of_columns(keras.layers.Normalization(mean=0.0, variance=4.0), run_eagerly=True)
    known.fit(COLUMNS, verbose=0)


# what pseudo-inputs may be, and what has bits


@pytest.mark.parametrize(
    ("preprocessor", "likelihood", "own", "bounds"),
    [
        (preprocessing.Binarize(), likelihoods.Bernoulli(members.IMAGE), {}, (0, 1)),
        (preprocessing.Rescale(-1.0, 1.0), likelihoods.Normal(members.IMAGE), {}, (-1, 1)),
        (preprocessing.Rescale(2.0, 3.0), likelihoods.Normal(members.IMAGE), {}, (2, 3)),
        (None, likelihoods.Normal(members.IMAGE), {}, (None, None)),
        (None, likelihoods.Normal(members.IMAGE), {"low": -2.0}, (-2, None)),
        (None, likelihoods.Poisson(members.IMAGE), {}, (0, None)),
        (None, likelihoods.Categorical(members.IMAGE, 4), {}, (0, 3)),
        (None, likelihoods.ContinuousBernoulli(members.IMAGE), {"high": 0.5}, (0, 0.5)),
    ],
)
def test_pseudo_inputs_keep_within_the_bounds_of_the_data(preprocessor, likelihood, own, bounds):
    prior = priors.VampPrior(members.LATENT, members.IMAGE, components=5, **own)
    small_vae(preprocessor=preprocessor, likelihood=likelihood, prior=prior)
    assert tuple(prior.bounds) == bounds
    low, high = (limit if other is None else other for limit, other in zip((-np.inf, np.inf), bounds, strict=True))
    inputs = prior.inputs.numpy()
    assert ((inputs >= low) & (inputs <= high)).all() and inputs.std() > 0


def test_data_beyond_the_unit_interval_is_not_clipped():
    images = np.random.default_rng(0).normal(scale=3.0, size=(20, *members.IMAGE)).astype(np.float32)
    prior = priors.VampPrior(members.LATENT, members.IMAGE, components=20)
    vae = small_vae(preprocessor=None, likelihood=likelihoods.Normal(members.IMAGE), prior=prior)
    vae.adapt(images)
    seen = []
    prior.distribution(infer=lambda x, condition: seen.append(x) or vae.infer(x))
    np.testing.assert_array_equal(seen[0], images)


@pytest.mark.parametrize("name", members.LIKELIHOODS)
def test_only_counted_values_have_bits_per_dimension(name, monkeypatch):
    """Those of a density depend on the unit of x: they are neither measured nor shown. What is measured is made up."""
    nats = np.full(3, -members.IMAGE[0] * members.IMAGE[1] * math.log(2.0))
    terms = {term: evaluation.Estimate(nats) for term in ("elbo", "reconstruction", "kl")}
    found = evaluation.Importance(nats, np.full(3, 5.0), np.zeros(3))
    for measure, value in {"active_units": np.ones(3, bool), "elbo_terms": terms, "log_marginal": found}.items():
        monkeypatch.setattr(evaluation, measure, lambda *_, value=value: dict(value) if value is terms else value)
    vae = small_vae(preprocessor=None, likelihood=members.LIKELIHOODS[name]())
    result = measures.evidence(vae, None, 5)
    shown = [row[1] for row in tables.evaluation(result)[0] if row[0] == "bits per dimension"]
    densities = ("Columns", "ContinuousBernoulli", "Laplace", "LogNormal", "Normal", "StudentT")
    counted = name not in densities  # as tests of sums and integrals hold
    assert vae.likelihood.discrete == counted
    assert result.get("bits_per_dimension") == (pytest.approx(1.0) if counted else None)
    assert shown == (["1.000"] if counted else [])


def test_an_affine_network():
    for make in (networks.mlp, networks.gated_mlp):
        assert make(5, units=[]).output_shape == (None, 5)
        assert make(members.IMAGE, units=[], condition_size=2).output_shape == (None, 66)
    vae = small_vae(encoder=networks.mlp(members.IMAGE, units=[]), decoder=networks.mlp(members.LATENT, units=[]))
    assert np.isfinite(vae.fit(IMAGES, verbose=0).history["loss"]).all()
    assert priors.ConditionalNormal(3, 2, units=[]).distribution(tf.ones((4, 2))).batch_shape == (4,)
