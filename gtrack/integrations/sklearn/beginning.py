"""What is recorded before an estimator is fitted: its parameters, what it is, and the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gtrack.capture.data import describe
from gtrack.errors import GTrackError, ParamConflict
from gtrack.formats.values import plain_value
from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn.call import FitCall
from gtrack.integrations.sklearn.estimators import is_search
from gtrack.writer import ActiveRun

LONGEST_VALUE = 500
"""Characters of the text of a parameter."""
_MOST_CLASSES = 20


def params_of(estimator: Any) -> dict[str, object]:
    """Return the parameters of an estimator with those of its parts; of a search its own alone: the others are not tuned yet."""
    found: dict[str, object] = estimator.get_params(deep=not is_search(estimator))
    return found


def writable(params: Mapping[str, object]) -> dict[str, object]:
    """Return parameters as a run can hold them: plain values as they are, others as their text, a long one cut."""
    return {str(name): _writable(value) for name, value in params.items()}


def _writable(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else None
    if text is None:
        try:
            plain = plain_value(value, "parameter")
            if not isinstance(plain, dict) and len(repr(plain)) <= LONGEST_VALUE:
                return plain
        except GTrackError:
            pass
        text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def log_params(run: ActiveRun, params: Mapping[str, object], problems: Problems) -> None:
    """Log parameters; one that the run has with another value keeps it."""
    values = writable(params)
    try:
        run.log_params(values)
        return
    except GTrackError:
        pass
    conflicts = []
    for name, value in values.items():
        try:
            run.log_params({name: value})
        except ParamConflict:
            conflicts.append(name)
        except GTrackError as error:
            problems.add(f"the parameter {name}", error)
    if conflicts:
        what = "the parameter" if len(conflicts) == 1 else "the parameters"
        problems.add(f"{what} {', '.join(conflicts)}", "the run has another value already")


def log_tags(run: ActiveRun, estimator: Any, extra: Mapping[str, str]) -> None:
    """Say which estimator it is."""
    kind = type(estimator)
    run.set_tags(
        {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__qualname__}", **extra}
    )


def log_data(run: ActiveRun, call: FitCall) -> None:
    """Record the version of the training data and of its target."""
    if call.X is not None:
        run.log_input(describe(call.X, "train"))
    if call.y is not None:
        run.log_input(describe(call.y, "train_target"))


def log_class_balance(run: ActiveRun, call: FitCall) -> None:
    """Record how many rows each class has, the most frequent first."""
    import numpy as np

    target = np.asarray(call.y)
    if target.ndim != 1 and target.shape[1:] != (1,):
        return
    classes, counts = np.unique(target.ravel(), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = [f"{classes[at]}: {counts[at]}" for at in order[:_MOST_CLASSES]]
    more = [f"and {len(classes) - _MOST_CLASSES} more classes"] if len(classes) > _MOST_CLASSES else []
    run.set_tags({"class_balance": ", ".join([*shown, *more])})
