"""Which measures a run has, and what they are taken of."""

import numpy as np

from tfvae import config, evaluation, progress
from tfvae.evaluation import NotApplicable

__all__ = ["evidence", "labels", "rate_distortion", "taken"]

ELBO_SAMPLES = 10  # per example
MOST_CODES = 10_000  # examples whose latents are held against each other, or against labels
MOST_FITTED = 100  # examples for each of which a posterior of its own is fitted
MOST_COMPARED = 5_000  # examples, and draws, whose quality is compared
COMPONENTS, NEIGHBOURS = 50, 5  # of pixels, in which it is; and among how many


def evidence(vae, data, samples):
    """ELBO, its terms, log p(x) and how far it can be trusted, and active units: what all VAEs have."""
    progress.doing("active units")
    active = evaluation.active_units(vae, data)
    progress.doing("ELBO")
    estimates = evaluation.elbo_terms(vae, data, ELBO_SAMPLES)
    progress.doing(f"log p(x), {samples} samples per example")
    estimates["log_marginal"] = found = evaluation.log_marginal(vae, data, samples)
    result = {"examples": len(found.values), "elbo_samples": ELBO_SAMPLES, "log_marginal_samples": samples}
    result |= {name: _numbers(estimate) for name, estimate in estimates.items()}
    result["log_marginal"] |= {
        "sampling_error": float(np.sqrt(np.sum(found.errors**2)) / len(found.errors)),
        "effective_samples_median": float(np.median(found.effective_samples)),
        "effective_samples_least": float(np.min(found.effective_samples)),
        "doubt": evaluation.doubt(found, samples),
    }
    if vae.likelihood.discrete:  # of a density they would depend on the unit of x
        result["bits_per_dimension"] = evaluation.bits_per_dimension(found.mean, vae.likelihood.event_shape)
    return result | {"active_units": int(active.sum()), "latent_units": len(active)}


def taken(vae, experiment, split, samples):
    """All further measures that a VAE can have of a split: ({name: numbers}, {name: why there are none})."""
    found, left_out = {}, {}
    for name, measure in MEASURES.items():
        progress.doing(name.replace("_", " "))
        try:
            found[name] = measure(vae, experiment, split, samples)
        except NotApplicable as reason:
            left_out[name] = str(reason)
    return found, left_out


def _some(experiment, split, most):
    return config.evaluation_data(experiment, split).unbatch().take(most).batch(100)


def _numbers(estimate):
    return {"mean": estimate.mean, "standard_error": estimate.standard_error}


def _reconstruction(vae, experiment, split, _):
    return {"squared_error": _numbers(evaluation.squared_error(vae, config.evaluation_data(experiment, split)))}


def _information(vae, experiment, split, _):
    parts = evaluation.kl_parts(vae, _some(experiment, split, MOST_CODES))
    return {"examples": len(parts.kl.values)} | {name: _numbers(part) for name, part in parts._asdict().items()}


def _gap(vae, experiment, split, samples):
    gap = evaluation.gap(vae, _some(experiment, split, MOST_FITTED), samples)
    names = ("total", "approximation", "amortisation")
    return {"examples": len(gap.elbo.values)} | {name: _numbers(getattr(gap, name)) for name in names}


def _rate_distortion(vae, experiment, split, _):
    curve = rate_distortion(vae, _some(experiment, split, MOST_CODES))
    return {name: values.tolist() for name, values in curve._asdict().items()}


def rate_distortion(vae, data, **options):
    """`evaluation.rate_distortion` of batched data; NotApplicable where units are not independent normals."""
    if evaluation.latent_units(vae, data.take(1)).kl is None:
        raise NotApplicable("posterior or prior has no independent normal units")
    return evaluation.rate_distortion(vae, data, **options)


def _probes(vae, experiment, split, _):
    known = []
    for part in ("train", split):
        codes, one_hot = _codes(vae, experiment, part, "label")
        known += [codes, _classes(one_hot, experiment)]
    return {
        "trained_on": len(known[0]),
        "linear_probe": evaluation.linear_probe(*known),
        "knn_accuracy": evaluation.knn_accuracy(*known, neighbours=min(10, len(known[0]))),
    }


def _disentanglement(vae, experiment, split, _):
    codes, factors = _codes(vae, experiment, split, "factors")
    return {
        "examples": len(codes),
        "mig": evaluation.mig(codes, factors),
        **{f"dci_{name}": score for name, score in evaluation.dci(codes, factors)._asdict().items()},
        "sap": evaluation.sap(codes, factors, _without_order(experiment, split, factors)),
        "factor_vae_score": evaluation.factor_vae_score(codes, factors),
    }


def _without_order(experiment, split, factors):
    """The columns of factors `[N, k]` that are the data's classes: their values have no order."""
    try:
        classes = labels(experiment, split, len(factors))
    except NotApplicable:
        return []
    return [j for j, factor in enumerate(factors.T) if np.array_equal(factor, classes)]


def _codes(vae, experiment, split, key):
    """Codes `[N, n]`, and what the data has under `key`, `[N, k]`."""
    if vae.condition_size:
        raise NotApplicable("a conditional VAE need not keep in its latents what it is told")
    return evaluation.codes(vae, _labelled(experiment, split, key).take(MOST_CODES // 100))


def _samples(vae, experiment, split, _):
    """Of draws, and, to compare, of training examples."""
    train, _ = _preprocessed(vae, _some(experiment, "train", MOST_COMPARED))
    real, conditions = _preprocessed(vae, _some(experiment, split, MOST_COMPARED))
    count = min(len(train), len(real))
    if count <= NEIGHBOURS:
        raise NotApplicable(f"{NEIGHBOURS} neighbours are looked for, and there are {count} examples")
    features = evaluation.pixel_features(train, min(COMPONENTS, count, np.prod(real.shape[1:])))
    drawn = evaluation.draws(vae, count, None if conditions is None else conditions[:count])
    if not np.isfinite(drawn).all():
        raise NotApplicable("some draws are not finite")

    def scores(examples):
        pair = features(real[:count]), features(examples)
        return evaluation.precision_recall(*pair)._asdict() | evaluation.density_coverage(*pair, NEIGHBOURS)._asdict()

    return {"examples": count, "draws": scores(drawn), "training_examples": scores(train[:count])}


def _preprocessed(vae, data):
    """x `[N, *event]`, and conditions `[N, k]` or None."""
    found = [(vae.preprocess(batch).numpy(), vae.split(batch)[1]) for batch in data]
    x, conditions = zip(*found, strict=True)
    return np.concatenate(x), np.concatenate(conditions) if vae.condition_size else None


def _labelled(experiment, split, key):
    """Batches of pairs (x as loaded, what the data has under `key`), whether or not the VAE is conditional.

    Raises:
        NotApplicable: when the data has no such key.
    """
    try:
        pairs = config.evaluation_data(experiment._replace(data={**experiment.data, "condition": key}), split)
    except ValueError as error:
        raise NotApplicable(f"{experiment.data['name']} has no {key.removesuffix('s')}s: {error}") from None
    return pairs.unbatch().batch(100)


def labels(experiment, split, count):
    """Classes `[count]` of the first examples of a split.

    Raises:
        NotApplicable: when the data has none.
    """
    pairs = _labelled(experiment, split, "label").unbatch().take(count).batch(100)
    return _classes(np.concatenate([label.numpy() for _, label in pairs]), experiment)


def _classes(one_hot, experiment):
    if one_hot.shape[-1] < 2 or not np.all(one_hot.sum(axis=-1) == 1):
        raise NotApplicable(f"the labels of {experiment.data['name']} are no classes")
    return one_hot.argmax(axis=-1)


MEASURES = {
    "reconstruction_error": _reconstruction,
    "information": _information,
    "gap": _gap,
    "rate_distortion": _rate_distortion,
    "probes": _probes,
    "disentanglement": _disentanglement,
    "samples": _samples,
}
