"""The small values that MLflow's client takes and gives, where scripts look for them: ``from gtrack.entities import Metric``."""

from __future__ import annotations

from gtrack.client.entities import (
    ExperimentTag,
    FileInfo,
    Metric,
    PagedList,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from gtrack.records import Experiment, ModelVersion, RegisteredModel, Run, RunData, RunInfo

__all__ = [
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "Metric",
    "ModelVersion",
    "PagedList",
    "Param",
    "RegisteredModel",
    "Run",
    "RunData",
    "RunInfo",
    "RunStatus",
    "RunTag",
    "ViewType",
]
