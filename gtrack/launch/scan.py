"""Metrics of a script that knows nothing of gtrack: ``name: number`` lines in what it prints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from gtrack.formats.history import RESERVED
from gtrack.records import Number

Log: TypeAlias = "Callable[[dict[str, Number], Number | None, float], None]"

STEPS = ("epoch", "iteration", "global_step", "step")
"""Names that place what follows on the x axis and are no metrics themselves, the coarsest first; the finest counts."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# tqdm leaves the cursor behind its bar; what a script prints then stands on the same line of a terminal.
_PROGRESS_BAR = re.compile(r".*\[\d+:\d\d[^\]]*\]")
_WORD = r"[^\W\d][\w./@%()\[\]+-]*"
_FLOAT = r"(?:[0-9]{1,30}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:e[-+]?[0-9]{1,4})?|nan|inf(?:inity)?"
_PAIR = re.compile(
    rf"(?P<name>{_WORD}(?: (?:{_WORD}|\([\w ./-]+\))){{0,3}})[ \t]*:[ \t]+"
    rf"(?P<number>[-+]?(?:(?P<int>[0-9]{{1,30}})(?![0-9.e])|{_FLOAT}))(?![\w.%:/])",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[ \t]*[,;|][ \t]*|[ \t]+(?:-[ \t]+)?")
_LONGEST = 2000
_KEPT_ROWS = 2


class Lines:
    """Cuts bytes that come in pieces into lines as a person sees them.

    They have no escape codes, and of a line that was written over (after a carriage return) only the last state counts.

    Args:
        mark: lines without these bytes may be passed over, which is fast.
    """

    def __init__(self, mark: bytes = b"") -> None:
        self._mark = mark
        self._rest = b""
        self._too_long = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that ``data`` completes; lines of more than 2,000 bytes are left out."""
        first, *others = data.split(b"\n")
        if others:
            yield from self._line(self._rest + first)
            self._rest = b""
            for line in others[:-1]:
                if self._mark in line:
                    yield from self._line(line)
            first = others[-1]
        self._keep(first)

    def close(self) -> Iterator[str]:
        """Yield the line that had no end."""
        yield from self._line(self._rest)
        self._rest = b""

    def _keep(self, piece: bytes) -> None:
        # A progress bar is one line that never ends: what it has written over is forgotten as it comes.
        rest = self._rest + piece
        over = rest.rfind(b"\r", 0, -1)
        self._rest = rest[over + 1 :] if over >= 0 else rest
        if over >= 0:
            self._too_long = False
        if len(self._rest) > _LONGEST:
            self._rest, self._too_long = b"", True

    def _line(self, line: bytes) -> Iterator[str]:
        line = line.rstrip(b"\r")
        if b"\r" in line:
            line, self._too_long = line[line.rfind(b"\r") + 1 :], False
        too_long, self._too_long = self._too_long or len(line) > _LONGEST, False
        if not too_long:
            yield plain(line)


def plain(line: bytes) -> str:
    """Return a line as text, without the escape codes of a terminal."""
    text = line.decode(errors="replace")
    return _ANSI.sub("", text) if "\x1b" in text else text


def last_lines(data: bytes, count: int) -> list[str]:
    """Return the last ``count`` lines of output as a person saw them, without empty ones at the end."""
    pieces = data.split(b"\n")
    lines = [plain(piece.rstrip(b"\r").rpartition(b"\r")[2]) for piece in pieces]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines[-count:]


def pairs(line: str) -> list[tuple[str, Number]]:
    """Return the metrics of a line: it consists of nothing but ``name: number``, once or several times.

    A name is up to four words, each beginning with a letter. A number keeps all its digits; without a dot and an
    exponent it is an int. ``port:8080``, ``took: 3 s`` and ``acc: 93%`` are no metrics.
    """
    if ":" not in line:
        return []
    if "[" in line and ":" in line[: line.find("]") + 1] and (bar := _PROGRESS_BAR.match(line)):
        line = line[bar.end() :]
    line = line.strip()
    found: list[tuple[str, Number]] = []
    position = 0
    while match := _PAIR.match(line, position):
        found.append((match["name"], int(match["number"]) if match["int"] else float(match["number"])))
        position = match.end()
        if position == len(line):
            return found
        between = _BETWEEN.match(line, position)
        if between is None:
            return []
        position = between.end()
    return []


class Scanner:
    """Makes metrics of what a script prints.

    A name that comes up once is a plain metric. One that comes again has a history: its step is what the last ``step:``
    or ``epoch:`` line said, or without one how often it came before. What belongs to one step is logged as one row.

    Args:
        log: takes metrics, their step (None for plain ones) and the time in seconds since the epoch.
        unwanted: tells whether the script logs by itself after all; from then on nothing is logged.
        hold: log nothing before ``close``, because the script is likely to log by itself later on.
    """

    def __init__(self, log: Log, unwanted: Callable[[], bool], *, hold: bool = False) -> None:
        self._log = log
        self._unwanted = unwanted
        self._hold = hold
        self._lines = Lines(b":")
        self._seen: list[tuple[str, Number, float]] = []
        self._axis = -1
        self._step: Number | None = None
        self._count: dict[str, int] = {}
        self._first: dict[str, tuple[Number, Number, float]] = {}
        self._rows: dict[Number, tuple[float, dict[str, Number]]] = {}

    def feed(self, data: bytes) -> None:
        """Take what the script printed, in pieces of any size."""
        for line in self._lines.feed(data):
            self._take(line)

    def close(self) -> None:
        """Log what is still held: the script has ended."""
        for line in self._lines.close():
            self._take(line)
        if self._unwanted():
            return
        for name, value, at in self._seen:
            self._metric(name, value, at)
        self._seen.clear()
        while self._rows:
            self._write_row()
        single = {name: value for name, (value, _, _) in self._first.items()}
        if single:
            self._log(single, None, time.time())

    def _take(self, line: str) -> None:
        for name, value in pairs(line):
            if self._hold:
                self._seen.append((name, value, time.time()))
            else:
                self._metric(name, value, time.time())

    def _metric(self, name: str, value: Number, at: float) -> None:
        key = name.lower()
        if key in STEPS and STEPS.index(key) >= self._axis and abs(value) < float("inf"):
            self._axis = STEPS.index(key)
            self._step = value
            return
        name = f"{name}_value" if name in RESERVED else name
        count = self._count[name] = self._count.get(name, -1) + 1
        step = count if self._step is None else self._step
        if count == 0:
            self._first[name] = (value, step, at)
            return
        if name in self._first:
            first_value, first_step, first_at = self._first.pop(name)
            self._add(name, first_value, first_step, first_at)
        self._add(name, value, step, at)

    def _add(self, name: str, value: Number, step: Number, at: float) -> None:
        if step in self._rows and name in self._rows[step][1]:
            while self._rows:
                self._write_row()
        self._rows.setdefault(step, (at, {}))[1][name] = value
        # Two are kept open: the first row of a metric is known to be one only when its second comes.
        while len(self._rows) > _KEPT_ROWS:
            self._write_row()

    def _write_row(self) -> None:
        step = next(iter(self._rows))
        at, values = self._rows.pop(step)
        if not self._unwanted():
            self._log(values, step, at)
