"""A line that tells how far something is, for a person who waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_BAR = 30
_PATIENCE = 1.0
_EVERY = 0.1
_ERASED = "\r\x1b[2K"


class ProgressLine:
    """A bar that appears on a terminal once a second has passed, and is erased at the end. Elsewhere it never appears.

    rich's own takes 40 ms to import, every time for what is seldom shown.

    Args:
        console: where; nothing else may write there meanwhile.
        what: what is being done.
    """

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._next = time.monotonic() + _PATIENCE
        self._shown = False

    def tell(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` is done."""
        moment = time.monotonic()
        if moment < self._next or not self._console.is_terminal:
            return
        self._next = moment + _EVERY
        self._shown = True
        filled = _BAR * done // max(total, 1)
        bar = "━" * filled + "╌" * (_BAR - filled)
        line = f"{self._what}  {bar}  {done:,} of {total:,}"
        self._console.file.write(_ERASED + line[: self._console.width - 1])
        self._console.file.flush()

    def close(self) -> None:
        """Erase the line."""
        if self._shown:
            self._console.file.write(_ERASED)
            self._console.file.flush()


class ProgressStages:
    """A progress line for what is done one after the other.

    Args:
        console: where, see ``ProgressLine``.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what = ""
        self._line: ProgressLine | None = None

    def tell(self, what: str, done: int, total: int) -> None:
        """Say what is being done, and how much of how much."""
        if what != self._what or self._line is None:
            self.close()
            self._what, self._line = what, ProgressLine(self._console, what)
        self._line.tell(done, total)

    def close(self) -> None:
        """Erase the line."""
        if self._line is not None:
            self._line.close()
