"""Records the fitted estimator itself, as a model with its signature, and as the page that notebooks show."""

from __future__ import annotations

from typing import Any

from gtrack.integrations.automatic_model import log_automatic_model
from gtrack.integrations.sklearn.evaluation import Evaluation
from gtrack.integrations.sklearn.settings import Settings
from gtrack.models.example import first_rows
from gtrack.models.signature import infer_signature
from gtrack.writer import ActiveRun

_ROWS = 5
_PAGE = '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="UTF-8"/></head>\n<body>\n{}\n</body>\n</html>\n'


def log_fitted_model(
    run: ActiveRun, model: Any, evaluation: Evaluation, settings: Settings, path: str, registered: str | None = None
) -> None:
    """Write the model among the artifacts of the active run.

    Args:
        run: the active run.
        model: the fitted estimator, or the best one of a search.
        evaluation: what is known of the fit.
        settings: what is recorded.
        path: the directory that it becomes.
        registered: what it is registered as.

    Raises:
        GTrackError: it cannot be written.
    """
    rows = first_rows(evaluation.call.X, _ROWS)
    signature = None
    if settings.log_model_signatures and rows is not None:
        signature = infer_signature(rows, _output(model, rows, evaluation))
    log_automatic_model(
        run,
        model,
        path,
        registered_model_name=registered,
        signature=signature,
        input_example=rows if settings.log_input_examples else None,
        flavour="sklearn",
    )


def _output(model: Any, rows: Any, evaluation: Evaluation) -> Any:
    """Return what the model makes of these rows, by the predictions that are there when there are any."""
    if "predicted" in vars(evaluation):
        return evaluation.predicted[:_ROWS]
    for name in ("predict", "transform"):
        if hasattr(model, name):
            return getattr(model, name)(rows)
    return None


def log_page(run: ActiveRun, estimator: Any) -> None:
    """Keep the diagram of an estimator as a page of its own.

    Before it is fitted: of a fitted one scikit-learn shows every attribute, and computes some of them for it.
    """
    from sklearn.utils import estimator_html_repr

    page = _PAGE.format(estimator_html_repr(estimator))
    run.log_bytes(page.encode(errors="replace"), "estimator.html")
