"""Hold what a model is asked about against its signature: one clear message instead of whatever the library would say.

Columns are put into the signature's order, those that it does not have are left out, and types are changed where no value
changes by it. Categories are left as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gtrack.errors import InvalidValue, nearest
from gtrack.models.schema import NUMPY_TYPES, Column, Schema, Tensor, as_array, is_tensors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_SHOWN = 10


def enforced(schema: Schema, data: Any) -> Any:
    """Return ``data`` as a model of this signature takes it.

    Args:
        schema: columns or tensors; nothing is held against an empty one.
        data: DataFrame, Series, array, sparse matrix, mapping, list or scalar.

    Returns:
        A DataFrame for columns with names; for tensors an array, a sparse matrix, or a mapping of arrays.

    Raises:
        InvalidValue: it does not fit; the message names what is missing or of another type.
    """
    if not schema:
        return unstated(data)
    if is_tensors(schema):
        return _tensors(cast("tuple[Tensor, ...]", schema), data)
    return _columns(cast("tuple[Column, ...]", schema), data)


def unstated(data: Any) -> Any:
    """Return ``data`` for a model that does not say what it takes: plain Python becomes a frame or an array."""
    import numpy as np
    import pandas as pd

    if isinstance(data, dict):
        return pd.DataFrame(data) if all(isinstance(value, (list, tuple)) for value in data.values()) else data
    if isinstance(data, (list, tuple)) and data:
        if isinstance(data[0], dict):
            return pd.DataFrame(list(data))
        return np.asarray(data)
    return data


def _columns(schema: tuple[Column, ...], data: Any) -> Any:
    import pandas as pd

    frame = _frame(schema, data)
    if all(column.name is None for column in schema):
        if frame.shape[1] != len(schema):
            raise InvalidValue(f"The model takes {len(schema)} columns, and was given {frame.shape[1]}.")
        named = [Column(one.type, str(at), one.required) for at, one in enumerate(schema)]
        return pd.concat([_column(frame.iloc[:, at], one) for at, one in enumerate(named)], axis=1)
    known = {str(name): at for at, name in enumerate(frame.columns)}
    missing = [column.name for column in schema if column.required and column.name not in known]
    if missing:
        raise InvalidValue(
            _missing([str(name) for name in missing], list(known), {str(column.name) for column in schema})
        )
    wanted = [column for column in schema if column.name in known]
    parts = {str(column.name): _column(frame.iloc[:, known[str(column.name)]], column) for column in wanted}
    if list(parts) == list(frame.columns) and all(
        part.dtype == frame.dtypes.iloc[at] for at, part in enumerate(parts.values())
    ):
        return frame
    return pd.DataFrame(parts, index=frame.index)


def _frame(schema: tuple[Column, ...], data: Any) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    names = [column.name if column.name is not None else at for at, column in enumerate(schema)]
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, pd.Series):
        return data.to_frame(names[0] if len(names) == 1 else None)
    if isinstance(data, dict):
        if not data or not all(isinstance(value, (list, tuple, np.ndarray, pd.Series)) for value in data.values()):
            return pd.DataFrame([data])
        try:
            return pd.DataFrame({name: list(values) for name, values in data.items()})
        except ValueError as error:
            raise InvalidValue(f"The columns that the model was given are no table: {error}.") from error
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], dict):
        return pd.DataFrame(list(data))
    array = np.asarray(data.toarray() if hasattr(data, "toarray") else data)
    array = array.reshape(-1, 1) if array.ndim <= 1 and len(names) == 1 else np.atleast_2d(array)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise InvalidValue(
            f"The model takes the {len(names)} columns {_listed([str(name) for name in names])}, and was given an array of the "
            f"shape {'×'.join(map(str, array.shape))}."
        )
    return pd.DataFrame(array, columns=pd.Index(names))


def _missing(missing: list[str], given: list[str], wanted: set[str]) -> str:
    one = len(missing) == 1
    hint = nearest(missing[0], [name for name in given if name not in wanted]) if one else ""
    return (
        f"The model needs the column{'' if one else 's'} {_listed(missing)}, which {'is' if one else 'are'} missing.{hint} "
        f"It was given: {_listed(given) if given else 'no columns'}."
    )


def _listed(names: list[str]) -> str:
    more = f" … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


def _column(series: pd.Series[Any], column: Column) -> pd.Series[Any]:
    import pandas as pd

    dtype: Any = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return series
    if column.type in NUMPY_TYPES:
        return _numbers(series, column)
    if column.type == "string":
        kind = pd.api.types.infer_dtype(series, skipna=True)
        if kind not in {"string", "empty"}:
            raise InvalidValue(f"The column {column.name!r} is to hold text, and holds {kind}.")
    if column.type == "datetime" and dtype.kind != "M":
        try:
            return pd.to_datetime(series)
        except (ValueError, TypeError) as error:
            raise InvalidValue(f"The column {column.name!r} is to hold times, and does not: {error}.") from error
    return series


def _numbers(series: pd.Series[Any], column: Column) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    wanted = np.dtype(NUMPY_TYPES[column.type])
    dtype: Any = series.dtype
    if dtype == wanted:
        return series
    if dtype.kind not in "biuf":
        if dtype.kind != "O" or pd.api.types.infer_dtype(series, skipna=True) == "string":
            raise _wrong(column, f"{dtype.name} such as {_first(series)!r}")
        try:
            series = pd.to_numeric(series)
        except (ValueError, TypeError) as error:
            raise _wrong(column, f"{_first(series)!r}") from error
    if (series.dtype.kind == "b") != (wanted.kind == "b"):
        raise _wrong(column, str(series.dtype))
    if series.isna().any():
        if wanted.kind != "f":
            raise _wrong(column, "missing values")
        return series.astype("float64").astype(wanted)  # also from a type with pandas' own missing values
    with np.errstate(invalid="ignore"):
        changed = series.astype(wanted)
        back = changed.astype(series.dtype)
    if wanted.kind == "f" and series.dtype.kind == "f":
        return changed  # fewer digits, as in float32, are what the model asks for
    differs = (back.to_numpy() != series.to_numpy()).nonzero()[0]
    if len(differs):
        raise _wrong(column, f"{series.iloc[int(differs[0])]!r} in row {int(differs[0])}")
    return changed


def _wrong(column: Column, found: str) -> InvalidValue:
    return InvalidValue(
        f"The column {column.name!r} is to hold {_WORDS[column.type]} ({column.type}), and holds {found}."
    )


_WORDS = {
    "boolean": "true or false",
    "integer": "whole numbers",
    "long": "whole numbers",
    "float": "numbers",
    "double": "numbers",
}


def _first(series: pd.Series[Any]) -> Any:
    present = series.dropna()
    return present.iloc[0] if len(present) else None


def _tensors(schema: tuple[Tensor, ...], data: Any) -> Any:
    import pandas as pd

    if len(schema) == 1 and not (schema[0].name is not None and isinstance(data, (dict, pd.DataFrame))):
        values = data.to_numpy() if isinstance(data, (pd.DataFrame, pd.Series)) else data
        return _tensor(values, schema[0])
    names = [str(tensor.name) for tensor in schema]
    if not isinstance(data, (dict, pd.DataFrame)):
        raise InvalidValue(f"The model takes a mapping of arrays, {_listed(names)}, not {type(data).__name__}.")
    missing = [name for name in names if name not in data]
    if missing:
        raise InvalidValue(_missing(missing, [str(name) for name in data], set(names)))
    return {tensor.name: _tensor(as_array(data[tensor.name]), tensor) for tensor in schema}


def _tensor(data: Any, tensor: Tensor) -> Any:
    import numpy as np

    array: Any = data if hasattr(data, "tocsr") else as_array(data)
    fits = len(array.shape) == len(tensor.shape) and all(
        want in {-1, have} for want, have in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        shapes = ["×".join("n" if size == -1 else str(size) for size in shape) for shape in (tensor.shape, array.shape)]
        raise InvalidValue(f"The model takes an array of the shape {shapes[0]}, and was given one of {shapes[1]}.")
    if tensor.dtype in {"str", "bytes", "object"}:
        return array
    try:
        wanted = np.dtype(tensor.dtype)
    except TypeError as error:
        raise InvalidValue(
            f"The model's signature names the type {tensor.dtype!r}, which numpy does not know."
        ) from error
    if array.dtype == wanted:
        return array
    if np.can_cast(array.dtype, wanted, "same_kind") or _is_whole(array, wanted):
        return array.astype(wanted)
    raise InvalidValue(f"The model takes an array of {wanted.name}, and was given one of {array.dtype.name}.")


def _is_whole(array: Any, wanted: np.dtype[Any]) -> bool:
    """Tell whether an array of objects or floats holds nothing but numbers of the type that is wanted."""
    if wanted.kind not in "iuf" or array.dtype.kind not in "Of":
        return False
    try:
        return bool((array.astype(wanted) == array).all())
    except (TypeError, ValueError):
        return False
