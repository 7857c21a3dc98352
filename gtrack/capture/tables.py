"""Tables to bytes: a DataFrame, a mapping of columns or a list of rows as CSV, TSV, JSON or parquet."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

from gtrack.errors import InvalidValue
from gtrack.records import Value

if TYPE_CHECKING:
    import pandas as pd

Columns: TypeAlias = dict[str, list[Any]]

_PLAIN_MODULES = frozenset({"datetime", "decimal", "fractions", "ipaddress", "numpy", "pandas", "pathlib", "uuid"})


def table_to_bytes(data: object, path: str) -> bytes:
    """Return ``data`` in the format that the suffix of ``path`` names.

    Floats are written with all their digits and read back as they were. A missing value (None, NaN, NaT, ``pd.NA``) is
    an empty field in CSV and ``null`` in JSON; JSON has no infinities, so they are the texts ``"Infinity"`` and
    ``"-Infinity"``. JSON is a list of one object per row. The index of a frame is kept when it is data: when it has a
    name or is not made of integers.

    Args:
        data: a pandas DataFrame or Series, a mapping of column names to sequences of one length, or a list of mappings,
            one per row, which need not all have the same keys.
        path: what the artifact is called: ``….csv``, ``….tsv``, ``….json`` or, where pyarrow is installed,
            ``….parquet``.

    Raises:
        InvalidValue: it is no table, its columns differ in length, a value cannot be written, or the suffix is another.
    """
    encode = _ENCODERS.get(PurePosixPath(path).suffix.lower())
    if encode is None:
        raise InvalidValue(f"A table cannot be written as {path!r}: the name must end in {', '.join(_ENCODERS)}.")
    return encode(_columns_of(data), path)


def _columns_of(data: object) -> Columns:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.Series):
        data = data.to_frame()
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _frame_columns(data)
    if isinstance(data, Mapping):
        return _mapping_columns(data)
    if isinstance(data, (list, tuple)) and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        return _named((name, [row.get(name) for row in data]) for name in names)
    raise InvalidValue(
        f"{type(data).__name__} is no table: give a DataFrame, a mapping of column names to lists, or a list of mappings."
    )


def _frame_columns(frame: pd.DataFrame) -> Columns:
    index = frame.index
    data_in_index = index.nlevels > 1 or index.name is not None or index.dtype.kind not in "iu"
    # list() keeps pandas' own Timestamp and NA, which say more than what numpy would make of them.
    columns: list[tuple[object, list[Any]]] = [
        (name, list(frame.iloc[:, position])) for position, name in enumerate(frame.columns)
    ]
    if data_in_index:
        unnamed = ["index"] if index.nlevels == 1 else [f"level_{level}" for level in range(index.nlevels)]
        names = [name if name is not None else unnamed[level] for level, name in enumerate(index.names)]
        columns = [(name, list(index.get_level_values(level))) for level, name in enumerate(names)] + columns
    return _named(columns)


def _mapping_columns(data: Mapping[Any, Any]) -> Columns:
    columns = []
    for name, values in data.items():
        if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
            kind = type(values).__name__
            raise InvalidValue(f"Column {name!r} is one {kind}: a table needs a list of values in each column.")
        columns.append((name, list(values)))
    lengths = {name: len(values) for name, values in columns}
    if len(set(lengths.values())) > 1:
        raise InvalidValue(f"The columns of a table must have one length, and these have {lengths}.")
    return _named(columns)


def _named(columns: Iterable[tuple[object, list[Any]]]) -> Columns:
    named: Columns = {}
    for name, values in columns:
        text = "_".join(map(str, name)) if isinstance(name, tuple) else str(name)
        if text in named:
            raise InvalidValue(f"The table has two columns that are both called {text!r}.")
        named[text] = values
    return named


def _delimited(delimiter: str) -> Callable[[Columns, str], bytes]:
    def encode(columns: Columns, path: str) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        cells = [[_cell(value, name, path) for value in values] for name, values in columns.items()]
        writer.writerows(zip(*cells, strict=True))
        return out.getvalue().encode("utf-8", "replace")

    return encode


def _cell(value: object, name: str, path: str) -> object:
    plain = _plain(value, name, path)
    if isinstance(plain, (list, dict)):
        return json.dumps(plain, ensure_ascii=False)
    return "" if plain is None else plain


def _json(columns: Columns, path: str) -> bytes:
    plain = {name: [_finite(_plain(value, name, path)) for value in values] for name, values in columns.items()}
    rows = (
        json.dumps(dict(zip(plain, row, strict=True)), ensure_ascii=False) for row in zip(*plain.values(), strict=True)
    )
    text = ",\n".join(rows)
    return f"[\n{text}\n]\n".encode("utf-8", "replace") if text else b"[]\n"


def _finite(value: Value) -> Value:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _parquet(columns: Columns, path: str) -> bytes:
    if find_spec("pyarrow") is None:
        raise InvalidValue(f"{path!r} needs pyarrow, which is not installed: 'pip install pyarrow', or name it ….csv.")
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    out = io.BytesIO()
    try:
        table = pyarrow.table({name: pyarrow.array(values, from_pandas=True) for name, values in columns.items()})
        parquet.write_table(table, out)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise InvalidValue(f"The table cannot be written as {path!r}: {error}") from error
    return out.getvalue()


def _plain(value: object, name: str, path: str) -> Value:
    """Return what JSON knows for one value; a missing one is None."""
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, name, path) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item, name, path) for key, item in value.items()}
    return _foreign(value, name, path)


def _foreign(value: object, name: str, path: str) -> Value:
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, (date, time)):
        return value.isoformat()
    as_plain = getattr(value, "tolist", None)
    plain = as_plain() if callable(as_plain) else value
    if type(plain) is not type(value):
        return _plain(plain, name, path)
    if type(value).__module__.partition(".")[0] in _PLAIN_MODULES:
        return str(value)
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise InvalidValue(
        f"Column {name!r} of {path!r} holds a {kind}, which cannot be written: make it text or a number."
    )


_ENCODERS: dict[str, Callable[[Columns, str], bytes]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".json": _json,
    ".parquet": _parquet,
}
