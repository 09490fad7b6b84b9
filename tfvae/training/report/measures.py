"""Which measures a run has, and what they are taken of."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import config, evaluation, progress
from tfvae.evaluation import NotApplicable
from tfvae.model import VAE
from tfvae.training import finished_run
from tfvae.training.report import of_columns
from tfvae.training.report.examples import one_by_one, preprocess_all, take

__all__ = ["evidence", "labels", "rate_distortion", "take_all"]

Experiment = config.Experiment
Numbers = dict[str, Any]  # names of measures, or of their parts, and numbers

ELBO_SAMPLES = 10  # per example
MAX_CODES = 10_000  # examples whose latents are held against each other, or against labels
MAX_FITTED = 100  # examples whose posteriors are fitted one by one
MAX_COMPARED = 5_000  # examples, and draws, whose quality is compared
COMPONENTS, NEIGHBOURS = 50, 5  # of pixels, in which it is; and among how many


def evidence(vae: VAE, data: tf.data.Dataset, samples: int) -> Numbers:
    """Measure what all VAEs have: ELBO, its terms, log p(x) and how far it can be trusted, and active units.

    Args:
        vae: the VAE.
        data: batches, as loaded.
        samples: importance samples per example for log p(x).
    """
    progress.doing("active units")
    active = evaluation.active_units(vae, data)
    progress.doing("ELBO")
    estimates = evaluation.elbo_terms(vae, data, ELBO_SAMPLES)
    progress.doing(f"log p(x), {samples} samples per example")
    estimates["log_marginal"] = found = evaluation.log_marginal(vae, data, samples)
    result: Numbers = {"examples": len(found.values), "elbo_samples": ELBO_SAMPLES, "log_marginal_samples": samples}
    result |= {name: _numbers(estimate) for name, estimate in estimates.items()}
    result["log_marginal"] |= {
        "sampling_error": float(np.sqrt(np.sum(found.errors**2)) / len(found.errors)),
        "effective_samples_median": float(np.median(found.effective_samples)),
        "effective_samples_least": float(np.min(found.effective_samples)),
        "doubt": evaluation.doubt(found, samples),
    }
    if vae.likelihood.discrete and vae.preprocessor_view.schema is None:
        # of a density they would depend on the unit of x, and the columns of a table are not all alike
        result["bits_per_dimension"] = evaluation.bits_per_dimension(found.mean, vae.likelihood.event_shape)
    return result | {"active_units": int(active.sum()), "latent_units": len(active)}


def take_all(vae: VAE, experiment: Experiment, split: str, samples: int) -> tuple[dict[str, Numbers], dict[str, str]]:
    """Take all further measures that a VAE can have of a split.

    Returns:
        the numbers of each measure; why there are none, of each that was left out.
    """
    found: dict[str, Numbers] = {}
    left_out: dict[str, str] = {}
    schema = vae.preprocessor_view.schema
    for name, measure in (MEASURES | (of_columns.MEASURES if schema else {})).items():
        progress.doing(name.replace("_", " "))
        try:
            found[name] = measure(vae, experiment, split, samples)
        except NotApplicable as reason:
            left_out[name] = str(reason)
    return found, left_out


def _numbers(estimate: evaluation.Estimate) -> Numbers:
    return {"mean": estimate.mean, "standard_error": estimate.standard_error}


def _reconstruction(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    if vae.preprocessor_view.schema is not None:
        return of_columns.reconstruction(vae, experiment, split)
    return {"squared_error": _numbers(evaluation.squared_error(vae, finished_run.read_data(vae, experiment, split)))}


def _information(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    parts = evaluation.kl_parts(vae, take(vae, experiment, split, MAX_CODES))
    return {"examples": len(parts.kl.values)} | {name: _numbers(part) for name, part in parts._asdict().items()}


def _gap(vae: VAE, experiment: Experiment, split: str, samples: int) -> Numbers:
    gap = evaluation.gap(vae, take(vae, experiment, split, MAX_FITTED), samples)
    names = ("total", "approximation", "amortisation")
    return {"examples": len(gap.elbo.values)} | {name: _numbers(getattr(gap, name)) for name in names}


def _rate_distortion(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    curve = rate_distortion(vae, take(vae, experiment, split, MAX_CODES))
    return {name: values.tolist() for name, values in curve._asdict().items()}


def rate_distortion(vae: VAE, data: tf.data.Dataset, **options: Any) -> evaluation.RateDistortion:
    """Return `evaluation.rate_distortion` of batched data, whose options these are.

    Raises:
        NotApplicable: where units are not independent normals.
    """
    if evaluation.latent_units(vae, data.take(1)).kl is None:
        raise NotApplicable("posterior or prior has no independent normal units")
    return evaluation.rate_distortion(vae, data, **options)


def _probes(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    train, train_one_hot = _codes(vae, experiment, "train", "label")
    test, test_one_hot = _codes(vae, experiment, split, "label")
    known = train, _classes(train_one_hot, experiment), test, _classes(test_one_hot, experiment)
    return {
        "trained_on": len(train),
        "linear_probe": evaluation.linear_probe(*known),
        "knn_accuracy": evaluation.knn_accuracy(*known, min(10, len(train))),
    }


def _disentanglement(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    codes, factors = _codes(vae, experiment, split, "factors")
    return {
        "examples": len(codes),
        "mig": evaluation.mig(codes, factors),
        **{f"dci_{name}": score for name, score in evaluation.dci(codes, factors)._asdict().items()},
        "sap": evaluation.sap(codes, factors, _without_order(vae, experiment, split, factors)),
        "factor_vae_score": evaluation.factor_vae_score(codes, factors),
    }


def _without_order(vae: VAE, experiment: Experiment, split: str, factors: np.ndarray) -> list[int]:
    """Return the columns of factors `[N, k]` that are the data's classes: their values have no order."""
    try:
        classes = labels(vae, experiment, split, len(factors))
    except NotApplicable:
        return []
    return [j for j, factor in enumerate(factors.T) if np.array_equal(factor, classes)]


def _codes(vae: VAE, experiment: Experiment, split: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return codes `[N, n]`, and what the data has under `key`, `[N, k]`."""
    if vae.condition_size:
        raise NotApplicable("a conditional VAE need not keep in its latents what it is told")
    return evaluation.codes(vae, _labelled(vae, experiment, split, key).take(MAX_CODES // 100))


def _samples(vae: VAE, experiment: Experiment, split: str, _: int) -> Numbers:
    """Score draws, and, to compare, training examples."""
    if vae.preprocessor_view.schema is not None:
        raise NotApplicable("distances between rows would mix the units of their columns; marginals has the draws")
    train = preprocess_all(vae, take(vae, experiment, "train", MAX_COMPARED))[0]
    real, conditions = preprocess_all(vae, take(vae, experiment, split, MAX_COMPARED))
    count = min(len(train), len(real))
    if count <= NEIGHBOURS:
        raise NotApplicable(f"{NEIGHBOURS} neighbours are looked for, and there are {count} examples")
    if np.isnan(train).any() or np.isnan(real).any():
        raise NotApplicable("elements of x are missing, and distances between examples need all of them")
    features = evaluation.pixel_features(train, min(COMPONENTS, count, math.prod(real.shape[1:])))
    drawn = evaluation.draws(vae, count, None if conditions is None else conditions[:count])
    if not np.isfinite(drawn).all():
        raise NotApplicable("some draws are not finite")

    def scores(examples: np.ndarray) -> Numbers:
        pair = features(real[:count]), features(examples)
        return evaluation.precision_recall(*pair)._asdict() | evaluation.density_coverage(*pair, NEIGHBOURS)._asdict()

    return {"examples": count, "draws": scores(drawn), "training_examples": scores(train[:count])}


def _labelled(vae: VAE, experiment: Experiment, split: str, key: str) -> tf.data.Dataset:
    """Return batches of pairs (x as loaded, what the data has under `key`), whether or not the VAE is conditional.

    Their order is that of `examples.one_by_one`.

    Raises:
        NotApplicable: when the data has no such key.
    """
    schema, name = vae.preprocessor_view.schema, experiment.data.name
    if schema is not None and key == "factors":
        raise NotApplicable("what the rows of a table were made from is not known")
    try:
        pairs = finished_run.read_data(vae, experiment, split, condition=key)
    except ValueError as error:
        why = str(error) if schema is None or experiment.data.labels else "data.labels names columns that are"
        raise NotApplicable(f"{name} has no {key.removesuffix('s')}s: {why}") from None
    if schema is not None and config.class_names(experiment, key, schema) is None:
        raise NotApplicable(f"the labels of {name} are no classes")
    return one_by_one(vae, pairs).batch(100)


def labels(vae: VAE, experiment: Experiment, split: str, count: int) -> np.ndarray:
    """Return the classes `[count]` of the first examples of a split.

    Raises:
        NotApplicable: when the data has none.
    """
    pairs = _labelled(vae, experiment, split, "label").unbatch().take(count).batch(100)
    return _classes(np.concatenate([label.numpy() for _, label in pairs]), experiment)


def _classes(one_hot: np.ndarray, experiment: Experiment) -> np.ndarray:
    """Return the classes `[N]` of one-hot vectors; NotApplicable where they are none."""
    if one_hot.shape[-1] < 2 or not np.all(one_hot.sum(axis=-1) == 1):
        raise NotApplicable(f"the labels of {experiment.data.name} are no classes")
    return one_hot.argmax(axis=-1)


MEASURES: dict[str, Callable[[VAE, Experiment, str, int], Numbers]] = {
    "reconstruction_error": _reconstruction,
    "information": _information,
    "gap": _gap,
    "rate_distortion": _rate_distortion,
    "probes": _probes,
    "disentanglement": _disentanglement,
    "samples": _samples,
}
