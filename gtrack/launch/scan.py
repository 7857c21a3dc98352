"""Metrics of a script that knows nothing of gtrack: ``name: number`` lines in what it prints."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from gtrack.formats.history import RESERVED
from gtrack.records import Number

Row: TypeAlias = tuple[Number, float, dict[str, Number]]
"""A step, the time in seconds since the epoch, and the values."""

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
_EASY_PAIR = re.compile(
    r"([A-Za-z_][A-Za-z0-9_./-]{0,60}): (-?(?:[0-9]{1,18}|([0-9]{1,18}\.[0-9]{1,20}(?:e[-+]?[0-9]{1,3})?)))"
)
_MARKER = re.compile(
    r"\[?(?P<axis>epoch|iteration|iter|global_step|step)(?:[ \t]*[:=#\[]|[ \t])[ \t]*[#\[]?(?P<at>[0-9]{1,18})"
    r"(?:[ \t]*(?:/|of)[ \t]*[0-9]{1,18})?\]?(?![\w.%/])(?:[ \t]*[:,;|][ \t]*|[ \t]+(?:-[ \t]+)?)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[ \t]*[,;|][ \t]*|[ \t]+(?:-[ \t]+)?")
_LONGEST = 2000
_KEPT_ROWS = 2
_BATCH_BYTES = 32 * 1024
_BATCH_SECONDS = 0.2
_MAYBE = re.compile(rb":(?:[^\S\n]+[\x1b+.0-9iInN-]|\x1b)").search
_MOST_STEP = 2**63 - 1


class Lines:
    """Cuts bytes that come in pieces into lines as a person sees them.

    They have no escape codes, and of a line that was written over (after a carriage return) only the last state counts.

    Args:
        wanted: lines in whose bytes it finds nothing may be passed over, which is fast.
    """

    def __init__(self, wanted: Callable[[bytes], object] | None = None) -> None:
        self._wanted = wanted
        self._rest = b""
        self._too_long = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that ``data`` completes; lines of more than 2,000 bytes are left out."""
        first, *others = data.split(b"\n")
        if others:
            yield from self._line(self._rest + first)
            self._rest = b""
            first = others.pop()
            wanted = self._wanted
            for line in others if wanted is None or wanted(data) else ():
                if b"\r" in line or len(line) > _LONGEST:
                    yield from self._line(line)
                elif wanted is None or wanted(line):
                    yield plain(line)
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
    exponent it is an int. ``port:8080``, ``took: 3 s`` and ``acc: 93%`` are no metrics. Pairs stand apart by a comma, a
    semicolon, a bar, `` - `` or spaces. Before them, ``epoch 3:``, ``Epoch 3/10 -``, ``[step 500]`` and the like count as
    ``epoch: 3``.
    """
    if easy := _EASY_PAIR.fullmatch(line):
        return [(easy[1], float(easy[2]) if easy[3] else int(easy[2]))]
    if ":" not in line:
        return []
    if "[" in line and ":" in line[: line.find("]") + 1] and (bar := _PROGRESS_BAR.match(line)):
        line = line[bar.end() :]
    line = line.strip()
    found: list[tuple[str, Number]] = []
    position = 0
    while marker := _MARKER.match(line, position):
        axis = marker["axis"].lower()
        found.append(("iteration" if axis == "iter" else axis, int(marker["at"])))
        position = marker.end()
    if found and (rest := _pairs_from(line, position)):
        return found + rest
    return _pairs_from(line, 0)


def _pairs_from(line: str, position: int) -> list[tuple[str, Number]]:
    found: list[tuple[str, Number]] = []
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

    A name that comes up is a plain metric at first. When it comes again it has a history: its step is what the last
    ``step:`` or ``epoch:`` said, or without one how often it came before. What belongs to one step is one row as long as
    the script does not rest in the middle of it. Output is looked at a batch at a time, at most 0.2 s late.

    Args:
        plain: takes metrics without a step.
        rows: takes rows of the history. Where it takes the first ones of a metric, its plain value is no longer one.
        unwanted: tells whether the script logs by itself after all; from then on nothing is logged.
        hold: log nothing before ``close``, because the script is likely to log by itself later on.
    """

    def __init__(
        self,
        plain: Callable[[dict[str, Number]], None],
        rows: Callable[[list[Row]], None],
        unwanted: Callable[[], bool],
        *,
        hold: bool = False,
    ) -> None:
        self._log_plain = plain
        self._log_rows = rows
        self._unwanted = unwanted
        self._hold = hold
        self._lines = Lines(_MAYBE)
        self._batch: list[bytes] = []
        self._size = 0
        self._since = 0.0
        self._axis = -1
        self._step: Number | None = None
        self._names: dict[str, tuple[str, int]] = {}
        self._count: dict[str, int] = {}
        self._first: dict[str, tuple[Number, Number, float]] = {}
        self._new: dict[str, Number] = {}
        self._open: dict[Number, tuple[float, dict[str, Number]]] = {}
        self._complete: list[Row] = []

    def feed(self, data: bytes) -> None:
        """Take what the script printed, in pieces of any size."""
        now = time.time()
        if not self._batch:
            self._since = now
        self._batch.append(data)
        self._size += len(data)
        if self._size >= _BATCH_BYTES or not 0 <= now - self._since < _BATCH_SECONDS:
            self._look(now)

    def rest(self) -> None:
        """Log all that was printed so far: the script prints nothing at the moment."""
        if self._batch:
            self._look(time.time())
        if not self._hold:
            self._close_rows(0)
            self._write()

    def close(self) -> None:
        """Log what is still held: the script has ended."""
        self._look(time.time())
        for line in self._lines.close():
            self._take(line, time.time())
        self._hold = False
        self._close_rows(0)
        self._write()

    def _look(self, now: float) -> None:
        data = b"".join(self._batch)
        self._batch.clear()
        self._size = 0
        for line in self._lines.feed(data):
            self._take(line, now)
        if not self._hold:
            self._write()

    def _take(self, line: str, now: float) -> None:
        for name, value in pairs(line):
            self._metric(name, value, now)

    def _metric(self, said: str, value: Number, at: float) -> None:
        known = self._names.get(said)
        if known is None:
            key = said.lower()
            axis = STEPS.index(key) if key in STEPS else -2
            known = self._names[said] = (f"{said}_value" if said in RESERVED else said, axis)
        name, axis = known
        if axis >= self._axis and axis >= 0 and abs(value) <= _MOST_STEP:
            self._axis = axis
            self._step = value
            return
        count = self._count[name] = self._count.get(name, -1) + 1
        step = count if self._step is None else self._step
        if count == 0:
            self._first[name] = (value, step, at)
            self._new[name] = value
            return
        if count == 1:
            first_value, first_step, first_at = self._first.pop(name)
            self._new.pop(name, None)
            self._add(name, first_value, first_step, first_at)
        self._add(name, value, step, at)

    def _add(self, name: str, value: Number, step: Number, at: float) -> None:
        row = self._open.get(step)
        if row is not None and name in row[1]:
            self._close_rows(0)
            row = None
        if row is not None:
            row[1][name] = value
            return
        self._open[step] = (at, {name: value})
        # Two are kept open: the first row of a metric is known to be one only when its second comes.
        if len(self._open) > _KEPT_ROWS:
            self._close_rows(_KEPT_ROWS)

    def _close_rows(self, kept: int) -> None:
        while len(self._open) > kept:
            step = next(iter(self._open))
            self._complete.append((step, *self._open.pop(step)))

    def _write(self) -> None:
        wanted = (self._new or self._complete) and not self._unwanted()
        rows, self._complete = self._complete, []
        new, self._new = self._new, {}
        if rows and wanted:
            self._log_rows(rows)
        if new and wanted:
            self._log_plain(new)
