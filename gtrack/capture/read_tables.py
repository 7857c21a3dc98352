"""Bytes to tables: what ``log_table`` wrote, and what MLflow's wrote, as DataFrames."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gtrack.errors import FormatError, InvalidValue

if TYPE_CHECKING:
    import pandas as pd


def table_from_bytes(data: bytes, path: str) -> pd.DataFrame:
    """Return the table in ``data``, by the suffix of ``path``: ``.csv``, ``.tsv``, ``.json`` or ``.parquet``.

    JSON is a list of one object per row, or what pandas calls ``split``, as MLflow writes it. Numbers are read with all
    their digits; empty fields are missing values.

    Raises:
        InvalidValue: another suffix.
        FormatError: it is no such table.
    """
    read = _READERS.get(PurePosixPath(path).suffix.lower())
    if read is None:
        raise InvalidValue(f"{path!r} cannot be read as a table: its name must end in {', '.join(_READERS)}.")
    try:
        found: pd.DataFrame = read(data)
        return found
    except (ValueError, KeyError, TypeError, ImportError) as error:
        raise FormatError(f"{path} cannot be read as a table: {error}.") from error


def _delimited(separator: str) -> Callable[[bytes], pd.DataFrame]:
    def read(data: bytes) -> pd.DataFrame:
        import pandas as pd

        if not data.strip():
            return pd.DataFrame()
        version = tuple(int(part) for part in pd.__version__.split(".")[:2])
        # From 3.1 on pandas reads all digits by itself, and warns of being asked to.
        exactly: dict[str, Any] = {"float_precision": "round_trip"} if version < (3, 1) else {}
        found: pd.DataFrame = pd.read_csv(io.BytesIO(data), sep=separator, **exactly)
        return found

    return read


def _json(data: bytes) -> pd.DataFrame:
    import pandas as pd

    found: Any = json.loads(data)
    if isinstance(found, dict) and {"columns", "data"} <= found.keys():
        return pd.DataFrame(found["data"], columns=found["columns"])
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        return pd.DataFrame(found)
    raise ValueError("it is no list of rows")


def _parquet(data: bytes) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(data))


_READERS: dict[str, Callable[[bytes], Any]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".json": _json,
    ".parquet": _parquet,
}
