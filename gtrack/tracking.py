"""The client, where scripts written for MLflow look for it: ``from gtrack.tracking import MlflowClient``."""

from __future__ import annotations

from gtrack.client.client import GtrackClient
from gtrack.fluent.place import (
    get_registry_uri,
    get_tracking_uri,
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)

MlflowClient = GtrackClient

__all__ = [
    "GtrackClient",
    "MlflowClient",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_tracking_uri",
]
