"""The last known state of the registry: ``<common git directory>/gtrack/registry-state``, which ``gtrack verify`` compares with.

A line for each tag, ``OID NAME``, and one for each counter whose absence was accepted, ``missing MODEL#FIRST-LAST``. It is of
this clone alone: git does not know it, and deleting it forgets what was known.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import FormatError

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_FILE = "registry-state"
_LINE = re.compile(r"(?:(?P<oid>[0-9a-f]{40,64})|missing) (?P<name>\S+)\Z")


@dataclass(frozen=True)
class KnownState:
    """What was known of the registry when it was last looked at.

    Attributes:
        tags: name to the id of the object.
        missing: the counters whose absence was accepted, as ``model#3`` or ``model#3-5``.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


def read_state(repo: Repository) -> KnownState | None:
    """Return what was known; None when nothing was.

    Raises:
        FormatError: the file is damaged.
        OSError: it cannot be read.
    """
    path = _path(repo)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    tags: dict[str, str] = {}
    missing: set[str] = set()
    for number, line in enumerate(text.split("\n")[:-1], 1):
        found = _LINE.match(line)
        if found is None:
            raise FormatError(f"{path}, line {number}, is not what 'gtrack verify' writes.")
        if found["oid"]:
            tags[found["name"]] = found["oid"]
        else:
            missing.add(found["name"])
    if text and not text.endswith("\n"):
        raise FormatError(f"{path} is cut off.")
    return KnownState(tags, frozenset(missing))


def write_state(repo: Repository, state: KnownState) -> None:
    """Replace what was known, all at once.

    Raises:
        OSError: it cannot be written; what was known stays.
    """
    lines = [f"{oid} {name}\n" for name, oid in sorted(state.tags.items())]
    lines += [f"missing {name}\n" for name in sorted(state.missing)]
    path = _path(repo)
    path.parent.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{_FILE}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _path(repo: Repository) -> Path:
    return repo.common_dir / "gtrack" / _FILE
