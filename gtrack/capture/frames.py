"""Digests of pandas frames."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from gtrack.capture.arrays import encode_value, is_plain, plain_bytes
from gtrack.capture.digest import Digest
from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def digest_frame(frame: pd.DataFrame) -> Digest:
    """Digest a frame by what it holds, so that the digest is the same in every process and with every pandas.

    The recipe ``gtrack-frame-1``: the number of rows and columns; then each column: a header with its name, its kind
    and what the kind needs, a bit mask of the missing values when there are any, and the values:

    - numbers and booleans: little-endian bytes, missing ones as 0; ``Int64`` and ``int64`` are the same kind, and so
      are NaN and ``pd.NA``;
    - times and differences of times: whole seconds and the nanoseconds beyond, both as 8-byte integers, which does not
      depend on the unit; with a time zone in UTC, and the zone in the header;
    - text: the lengths in code points as 8-byte integers, then all of it in UTF-8: ``object``, ``string`` and ``str``
      columns of text are the same kind;
    - categories: the codes as 8-byte integers, then the categories as a column;
    - anything else: one line per value as ``arrays.encode_value`` writes it.

    The index counts as a column when it is data: when it has a name or is not made of integers.

    Raises:
        InvalidValue: a column holds objects that have no content.
    """
    digest = Digest(f"gtrack-frame-1 {frame.shape[0]} {frame.shape[1]}")
    for level in range(frame.index.nlevels):
        values = frame.index.get_level_values(level)
        if frame.index.nlevels > 1 or values.name is not None or values.dtype.kind not in "iu":
            _add_column(digest, "index", values.name, values.to_series())
    for position, name in enumerate(frame.columns):
        _add_column(digest, "column", name, frame.iloc[:, position])
    return digest


def _add_column(digest: Digest, role: str, name: object, column: pd.Series[Any]) -> None:
    digest.header(f"{role} {encode_value(name)}")
    try:
        _add_values(digest, column)
    except InvalidValue as error:
        raise InvalidValue(f"{role.capitalize()} {name!r}: {error}") from error


def _add_values(digest: Digest, column: pd.Series[Any]) -> None:
    import pandas as pd

    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        digest.header(f"category {'ordered' if dtype.ordered else 'unordered'} {len(dtype.categories)}")
        digest.add(column.cat.codes.to_numpy().astype("<i8").data)
        _add_values(digest, dtype.categories.to_series())
    elif isinstance(dtype, pd.DatetimeTZDtype):
        digest.header(f"zone {dtype.tz}")
        _add_times(digest, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    elif dtype.kind in "mM" and getattr(dtype, "numpy_dtype", dtype).kind in "mM":  # numpy's own, or Arrow's
        _add_times(digest, column.astype(getattr(dtype, "numpy_dtype", dtype)).to_numpy())
    elif dtype.kind in "biufc":
        _add_numbers(digest, column)
    else:
        _add_objects(digest, column)


def _add_numbers(digest: Digest, column: pd.Series[Any]) -> None:
    import numpy as np

    dtype: Any = column.dtype
    plain: np.dtype[Any] = np.dtype(getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)))
    if not is_plain(plain):
        _add_objects(digest, column)
        return
    missing = column.isna().to_numpy(dtype=bool)
    values: np.ndarray[Any, Any]
    if isinstance(dtype, np.dtype):
        values = column.to_numpy()
        if missing.any():
            values = np.where(missing, values.dtype.type(0), values)
    else:
        values = column.to_numpy(dtype=plain, na_value=plain.type(0))
    digest.header(plain.newbyteorder("<").str)
    _add_missing(digest, missing)
    digest.add(plain_bytes(values).data)


def _add_missing(digest: Digest, missing: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    import numpy as np

    if missing.any():
        digest.header("missing")
        digest.add(np.packbits(missing).data)
    digest.header("values")


def _add_times(digest: Digest, times: np.ndarray[Any, Any]) -> None:
    import numpy as np

    kind = times.dtype.kind
    missing = np.isnat(times)
    digest.header("datetime64" if kind == "M" else "timedelta64")
    _add_missing(digest, missing)
    seconds = times.astype(f"{kind}8[s]")  # numpy rounds down, before 1970 too
    beyond = (times - seconds).astype("m8[ns]")
    digest.add(np.where(missing, 0, seconds.astype("<i8")).data)
    digest.add(np.where(missing, 0, beyond.astype("<i8")).data)


def _add_objects(digest: Digest, column: pd.Series[Any]) -> None:
    import numpy as np
    import pandas as pd

    missing = column.isna().to_numpy(dtype=bool)
    values = column.to_numpy(dtype=object)[~missing].tolist()
    if pd.api.types.infer_dtype(values, skipna=False) in {"string", "empty"}:
        digest.header("text")
        _add_missing(digest, missing)
        digest.add(np.fromiter(map(len, values), dtype="<i8", count=len(values)).data)
        digest.text("".join(values))
        return
    digest.header("objects")
    _add_missing(digest, missing)
    digest.text("".join(chain.from_iterable((encode_value(value), "\n") for value in values)))
