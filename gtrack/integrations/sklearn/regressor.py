"""What is recorded of a fitted regressor: metrics and pictures of the training data."""

from __future__ import annotations

import math

from gtrack.charts.regression import predicted_png, residuals_png
from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn.evaluation import Evaluation
from gtrack.writer import ActiveRun

_MOST_OUTPUTS = 7


def regressor_metrics(evaluation: Evaluation, problems: Problems) -> dict[str, float]:
    """Return the metrics of the training data, under the names that this field knows; averages over several outputs."""
    from sklearn import metrics

    found: dict[str, float] = {}
    with problems.of("the training metrics"):
        true, predicted, weight = evaluation.target, evaluation.predicted, evaluation.weight
        squared = float(metrics.mean_squared_error(true, predicted, sample_weight=weight))
        found["training_mean_squared_error"] = squared
        found["training_mean_absolute_error"] = float(
            metrics.mean_absolute_error(true, predicted, sample_weight=weight)
        )
        if len(true) > 1:  # of one row R² is not defined
            found["training_r2_score"] = float(metrics.r2_score(true, predicted, sample_weight=weight))
        found["training_root_mean_squared_error"] = math.sqrt(squared)
    return found


def log_regressor_figures(run: ActiveRun, evaluation: Evaluation, problems: Problems) -> None:
    """Draw the residuals, and what is predicted beside what is true."""
    with problems.of("the residuals"):
        true = evaluation.target.reshape(len(evaluation.target), -1).T[:_MOST_OUTPUTS].astype(float).tolist()
        predicted = evaluation.predicted.reshape(len(evaluation.predicted), -1).T[:_MOST_OUTPUTS].astype(float).tolist()
        names = [f"output {at}" for at in range(len(true))] if len(true) > 1 else []
        run.log_bytes(residuals_png(true, predicted, "Residuals, training data", names), "training_residuals.png")
        run.log_bytes(
            predicted_png(true, predicted, "Predicted and true, training data", names), "training_predicted_vs_true.png"
        )
