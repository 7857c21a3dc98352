"""Optuna's studies as runs: ``gtrack.optuna.GtrackCallback`` and ``gtrack.optuna.track_in_gtrack``."""

from __future__ import annotations

from gtrack.integrations.optuna import GtrackCallback, track_in_gtrack

__all__ = ["GtrackCallback", "track_in_gtrack"]
