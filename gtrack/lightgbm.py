"""LightGBM: ``gtrack.lightgbm.autolog()``."""

from __future__ import annotations

from gtrack.integrations.lightgbm import autolog

__all__ = ["autolog"]
