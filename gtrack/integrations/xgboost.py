"""Autologging of XGBoost: every call of ``xgboost.train``, also by its scikit-learn estimators."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from gtrack.integrations.boosting import Row, Settings, record
from gtrack.integrations.patching import Autologging, replace_everywhere

_ARGUMENTS = ("num_boost_round", "early_stopping_rounds", "maximize", "obj", "custom_metric")


class _XGBoost:
    """What of a call of ``xgboost.train`` is where."""

    name = "xgboost"

    def params(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Take ``params``, a mapping or pairs, and the arguments that say how to train."""
        pairs = given["params"]
        known: dict[str, Any] = {}
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
            again = name in known and name == "eval_metric"  # pairs may name several
            known[name] = [*_listed(known[name]), value] if again else value
        return {**known, **{name: given[name] for name in _ARGUMENTS if given.get(name) is not None}}

    def data(self, given: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Give each matrix once."""
        train = given["dtrain"]
        yield "train", train
        for matrix, name in given.get("evals") or ():
            if matrix is not train:
                yield name, matrix

    def content(self, data: Any, most: int) -> Any:
        """Return the matrix of CSR that a data set holds, in which a missing value is absent."""
        return data.get_data() if data.num_nonmissing() <= most else None

    def watched(self, given: Mapping[str, Any], row: Row) -> list[Any]:
        """Add a callback in front: the others are not asked any more once one of them stops the training."""

        class Watch(sys.modules["xgboost"].callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, _model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
                row(
                    epoch,
                    {
                        f"{data}-{metric}": values[-1]
                        for data, metrics in evals_log.items()
                        for metric, values in metrics.items()
                    },
                )
                return False

        return [Watch(), *(given.get("callbacks") or ())]

    def best(self, model: Any) -> tuple[int, int, float | None] | None:
        """Tell what early stopping found; its score is the metric that it watches."""
        best = getattr(model, "best_iteration", None)
        return None if best is None else (best, best, float(model.best_score))

    def importances(self, model: Any, kind: str) -> dict[str, float]:
        """Ask the booster; a linear one has a weight for each class, of which the mean size counts."""
        scores = model.get_score(importance_type=kind)
        return {
            name: sum(map(abs, score)) / len(score) if isinstance(score, Sequence) else score
            for name, score in scores.items()
        }

    def head(self, data: Any, rows: int) -> Any:
        """Make a table of the first rows, with NaN where nothing is; a DataFrame where features have names."""
        import numpy as np
        import pandas as pd

        known = data.get_data()[:rows].tocoo()
        table = np.full(known.shape, np.nan, dtype=np.float32)
        table[known.row, known.col] = known.data
        return table if data.feature_names is None else pd.DataFrame(table, columns=data.feature_names)

    def predict(self, model: Any, rows: Any) -> Any:
        """Predict from a matrix with the model's own names and types."""
        table = rows.to_numpy() if hasattr(rows, "to_numpy") else rows
        named = {"feature_names": model.feature_names, "feature_types": model.feature_types}
        return model.predict(sys.modules["xgboost"].DMatrix(table, enable_categorical=True, **named))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _patch(module: ModuleType) -> Callable[[], None]:
    return replace_everywhere(
        module.train, lambda train, _, args, kwargs: record(_XGBoost(), _autologging, train, args, kwargs)
    )


_autologging: Autologging[Settings] = Autologging("xgboost", _patch)


def autolog(  # noqa: PLR0913 - what this field knows it by
    importance_types: Sequence[str] | None = None,
    *,
    log_input_examples: bool = False,
    log_model_signatures: bool = True,
    log_models: bool = True,
    log_datasets: bool = True,
    disable: bool = False,
    exclusive: bool = False,
    silent: bool = False,
    registered_model_name: str | None = None,
    extra_tags: Mapping[str, object] | None = None,
) -> None:
    """Record every ``xgboost.train`` from now on: parameters, evaluations, feature importances, data and the model.

    Args:
        importance_types: kinds of feature importance, ``weight`` alone when None; also ``gain``, ``cover``, ``total_gain``,
            ``total_cover``.
        log_input_examples: keep the first rows of the training data with the model.
        log_model_signatures: keep with the model what goes in and comes out.
        log_models: keep the model, as the artifact ``model``.
        log_datasets: record digest and shape of the training data and of what it is evaluated on.
        disable: switch it off; XGBoost is as it was.
        exclusive: record nothing where a run is active that the script started itself.
        silent: warn of nothing.
        registered_model_name: register each model under this name.
        extra_tags: tags for each run.
    """
    if disable:
        _autologging.off()
        return
    _autologging.on(
        Settings(
            importance_types=tuple(importance_types if importance_types is not None else ("weight",)),
            log_models=log_models,
            log_datasets=log_datasets,
            log_model_signatures=log_model_signatures,
            log_input_examples=log_input_examples,
            exclusive=exclusive,
            silent=silent,
            registered_model_name=registered_model_name,
            extra_tags=extra_tags,
        )
    )
