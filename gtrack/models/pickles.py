"""Models as files of one object: skops where that is safe and quick, cloudpickle elsewhere.

skops writes a zip archive that is read without running code of its choosing. It is taken when every type in the model is on
its list of safe ones, and the model is small: it needs about a third of a millisecond and a kilobyte per object, thirty times
what a pickle does. Trees are not on that list, and stop the look at the model at the first of them.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from gtrack.errors import InvalidValue, MissingLibrary
from gtrack.models.libraries import library
from gtrack.models.trust import HashingFile

SKOPS = "skops"
CLOUDPICKLE = "cloudpickle"
PICKLE = "pickle"

MOST_OBJECTS = 200
"""A model of more objects than these is not offered to skops."""
MOST_BYTES = 16 * 1024 * 1024
"""The same for one with more array bytes: skops writes in memory, and what is large is better streamed."""
_NEVER_SAFE = frozenset({"sklearn.tree._tree.Tree"})
_THEN = (1980, 1, 1, 0, 0, 0)


class _Unfit(Exception):
    """What was found is nothing for skops."""


class _Nothing:
    """A file that takes everything and keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


class _Walk(pickle.Pickler):
    """Looks at each object of a model as pickling it would; raises ``_Unfit`` at the first that is nothing for skops."""

    def __init__(self) -> None:
        super().__init__(_Nothing(), pickle.HIGHEST_PROTOCOL, buffer_callback=lambda _: None)
        self.modules: set[str] = set()
        self._objects = 0
        self._bytes = 0

    def reducer_override(self, found: Any) -> Any:
        kind = type(found)
        self._objects += 1
        self._bytes += found.nbytes if kind.__module__ == "numpy" and hasattr(found, "nbytes") else 0
        if (
            self._objects > MOST_OBJECTS
            or self._bytes > MOST_BYTES
            or kind.__module__ == "__main__"
            or f"{kind.__module__}.{kind.__qualname__}" in _NEVER_SAFE
        ):
            raise _Unfit
        _note_modules(self.modules, found)
        return NotImplemented


def _note_modules(modules: set[str], found: Any) -> None:
    named = found if isinstance(found, (type, FunctionType)) else type(found)
    if "<" in named.__qualname__:  # of a function's <locals>, or a <lambda>: pickled whole, its module is not needed
        return
    name = found.__name__ if isinstance(found, ModuleType) else getattr(named, "__module__", None)
    if isinstance(name, str):
        modules.add(name.partition(".")[0])


def write_skops(model: Any, path: Path, *, chosen: bool = False) -> set[str] | None:
    """Write a model in skops' format, when it can be.

    Args:
        model: the model.
        path: where to.
        chosen: whether the caller asked for this format: then size and types are no reason not to.

    Returns:
        The top-level modules that it needs, or None when nothing was written as it is better written otherwise.

    Raises:
        InvalidValue: it was chosen and cannot be.
        MissingLibrary: it was chosen and is not installed.
    """
    walk = _Walk()
    try:
        walk.dump(model)
    except Exception:  # noqa: BLE001 - whatever pickle cannot do says only that this is not for skops
        if not chosen:
            return None
    try:
        skops_io = library("skops.io", "serialization_format='skops'")
    except MissingLibrary:
        if chosen:
            raise
        return None
    try:
        data = _stable(skops_io.dumps(model))
        if not chosen and skops_io.get_untrusted_types(data=data):
            return None
    except Exception as error:
        if not chosen:
            return None
        raise InvalidValue(
            f"{type(model).__name__} cannot be written in skops' format: {error}. Leave serialization_format out."
        ) from error
    path.write_bytes(data)
    return walk.modules | {SKOPS}


def _stable(data: bytes) -> bytes:
    """Return a skops archive in which the same model is the same bytes.

    skops numbers objects by their addresses and names files after these, or at random, and the archive has dates: the
    numbers are made to count from 0, and the dates are taken away, so that git stores an unchanged model once.
    """
    numbers: dict[int, int] = {}
    names: dict[str, str] = {"schema.json": "schema.json"}

    def visit(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "__id__" and type(value) is int:
                node[key] = numbers.setdefault(value, len(numbers))
            elif key == "file" and isinstance(value, str):
                node[key] = names.setdefault(value, f"{len(names) - 1}{Path(value).suffix}")
            elif isinstance(value, (dict, list)):
                visit(value)

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as new:
        schema = json.loads(old.read("schema.json"))
        visit(schema)
        for name in old.namelist():
            content = old.read(name) if name != "schema.json" else json.dumps(schema, separators=(",", ":")).encode()
            new.writestr(zipfile.ZipInfo(names.get(name, name), _THEN), content)
    return buffer.getvalue()


def write_cloudpickle(model: Any, path: Path, what: str) -> tuple[set[str], str]:
    """Write a model as a pickle, as a stream.

    Args:
        model: the model.
        path: where to.
        what: what it is, for the message.

    Returns:
        The top-level modules that it needs, and the sha256 of the file.

    Raises:
        InvalidValue: it holds something that cannot be pickled.
        MissingLibrary: cloudpickle is not installed.
    """
    cloudpickle: Any = library("cloudpickle", f"Writing {what}")
    modules: set[str] = set()

    class Noting(cloudpickle.Pickler):  # type: ignore[misc]  # known when it is imported
        """Notes which modules the model needs while it is written: a second walk over it would cost as much again."""

        def reducer_override(self, found: Any) -> Any:
            _note_modules(modules, found)
            return super().reducer_override(found)

    with path.open("wb") as file:
        out = HashingFile(file)
        try:
            Noting(out, protocol=pickle.HIGHEST_PROTOCOL).dump(model)
        except OSError:
            raise
        except Exception as error:
            path.unlink()
            reason = re.sub(r"\s+", " ", str(error)) or type(error).__name__
            raise InvalidValue(
                f"{what} cannot be written: {reason}. It holds something that only lives in this process (an open file, a lock, "
                "a connection …): take that out of it, for instance in __getstate__."
            ) from error
    modules.discard("__main__")
    return modules | {CLOUDPICKLE}, out.sha256
