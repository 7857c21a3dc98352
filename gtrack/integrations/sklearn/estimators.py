"""What kind of estimator one is, and which are recorded."""

from __future__ import annotations

from typing import Any

_PREPARES = ("sklearn.preprocessing", "sklearn.impute", "sklearn.feature_extraction", "sklearn.feature_selection")
_PREPARES_TOO = "ColumnTransformer"


def is_recorded(estimator: Any, method: str) -> bool:
    """Tell whether a fit of it is recorded.

    Not what only prepares data (scalers, encoders, imputers, vectorisers, selectors, ``ColumnTransformer``): that is a part of
    the model that comes after it, and in a pipeline recorded with it. These are the modules and the class that MLflow leaves
    out, too. Nor ``fit_transform`` or ``fit_predict`` that a class of
    the user's inherits, when the ``fit`` behind them is its own.
    """
    owner = next((one for one in type(estimator).__mro__ if "fit" in one.__dict__), None)
    if method != "fit" and (owner is None or not owner.__module__.startswith("sklearn.")):
        return False
    module = next(one.__module__ for one in type(estimator).__mro__ if one.__module__.startswith("sklearn."))
    names = {one.__name__ for one in type(estimator).__mro__}
    return not (module.startswith(_PREPARES) or _PREPARES_TOO in names)


def kind_of(estimator: Any) -> str:
    """Return ``classifier``, ``regressor``, ``clusterer``, ``outlier_detector`` …; an empty text for another kind."""
    from sklearn import base

    if base.is_classifier(estimator):
        return "classifier"
    if base.is_regressor(estimator):
        return "regressor"
    kind = getattr(estimator, "_estimator_type", None)
    if not isinstance(kind, str) and hasattr(estimator, "__sklearn_tags__"):
        kind = estimator.__sklearn_tags__().estimator_type
    return kind if isinstance(kind, str) else ""


def is_search(estimator: Any) -> bool:
    """Tell whether it looks for the best parameters of another estimator."""
    return any(one.__name__ == "BaseSearchCV" for one in type(estimator).__mro__)


def final_step(estimator: Any) -> Any:
    """Return what is at the end of pipelines and searches: the estimator that has the coefficients."""
    seen = 0
    while seen < 20:
        seen += 1
        if is_search(estimator) and hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif type(estimator).__name__ == "Pipeline" and getattr(estimator, "steps", None):
            estimator = estimator.steps[-1][1]
        else:
            break
    return estimator


def has_scorer_of(estimator: Any, mixin: str) -> bool:
    """Tell whether ``score`` is the one that every classifier, or every regressor, inherits from scikit-learn."""
    owner = next((one for one in type(estimator).__mro__ if "score" in one.__dict__), None)
    return owner is not None and owner.__name__ == mixin and owner.__module__ == "sklearn.base"
