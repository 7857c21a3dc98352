"""Puts wrappers around methods of scikit-learn's classes, as they are imported, and takes them away again.

A method is wrapped in the class that defines it, so a class that inherits it is covered too, also one of the user's. Nothing is
imported for it: modules that are loaded are looked through, the others when the script imports them.
"""

from __future__ import annotations

import copy
import functools
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

Wrapper: TypeAlias = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]

_LEFT_ALONE = frozenset({"tests", "externals", "datasets", "conftest", "_build_utils", "_mocking", "_testing"})
_OTHER_CALLS = ("sklearn.utils.parallel", "joblib.parallel")


@functools.cache
def _wrapper_type() -> type[Any]:
    """Return wrapt's function wrapper, with bound methods that pickle and copy as the method that they stand for."""
    import wrapt

    class Bound(wrapt.BoundFunctionWrapper[Any, Any]):
        def __reduce_ex__(self, protocol: object) -> Any:
            instance, owner = self._self_instance, self._self_owner
            return getattr, (owner if instance is None else instance, self.__wrapped__.__name__)

        def __copy__(self) -> Any:
            return self

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            instance = self._self_instance
            return self if instance is None else getattr(copy.deepcopy(instance, memo), self.__wrapped__.__name__)

    class Method(wrapt.FunctionWrapper[Any, Any]):
        __bound_function_wrapper__ = Bound

    return Method


class Patches:
    """The wrappers that are in place.

    Args:
        methods: the wrapper of each method of an estimator.
        calls: the wrapper of ``Parallel.__call__`` by the module that defines it.
        loaded: called with each module of scikit-learn once it is loaded.
    """

    def __init__(
        self, methods: Mapping[str, Wrapper], calls: Mapping[str, Wrapper], loaded: Callable[[ModuleType], None]
    ) -> None:
        self._methods = methods
        self._calls = calls
        self._loaded = loaded
        self._lock = threading.RLock()
        self._placed: list[tuple[type, str, Any, Any]] = []
        self._watched: set[str] = set()
        self._on = False

    def place(self) -> None:
        """Wrap what is loaded, and whatever is loaded from now on."""
        with self._lock:
            if self._on:
                return
            self._on = True
            if "sklearn" in sys.modules:
                self._begin(sys.modules["sklearn"])
            else:
                self._watch("sklearn", self._begin)

    def remove(self) -> None:
        """Put every original back where a wrapper is."""
        with self._lock:
            self._on = False
            for owner, name, original, wrapper in reversed(self._placed):
                if owner.__dict__.get(name) is wrapper:
                    setattr(owner, name, original)
            self._placed.clear()

    def _begin(self, package: ModuleType) -> None:
        with self._lock:
            if not self._on:
                return
            for name in (*_modules(package), *_OTHER_CALLS):
                module = sys.modules.get(name)
                if module is not None:
                    self._look_through(module)
                else:
                    self._watch(name, self._look_through)

    def _watch(self, name: str, then: Callable[[ModuleType], None]) -> None:
        if name not in self._watched:
            import wrapt

            self._watched.add(name)
            wrapt.register_post_import_hook(then, name)

    def _look_through(self, module: ModuleType) -> None:
        with self._lock:
            if not self._on:
                return
            name = module.__name__
            if name in self._calls:
                self._wrap(module.Parallel, "__call__", self._calls[name])
                return
            for found in list(vars(module).values()):
                if isinstance(found, type) and found.__module__ == name and _may_be_estimator(found):
                    for method, wrapper in self._methods.items():
                        if method in found.__dict__:
                            self._wrap(found, method, wrapper)
            self._loaded(module)

    def _wrap(self, owner: type, name: str, wrapper: Wrapper) -> None:
        original = owner.__dict__[name]
        if isinstance(original, _wrapper_type()):
            return
        placed = _wrapper_type()(original, wrapper)
        setattr(owner, name, placed)
        self._placed.append((owner, name, original, placed))


def _may_be_estimator(found: type) -> bool:
    return found.__name__.endswith("Mixin") or any(base.__name__ == "BaseEstimator" for base in found.__mro__)


def _modules(package: ModuleType) -> list[str]:
    """Return the names of the modules of a package that may define estimators, without importing one."""
    names = [package.__name__]
    for top in map(Path, package.__path__):
        for path in top.rglob("*.py"):
            parts = path.relative_to(top).with_suffix("").parts
            if not _LEFT_ALONE.intersection(parts):
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                names.append(".".join((package.__name__, *parts)))
    return list(dict.fromkeys(names))
