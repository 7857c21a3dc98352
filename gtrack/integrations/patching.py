"""Functions of other libraries replaced while autologging is on, wherever a module knows them, and put back when it is off."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any, Generic, TypeAlias, TypeVar

Settings = TypeVar("Settings")
Wrapper: TypeAlias = Callable[[Any, Any, tuple[Any, ...], Mapping[str, Any]], Any]
"""Called with the wrapped function, the instance that it is bound to, and the arguments."""


class Autologging(Generic[Settings]):
    """Autologging of one library, on or off; switched on before or after the library is imported.

    A forked child of the process that switched it on records nothing, and a process pool does not know of it.

    Args:
        library: name of its package.
        patch: replaces what is to be replaced in the package, and returns what puts it back.
    """

    def __init__(self, library: str, patch: Callable[[ModuleType], Callable[[], None]]) -> None:
        self._library = library
        self._patch = patch
        self._settings: Settings | None = None
        self._undo: Callable[[], None] | None = None
        self._pid = 0
        self._hooked = False

    def on(self, settings: Settings) -> None:
        """Switch it on, or change its settings."""
        import wrapt

        self._settings = settings
        self._pid = os.getpid()
        if not self._hooked:
            self._hooked = True
            wrapt.register_post_import_hook(self._imported, self._library)
        elif self._library in sys.modules:
            self._imported(sys.modules[self._library])

    def off(self) -> None:
        """Switch it off: every module has the library's own function again."""
        self._settings = None
        if self._undo is not None:
            self._undo()
            self._undo = None

    def _imported(self, module: ModuleType) -> None:
        if self._settings is not None and self._undo is None:
            self._undo = self._patch(module)

    @property
    def settings(self) -> Settings | None:
        """What holds in this process; None where nothing is recorded."""
        return self._settings if self._pid == os.getpid() else None


def replace_everywhere(original: Callable[..., Any], wrapper: Wrapper) -> Callable[[], None]:
    """Put a wrapped function in the place of ``original`` in every module that has it, under whatever name.

    So ``from xgboost import train`` before autologging was switched on is recorded too.

    Returns:
        What puts the original back, also where it was imported from a module in between.
    """
    wrapped = _function_wrapper()(original, wrapper)
    _swap(original, wrapped)
    return lambda: _swap(wrapped, original)


def replace_method(owner: type, name: str, wrapper: Wrapper) -> Callable[[], None]:
    """Put a wrapped function in the place of a method, which ``owner`` has or inherits; return what puts it back."""
    inherited = name not in vars(owner)
    original = getattr(owner, name)
    setattr(owner, name, _function_wrapper()(original, wrapper))
    return lambda: delattr(owner, name) if inherited else setattr(owner, name, original)


def _swap(old: object, new: object) -> None:
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if isinstance(names, dict):
            for name in [name for name, value in list(names.items()) if value is old]:
                names[name] = new


@cache
def _function_wrapper() -> Any:
    import wrapt

    class Bound(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # wrapt's classes take no types when it runs
        def __reduce_ex__(self, _protocol: object) -> tuple[Any, ...]:
            instance = self._self_instance
            return getattr, (self._self_owner if instance is None else instance, self.__name__)

    class Recorded(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # the same
        """Copied and pickled as the function that it stands for: by its name."""

        __bound_function_wrapper__ = Bound

        def __reduce_ex__(self, _protocol: object) -> tuple[Any, ...]:
            return _named, (self.__module__, self.__qualname__)

        def __copy__(self) -> Recorded:
            return self

        def __deepcopy__(self, _memo: object) -> Recorded:
            return self

    return Recorded


def _named(module: str, name: str) -> Any:
    return attrgetter(name)(import_module(module))
