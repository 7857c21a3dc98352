"""Switches autologging on in a script that does not know of it: for each library as soon as the script imports it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from types import ModuleType

from gtrack.launch.post_import import when_imported

_LIBRARIES = {"sklearn": "gtrack.sklearn"}
"""A library, and the module of ours that has its autologging; by name, as that one stands above this package."""


def start_autologging(aside: Callable[[], AbstractContextManager[None]], notice: Callable[[str], None]) -> None:
    """Wait for the script to import a library that autologging knows.

    Args:
        aside: around what is imported then, as the script's own modules may have the names of those that are meant.
        notice: tells the user that it could not be switched on.
    """
    for library, ours in _LIBRARIES.items():
        when_imported(library, _switch_on(ours, aside, notice))


def _switch_on(
    ours: str, aside: Callable[[], AbstractContextManager[None]], notice: Callable[[str], None]
) -> Callable[[ModuleType], None]:
    def switch_on(library: ModuleType) -> None:
        try:
            with aside():
                import_module(ours).autolog_by_default()
        except Exception as error:  # noqa: BLE001  # the script has imported what it wanted, and must not feel this
            notice(f"Autologging of {library.__name__} could not be switched on: {type(error).__name__}: {error}")

    return switch_on
