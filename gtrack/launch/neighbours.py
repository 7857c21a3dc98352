"""Keeps the modules beside a script and those that gtrack needs apart where they have the same names.

A script whose neighbour is called ``yaml.py`` or ``queue.py`` finds that one, as it does without gtrack; gtrack, which imports
some things only when there is something to record, finds the library.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterator
from types import ModuleType


class Neighbours:
    """The modules in the directory that Python searches first for a script.

    Args:
        loaded_by_python: names of the modules that Python itself had loaded before gtrack came: they are nobody's.
    """

    def __init__(self, loaded_by_python: Collection[str]) -> None:
        self._directory: str | None = None
        self._names: frozenset[str] = frozenset()
        self._loaded_by_python = loaded_by_python
        self._gtracks: dict[str, ModuleType] = {}

    def look(self) -> None:
        """Take note of what is in the directory that now comes first in ``sys.path``, and give its names back."""
        if getattr(sys.flags, "safe_path", False):
            return  # Python has not put the script's directory before all others
        self._directory = sys.path[0]
        with contextlib.suppress(OSError), os.scandir(self._directory) as entries:
            names = {_module_name(entry) for entry in entries}
            self._names = frozenset(names.difference(self._loaded_by_python, ("", "gtrack", "__main__")))
        self._gtracks.update(self._taken())

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Import for gtrack: the neighbours step aside, and afterwards what was imported does."""
        theirs = self._taken()
        path = list(sys.path)
        sys.modules.update(self._gtracks)
        sys.path[:] = [entry for entry in path if entry != self._directory]
        try:
            yield
        finally:
            sys.path[:] = path
            self._gtracks.update(self._taken())
            sys.modules.update(theirs)

    def _taken(self) -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] in self._names] if self._names else []
        return {name: sys.modules.pop(name) for name in names}


def _module_name(entry: os.DirEntry[str]) -> str:
    if entry.name.endswith(".py"):
        return entry.name[:-3]
    package = os.path.join(entry.path, "__init__.py")  # noqa: PTH118  # scandir gives texts
    return entry.name if os.path.exists(package) else ""  # noqa: PTH110  # as above
