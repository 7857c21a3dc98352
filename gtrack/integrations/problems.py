"""What could not be recorded: collected, and said once, in one warning, to a script that goes on as if nothing had been."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError

if TYPE_CHECKING:
    from gtrack.writer import ActiveRun

_LONGEST = 300


class Problems:
    """Collects what goes wrong while one call is recorded.

    Args:
        of: the call, such as ``RandomForestClassifier.fit``.
    """

    def __init__(self, of: str) -> None:
        self._of = of
        self.found: list[str] = []

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Go on after any error in the block, and remember that ``what`` could not be recorded."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - recording runs code of any estimator, and must not end the script
            self.add(what, error)

    def add(self, what: str, reason: object) -> None:
        """Remember that ``what`` could not be recorded."""
        why = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)
        line = " ".join(why.split())
        self.found.append(f"{what} ({line[:_LONGEST]}{'…' if len(line) > _LONGEST else ''})")

    def say(self, run: ActiveRun | None, *, silent: bool) -> None:
        """Say it: in the run, and as a warning unless ``silent``."""
        if not self.found:
            return
        found, self.found = self.found, []
        text = f"{self._of}: not recorded: {'; '.join(found)}"
        if run is not None:
            with suppress(GTrackError, OSError):  # the run is what could not be written to
                run.notice(text)
        if not silent:
            warn(text)


def warn(text: str) -> None:
    """Warn the user, where the code that called scikit-learn is; raise nothing, whatever is done with warnings."""
    level, frame = 2, sys._getframe(1)  # noqa: SLF001 - to name the user's line and not one of ours
    while frame.f_back is not None and _is_ours(str(frame.f_globals.get("__name__", ""))):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(f"gtrack: {text}", stacklevel=level)
    except Warning:  # a filter makes it an error, and this one must not be
        print(f"gtrack: {text}", file=sys.stderr)  # noqa: T201 - see above


def _is_ours(module: str) -> bool:
    return module.startswith(("gtrack.", "wrapt", "contextlib", "sklearn.", "joblib."))
