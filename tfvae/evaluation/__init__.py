"""Evaluation: the evidence and what bounds it, in nats; what the latents hold; quality of codes and of samples."""

from tfvae.compatibility import NotApplicable
from tfvae.evaluation.annealing import Annealed, Bounds, annealed, bidirectional
from tfvae.evaluation.anomaly import Anomalies, Scorer, anomaly, subtract_typical
from tfvae.evaluation.anomaly_scores import score_of_batch, score_rows
from tfvae.evaluation.associations import associations
from tfvae.evaluation.batches import Estimate, over_batches
from tfvae.evaluation.disentanglement import DCI, codes, dci, factor_vae_score, mig, sap
from tfvae.evaluation.evidence import (
    FewEffective,
    Importance,
    bits_per_dimension,
    doubt,
    elbo_terms,
    log_marginal,
    log_marginal_of_batch,
)
from tfvae.evaluation.gaps import Gap, gap
from tfvae.evaluation.information import (
    KLParts,
    RateDistortion,
    aggregate_kl,
    kl_parts,
    mutual_information,
    rate_distortion,
)
from tfvae.evaluation.probes import knn_accuracy, linear_probe
from tfvae.evaluation.reconstruction import squared_error
from tfvae.evaluation.samples import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    draws,
    pixel_features,
    precision_recall,
)
from tfvae.evaluation.tables import (
    ColumnQuality,
    column_deviations,
    column_quality,
    draw_rows,
    fill_hidden,
    marginal_distances,
    reconstruct_rows,
    schema_of,
    typical_values,
)
from tfvae.evaluation.units import Units, active_units, kl_per_unit, latent_units

__all__ = [
    "DCI",
    "Annealed",
    "Anomalies",
    "Bounds",
    "ColumnQuality",
    "DensityCoverage",
    "Estimate",
    "FewEffective",
    "Gap",
    "Importance",
    "KLParts",
    "NotApplicable",
    "PrecisionRecall",
    "RateDistortion",
    "Scorer",
    "Units",
    "active_units",
    "aggregate_kl",
    "annealed",
    "anomaly",
    "associations",
    "bidirectional",
    "bits_per_dimension",
    "codes",
    "column_deviations",
    "column_quality",
    "dci",
    "density_coverage",
    "doubt",
    "draw_rows",
    "draws",
    "elbo_terms",
    "factor_vae_score",
    "fill_hidden",
    "gap",
    "kl_parts",
    "kl_per_unit",
    "knn_accuracy",
    "latent_units",
    "linear_probe",
    "log_marginal",
    "log_marginal_of_batch",
    "marginal_distances",
    "mig",
    "mutual_information",
    "over_batches",
    "pixel_features",
    "precision_recall",
    "rate_distortion",
    "reconstruct_rows",
    "sap",
    "schema_of",
    "score_of_batch",
    "score_rows",
    "squared_error",
    "subtract_typical",
    "typical_values",
]
