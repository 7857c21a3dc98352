"""Switches autologging of scikit-learn on and off."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from types import ModuleType

from gtrack.errors import InvalidValue
from gtrack.fluent.lingering import settle
from gtrack.formats.values import text_tags
from gtrack.integrations.nesting import hand_over, work_for_sklearn
from gtrack.integrations.sklearn.following import following, predict, score
from gtrack.integrations.sklearn.metric_functions import MetricFunctions
from gtrack.integrations.sklearn.patching import Patches
from gtrack.integrations.sklearn.settings import Settings, switch
from gtrack.integrations.sklearn.training import fit

_FITS = ("fit", "fit_transform", "fit_predict")
_PREDICTS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


def _loaded(module: ModuleType) -> None:
    settings = switch.settings
    if module.__name__ == "sklearn.metrics" and settings is not None and settings.log_post_training_metrics:
        _functions.watch(module)


_lock = threading.Lock()
_functions = MetricFunctions()
_patches = Patches(
    {**dict.fromkeys(_FITS, fit), **dict.fromkeys(_PREDICTS, predict), "score": score},
    {"joblib.parallel": hand_over, "sklearn.utils.parallel": work_for_sklearn},
    _loaded,
)


def autolog(  # noqa: PLR0913, PLR0917 - the signature that this field knows
    log_models: bool = True,  # noqa: FBT001, FBT002 - likewise
    log_input_examples: bool = False,  # noqa: FBT001, FBT002
    log_model_signatures: bool = True,  # noqa: FBT001, FBT002
    log_datasets: bool = True,  # noqa: FBT001, FBT002
    log_post_training_metrics: bool = True,  # noqa: FBT001, FBT002
    max_tuning_runs: int | None = 5,
    exclusive: bool = False,  # noqa: FBT001, FBT002
    disable: bool = False,  # noqa: FBT001, FBT002
    silent: bool = False,  # noqa: FBT001, FBT002
    extra_tags: Mapping[str, object] | None = None,
    registered_model_name: str | None = None,
) -> None:
    """Record every fit of a scikit-learn estimator in this process, and the metrics that are computed of it afterwards.

    A fit goes into the run that is active; without one it opens a run and ends it. Nothing that is recorded changes what the
    script does, and what cannot be recorded is one warning. scikit-learn need not be imported yet. Called again, the new
    settings replace the old ones.

    Args:
        log_models: keep the fitted estimator as a model.
        log_input_examples: keep the first five rows of the training data with it.
        log_model_signatures: say of it which columns go in and what comes out.
        log_datasets: record the version of the data: digest, shape and schema, not the data itself.
        log_post_training_metrics: record calls of ``sklearn.metrics`` and ``score`` on what the estimator predicts.
        max_tuning_runs: of a search, so many of its best candidates become child runs; all of them when None.
        exclusive: open a run for every fit, a child of the one that is active.
        disable: put everything back as it was.
        silent: say nothing of what could not be recorded; the run still notes it.
        extra_tags: for every run that a fit is recorded in.
        registered_model_name: register each model as a version of this one.

    Raises:
        InvalidName: a tag name that cannot be written.
        InvalidValue: a negative ``max_tuning_runs``, or tags that are no mapping.
    """
    if max_tuning_runs is not None and max_tuning_runs < 0:
        raise InvalidValue(f"max_tuning_runs is a number from 0 on, or None for all, not {max_tuning_runs!r}.")
    tags = text_tags(extra_tags or {}, "autolog(extra_tags=…)")
    with _lock:
        _functions.leave()
        if disable:
            switch.off()
            _patches.remove()
            following.forget()
            settle()
            return
        switch.on(
            Settings(
                log_models=log_models,
                log_input_examples=log_input_examples,
                log_model_signatures=log_model_signatures,
                log_datasets=log_datasets,
                log_post_training_metrics=log_post_training_metrics,
                max_tuning_runs=max_tuning_runs,
                exclusive=exclusive,
                silent=silent,
                extra_tags=tags,
                registered_model_name=registered_model_name,
            )
        )
        _patches.place()
        _watch_metrics()


def autolog_by_default() -> None:
    """Switch autologging on as it usually is, unless the script has said what it wants."""
    if not switch.said:
        autolog()


def _watch_metrics() -> None:
    module = sys.modules.get("sklearn.metrics")
    if module is not None:
        _loaded(module)
