"""Hugging Face transformers: ``Trainer(…, callbacks=[gtrack.transformers.GtrackCallback()])``. Imports transformers."""

from __future__ import annotations

from gtrack.integrations.transformers import GtrackCallback

__all__ = ["GtrackCallback"]
