"""Libraries that are imported when they are needed, and missed in words that help."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from gtrack.errors import MissingLibrary


def library(name: str, why: str) -> ModuleType:
    """Return a library, imported.

    Args:
        name: the module.
        why: what needs it, to begin the message with.

    Raises:
        MissingLibrary: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(
            f"{why} needs {name}, which cannot be imported here ({error}): pip install {name.partition('.')[0]}."
        ) from error
