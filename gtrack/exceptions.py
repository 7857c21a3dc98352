"""The error that scripts written for MLflow catch: ``from gtrack.exceptions import MlflowException``."""

from __future__ import annotations

from gtrack.errors import GTrackError

MlflowException = GTrackError
RestException = GTrackError

__all__ = ["MlflowException", "RestException"]
