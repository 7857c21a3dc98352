"""What is recorded of clusterers, transformers and the like: what they know of their fit themselves, and what is cheap."""

from __future__ import annotations

import math
from typing import Any

from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn.evaluation import Evaluation

_NUMBERS = (
    *("inertia_", "n_iter_", "lower_bound_", "reconstruction_err_", "kl_divergence_", "stress_"),
    *("log_likelihood_", "noise_variance_", "bound_", "offset_"),
)
_SAMPLE = 1000


def fitted_numbers(evaluation: Evaluation, problems: Problems) -> dict[str, float]:
    """Return the numbers that a fitted estimator has of itself, and those that follow from its labels and components."""
    estimator = evaluation.estimator
    found: dict[str, float] = {}
    with problems.of("the numbers of the fit"):
        for name in _NUMBERS:
            number = _number(getattr(estimator, name, None))
            if number is not None:
                found[f"training_{name.rstrip('_')}"] = number
        shares = getattr(estimator, "explained_variance_ratio_", None)
        if shares is not None and getattr(shares, "ndim", 0) == 1:
            found["training_explained_variance_ratio"] = float(shares.sum())
            found["training_n_components"] = len(shares)
        found.update(_clusters(evaluation))
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or getattr(value, "shape", ()) != ():
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return (int(number) if isinstance(value, int) else number) if math.isfinite(number) else None


def _clusters(evaluation: Evaluation) -> dict[str, float]:
    """Return the number of clusters and of rows in none, and how well they are apart, measured on a sample of the rows."""
    import numpy as np
    from sklearn import metrics

    labels = getattr(evaluation.estimator, "labels_", None)
    if labels is None or getattr(labels, "ndim", 0) != 1 or evaluation.call.X is None:
        return {}
    names = np.unique(labels)
    found: dict[str, float] = {
        "training_n_clusters": int(np.sum(names >= 0)) if names.dtype.kind == "i" else len(names)
    }
    if names.dtype.kind == "i" and (names < 0).any():
        found["training_n_noise"] = int(np.sum(labels < 0))
    data = evaluation.call.X
    data = data.to_numpy() if hasattr(data, "to_numpy") else data if hasattr(data, "toarray") else np.asarray(data)
    if not _are_points(evaluation.estimator, data, len(labels)):
        return found
    rows = np.random.default_rng(0).permutation(len(labels))[:_SAMPLE]
    if 1 < len(np.unique(labels[rows])) < len(rows):
        found["training_silhouette_score"] = float(metrics.silhouette_score(data[rows], labels[rows]))
    return found


def _are_points(estimator: Any, data: Any, rows: int) -> bool:
    """Tell whether the data are points with coordinates, not distances between them, and none is missing."""
    import numpy as np

    if getattr(estimator, "metric", None) == "precomputed" or getattr(estimator, "affinity", None) == "precomputed":
        return False
    numbers = getattr(data, "data", data) if hasattr(data, "toarray") else data
    return data.shape[0] == rows and data.ndim == 2 and numbers.dtype.kind in "fiu" and bool(np.isfinite(numbers).all())
