"""Whether runs sample the machine, under MLflow's names; and what has nothing to wait for."""

from __future__ import annotations

from gtrack.fluent.active import process


def enable_system_metrics_logging() -> None:
    """Have runs that start from now on sample CPU, memory and GPU, as they do anyhow unless the settings say otherwise."""
    process.sampling = True


def disable_system_metrics_logging() -> None:
    """Have runs that start from now on sample nothing of the machine."""
    process.sampling = False


def flush_async_logging() -> None:
    """Wait for nothing: every call that logs is on disk when it returns."""


def flush_artifact_async_logging() -> None:
    """Wait for nothing: every call that logs is on disk when it returns."""
