"""What simple classifiers find of labels in codes `[N, n]`, such as the means of q(z|x)."""

import numpy as np

from tfvae.compatibility import NotApplicable
from tfvae.extras import require_extra

__all__ = ["knn_accuracy", "linear_probe"]


def linear_probe(
    train_codes: np.ndarray, train_labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray
) -> float:
    """Score logistic regression on standardised codes (scikit-learn's, with its L2 penalty): accuracy, 0 to 1.

    Args:
        train_codes: floats `[N, n]`.
        train_labels: classes `[N]`, integers or words.
        test_codes: floats `[M, n]`.
        test_labels: classes `[M]`.

    Raises:
        NotApplicable: when there is one class only.
        ValueError: when codes and labels do not match.
    """
    _check(train_codes, train_labels, test_codes, test_labels)
    with require_extra("evaluate"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(np.asarray(train_codes, np.float64), train_labels)
    return float(probe.score(np.asarray(test_codes, np.float64), test_labels))


def knn_accuracy(
    train_codes: np.ndarray,
    train_labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    neighbours: int = 10,
) -> float:
    """Score the most frequent label among the nearest training codes: accuracy, 0 to 1.

    Distances are Euclidean, and codes not standardised: latents that carry nothing vary little, and are to count
    little. Arguments and errors are those of `linear_probe`, and `neighbours`, how many codes vote.
    """
    _check(train_codes, train_labels, test_codes, test_labels)
    if not 1 <= neighbours <= len(train_codes):
        raise ValueError(f"neighbours must be from 1 to {len(train_codes)}, the training examples; not {neighbours}")
    with require_extra("evaluate"):
        from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(neighbours).fit(train_codes, train_labels).score(test_codes, test_labels))


def _check(train_codes, train_labels, test_codes, test_labels):
    for kind, codes, labels in (("training", train_codes, train_labels), ("test", test_codes, test_labels)):
        if np.ndim(codes) != 2 or np.shape(labels) != (len(codes),):
            raise ValueError(
                f"{kind} codes must be [N, n] and labels [N], classes and not one-hot; "
                f"they are {np.shape(codes)} and {np.shape(labels)}"
            )
    if len(np.unique(train_labels)) < 2:
        raise NotApplicable("all training labels are the same: give examples of two or more classes")
