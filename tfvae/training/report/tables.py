"""What was measured, as rows of words for a table."""

from collections.abc import Callable
from typing import Any

__all__ = ["evaluation", "notes"]

DOCS = "docs/evaluation.md"  # what one needs to know of log p(x)


Row = tuple[str, str, str, str]  # name, mean, standard error, what it is
Numbers = dict[str, Any]


def evaluation(result: Numbers) -> list[list[Row]]:
    """Return the sections of the table of what `training.evaluate` gives."""
    measures = result.get("measures", {})
    sections = [_evidence(result)] + [rows(measures[name]) for name, rows in ROWS.items() if name in measures]
    return [section for section in sections if section]


def notes(result: Numbers) -> list[str]:
    """Return the lines that go below the table of what `training.evaluate` gives."""
    doubt = result["log_marginal"].get("doubt")
    lines = [f"note: {doubt} ({DOCS})"] if doubt else []
    return lines + [f"left out: {name} ({reason})" for name, reason in result.get("left_out", {}).items()]


def _nats(name: str, numbers: Numbers, note: str) -> Row:
    return name, f"{numbers['mean']:.2f}", f"{numbers['standard_error']:.2f}", note


def _score(name: str, value: float, note: str, other: float | None = None) -> Row:
    return name, f"{value:.3f}", "", note if other is None else f"{note} ({other:.3f} of training examples)"


def _evidence(result: Numbers) -> list[Row]:
    log_marginal = result["log_marginal"]
    effective = [f"{log_marginal[f'effective_samples_{name}']:.0f}" for name in ("median", "least")]
    units = f"{result['active_units']} of {result['latent_units']}"
    bits = result.get("bits_per_dimension")  # only of discrete likelihoods
    return [
        _nats("ELBO", result["elbo"], f"nats; {result['elbo_samples']} draws of z per example"),
        _nats("reconstruction", result["reconstruction"], "nats, E_q log p(x|z)"),
        _nats("KL", result["kl"], "nats, KL(q(z|x) || p(z))"),
        _nats("log p(x)", log_marginal, f"nats; {result['log_marginal_samples']} importance samples per example"),
        ("", "", f"{log_marginal['sampling_error']:.3f}", "of which from the sampling"),
        ("effective samples", effective[0], "", f"median over the examples; the least has {effective[1]}"),
        *([] if bits is None else [("bits per dimension", f"{bits:.3f}", "", "of log p(x)")]),
        ("active units", units, "", "whose posterior mean varies by more than 0.01 over the data"),
    ]


def _reconstruction(found: Numbers) -> list[Row]:
    if "columns" in found:
        return _columns(found, "reconstructed")
    error, note = found["squared_error"], "of reconstructions, mean over the dimensions"
    return [("squared error", f"{error['mean']:.4f}", f"{error['standard_error']:.4f}", note)]


def _imputation(found: Numbers) -> list[Row]:
    return _columns(found, f"filled in, {found['hidden']:.0%} hidden at a time")


def _columns(found: Numbers, what: str) -> list[Row]:
    """Return the means over columns of numbers and of categories, and which column is worst."""
    rows = []
    for key, name, note, worst in (
        ("rmse", "numbers", "RMSE in deviations of the column", max),
        ("accuracy", "categories", "accuracy", min),
    ):
        if key in found:
            other = found.get("mean_or_mode", {}).get(key)
            filled = "" if other is None else f" ({other:.3f} by {'mean' if key == 'rmse' else 'mode'})"
            columns = {column: numbers[key] for column, numbers in found["columns"].items() if key in numbers}
            least = worst(columns, key=columns.__getitem__)
            text = f"{note}{filled}, a mean over {len(columns)}; worst {least}, {columns[least]:.3f}"
            rows.append((f"{name} {what}", f"{found[key]:.3f}", "", text))
    return rows


def _marginals(found: Numbers) -> list[Row]:
    columns = {column: numbers["draws"] for column, numbers in found["columns"].items()}
    worst = max(columns, key=columns.__getitem__)
    note = f"of columns of draws and data, mean of 0 to 1; worst {worst}, {columns[worst]:.3f}"
    rows = [_score("marginal distance", found["draws"], note, found["training_examples"])]
    error = found.get("association_error")
    if error is not None:
        note = f"of draws and data, mean over {error['pairs']} pairs of columns"
        rows.append(_score("association error", error["draws"], note, error["training_examples"]))
    return rows


def _information(found: Numbers) -> list[Row]:
    of = f"of {found['examples']} examples"
    return [
        _nats("mutual information", found["mutual_information"], f"nats, I(x; z) {of}, part of the KL"),
        _nats("aggregate KL", found["aggregate_kl"], "nats, KL(q(z) || p(z)), the rest of it"),
    ]


def _gap(found: Numbers) -> list[Row]:
    return [
        _nats("gap", found["total"], f"nats, log p(x) - ELBO of {found['examples']} examples"),
        _nats("  approximation", found["approximation"], "nats, that no q(z|x) of its family closes"),
        _nats("  amortisation", found["amortisation"], "nats, that one encoder for all examples costs"),
    ]


def _probes(found: Numbers) -> list[Row]:
    of = f"accuracy on the latents, after {found['trained_on']} training examples"
    return [
        _score("linear probe", found["linear_probe"], of),
        _score("nearest neighbours", found["knn_accuracy"], of),
    ]


def _disentanglement(found: Numbers) -> list[Row]:
    notes = {
        "mig": "mutual information gap",
        "dci_disentanglement": "each latent for one factor",
        "dci_completeness": "each factor in one latent",
        "dci_informativeness": "accuracy of predicted factors",
        "sap": "separated attribute predictability",
        "factor_vae_score": "least varying latent tells the factor",
    }
    return [_score(name.replace("_", " "), found[name], note) for name, note in notes.items()]


def _samples(found: Numbers) -> list[Row]:
    notes = {
        "precision": "draws among real examples",
        "recall": "real examples among draws",
        "density": "draws in the midst of real examples",
        "coverage": "real examples with a draw nearby",
    }
    return [_score(name, found["draws"][name], note, found["training_examples"][name]) for name, note in notes.items()]


ROWS: dict[str, Callable[[Numbers], list[Row]]] = {
    "reconstruction_error": _reconstruction,
    "information": _information,
    "gap": _gap,
    "probes": _probes,
    "disentanglement": _disentanglement,
    "samples": _samples,
    "imputation": _imputation,
    "marginals": _marginals,
}
