"""Watches the functions of ``sklearn.metrics``, also those that a script imported before autologging was switched on.

scikit-learn hands out each of them inside a function that checks the arguments and then calls the real one, which it holds in a
cell of its closure. What watches takes the place of the real one in that cell: every reference to the function, whenever it
was taken, goes through it, and the function itself stays the same object, so that it pickles and compares as before.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import CellType, ModuleType
from typing import Any

from gtrack.integrations.sklearn.following import metric_called


class MetricFunctions:
    """The functions that are watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._placed: list[tuple[CellType, Callable[..., Any], Callable[..., Any]]] = []

    def watch(self, metrics: ModuleType) -> None:
        """Watch every function that a module makes public."""
        with self._lock:
            taken = {id(cell) for cell, _, _ in self._placed}
            for name in getattr(metrics, "__all__", ()):
                cell = _cell_of(getattr(metrics, name, None))
                if cell is not None and id(cell) not in taken:
                    real = cell.cell_contents
                    watching = _watching(real)
                    cell.cell_contents = watching
                    self._placed.append((cell, real, watching))

    def leave(self) -> None:
        """Put the real functions back."""
        with self._lock:
            for cell, real, watching in self._placed:
                if cell.cell_contents is watching:
                    cell.cell_contents = real
            self._placed.clear()


def _cell_of(function: Any) -> CellType | None:
    """Return where a checked function holds the real one; None for what is no such function."""
    real = getattr(function, "__wrapped__", None)
    if isinstance(function, type) or real is None:
        return None
    cells: tuple[CellType, ...] = getattr(function, "__closure__", None) or ()
    for cell in cells:
        try:
            if cell.cell_contents is real:
                return cell
        except ValueError:  # an empty cell
            continue
    return None


def _watching(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def watching(*args: Any, **kwargs: Any) -> Any:
        value = real(*args, **kwargs)
        metric_called(real, args, kwargs, value)
        return value

    return watching
