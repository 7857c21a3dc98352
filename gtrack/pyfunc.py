"""Models of any kind, asked in one way, and models that are any Python: the names that scripts know from ``mlflow.pyfunc``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrack.errors import InvalidValue
from gtrack.fluent import models
from gtrack.integrations.mlflow_arguments import checked_arguments
from gtrack.models.info import ModelInfo
from gtrack.models.pyfunc import PyFuncModel
from gtrack.models.python_model import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gtrack.integrations.mlflow_arguments import WithoutEffect

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
    extra_pip_requirements: Sequence[str] | str | None = None,
    **others: Unpack[WithoutEffect],
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
        extra_pip_requirements: as for ``gtrack.log_model``.
        others: what MLflow takes beside these, where it makes no difference.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it is no model, or cannot be written.
        InvalidPath: an unsafe path, or one where something is already.
    """
    checked_arguments("gtrack.pyfunc.log_model", others)
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
        extra_pip_requirements=extra_pip_requirements,
    )


def save_model(
    path: str | Path,
    python_model: Any = None,
    artifacts: Mapping[str, str | Path] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    extra_pip_requirements: Sequence[str] | str | None = None,
    **others: Unpack[WithoutEffect],
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
        extra_pip_requirements: as for ``log_model``.
        others: as for ``log_model``.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it is no model, or cannot be written, or something is at ``path``.
    """
    checked_arguments("gtrack.pyfunc.save_model", others)
    return models.save_model(
        _given(python_model),
        path,
        signature,
        input_example,
        pip_requirements,
        metadata,
        flavour="python_function",
        artifacts=artifacts,
        extra_pip_requirements=extra_pip_requirements,
    )


def load_model(model_uri: str | Path, *, trust: bool | Sequence[str] | None = None, **others: object) -> PyFuncModel:
    """Return a model as one that is asked like all others, whatever library it is of.

    Args:
        model_uri: as for ``gtrack.load_model``.
        trust: as for ``gtrack.load_model``; by its name alone, as MLflow has another argument in its place.
        others: ``suppress_warnings``, which makes no difference: there are none.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        GTrackError: as for ``gtrack.load_model``; or the model has nothing that predicts.
    """
    checked_arguments("gtrack.pyfunc.load_model", others, {"suppress_warnings"})
    return models.load_pyfunc(model_uri, trust)


def _given(python_model: Any) -> Any:
    if python_model is None or isinstance(python_model, (str, Path)):
        raise InvalidValue(
            "python_model is a PythonModel, an object with predict(), or a function; models as source files are MLflow's alone."
        )
    return python_model
