"""Models of any kind, asked in one way, and models that are any Python: the names that scripts know from ``mlflow.pyfunc``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gtrack.errors import InvalidValue
from gtrack.fluent import models
from gtrack.fluent.models import load_pyfunc as load_model
from gtrack.models.info import ModelInfo
from gtrack.models.pyfunc import PyFuncModel
from gtrack.models.python_model import PythonModel, PythonModelContext

__all__ = ["PyFuncModel", "PythonModel", "PythonModelContext", "load_model", "log_model", "save_model"]


def log_model(  # noqa: PLR0913 - the signature that this field knows
    artifact_path: str = "model",
    python_model: Any = None,
    artifacts: Mapping[str, str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> ModelInfo:
    """Write a Python model among the artifacts of the active run; see ``gtrack.log_model``.

    Args:
        artifact_path: the directory below the artifacts that it becomes.
        python_model: a ``PythonModel``, any object with ``predict``, or a function.
        artifacts: name to a file or directory that the model finds in ``context.artifacts``.
        registered_model_name: as for ``gtrack.log_model``.
        signature: as for ``gtrack.log_model``.
        input_example: as for ``gtrack.log_model``.
        pip_requirements: as for ``gtrack.log_model``.
        metadata: as for ``gtrack.log_model``.
        name: the same as ``artifact_path``, as MLflow 3 calls it.

    Raises:
        InvalidValue: it is no model, or cannot be written.
        InvalidPath: an unsafe path, or one where something is already.
    """
    return models.log_model(
        _given(python_model),
        artifact_path,
        registered_model_name,
        signature,
        input_example,
        pip_requirements,
        metadata,
        name=name,
        flavour="python_function",
        artifacts=artifacts,
    )


def save_model(
    path: str | Path,
    python_model: Any = None,
    artifacts: Mapping[str, str | Path] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ModelInfo:
    """Write a Python model into a directory of its own, outside of any run.

    Args:
        path: a directory that does not exist yet, or is empty.
        python_model: as for ``log_model``.
        artifacts: as for ``log_model``.
        signature: as for ``log_model``.
        input_example: as for ``log_model``.
        pip_requirements: as for ``log_model``.
        metadata: as for ``log_model``.

    Raises:
        InvalidValue: it is no model, or cannot be written, or something is at ``path``.
    """
    given = _given(python_model)
    return models.save_model(
        given,
        path,
        signature,
        input_example,
        pip_requirements,
        metadata,
        flavour="python_function",
        artifacts=artifacts,
    )


def _given(python_model: Any) -> Any:
    if python_model is None or isinstance(python_model, (str, Path)):
        raise InvalidValue(
            "python_model is a PythonModel, an object with predict(), or a function; models as source files are MLflow's alone."
        )
    return python_model
