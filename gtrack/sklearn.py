"""scikit-learn: autologging and models, under the names that scripts know from ``mlflow.sklearn``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from gtrack.fluent import models
from gtrack.fluent.models import load_model
from gtrack.integrations.sklearn import autolog, autolog_by_default
from gtrack.models.info import ModelInfo

__all__ = ["autolog", "autolog_by_default", "load_model", "log_model", "save_model"]


def log_model(  # noqa: PLR0913 - the signature that this field knows
    sk_model: Any,
    artifact_path: str | PurePath = "model",
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    serialization_format: str | None = None,
) -> ModelInfo:
    """Write a scikit-learn estimator among the artifacts of the active run; see ``gtrack.log_model``.

    Args:
        sk_model: the estimator, fitted as a rule.
        artifact_path: the directory below the artifacts that it becomes.
        registered_model_name: as for ``gtrack.log_model``.
        signature: as for ``gtrack.log_model``.
        input_example: as for ``gtrack.log_model``.
        pip_requirements: as for ``gtrack.log_model``.
        metadata: as for ``gtrack.log_model``.
        name: the same as ``artifact_path``, as MLflow 3 calls it.
        serialization_format: ``skops`` or ``cloudpickle``; skops where it is safe and quick when None.

    Raises:
        InvalidValue: it is no estimator, or cannot be written.
        InvalidPath: an unsafe path, or one where something is already.
    """
    return models.log_model(
        sk_model,
        artifact_path,
        registered_model_name,
        signature,
        input_example,
        pip_requirements,
        metadata,
        name=name,
        flavour="sklearn",
        serialization_format=serialization_format,
    )


def save_model(
    sk_model: Any,
    path: str | Path,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    serialization_format: str | None = None,
) -> ModelInfo:
    """Write a scikit-learn estimator into a directory of its own, outside of any run; see ``gtrack.save_model``.

    Args:
        sk_model: the estimator.
        path: a directory that does not exist yet, or is empty.
        signature: as for ``gtrack.log_model``.
        input_example: as for ``gtrack.log_model``.
        pip_requirements: as for ``gtrack.log_model``.
        metadata: as for ``gtrack.log_model``.
        serialization_format: as for ``log_model``.

    Raises:
        InvalidValue: it is no estimator, or cannot be written, or something is at ``path``.
    """
    return models.save_model(
        sk_model,
        path,
        signature,
        input_example,
        pip_requirements,
        metadata,
        flavour="sklearn",
        serialization_format=serialization_format,
    )
