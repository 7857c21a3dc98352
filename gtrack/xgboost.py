"""XGBoost: ``gtrack.xgboost.autolog()``."""

from __future__ import annotations

from gtrack.integrations.xgboost import autolog

__all__ = ["autolog"]
