"""Calls back when a module has been imported, whenever the program does so; imports nothing by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TypeAlias

Callback: TypeAlias = Callable[[ModuleType], None]


class _Watcher:
    """A finder that finds nothing itself: it asks the others and has the loader that they name call back."""

    def __init__(self) -> None:
        self.callbacks: dict[str, list[Callback]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.callbacks:
            return None
        spec = self._find(name, path, target)
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader, name)
        return spec

    def _find(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None

    def _wrap(self, loader: object, name: str) -> None:
        # On the instance, so that the module keeps a loader of the type that resource readers look for.
        execute: Callback = loader.exec_module  # type: ignore[attr-defined]  # every loader of a spec has it

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == name:
                for callback in self.callbacks.pop(name, []):
                    callback(module)

        loader.exec_module = exec_module  # type: ignore[attr-defined]  # see above


_watcher = _Watcher()


def when_imported(name: str, callback: Callback) -> None:
    """Call ``callback`` with the module ``name`` as soon as it has been imported: at once when it already is."""
    module = sys.modules.get(name)
    if module is not None:
        callback(module)
        return
    if _watcher not in sys.meta_path:
        sys.meta_path.insert(0, _watcher)
    _watcher.callbacks.setdefault(name, []).append(callback)
