"""Autologging of LightGBM: every call of ``lightgbm.train``, also by its scikit-learn estimators."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from gtrack.integrations.boosting import Row, Settings, record
from gtrack.integrations.patching import Autologging, replace_everywhere

_BEFORE_ALL_OTHERS = -1000
"""Early stopping raises in its callback, and those after it are not called then."""


class _LightGBM:
    """What of a call of ``lightgbm.train`` is where."""

    name = "lightgbm"

    def params(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Take ``params`` and the arguments that say how to train."""
        known = {"num_boost_round": given["num_boost_round"], **given["params"]}
        return {**known, "feval": given["feval"]} if given.get("feval") else known

    def data(self, given: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Give each data set once."""
        train = given["train_set"]
        yield "train", train
        valid, names = given.get("valid_sets") or (), given.get("valid_names") or ()
        valid = list(valid) if isinstance(valid, (list, tuple)) else [valid]
        names = [names] if isinstance(names, str) else list(names)
        for at, one in enumerate(valid):
            if one is not train:
                yield names[at] if at < len(names) else f"valid_{at}", one

    def content(self, data: Any, most: int) -> Any:
        """Return what a data set was made from, while LightGBM has not yet dropped it."""
        held = getattr(data, "data", None)
        size = getattr(held, "nnz", None) or getattr(held, "size", 0)
        return held if isinstance(size, int) and size <= most else None

    def watched(self, given: Mapping[str, Any], row: Row) -> list[Any]:
        """Add a callback that is called before the others."""

        def watch(now: Any) -> None:
            if now.evaluation_result_list:
                row(now.iteration, {f"{one[0]}-{one[1]}": one[2] for one in now.evaluation_result_list})

        watch.order = _BEFORE_ALL_OTHERS  # type: ignore[attr-defined]  # that is how LightGBM sorts them
        return [*(given.get("callbacks") or ()), watch]

    def best(self, model: Any) -> tuple[int, int, float | None] | None:
        """Tell what early stopping found; it is counted from 1, and watches every metric, so no one of them is the score."""
        return (model.best_iteration, model.best_iteration - 1, None) if model.best_iteration > 0 else None

    def importances(self, model: Any, kind: str) -> dict[str, float]:
        """Ask the booster; ``split`` counts, ``gain`` sums."""
        values = model.feature_importance(importance_type=kind).tolist()
        return dict(zip(model.feature_name(), values, strict=True)) if any(values) else {}

    def head(self, data: Any, rows: int) -> Any:
        """Take the first rows of what the data set was made from."""
        held = getattr(data, "data", None)
        if held is None or isinstance(held, (str, os.PathLike, list)):
            return None
        return held.iloc[:rows].copy() if hasattr(held, "iloc") else held[:rows].copy()

    def predict(self, model: Any, rows: Any) -> Any:
        """Predict from rows as they are."""
        return model.predict(rows)


def _patch(module: ModuleType) -> Callable[[], None]:
    return replace_everywhere(
        module.train, lambda train, _, args, kwargs: record(_LightGBM(), _autologging, train, args, kwargs)
    )


_autologging: Autologging[Settings] = Autologging("lightgbm", _patch)


def autolog(  # noqa: PLR0913 - what this field knows it by
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
    importance_types: Iterable[str] = ("split", "gain"),
) -> None:
    """Record every ``lightgbm.train`` from now on: parameters, evaluations, feature importances, data and the model.

    Args:
        log_input_examples: keep the first rows of the training data with the model.
        log_model_signatures: keep with the model what goes in and comes out.
        log_models: keep the model, as the artifact ``model``.
        log_datasets: record digest and shape of the training data and of what it is evaluated on.
        disable: switch it off; LightGBM is as it was.
        exclusive: record nothing where a run is active that the script started itself.
        silent: warn of nothing.
        registered_model_name: register each model under this name.
        extra_tags: tags for each run.
        importance_types: kinds of feature importance: ``split``, ``gain``.
    """
    if disable:
        _autologging.off()
        return
    _autologging.on(
        Settings(
            importance_types=tuple(importance_types),
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
