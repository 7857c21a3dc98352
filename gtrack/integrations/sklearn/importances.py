"""How much each feature weighs in a fitted model: importances or coefficients, as a picture and as a table."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from gtrack.charts.importances import importances_png
from gtrack.integrations.sklearn.estimators import final_step
from gtrack.integrations.sklearn.evaluation import Evaluation
from gtrack.writer import ActiveRun

if TYPE_CHECKING:
    import numpy as np

_MOST_FEATURES = 50_000


def log_importances(run: ActiveRun, evaluation: Evaluation) -> None:
    """Record them, where the model has them."""
    model = final_step(evaluation.estimator)
    found = _importances(model)
    stem, title = "feature_importances", "Feature importances"
    if found is None:
        found = _coefficients(model)
        stem, title = "coefficients", "Coefficients"
    if found is None or not 0 < found.shape[1] <= _MOST_FEATURES:
        return
    names = evaluation.feature_names
    if len(names) != found.shape[1]:
        names = [f"feature {at}" for at in range(found.shape[1])]
    run.log_bytes(_table(names, found, _rows(model, found, stem)), f"{stem}.csv")
    import numpy as np

    weights = found[0] if len(found) == 1 else np.abs(found).mean(axis=0)
    if np.isfinite(weights).all():
        if len(found) > 1:
            title += ", mean size over classes or outputs"
        run.log_bytes(importances_png(names, weights.tolist(), title), f"{stem}.png")


def _importances(model: Any) -> np.ndarray[Any, Any] | None:
    # Forests compute theirs anew each time they are asked.
    found: Any = getattr(model, "feature_importances_", None)
    return found.reshape(1, -1) if getattr(found, "ndim", 0) == 1 else None


def _coefficients(model: Any) -> np.ndarray[Any, Any] | None:
    import numpy as np

    found = getattr(model, "coef_", None)
    if found is None:
        return None
    found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    return np.atleast_2d(found) if found.ndim in {1, 2} and found.dtype.kind == "f" else None


def _rows(model: Any, found: np.ndarray[Any, Any], stem: str) -> list[str]:
    """Return what the rows of weights are called: the classes where there is one row for each."""
    if len(found) == 1:
        return [stem.removeprefix("feature_").removesuffix("s")]
    classes = getattr(model, "classes_", None)
    if classes is not None and len(classes) == len(found):
        return [str(name) for name in classes]
    return [str(at) for at in range(len(found))]


def _table(names: list[str], found: np.ndarray[Any, Any], rows: list[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["feature", *rows])
    writer.writerows([name, *weights] for name, weights in zip(names, found.T.tolist(), strict=True))
    return out.getvalue().encode(errors="replace")
