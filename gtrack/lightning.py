"""PyTorch Lightning: ``Trainer(logger=gtrack.lightning.GtrackLogger())``. Imports Lightning."""

from __future__ import annotations

from gtrack.integrations.lightning import GtrackLogger

__all__ = ["GtrackLogger"]
