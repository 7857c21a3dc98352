"""Metrics that a script leaves in a file: JSON, YAML or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from gtrack.errors import FormatError, GTrackError
from gtrack.formats.history import RESERVED
from gtrack.formats.yamlio import loads
from gtrack.launch.scan import STEPS
from gtrack.records import Number, flatten
from gtrack.writer import ActiveRun

_Stamp: TypeAlias = "tuple[int, int, int] | None"


@dataclass
class MetricsTable:
    """What a metrics file holds.

    Attributes:
        plain: metrics without a step.
        rows: step and metrics of that step.
        left_out: names of what is no number.
    """

    plain: dict[str, Number] = field(default_factory=dict)
    rows: list[tuple[Number, dict[str, Number]]] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)


class MetricsFile:
    """A file that a run is expected to write; made before it starts, so that what was there before is not taken for new.

    Args:
        path: the file.
        name: what messages call it.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._before = _stamp(path)

    def log(self, run: ActiveRun) -> list[str]:
        """Log into ``run`` what the file holds; return what its reader should know, a sentence each."""
        now = _stamp(self._path)
        if now is None:
            return [f"The metrics file {self._name} was not written."]
        if now == self._before:
            return [f"The metrics file {self._name} is from before this run, which did not write it: it is left out."]
        try:
            table = parse_metrics(self._path.read_bytes(), self._name)
            for step, values in table.rows:
                run.log_metrics(values, step)
            if table.plain:
                run.log_metrics(table.plain)
        except OSError as error:
            return [f"The metrics file {self._name} cannot be read: {error.strerror}."]
        except GTrackError as error:
            return [str(error)]
        if table.left_out:
            return [f"{self._name}: no numbers, and so no metrics: {', '.join(table.left_out)}."]
        return []


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def parse_metrics(data: bytes, name: str) -> MetricsTable:
    """Return the metrics of a file.

    JSON and YAML: a mapping of names to numbers, which may nest (``val: {loss: 1}`` is ``val.loss``); to lists of
    numbers, one per step; or a list of mappings, one per step. CSV and TSV: a header, then a row per step. The step is a
    column ``step``, ``iteration`` or ``epoch``, else the number of the row from 0.

    Args:
        data: the bytes of the file, UTF-8.
        name: its name, whose ending tells the format: ``.json``, ``.csv``, ``.tsv``, else YAML.

    Raises:
        FormatError: it is not what its ending says.
    """
    what = f"The metrics file {name}"
    ending = Path(name).suffix.lower()
    if ending in {".csv", ".tsv"}:
        return _table_of_rows(list(_csv_rows(data, what, "\t" if ending == ".tsv" else ",")))
    found = _json(data, what) if ending == ".json" else loads(data, what)
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return _table_of_rows([dict(flatten(row)) for row in found if isinstance(row, dict)])
    if not isinstance(found, dict):
        raise FormatError(f"{what} holds no mapping of names to numbers, and no list of such.")
    return _table_of_mapping(dict(flatten(found)))


def _json(data: bytes, what: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} is not valid JSON: {error}.") from error


def _csv_rows(data: bytes, what: str, delimiter: str) -> Iterator[dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
        for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            yield {
                (name or "").strip(): _cell(value.strip())
                for name, value in row.items()
                if isinstance(value, str) and value.strip()
            }
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{what} is not valid CSV: {error}.") from error


def _cell(text: str) -> Number | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _table_of_mapping(found: Mapping[str, Any]) -> MetricsTable:
    table = MetricsTable()
    columns: dict[str, Sequence[Any]] = {}
    for name, value in found.items():
        if _is_number(value):
            table.plain[name] = value
        elif isinstance(value, list) and value and all(_is_number(item) for item in value):
            columns[name] = value
        else:
            table.left_out[name] = None
    length = max((len(values) for values in columns.values()), default=0)
    rows = [{name: values[at] for name, values in columns.items() if at < len(values)} for at in range(length)]
    _add_rows(table, rows)
    return table


def _table_of_rows(rows: Sequence[Mapping[str, Any]]) -> MetricsTable:
    table = MetricsTable()
    _add_rows(table, rows)
    return table


def _add_rows(table: MetricsTable, rows: Sequence[Mapping[str, Any]]) -> None:
    names = {name.lower(): name for row in rows for name in row}
    axis = next((names[step] for step in reversed(STEPS) if step in names), None)
    for at, row in enumerate(rows):
        given = row.get(axis) if axis is not None else at
        step: Number = given if isinstance(given, (int, float)) and _is_number(given) else at
        values: dict[str, Number] = {}
        for name, value in row.items():
            if name == axis or value is None:
                continue
            if _is_number(value):
                values[f"{name}_value" if name in RESERVED else name] = value
            else:
                table.left_out[name] = None
        if values:
            table.rows.append((step, values))
