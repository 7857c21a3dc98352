"""Model directories in the MLmodel layout: written, read, loaded with the caller's trust, and asked for predictions.

``infer_signature`` and ``ModelSignature`` are names of the package too, loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.models.signature import ModelSignature, infer_signature

__all__ = ["ModelSignature", "infer_signature"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'gtrack.models' has no attribute {name!r}")
    value: object = getattr(import_module("gtrack.models.signature"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
