"""Models that autologging keeps: nobody asked for them by their name, so they give way to one that the script logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gtrack.fluent.active import process
from gtrack.fluent.automatic import mark_automatic
from gtrack.fluent.models import log_model
from gtrack.writer import ActiveRun


def log_automatic_model(run: ActiveRun, model: Any, path: str = "model", **about: Any) -> None:
    """Write a model among the artifacts of the active run, on behalf of nobody.

    Args:
        run: the active run.
        model: the model.
        path: the directory that it becomes; an automatic model that is there is replaced.
        about: what ``log_model`` takes.

    Raises:
        GTrackError: it cannot be written.
    """
    with _unsaid():
        log_model(model, path, **about)
    mark_automatic(run, path)


@contextmanager
def _unsaid() -> Iterator[None]:
    """Use verbs inside without telling the launcher that the script logs by itself: it did not, and what it prints counts."""
    told, process.told = process.told, True
    try:
        yield
    finally:
        process.told = told
