"""Follows fitted estimators: what they predict is traced back to their run, and metrics computed of it are recorded there.

No estimator, data or prediction is kept alive by it: they are known by weak references. What was recorded in a run is known as
long as the run is open, or anything that was fitted in it is there.
"""

from __future__ import annotations

import json
import numbers
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gtrack.capture.data import describe
from gtrack.fluent.active import FluentRun
from gtrack.fluent.lingering import late
from gtrack.integrations.nesting import inside, is_inside
from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn.call import FitCall
from gtrack.integrations.sklearn.names import called_by_script, spelled, variable_name
from gtrack.integrations.sklearn.settings import switch

INFO = "metric_info.json"


@dataclass
class _Book:
    """What was recorded in one run after its fit.

    Attributes:
        run: the run.
        calls: of each metric function, the metric that each call of it became, and the call.
        data: of each name of a variable, the data that it was the name of.
        described: the names of the data whose version is recorded.
    """

    run: FluentRun
    calls: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    data: dict[str, list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))
    described: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Prediction:
    """What a fitted estimator predicted: a weak reference to it, where it belongs, and of which data it is."""

    reference: Any
    book: _Book
    data_name: str
    data: Any


class Following:
    """The fitted estimators whose runs are known, and what they predicted."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._models: dict[int, tuple[Any, _Book]] = {}
        self._predictions: dict[int, _Prediction] = {}
        self._books: weakref.WeakValueDictionary[str, _Book] = weakref.WeakValueDictionary()
        self._open: dict[str, _Book] = {}

    def forget(self) -> None:
        """Follow nothing any more."""
        with self._lock:
            self._models.clear()
            self._predictions.clear()
            self._books.clear()
            self._open.clear()

    def follow(self, estimator: Any, run: FluentRun, call: FitCall, result: Any) -> None:
        """Follow an estimator that was fitted in a run, and the best one that a search found."""
        with self._lock:
            book = self._books.setdefault(run.id, _Book(run))
            book.run = run
            self._open = {run_id: one for run_id, one in self._open.items() if not one.run.ended}
            self._open[run.id] = book
            best = getattr(estimator, "best_estimator_", None)
            for model in (estimator, best):
                if model is not None:
                    self._follow(model, book)
        labels = result if call.method == "fit_predict" else getattr(estimator, "labels_", None)
        if labels is not None and call.X is not None:
            self._note(labels, book, call.X)

    def _follow(self, model: Any, book: _Book) -> None:
        key = id(model)
        try:
            reference = weakref.ref(model, partial(_drop, self._models, key))
        except TypeError:  # a class with slots
            return
        self._models[key] = (reference, book)

    def book_of(self, model: Any) -> _Book | None:
        """Return the book of the run that a model was fitted in; None when it is not followed."""
        found = self._models.get(id(model))
        return found[1] if found is not None and found[0]() is model else None

    def note(self, model: Any, result: Any, data: Any) -> None:
        """Remember that a model predicted ``result`` of ``data``."""
        book = self.book_of(model)
        if book is not None:
            self._note(result, book, data)

    def _note(self, result: Any, book: _Book, data: Any) -> None:
        name = self.data_name_in(book, data)
        base = getattr(
            result, "base", None
        )  # a part of an array, such as one of its columns, has the array as its base
        for array in (result, base if type(base) is type(result) else None):
            if array is not None:
                key = id(array)
                try:
                    reference = weakref.ref(array, partial(_drop, self._predictions, key))
                except TypeError:  # a list cannot be followed
                    continue
                self._predictions[key] = _Prediction(reference, book, name, _weak(data))

    def data_name_in(self, book: _Book, data: Any) -> str:
        """Return the variable's name, with a number where another data set had the same name before."""
        name = variable_name(data)
        with self._lock:
            known = book.data[name]
            at = next((at for at, (key, ref) in enumerate(known) if key == id(data) and _same(ref, data)), len(known))
            if at == len(known):
                known.append((id(data), _weak(data)))
        return name if at == 0 else f"{name}-{at + 1}"

    @property
    def has_predictions(self) -> bool:
        """Whether anything was predicted that still exists."""
        return bool(self._predictions)

    def find(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Prediction | None:
        """Return the prediction among the arguments of a metric function; None when there is none.

        A view of a prediction counts when it has all of its rows: the column of one class.
        """
        for value in (*args, *kwargs.values()):
            found = self._known(value)
            if found is None:
                base: Any = getattr(value, "base", None)
                found = self._known(base)
                if found is not None and len(base) != len(value):
                    found = None
            if found is not None:
                return found
        return None

    def _known(self, value: Any) -> _Prediction | None:
        found = self._predictions.get(id(value)) if value is not None else None
        return found if found is not None and found.reference() is value else None

    def record(self, book: _Book, metric: str, value: float, data_name: str, command: str, data: Any) -> None:
        """Record a metric of a run that may have ended, and by which call it came about."""
        with self._lock:
            calls = book.calls[metric]
            key = f"{metric}_{data_name}" if not calls else f"{metric}-{len(calls) + 1}_{data_name}"
            calls.append((key, command))
            info = dict(sorted(call for several in book.calls.values() for call in several))
            news = data is not None and data_name not in book.described
            book.described.add(data_name)
            with late(book.run) as run:
                run.log_metrics({key: value})
                run.log_bytes((json.dumps(info, indent=2, ensure_ascii=False) + "\n").encode(errors="replace"), INFO)
                if news:
                    run.log_input(describe(data, data_name))


def _drop(held: dict[int, Any], key: int, _: object) -> None:
    held.pop(key, None)


def _weak(data: Any) -> Any:
    try:
        return weakref.ref(data)
    except TypeError:  # a list: its address alone is known
        return _gone


def _gone() -> None:
    return None


def _same(reference: Callable[[], Any], data: Any) -> bool:
    held = reference()
    return held is data or (held is None and isinstance(data, (list, tuple)))


following = Following()


def number_of(value: Any) -> float | None:
    """Return a metric as the number that it is, nan as well; None for what is none."""
    return None if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)


def predict(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Stand in for ``predict`` and the like: remember of which data the result is."""
    settings = switch.settings
    if settings is None or following.book_of(instance) is None or is_inside():
        return wrapped(*args, **kwargs)
    with inside():
        result = wrapped(*args, **kwargs)
    data = args[0] if args else next(iter(kwargs.values()), None)
    problems = Problems(f"{type(instance).__name__}.{wrapped.__name__}")
    with problems.of("of which data its result is"):
        following.note(instance, result, data)
    problems.say(None, silent=settings.silent)
    return result


def score(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Stand in for ``score``: record it as a metric of the run that the model was fitted in."""
    settings = switch.settings
    book = following.book_of(instance) if settings is not None else None
    if settings is None or book is None or is_inside():
        return wrapped(*args, **kwargs)
    with inside():
        value = wrapped(*args, **kwargs)
    kind = type(instance).__name__
    problems = Problems(f"{kind}.score")
    with problems.of("the metric"):
        number = number_of(value)
        if number is not None and called_by_script():
            data = args[0] if args else next(iter(kwargs.values()), None)
            name = following.data_name_in(book, data)
            command = spelled(f"{kind}.score", wrapped, args, kwargs)
            following.record(book, f"{kind}_score", number, name, command, data if settings.log_datasets else None)
    problems.say(None, silent=settings.silent)
    return value


def metric_called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], value: Any) -> None:
    """Record what a metric function of scikit-learn returned, when it is about a prediction that is followed."""
    settings = switch.settings
    if settings is None or not following.has_predictions or is_inside():
        return
    problems = Problems(function.__name__)
    with problems.of("the metric"):
        number = number_of(value)
        found = following.find(args, kwargs) if number is not None else None
        if number is not None and found is not None and called_by_script():
            command = spelled(function.__name__, function, args, kwargs)
            data = found.data() if settings.log_datasets else None
            following.record(found.book, function.__name__, number, found.data_name, command, data)
    problems.say(None, silent=settings.silent)
