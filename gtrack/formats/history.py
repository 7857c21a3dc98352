"""Row files: history.yaml and system.yaml.

A YAML block sequence of one-line flow mappings, so a file grows by one ``write`` per row and a JSON reader takes each row
after ``- ``::

    - {"step": 0, "time": 1795376401.123456, "loss": 0.6931, "val/loss": 0.7012}

A row with ``.nan`` or ``.inf`` is the exception: it is read with JSON's spelling of those, or by the YAML loader.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.formats.columns import uniform_columns
from gtrack.formats.values import check_number
from gtrack.formats.yamlio import loads, number, quote
from gtrack.records import History, Summary

if TYPE_CHECKING:
    from gtrack.records import Number

STEP = "step"
TIME = "time"
RESERVED = frozenset({STEP, TIME})
"""Columns that every row has; no metric can have these names."""

_LONGEST_YAML_ROW = 1 << 20
# Only where no quotation mark is escaped: then one before a colon ends a key, and this stands outside of all strings.
_NOT_FINITE = re.compile(rb'(": -?)\.(inf|nan)(?=[,}])')
_IN_JSON = {b"inf": b"Infinity", b"nan": b"NaN"}


LOWEST_STEP, HIGHEST_STEP = -(2**63), 2**63 - 1
"""What pandas, SQLite and every plot can hold."""
_MILLISECONDS = 1e11  # a time stamp above this is in milliseconds, as MLflow's are: seconds reach it in the year 5138


def check_step(step: object) -> Number:
    """Return a step as the int or float that it is.

    Raises:
        InvalidValue: it is no number, not finite, or needs more than 64 bits.
    """
    checked = check_number(step, "step")
    if not LOWEST_STEP <= checked <= HIGHEST_STEP:
        raise InvalidValue(f"The step is {checked}; give a finite number that fits 64 bits.")
    return checked


def check_time(moment: object) -> float:
    """Return a time stamp as seconds since the epoch, UTC.

    Args:
        moment: a datetime (a naive one is local time), numpy's datetime64 (UTC), seconds, or milliseconds as MLflow has.

    Raises:
        InvalidValue: it is none of these, or not finite.
    """
    if isinstance(moment, datetime):
        return moment.timestamp()
    if type(moment).__name__ == "datetime64":  # its plain number is in whatever unit it has
        moment = moment.astype("datetime64[us]").astype(int) / 1e6  # type: ignore[attr-defined]
    seconds = float(check_number(moment, "timestamp"))
    if not math.isfinite(seconds):
        raise InvalidValue(f"The timestamp is {seconds}; give seconds since the epoch or a datetime.")
    return seconds / 1000 if abs(seconds) > _MILLISECONDS else seconds


class RowEncoder:
    """Turns rows into bytes; remembers the quoted spelling of each key, since rows repeat them."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    def encode(self, step: Number, time: float, values: Mapping[str, Number]) -> bytes:
        """Return one row.

        Args:
            step: the step, an int or a finite float.
            time: seconds since the epoch, UTC.
            values: metric name to int or float (never bool).
        """
        keys = self._keys
        cells = []
        for name, value in values.items():
            key = keys.get(name)
            if key is None:
                key = keys[name] = f"{quote(name)}: "
            text = repr(value)
            # A float whose text has no exponent and is no nan or inf stands as it is: nearly all do.
            if "e" in text or "n" in text:
                text = number(value)
            cells.append(key + text)
        joined = ", ".join(cells)
        step_text = repr(step) if type(step) is int else number(step)
        return f'- {{"step": {step_text}, "time": {time:.6f}, {joined}}}\n'.encode()


def fold(summary: dict[str, Number], values: Mapping[str, Number], kinds: Mapping[str, Summary]) -> None:
    """Take ``values`` into ``summary``: the last, the least or the greatest value of each metric, as ``kinds`` says."""
    if not kinds:
        summary.update(values)
        return
    for name, value in values.items():
        kind, old = kinds.get(name, Summary.LAST), summary.get(name)
        keeps = old is not None and not math.isnan(old) and kind is not Summary.LAST
        if keeps and not (value < old if kind is Summary.MIN else value > old):  # type: ignore[operator]
            continue
        summary[name] = value


def parse_history(data: bytes) -> History:
    """Return the rows of a row file, tolerating a torn last row and naming damaged ones."""
    uniform = uniform_columns(data)
    if uniform is not None:
        count = len(next(iter(uniform.values())))
        return History(uniform.pop(STEP, range(count)), uniform.pop(TIME, (None,) * count), uniform)
    rows, torn, damaged = parse_rows(data)
    steps: list[Number] = []
    times: list[float | None] = []
    columns: dict[str, list[Number | None]] = {}
    for index, row in enumerate(rows):
        steps.append(row.pop(STEP, index))
        times.append(row.pop(TIME, None))
        for name, value in row.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = []
            if len(column) < index:
                column.extend([None] * (index - len(column)))
            column.append(value)
    for column in columns.values():
        column.extend([None] * (len(rows) - len(column)))
    return History(steps=steps, times=times, columns=columns, torn=torn, damaged=tuple(damaged))


def parse_rows(data: bytes) -> tuple[list[dict[str, Any]], bool, list[int]]:
    """Return the rows as mappings of numbers, whether the last one was torn, and the numbers of damaged lines (from 1)."""
    rows = _all_at_once(data)
    if rows is not None:
        return rows, False, []
    lines = data.split(b"\n")
    tail = lines.pop()
    torn = bool(tail) and _row(tail) is None
    if tail and not torn:
        lines.append(tail)
    found = [_row(line) for line in lines]
    return [row for row in found if row is not None], torn, [at for at, row in enumerate(found, start=1) if row is None]


def _all_at_once(data: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of a file that is as gtrack writes it, by one JSON text; None when it takes a look at each line."""
    if not data.startswith(b"- {") or not data.endswith(b"}\n"):
        return None
    try:
        # JSON text has no raw line break, so this stands between two rows and nowhere else.
        rows: list[dict[str, Any]] = json.loads(b"[" + data[2:-1].replace(b"}\n- {", b"},{") + b"]")
        kinds = set(map(type, chain.from_iterable(map(dict.values, rows))))
    except (ValueError, RecursionError, TypeError):
        return None
    return rows if kinds <= {int, float} else None


def _is_row(row: object) -> bool:
    if type(row) is not dict:
        return False
    return all(type(value) is float or type(value) is int for value in row.values())


def _row(line: bytes) -> dict[str, Any] | None:
    """Return one row, by JSON or, where that fails, by YAML; None when it is no row."""
    if not line.startswith(b"- {"):
        return None
    text = line[2:]
    if (b": ." in text or b": -." in text) and b'\\"' not in text:
        text = _NOT_FINITE.sub(lambda found: found[1] + _IN_JSON[found[2]], text)
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        if len(line) > _LONGEST_YAML_ROW:
            return None
        try:
            row = loads(line[2:], "row")
        except FormatError:
            return None
    return row if isinstance(row, dict) and _is_row(row) else None
