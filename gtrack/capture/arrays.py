"""Digests of numpy arrays, scipy sparse matrices and nested lists."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gtrack.capture.digest import Digest
from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

_CHUNK_BYTES = 1 << 23
_PLAIN_MODULES = frozenset({"datetime", "decimal", "fractions", "ipaddress", "numpy", "pandas", "pathlib", "uuid"})


def digest_array(array: np.ndarray[Any, Any]) -> Digest:
    """Digest an array by its element type, its shape and its elements in C order.

    The recipe ``gtrack-array-1``: a header line with the little-endian numpy type string and the shape, then the
    elements as little-endian bytes; every NaN is the same NaN, and a big-endian or Fortran-ordered array has the digest
    of its plain copy. Text, objects and the floats of more than 8 bytes, whose padding is undefined, have the letter of
    their kind in the header (``U``, ``O``, ``f``) and are written one element a line as ``encode_value`` does. A
    structured array is one array per field.

    Raises:
        InvalidValue: the array is masked, or holds objects that have no content.
    """
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        raise InvalidValue("A masked array has no single content to digest: log array.filled(…) or array.compressed().")
    digest = Digest("gtrack-array-1")
    _add_array(digest, np.asarray(array))
    return digest


def _add_array(digest: Digest, array: np.ndarray[Any, Any]) -> None:
    if array.dtype.names:
        digest.header(f"fields {json.dumps(array.dtype.names)} {array.shape}")
        for name in array.dtype.names:
            _add_array(digest, array[name])
        return
    plain = is_plain(array.dtype)
    kind = array.dtype.newbyteorder("<").str if plain else array.dtype.kind
    digest.header(f"{kind} {array.shape}")
    for chunk in _chunks(array):
        if plain:
            digest.add(plain_bytes(chunk).data)
        else:
            digest.text("".join(f"{encode_value(value)}\n" for value in chunk.reshape(-1).tolist()))


def _chunks(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield slices of a few megabytes, so that neither a memory map nor a transposed array is copied whole."""
    whole = array.reshape(1) if array.ndim == 0 else array
    row_bytes = max(1, whole.nbytes // max(1, len(whole)))
    rows = max(1, _CHUNK_BYTES // row_bytes)
    for start in range(0, len(whole), rows):
        yield whole[start : start + rows]


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Return whether the bytes of an element are its value: numbers and times; no text, objects or padded floats."""
    widest = {"f": 8, "c": 16}.get(dtype.kind, 8)
    return dtype.kind in "biufcmM" and dtype.itemsize <= widest


def plain_bytes(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the little-endian bytes of ``values``, an array of a plain type, in C order and with one kind of NaN."""
    import numpy as np

    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).reshape(-1)
    if values.dtype.kind == "c":
        values = values.view(f"<f{values.dtype.itemsize // 2}")
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, values.dtype.type(math.nan), values)
    return values.view(np.uint8)


def digest_sparse(matrix: Any) -> Digest:
    """Digest a scipy sparse matrix or array, whatever its format, by its non-zero structure in rows.

    The recipe ``gtrack-sparse-1``: the matrix as CSR with sorted indices and summed duplicates; a header with the
    shape, then ``indptr``, ``indices`` (as 8-byte integers) and the elements as three arrays of ``gtrack-array-1``.
    """
    import numpy as np

    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    digest = Digest(f"gtrack-sparse-1 {tuple(int(n) for n in matrix.shape)}")
    _add_array(digest, rows.indptr.astype(np.int64))
    _add_array(digest, rows.indices.astype(np.int64))
    _add_array(digest, rows.data)
    return digest


def digest_rows(rows: Sequence[object]) -> Digest:
    """Digest a list of rows (of lists, of dicts, of numbers).

    The recipe ``gtrack-rows-1``: every row as ``encode_value`` writes it, one a line; a tuple is a list.

    Raises:
        InvalidValue: a row holds objects that have no content.
    """
    digest = Digest("gtrack-rows-1")
    for row in rows:
        digest.text(f"{encode_value(row)}\n")
    return digest


def encode_value(value: object) -> str:
    """Return a text on one line that is the same in every process for the same value, and another for any other.

    JSON for what JSON knows, dicts in their own order; a numpy scalar is the plain number that it is; sets are sorted;
    bytes in hexadecimal; dates, decimals, paths and the like as ``type:text``.

    Raises:
        InvalidValue: an object whose text would be its address in memory.
    """
    if value is None or type(value) in {str, bool, int, float}:
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(encode_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{encode_value(key)}:{encode_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return f"set({','.join(sorted(map(encode_value, value)))})"
    if isinstance(value, (bytes, bytearray)):
        return f"bytes:{bytes(value).hex()}"
    if isinstance(value, complex) and type(value) is complex:
        return f"complex:{value!r}"
    return _encode_foreign(value)


def _encode_foreign(value: object) -> str:
    as_plain = getattr(value, "tolist", None)
    if callable(as_plain):
        plain = as_plain()
        if type(plain) is not type(value):
            return encode_value(plain)
    module = type(value).__module__.partition(".")[0]
    if module in _PLAIN_MODULES:
        return f"{type(value).__name__}:{json.dumps(str(value))}"
    raise InvalidValue(
        f"{type(value).__module__}.{type(value).__qualname__} objects have no content that gtrack can digest: "
        "turn them into numbers, text, lists or dicts, or log the file that they came from."
    )
