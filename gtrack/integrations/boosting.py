"""Boosted trees as XGBoost and LightGBM train them: what is recorded of one call of ``train``, and how."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gtrack.capture.data import describe
from gtrack.charts.importances import importances_png
from gtrack.fluent.active import active_run
from gtrack.integrations.automatic_model import log_automatic_model
from gtrack.integrations.nesting import inside, is_inside
from gtrack.integrations.patching import Autologging
from gtrack.integrations.problems import Problems
from gtrack.integrations.training_run import TrainingRun, add_params
from gtrack.models.signature import infer_signature

_MOST_VALUES = 20_000_000
"""A larger table is not digested: for that XGBoost must copy it."""
_HEAD = 5
_FILE = "feature_importance_"

_recorded: set[str] = set()
"""Ids of the runs that hold a training by now: the next one in the same run is a child of it."""


@dataclass(frozen=True)
class Settings:
    """What ``autolog`` was told; see there."""

    importance_types: tuple[str, ...]
    log_models: bool = True
    log_datasets: bool = True
    log_model_signatures: bool = True
    log_input_examples: bool = False
    exclusive: bool = False
    silent: bool = False
    registered_model_name: str | None = None
    extra_tags: Mapping[str, object] | None = None


Row = Callable[[int, Mapping[str, float]], None]
"""Takes an iteration and the evaluations after it."""


class Booster(Protocol):
    """What differs between the libraries."""

    name: str

    def params(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the parameters among the arguments of ``train``."""

    def data(self, given: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Return the data sets among the arguments, the one that is learnt from first, with what each is called."""

    def content(self, data: Any, most: int) -> Any:
        """Return what a data set holds as something with a digest; None when it is gone, or has more values than ``most``."""

    def watched(self, given: Mapping[str, Any], row: Row) -> list[Any]:
        """Return the callbacks among the arguments, and one more that calls ``row``."""

    def best(self, model: Any) -> tuple[int, int, float | None] | None:
        """Return the best iteration as the library counts, as ``row`` was called, and its score; None without early stopping."""

    def importances(self, model: Any, kind: str) -> Mapping[str, float]:
        """Return feature to importance."""

    def head(self, data: Any, rows: int) -> Any:
        """Return the first rows of a data set as users hand them to a model; None where they are gone."""

    def predict(self, model: Any, rows: Any) -> Any:
        """Return what a model makes of such rows."""


class _Recording:
    """One call of ``train``: what fails in recording it is said in one warning, and the training goes on."""

    def __init__(self, booster: Booster, settings: Settings, training: TrainingRun, problems: Problems) -> None:
        self._booster = booster
        self._settings = settings
        self._training = training
        self._run = training.run
        self._problems = problems
        self._rows: dict[int, Mapping[str, float]] = {}
        self._example: Any = None

    def before(self, given: Mapping[str, Any]) -> None:
        """Record what the training is given."""
        with self._problems.of("the parameters"):
            add_params(self._run, self._booster.params(given), self._problems.add)
        if self._settings.log_datasets:
            with self._problems.of("the data"):
                for name, data in self._booster.data(given):
                    self._data(name, data)
        if self._settings.log_models and (self._settings.log_model_signatures or self._settings.log_input_examples):
            with self._problems.of("the model's input"):
                _, data = next(iter(self._booster.data(given)))
                self._example = self._booster.head(
                    data, _HEAD
                )  # now: some of them drop their values when training begins

    def _data(self, name: str, data: Any) -> None:
        content = self._booster.content(data, _MOST_VALUES)
        if content is not None:
            self._run.log_input(describe(content, name))
        else:
            self._run.notice(f"The data set {name!r} is not recorded: it is gone, or has over {_MOST_VALUES:,} values.")

    def row(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record the evaluations after an iteration; once that fails it is not tried again."""
        self._rows[iteration] = values
        if "the evaluations" not in self._failed:
            with self._problems.of("the evaluations"):
                self._run.log_metrics(values, step=iteration)

    @property
    def _failed(self) -> set[str]:
        return {problem.partition(" (")[0] for problem in self._problems.found}

    def after(self, model: Any) -> None:
        """Record what came out."""
        with self._problems.of("the best iteration"):
            best = self._booster.best(model)
            if best is not None and self._rows:
                counted, iteration, score = best
                values = {f"best_{name}": value for name, value in self._rows.get(iteration, {}).items()}
                if score is not None:
                    values["best_score"] = score
                self._run.log_metrics({"best_iteration": counted, "stopped_iteration": max(self._rows), **values})
        for kind in self._settings.importance_types:
            with self._problems.of(f"the feature importance {kind}"):
                self._importances(kind, self._booster.importances(model, kind))
        if self._settings.log_models:
            with self._problems.of("the model"):
                self._model(model)

    def _importances(self, kind: str, importances: Mapping[str, float]) -> None:
        if importances:  # else no tree has a split
            names, values = list(importances), list(importances.values())
            self._run.log_bytes(importances_png(names, values, f"Feature importance: {kind}"), f"{_FILE}{kind}.png")
            ranked = sorted(importances.items(), key=lambda one: -one[1])
            self._run.log_bytes(f"{json.dumps(dict(ranked), indent=2)}\n".encode(), f"{_FILE}{kind}.json")

    def _model(self, model: Any) -> None:
        signature = None
        if self._settings.log_model_signatures and self._example is not None:
            with self._problems.of("the model's signature"):
                signature = infer_signature(self._example, self._booster.predict(model, self._example))
        log_automatic_model(
            self._run,
            model,
            registered_model_name=self._settings.registered_model_name,
            signature=signature,
            input_example=self._example if self._settings.log_input_examples else None,
        )

    def end(self, error: BaseException | None) -> None:
        """Say what could not be recorded, and end the run if it was opened for this training."""
        self._problems.say(None if self._run.ended else self._run, silent=self._settings.silent)
        with self._problems.of("the end of the run"):
            self._training.end(error)
        self._problems.say(None, silent=self._settings.silent)


def record(
    booster: Booster, switch: Autologging[Settings], train: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """Call ``train`` as it was called, and record what it is given, how it goes and what it returns."""
    settings = switch.settings
    if settings is None or is_inside() or (settings.exclusive and active_run() is not None):
        return train(*args, **kwargs)
    try:
        bound = inspect.signature(train).bind(*args, **kwargs)
    except TypeError:  # it is for the library to say what is wrong
        return train(*args, **kwargs)
    given = {**{name: one.default for name, one in bound.signature.parameters.items()}, **bound.arguments}
    problems = Problems(f"{booster.name}.train")
    try:
        recording = _Recording(booster, settings, _begin(booster.name, settings), problems)
    except Exception as error:  # noqa: BLE001 - whatever it is, the training has nothing to do with it
        problems.add("this training", error)
        problems.say(None, silent=settings.silent)
        return train(*args, **kwargs)
    recording.before(given)
    with problems.of("the evaluations"):
        bound.arguments["callbacks"] = booster.watched(given, recording.row)
    try:
        with inside():
            model = train(*bound.args, **bound.kwargs)
    except BaseException as error:
        recording.end(error)
        raise
    recording.after(model)
    recording.end(None)
    return model


def _begin(name: str, settings: Settings) -> TrainingRun:
    """Return the run of a training; one after another in the same run is a child of it."""
    current = active_run()
    again = current is not None and current.id in _recorded
    training = TrainingRun.begin(f"{name}.train", child=again, tags=settings.extra_tags)
    _recorded.add(training.run.id)
    return training
