"""Keras: ``gtrack.keras.autolog()``, and ``gtrack.keras.GtrackCallback``, which imports Keras when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gtrack.integrations.keras import autolog

if TYPE_CHECKING:
    from gtrack.integrations.keras_callback import GtrackCallback

__all__ = ["GtrackCallback", "autolog"]


def __getattr__(name: str) -> object:
    if name != "GtrackCallback":
        raise AttributeError(f"module 'gtrack.keras' has no attribute {name!r}")
    value: object = import_module("gtrack.integrations.keras_callback").GtrackCallback
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
