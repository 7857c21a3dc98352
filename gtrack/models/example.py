"""Input examples: kept beside the model in the form that MLflow reads, for people and for those who serve it."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.mlmodel import inside

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "input_example.json"
SERVING = "serving_input_example.json"
MOST_ROWS = 100
"""Rows of an example that are kept: it shows what goes in, and is no data set."""
_MOST_BYTES = 64 * 1024 * 1024


def first_rows(data: Any, count: int) -> Any:
    """Return the first rows of data of any kind that can be an example."""
    if isinstance(data, dict):
        return {name: first_rows(values, count) for name, values in data.items()}
    if hasattr(data, "iloc"):
        return data.iloc[:count]
    if isinstance(data, (list, tuple)) or getattr(data, "shape", None):
        return data[:count]
    return data


def write_example(directory: Path, data: Any) -> dict[str, Any]:
    """Write an input example, its first rows when there are many.

    Args:
        directory: the model's.
        data: DataFrame, array, CSR or CSC matrix, mapping, list or scalar.

    Returns:
        What ``MLmodel`` says of it.

    Raises:
        InvalidValue: it cannot be written.
    """
    held, serving, about = _encode(first_rows(data, MOST_ROWS))
    try:
        text = json.dumps(held, default=_plain)
        for_serving = json.dumps(serving, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"The input example cannot be written as JSON: {error}.") from error
    (directory / EXAMPLE).write_text(text, encoding="utf-8")
    (directory / SERVING).write_text(for_serving, encoding="utf-8")
    return {"artifact_path": EXAMPLE, "serving_input_path": SERVING, **about}


def _encode(data: Any) -> tuple[Any, Any, dict[str, str]]:
    import numpy as np
    import pandas as pd

    held: Any
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if isinstance(data, pd.DataFrame):
        split = _split(data)
        orient = "split" if "columns" in split else "values"
        held = split if orient == "split" else split["data"]
        return held, {"dataframe_split": split}, {"type": "dataframe", "pandas_orient": orient}
    if isinstance(data, np.ndarray):
        held = _listed(data)
        return held, {"inputs": held}, {"type": "ndarray"}
    if hasattr(data, "tocsr"):
        kind = "csc" if getattr(data, "format", "") == "csc" else "csr"
        matrix: Any = data if kind == "csc" else data.tocsr()
        parts = {name: _listed(getattr(matrix, name)) for name in ("data", "indices", "indptr")}
        about = {"type": f"sparse_matrix_{kind}"}
        return {**parts, "shape": list(matrix.shape)}, {"inputs": matrix.toarray().tolist()}, about
    if isinstance(data, dict) and data and all(isinstance(value, np.ndarray) for value in data.values()):
        held = {str(name): _listed(value) for name, value in data.items()}
        return held, {"inputs": held}, {"type": "ndarray"}
    if isinstance(data, (dict, list, tuple, str, int, float, bool, datetime)) or np.isscalar(data):
        return data, {"inputs": data}, {"type": "json_object"}
    raise InvalidValue(
        f"An input example is a DataFrame, an array, a sparse matrix, a mapping or a list, not {type(data).__name__}."
    )


def _split(frame: pd.DataFrame) -> dict[str, Any]:
    import pandas as pd

    rows = frame.astype(object).where(frame.notna(), None).to_numpy(dtype=object).tolist()
    if frame.columns.equals(pd.RangeIndex(frame.shape[1])):
        return {"data": rows}
    return {"columns": [str(name) for name in frame.columns], "data": rows}


def _listed(array: Any) -> Any:
    import numpy as np

    if array.dtype.kind == "f" and np.isnan(array).any():  # JSON has no NaN
        array = np.where(np.isnan(array), None, array.astype(object))
    return array.tolist()


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.encodebytes(value).decode("ascii")
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def read_example(directory: Path, about: Any) -> Any:
    """Return the input example of a model, None when it has none.

    Args:
        directory: the model's.
        about: what ``MLmodel`` says of it.

    Raises:
        FormatError: it is damaged.
    """
    if not isinstance(about, dict) or "artifact_path" not in about:
        return None
    try:
        return _decode(
            json.loads(_limited(inside(directory, about["artifact_path"], "input example"))), str(about.get("type"))
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"The input example of {directory} cannot be read: {error}.") from error


def _limited(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{size} bytes are more than the {_MOST_BYTES} that are read")
    return path.read_bytes()


def _decode(held: Any, kind: str) -> Any:
    import numpy as np
    import pandas as pd

    if kind == "dataframe":
        return pd.DataFrame(held["data"], columns=held["columns"]) if isinstance(held, dict) else pd.DataFrame(held)
    if kind == "ndarray":
        return {name: np.array(value) for name, value in held.items()} if isinstance(held, dict) else np.array(held)
    if kind.startswith("sparse_matrix_"):
        import scipy.sparse

        make = scipy.sparse.csc_matrix if kind.endswith("csc") else scipy.sparse.csr_matrix
        return make((held["data"], held["indices"], held["indptr"]), shape=held["shape"])
    return held
