"""Models of one flavour, logged and saved as ``mlflow.sklearn`` and its like know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from gtrack.fluent import models
from gtrack.integrations.mlflow_arguments import WithoutEffect, checked_arguments
from gtrack.models.info import ModelInfo

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Saved(WithoutEffect, total=False):
    """What ``save_model`` of a flavour takes by keyword; each is as for ``gtrack.save_model``."""

    signature: Any
    input_example: Any
    pip_requirements: Sequence[str] | str | None
    extra_pip_requirements: Sequence[str] | str | None
    metadata: Mapping[str, Any] | None
    serialization_format: str | None


class Logged(Saved, total=False):
    """What ``log_model`` of a flavour takes by keyword; each is as for ``gtrack.log_model``."""

    registered_model_name: str | None
    name: str | None


_SAVED = frozenset(Saved.__annotations__) - set(WithoutEffect.__annotations__)
_LOGGED = _SAVED | {"registered_model_name", "name"}


def log_model_of(flavour: str, model: Any, artifact_path: str | PurePath, **given: Unpack[Logged]) -> ModelInfo:
    """Write a model among the artifacts of the active run; see ``gtrack.log_model``.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it cannot be written as one of the flavour.
        InvalidPath: an unsafe path, or one where something is already.
    """
    about = checked_arguments(f"gtrack.{flavour}.log_model", given, _LOGGED)
    return models.log_model(model, artifact_path, flavour=flavour, **about)


def save_model_of(flavour: str, model: Any, path: str | Path, **given: Unpack[Saved]) -> ModelInfo:
    """Write a model into a directory of its own, outside of any run; see ``gtrack.save_model``.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it cannot be written as one of the flavour, or something is at ``path``.
    """
    about = checked_arguments(f"gtrack.{flavour}.save_model", given, _SAVED)
    return models.save_model(model, path, flavour=flavour, **about)
