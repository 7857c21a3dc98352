"""Records one fit: what goes in before, what comes out after, and nothing that could be felt by the script in between."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from gtrack.fluent.active import FluentRun
from gtrack.integrations.nesting import inside, is_inside
from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn import beginning
from gtrack.integrations.sklearn.call import FitCall, read_call
from gtrack.integrations.sklearn.classifier import classifier_metrics, log_classifier_figures
from gtrack.integrations.sklearn.estimators import has_scorer_of, is_recorded, is_search, kind_of
from gtrack.integrations.sklearn.evaluation import Evaluation
from gtrack.integrations.sklearn.following import following
from gtrack.integrations.sklearn.importances import log_importances
from gtrack.integrations.sklearn.model import log_fitted_model, log_page
from gtrack.integrations.sklearn.regressor import log_regressor_figures, regressor_metrics
from gtrack.integrations.sklearn.runs import FitRun, run_for_fit
from gtrack.integrations.sklearn.search import log_search
from gtrack.integrations.sklearn.settings import Settings, switch
from gtrack.integrations.sklearn.unsupervised import fitted_numbers

_SAID = {
    "classifier": ("ClassifierMixin", "training_accuracy_score"),
    "regressor": ("RegressorMixin", "training_r2_score"),
}
"""The kinds of estimators whose usual ``score`` is a metric that is computed anyway, with the class that it is inherited from."""


def fit(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Stand in for ``fit``, ``fit_transform`` and ``fit_predict``."""
    settings = switch.settings
    if settings is None or instance is None or isinstance(instance, type) or is_inside():
        return wrapped(*args, **kwargs)
    recording = _Recording(settings, wrapped, instance)
    recording.begin(args, kwargs)
    try:
        with inside():
            result = wrapped(*args, **kwargs)
    except BaseException as error:
        recording.failed(error)
        raise
    recording.finish(result)
    return result


class _Recording:
    """What is recorded of one fit; no method of it raises."""

    def __init__(self, settings: Settings, method: Callable[..., Any], estimator: Any) -> None:
        self._settings = settings
        self._method = method
        self._estimator = estimator
        self._problems = Problems(f"{type(estimator).__name__}.{getattr(method, '__name__', 'fit')}")
        self._target: FitRun | None = None
        self._call = FitCall(estimator, getattr(method, "__name__", "fit"))

    @property
    def _run(self) -> FluentRun | None:
        return self._target.run if self._target is not None else None

    def begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Find or open the run, and record what is known before the fit."""
        with self._problems.of("anything"):
            if not is_recorded(self._estimator, self._call.method):
                return
            self._target = run_for_fit(self._settings)
        run = self._run
        if run is None:
            self._problems.say(None, silent=self._settings.silent)
            return
        with inside():
            params: dict[str, object] = {}
            with self._problems.of("the parameters"):
                params = beginning.params_of(self._estimator)
                beginning.log_params(run, params, self._problems)
            with self._problems.of("the tags"):
                beginning.log_tags(run, self._estimator, self._settings.extra_tags)
            with self._problems.of("the training data"):
                self._call = read_call(self._method, self._estimator, args, kwargs, params)
            if self._settings.log_datasets:
                with self._problems.of("the version of the training data"):
                    beginning.log_data(run, self._call)
            with self._problems.of("estimator.html"):
                log_page(run, self._estimator)

    def failed(self, error: BaseException) -> None:
        """End the run of a fit that raised."""
        with self._problems.of("how it ended"):
            if self._target is not None:
                self._target.fail(error)
        self._problems.say(None, silent=self._settings.silent)

    def finish(self, result: Any) -> None:
        """Record what is known after the fit, and end the run when the fit opened it."""
        target, problems = self._target, self._problems
        if target is None:
            return
        with inside(), problems.of("what was fitted"):
            self._log_fitted(target, Evaluation(self._call, result))
        problems.say(target.run, silent=self._settings.silent)
        with problems.of("how it ended"):
            target.end()
        problems.say(None, silent=self._settings.silent)
        if self._settings.log_post_training_metrics:
            following.follow(self._estimator, target.run, self._call, result)

    def _log_fitted(self, target: FitRun, evaluation: Evaluation) -> None:
        problems, settings, run = self._problems, self._settings, target.run
        kind = ""
        with problems.of("the kind of estimator"):
            kind = kind_of(self._estimator)
        supervised = self._call.y is not None and self._call.X is not None and hasattr(self._estimator, "predict")
        if supervised and kind == "classifier":
            metrics = classifier_metrics(evaluation, problems)
        elif supervised and kind == "regressor":
            metrics = regressor_metrics(evaluation, problems)
        else:
            metrics = fitted_numbers(evaluation, problems)
        with problems.of("training_score"):
            metrics |= _score(evaluation, kind, metrics)
        with problems.of("the training metrics"):
            run.log_metrics({name: value for name, value in metrics.items() if math.isfinite(value)})
        if supervised and kind == "classifier":
            with problems.of("the class balance"):
                beginning.log_class_balance(run, self._call)
            with problems.of("the figures"):
                log_classifier_figures(run, evaluation, problems)
        elif supervised and kind == "regressor":
            log_regressor_figures(run, evaluation, problems)
        with problems.of("the weights of the features"):
            log_importances(run, evaluation)
        if settings.log_models:
            with problems.of("the model"):
                registered = settings.registered_model_name
                log_fitted_model(run, self._estimator, evaluation, settings, "model", registered)
        if is_search(self._estimator):
            log_search(target, evaluation, settings, problems)


def _score(evaluation: Evaluation, kind: str, known: Mapping[str, float]) -> dict[str, float]:
    """Return what ``score`` says of the training data; of most classifiers and regressors another metric has said it."""
    estimator, call = evaluation.estimator, evaluation.call
    if not hasattr(estimator, "score") or call.X is None:
        return {}
    mixin, metric = _SAID.get(kind, ("", ""))
    if has_scorer_of(estimator, mixin):
        return {"training_score": known[metric]} if metric in known else {}
    if kind in _SAID and (call.y is None or not hasattr(estimator, "predict")):
        return {}
    parameters = inspect.signature(estimator.score).parameters
    weight = {"sample_weight": call.weight} if "sample_weight" in parameters and call.weight is not None else {}
    score = estimator.score(call.X, call.y, **weight) if call.y is not None else estimator.score(call.X)
    return {"training_score": float(score)}
