"""Schemas of what goes into a model and comes out: columns or tensors, in the JSON that MLflow's signatures hold.

The JSON is a list: ``{"type": "double", "name": "age", "required": true}`` for a column, ``{"type": "tensor", "tensor-spec":
{"dtype": "float64", "shape": [-1, 30]}}`` for a tensor, where -1 is any length.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from gtrack.errors import FormatError, InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NUMPY_TYPES = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
"""The column types that are plain numbers, and the dtype of each."""
_OTHER_TYPES = frozenset({"string", "binary", "datetime"})


@dataclass(frozen=True)
class Column:
    """A column: ``type`` is MLflow's name of its type; ``nested`` what the JSON of a type that is no plain name holds beside."""

    type: str
    name: str | None = None
    required: bool = True
    nested: tuple[tuple[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the JSON list."""
        named = {} if self.name is None else {"name": self.name}
        return {"type": self.type, **dict(self.nested), **named, "required": self.required}


@dataclass(frozen=True)
class Tensor:
    """A tensor: numpy's name of its dtype without a size, and its shape."""

    dtype: str
    shape: tuple[int, ...]
    name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the JSON list."""
        named = {} if self.name is None else {"name": self.name}
        return {**named, "type": "tensor", "tensor-spec": {"dtype": self.dtype, "shape": list(self.shape)}}


Schema: TypeAlias = tuple[Column, ...] | tuple[Tensor, ...]


def is_tensors(schema: Schema) -> bool:
    """Tell whether a schema is one of tensors."""
    return bool(schema) and isinstance(schema[0], Tensor)


def schema_to_json(schema: Schema) -> str:
    """Return the JSON text of a schema."""
    return json.dumps([spec.to_json() for spec in schema])


def schema_from_json(text: object, what: str) -> Schema:
    """Return the schema that a JSON text spells.

    Raises:
        FormatError: it is none.
    """
    try:
        entries: Any = json.loads(text) if isinstance(text, (str, bytes)) else text
        specs = [_spec(entry) for entry in entries]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FormatError(f"{what} is no list of columns or tensors: {error!r}.") from error
    columns = tuple(spec for spec in specs if isinstance(spec, Column))
    tensors = tuple(spec for spec in specs if isinstance(spec, Tensor))
    if columns and tensors:
        raise FormatError(f"{what} mixes columns and tensors.")
    return columns or tensors


def _spec(entry: dict[str, Any]) -> Column | Tensor:
    name, kind = entry.get("name"), entry["type"]
    if (name is not None and not isinstance(name, str)) or not isinstance(kind, str):
        raise TypeError(f"the name {name!r} and the type {kind!r} are not both text")
    if kind == "tensor":
        inner = entry["tensor-spec"]
        return Tensor(str(inner["dtype"]), tuple(int(size) for size in inner["shape"]), name)
    nested = tuple((key, value) for key, value in entry.items() if key not in {"type", "name", "required", "optional"})
    return Column(kind, name, bool(entry.get("required", not entry.get("optional", False))), nested)


def schema_of(data: Any, what: str) -> Schema:
    """Return the schema of data: columns for frames and plain Python, tensors for arrays.

    Args:
        data: DataFrame, Series, ndarray, sparse matrix, mapping of arrays or of columns, list of records, list or scalar.
        what: what it is, for the message.

    Raises:
        InvalidValue: it is of another kind, or a column's type has no name here.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return tuple(_column(data.iloc[:, at], str(name)) for at, name in enumerate(data.columns))
    if isinstance(data, pd.Series):
        return (_column(data, None if data.name is None else str(data.name)),)
    if hasattr(data, "shape") and hasattr(data, "dtype") and len(data.shape):
        return (_tensor(data if hasattr(data, "tocsr") else as_array(data), None),)
    if isinstance(data, dict) and data:
        return _mapping_schema(data)
    if isinstance(data, (list, tuple)) and data:
        return _list_schema(list(data))
    if isinstance(data, (str, bytes, int, float, bool)) or hasattr(data, "dtype"):
        return (_column(pd.Series([data]), None),)
    raise InvalidValue(
        f"{what} is a DataFrame, an array, a sparse matrix, a mapping or a list with something in it, "
        f"not {type(data).__name__}."
    )


def _mapping_schema(data: dict[Any, Any]) -> Schema:
    import numpy as np
    import pandas as pd

    if all(isinstance(value, np.ndarray) for value in data.values()):
        return tuple(_tensor(value, str(name)) for name, value in data.items())
    columns = {str(name): list(v) if isinstance(v, (list, tuple, np.ndarray)) else [v] for name, v in data.items()}
    return tuple(_column(pd.Series(values), name) for name, values in columns.items())


def _list_schema(data: list[Any]) -> Schema:
    import numpy as np
    import pandas as pd

    if isinstance(data[0], dict):
        frame = pd.DataFrame(data)
        return tuple(_column(frame.iloc[:, at], str(name)) for at, name in enumerate(frame.columns))
    if isinstance(data[0], (list, tuple, np.ndarray)):
        return (_tensor(np.asarray(data), None),)
    return (_column(pd.Series(data), None),)


def as_array(data: Any) -> np.ndarray[Any, Any]:
    """Return data as an array; a tensor of PyTorch comes from its device and loses its gradient."""
    import numpy as np

    return np.asarray(data.detach().cpu() if hasattr(data, "detach") else data)


def _tensor(array: Any, name: str | None) -> Tensor:
    kind = array.dtype.kind
    dtype = {"U": "str", "S": "bytes"}.get(kind) or str(array.dtype.name)
    return Tensor(dtype, (-1, *array.shape[1:]), name)


def _column(column: pd.Series[Any], name: str | None) -> Column:
    import pandas as pd

    dtype: Any = column.dtype
    missing = bool(column.isna().any())
    if isinstance(dtype, pd.CategoricalDtype):
        return Column(_type(dtype.categories.to_series(), name), name, not missing)
    kind = _type(column, name)
    # NaN is a float like another; in anything else a missing value means that the column may be missing.
    return Column(kind, name, required=kind in {"float", "double"} or not missing)


def _type(column: pd.Series[Any], name: str | None) -> str:
    import pandas as pd

    dtype: Any = column.dtype
    kind, size = dtype.kind, getattr(dtype, "itemsize", 8)
    if kind == "b":
        return "boolean"
    if kind in "iu":
        return "integer" if size < 4 or (kind == "i" and size == 4) else "long"
    if kind == "f":
        return "float" if size <= 4 else "double"
    if kind == "M":
        return "datetime"
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    found = _INFERRED.get(inferred)
    if found is None:
        raise InvalidValue(
            f"The column {name!r} holds values of the kind {inferred!r}, which a signature has no type for. "
            "Convert it, or give the signature yourself."
        )
    return found


_INFERRED = {
    "string": "string",
    "empty": "string",
    "bytes": "binary",
    "boolean": "boolean",
    "integer": "long",
    "floating": "double",
    "mixed-integer-float": "double",
    "datetime": "datetime",
    "datetime64": "datetime",
    "date": "datetime",
}
