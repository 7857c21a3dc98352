"""``GtrackClient``: the methods that scripts know from ``MlflowClient``."""

from __future__ import annotations

from gtrack.client.client import GtrackClient

__all__ = ["GtrackClient"]
