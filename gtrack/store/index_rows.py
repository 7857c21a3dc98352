"""One run -> the rows that the index keeps of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from gtrack.formats.columns import uniform_columns
from gtrack.formats.history import STEP, TIME, parse_rows
from gtrack.formats.run_dir import inputs_mapping, run_mapping, run_of
from gtrack.formats.yamlio import timestamp
from gtrack.records import flatten

if TYPE_CHECKING:
    from datetime import datetime

    from gtrack.records import Number, Run, Value

Cell: TypeAlias = "int | float | str | None"

_PART = 4 << 20


class Course(NamedTuple):
    """What the index keeps of one metric of one run, with the steps of these values (None where it had no step)."""

    last: Number
    first: Number
    least: Number
    greatest: Number
    logged: int
    last_step: Number | None = None
    least_step: Number | None = None
    greatest_step: Number | None = None

    def cells(self) -> tuple[Cell, ...]:
        """Return them as SQLite can hold them: nan, and an int beyond 64 bits, it cannot."""
        return (*map(_real, self[:4]), self.logged, *map(_real, self[5:]))

    def then(self, later: Course) -> Course:
        """Return the course of both, one after the other."""
        lower, higher = later.least < self.least or _is_nan(self.least), later.greatest > self.greatest
        least, greatest = (later if lower else self), (later if higher or _is_nan(self.greatest) else self)
        return Course(
            later.last,
            self.first,
            least.least,
            greatest.greatest,
            self.logged + later.logged,
            later.last_step,
            least.least_step,
            greatest.greatest_step,
        )


@dataclass(frozen=True)
class Rows:
    """The rows of one run: of ``runs`` (without its number), and of the tables of its body, parameters and so on."""

    run: tuple[Cell, ...]
    body: str
    params: list[tuple[str, float | None, str]]
    metrics: list[tuple[Cell, ...]]
    tags: list[tuple[str, str]]
    inputs: list[tuple[Cell, ...]]


def rows_of(run: Run, tree: str, environment: str | None, history: bytes | None) -> Rows:
    """Return the rows of a run.

    Args:
        run: the run.
        tree: the id of its directory's tree.
        environment: the id of its ``environment.yaml``, which many runs share.
        history: the bytes of its ``history.yaml``.
    """
    rows = rows_before_history(run, tree, environment)
    rows.metrics.extend(metric_rows(run, history))
    return rows


def metric_rows(run: Run, history: bytes | None) -> list[tuple[Cell, ...]]:
    """Return what ``rows_of`` has of the metrics of a run: all that its history tells."""
    return [(storable(name), *course.cells()) for name, course in courses(history, run.metrics).items()]


def rows_before_history(run: Run, tree: str, environment: str | None) -> Rows:
    """Return what ``rows_of`` does, without the metrics, which are to be added."""
    code = run.code
    head: tuple[Cell, ...] = (
        run.id,
        tree,
        run.experiment,
        run.name,
        run.status.value,
        _seconds(run.started),
        _seconds(run.ended),
        run.duration,
        run.parent,
        run.user,
        run.host,
        _exit_code(run.exit_code),
        code.commit,
        code.head,
        code.branch,
        int(code.dirty),
        run.notes,
        environment,
        int(bool(run.problems)),
        int(bool(run.metric_definitions)),
    )
    return Rows(
        head,
        encode_body(run),
        [(name, _number(value), str(value)) for name, value in flatten(run.params)],
        [],
        list(run.tags.items()),
        [(one.name, one.digest, one.kind, one.source) for one in run.inputs],
    )


def courses(history: bytes | None, metrics: Mapping[str, Number]) -> dict[str, Course]:
    """Return the course of each metric that a run has, holding a part of a long history at a time.

    Args:
        history: the bytes of ``history.yaml``.
        metrics: what ``metrics.yaml`` says: the value that stands for the run.
    """
    found: dict[str, Course] = {}
    for part in _parts(history or b""):
        for name, course in _courses(part).items():
            found[name] = found[name].then(course) if name in found else course
    return {
        name: Course(value, *found[name][1:]) if name in found else Course(value, value, value, value, 1)
        for name, value in metrics.items()
    }


def _parts(history: bytes) -> Iterator[bytes]:
    """Yield a row file cut between rows: its rows as mappings take ten times the memory of their text."""
    begin = 0
    while len(history) - begin > _PART:
        end = history.rfind(b"\n", begin, begin + _PART) + 1 or history.find(b"\n", begin + _PART) + 1 or len(history)
        yield history[begin:end]
        begin = end
    if begin < len(history):
        yield history[begin:] if begin else history


def _courses(part: bytes) -> dict[str, Course]:
    columns: dict[str, Sequence[Number | None]] = {**(uniform_columns(part) or {})}
    if not columns:
        rows = parse_rows(part)[0]
        columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(chain.from_iterable(rows))}
    steps = columns.pop(STEP, None)
    columns.pop(TIME, None)
    return {name: _course(column, steps or [None] * len(column)) for name, column in columns.items()}


def _course(values: Sequence[Number | None], steps: Sequence[Number | None]) -> Course:
    """Return the course of a column, which has None where a row has no such metric."""
    known = cast("Sequence[Number]", values)
    if None in values:
        steps = [step for step, value in zip(steps, values, strict=True) if value is not None]
        known = [value for value in values if value is not None]
    real = [value for value in known if not _is_nan(value)] or known if _is_nan(_sum(known)) else known
    least, greatest = min(real), max(real)
    return Course(
        known[-1],
        known[0],
        least,
        greatest,
        len(known),
        steps[-1],
        steps[known.index(least)],
        steps[known.index(greatest)],
    )


def _is_nan(value: Number) -> bool:
    return value != value  # noqa: PLR0124 - math.isnan fails on an int beyond the range of float64


def _sum(numbers: Sequence[Number]) -> Number:
    try:
        return sum(numbers)
    except OverflowError:
        return math.nan


def _real(value: Number | None) -> float | None:
    """Return a number as SQLite's REAL; nan, which it does not have, as nothing."""
    if value is None or _is_nan(value):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number(value: Value) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, (int, float)) else _real(value)


def storable(text: str) -> str:
    """Return text that SQLite takes: half a surrogate pair, from JSON or a path that is no UTF-8, becomes a ``?``."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _exit_code(code: int | None) -> int | None:
    return code if code is not None and -(2**63) <= code < 2**63 else None


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def encode_body(run: Run) -> str:
    """Return all of a run as one line of JSON (with Python's ``NaN`` and ``Infinity``), for ``decode_body``."""
    head = {key: value for key, value in run_mapping(run).items() if value not in (None, {}, [])}
    for key in ("started", "ended"):
        if key in head:
            head[key] = timestamp(head[key])
    body = [head, run.params, run.metrics, inputs_mapping(run.inputs), run.problems, run.schema]
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def decode_body(text: str, *, live: bool = False) -> Run:
    """Return the run that ``encode_body`` wrote."""
    head, params, metrics, inputs, problems, schema = json.loads(text)
    return run_of({**head, "schema": schema}, params, metrics, inputs, tuple(problems), live=live)
