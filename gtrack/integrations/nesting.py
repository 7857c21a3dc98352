"""Knows what is part of something bigger: a fit, a prediction or a metric inside a call that is recorded as a whole.

The mark belongs to the thread or task. Threads that joblib starts inside are marked too: each task is handed over with the
mark. The mark names the run that was active where it was set, so a task that starts a run of its own is recorded again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gtrack.fluent.active import stack_here

_inside: ContextVar[str | None] = ContextVar("gtrack_sklearn_inside", default=None)


def _run_here() -> str:
    stack = stack_here.get()
    return stack[-1].id if stack else ""


def is_inside() -> bool:
    """Tell whether this thread works on something that is recorded as a whole."""
    mark = _inside.get()
    return mark is not None and mark == _run_here()


@contextmanager
def inside() -> Iterator[None]:
    """Mark what happens in the block as part of something bigger."""
    token = _inside.set(_run_here())
    try:
        yield
    finally:
        _inside.reset(token)


class Task:
    """A task for a worker of joblib that is part of something bigger; a process pool gets the function alone."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function inside."""
        with inside():
            return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_function":  # asked for while it is copied, before it has one
            raise AttributeError(name)
        return getattr(self._function, name)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process does not record, and should not have to import this package either.
        return functools.partial, (self._function,)


def hand_over(wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Stand in for ``joblib.Parallel.__call__``: hand the mark to the workers."""
    if not is_inside() or len(args) != 1 or kwargs:
        return wrapped(*args, **kwargs)
    return wrapped(_marked(args[0]))


def _marked(tasks: Iterable[Any]) -> Iterator[Any]:
    for task in tasks:
        function, *rest = task
        yield (Task(function), *rest)


def work_for_sklearn(
    wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Stand in for ``sklearn.utils.parallel.Parallel.__call__``: what scikit-learn itself starts is part of one call of it."""
    caller = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - the only way to know who calls
    if not str(caller).startswith("sklearn."):
        return wrapped(*args, **kwargs)
    with inside():
        return wrapped(*args, **kwargs)
