"""Versions of the data that goes into a run: a digest over the content, and its shape where that is cheap to know.

Equal digests mean that two runs saw the same data, whatever the machine and the process. The recipes are written down
where they are followed: ``digest_file`` and ``digest_directory`` here, ``arrays`` and ``frames`` beside. A recipe that
changes gets another name in its first line, as digests in old runs must stay comparable among themselves.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrack.capture.arrays import digest_array, digest_rows, digest_sparse
from gtrack.capture.delimited import DELIMITED, DelimitedShape
from gtrack.capture.digest import Digest
from gtrack.capture.environment import redact_url
from gtrack.capture.frames import digest_frame
from gtrack.errors import ArtifactError, InvalidValue
from gtrack.records import Input, Value

if TYPE_CHECKING:
    import pandas as pd

MAX_SCHEMA_COLUMNS = 1000
"""A wider table is recorded without its column names: every run would carry them."""

_BLOCK = 1 << 20


def describe(data: object, name: str | None = None, source: str | None = None) -> Input:
    """Return the version of ``data``: what it is called, its digest, and its shape.

    Nothing is imported to find out what ``data`` is: an object of pandas can only exist when pandas is loaded.

    Args:
        data: a path of a file or directory; a pandas DataFrame or Series; a numpy array or what numpy can see as one;
            a scipy sparse matrix; or a list of rows.
        name: what the run calls it; by default the name of the file or series, else the kind of the data.
        source: where it comes from, a path or URI; credentials are taken out of it. By default the path itself.

    Raises:
        ArtifactError: the path is missing, cannot be read, or is neither a file nor a directory.
        InvalidValue: an object that has no content to digest.
    """
    if isinstance(data, (str, os.PathLike)):
        return describe_path(os.fspath(data), name, source)
    source = redact_url(source) if source else None
    return _describe_object(data, name, source)


def _describe_object(data: Any, name: str | None, source: str | None) -> Input:
    pandas, numpy, sparse = (sys.modules.get(module) for module in ("pandas", "numpy", "scipy.sparse"))
    if pandas is not None and isinstance(data, pandas.Series):
        name = name or (str(data.name) if data.name is not None else None)
        data = data.to_frame()
    if pandas is not None and isinstance(data, pandas.Index):
        data = data.to_frame(index=False)
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _input(name, "dataframe", source, digest_frame(data), data.shape, _columns(data))
    if sparse is not None and sparse.issparse(data):
        schema: dict[str, Value] = {"dtype": str(data.dtype), "shape": list(data.shape), "format": "sparse"}
        return _input(name, "array", source, digest_sparse(data), data.shape, schema)
    if isinstance(data, (list, tuple)):
        return _input(name, "array", source, digest_rows(data), _shape(data), {"shape": [*_shape(data)]})
    if numpy is not None and (isinstance(data, numpy.ndarray) or hasattr(data, "__array__")):
        array = data if isinstance(data, numpy.ndarray) else numpy.asarray(data)
        schema = {"dtype": str(array.dtype), "shape": list(array.shape)}
        return _input(name, "array", source, digest_array(array), array.shape, schema)
    raise InvalidValue(
        f"gtrack cannot take the version of a {type(data).__module__}.{type(data).__qualname__}. It can of a path, a "
        "pandas DataFrame or Series, a numpy array, a scipy sparse matrix and a list of rows: log the file that the data "
        "came from."
    )


def _input(
    name: str | None, kind: str, source: str | None, digest: Digest, shape: tuple[int, ...], schema: dict[str, Value]
) -> Input:
    columns = None
    if len(shape) > 1:
        columns = 1
        for length in shape[1:]:
            columns *= int(length)
    rows = int(shape[0]) if shape else None
    return Input(name or kind, str(digest), kind, source, digest.size, rows, columns, schema)


def _columns(frame: pd.DataFrame) -> dict[str, Value]:
    if len(frame.columns) > MAX_SCHEMA_COLUMNS:
        return {}
    return unique_names([str(name) for name in frame.columns], [str(dtype) for dtype in frame.dtypes])


def unique_names(names: list[str], types: list[str | None]) -> dict[str, Value]:
    """Return name to type; a name that comes again gets a number (``x``, ``x.1``), as pandas numbers them."""
    schema: dict[str, Value] = {}
    for name, kind in zip(names, types, strict=True):
        again, unique = 0, name
        while unique in schema:
            again += 1
            unique = f"{name}.{again}"
        schema[unique] = kind
    return schema


def _shape(rows: list[Any] | tuple[Any, ...]) -> tuple[int, ...]:
    lengths = {len(row) if isinstance(row, (list, tuple, dict)) else None for row in rows}
    width = lengths.pop() if len(lengths) == 1 else None
    return (len(rows),) if width is None else (len(rows), width)


def describe_path(path: str | os.PathLike[str], name: str | None = None, source: str | None = None) -> Input:
    """Return the version of a file or a directory.

    The digest of a file is the SHA-256 of its bytes, what ``sha256sum`` prints; that of a directory is explained at
    ``digest_directory``. CSV and TSV files have rows and columns, counted in the same pass; parquet files too where
    pyarrow is installed.

    Args:
        path: the file or directory; a symbolic link is followed.
        name: what the run calls it; by default the last part of the path.
        source: where it comes from; by default the path as it was given.

    Raises:
        ArtifactError: the path is missing, cannot be read, is neither a file nor a directory, or was written to while
            it was read.
    """
    text = os.fspath(path)
    source = redact_url(source or text)
    if "://" in text:
        raise ArtifactError(
            f"{redact_url(text)} is no local path: download it and log the file, or log what you loaded from it with "
            "source=…"
        )
    name = name or Path(text).name or Path(text).resolve().name or text
    mode = _mode(Path(text))
    if stat.S_ISDIR(mode):
        digest = digest_directory(Path(text))
        return Input(name, str(digest), "directory", source, digest.size)
    if not stat.S_ISREG(mode):
        raise ArtifactError(f"{text} is {_what(mode)}, not a file: only files and directories have a version.")
    return _describe_file(Path(text), name, source)


def _describe_file(path: Path, name: str, source: str) -> Input:
    delimiters = DELIMITED.get(path.suffix.lower())
    if delimiters is None:
        digest = digest_file(path)
        rows, columns, schema = _parquet_shape(path)
        return Input(name, str(digest), "file", source, digest.size, rows, columns, schema)
    shape = DelimitedShape(delimiters)
    digest = digest_file(path, shape.feed)
    names = shape.names if len(shape.names) <= MAX_SCHEMA_COLUMNS else []
    schema = unique_names(names, [None] * len(names))
    return Input(name, str(digest), "file", source, digest.size, shape.rows, shape.columns, schema)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise ArtifactError(f"{path} does not exist (looked from {Path.cwd()}).") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error


def _what(mode: int) -> str:
    kinds: list[tuple[Callable[[int], bool], str]] = [
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ]
    return next((what for test, what in kinds if test(mode)), "something special")


def digest_file(path: Path, watch: Callable[[memoryview], None] | None = None) -> Digest:
    """Return the SHA-256 of the bytes of a file, and its size; ``watch`` sees every block on its way.

    Raises:
        ArtifactError: it cannot be read, or was written to meanwhile.
    """
    digest = Digest()
    buffer = memoryview(bytearray(_BLOCK))
    try:
        with path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            while count := file.readinto(buffer):
                digest.add(buffer[:count])
                if watch is not None:
                    watch(buffer[:count])
            after = os.fstat(file.fileno())
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or digest.size != after.st_size:
        raise ArtifactError(f"{path} was written to while it was read: log it when it is complete.")
    return digest


def digest_directory(top: Path) -> Digest:
    r"""Return a digest over everything below a directory, and the size of its files together.

    The recipe ``gtrack-directory-1``: that line; then for every file and symbolic link below ``top``, in the order of
    the bytes of its path relative to ``top`` (with ``/``), one record ``file <sha256 in hex> <path>\0`` or
    ``link <target> <path>\0``. A link is its target text and is never followed; empty directories, modes and times do
    not count.

    Raises:
        ArtifactError: an entry cannot be read, or is neither a file, a directory nor a link.
    """
    digest = Digest("gtrack-directory-1")
    size = 0
    for relative, path in sorted(_walk(os.fspath(top), "")):
        if path.is_symlink():
            kind, value = "link", os.fspath(path.readlink())
        else:
            content = digest_file(path)
            size += content.size
            kind, value = "file", str(content).partition(":")[2]
        digest.add(os.fsencode(f"{kind} {value} ") + relative + b"\0")
    digest.size = size
    return digest


def _walk(directory: str, prefix: str) -> Iterator[tuple[bytes, Path]]:
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
    except OSError as error:
        raise ArtifactError(f"{directory} cannot be read: {error.strerror or error}.") from error
    for entry in found:
        relative = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{relative}/")
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            yield os.fsencode(relative), Path(entry.path)
        else:
            mode = entry.stat(follow_symlinks=False).st_mode
            raise ArtifactError(f"{entry.path} is {_what(mode)}: a directory with one in it has no version.")


def _parquet_shape(path: Path) -> tuple[int | None, int | None, dict[str, Value]]:
    if path.suffix.lower() not in {".parquet", ".pq"} or find_spec("pyarrow") is None:
        return None, None, {}
    pyarrow = import_module("pyarrow")
    parquet = import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            names = [str(name) for name in file.schema_arrow.names]
            types: list[str | None] = [str(kind) for kind in file.schema_arrow.types]
            schema = unique_names(names, types) if len(names) <= MAX_SCHEMA_COLUMNS else {}
            return file.metadata.num_rows, len(names), schema
    except (OSError, pyarrow.ArrowException):  # not parquet in spite of its name: the digest alone is its version
        return None, None, {}
