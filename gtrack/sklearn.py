"""scikit-learn: autologging and models, under the names that scripts know from ``mlflow.sklearn``."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from gtrack.fluent.models import load_model
from gtrack.integrations.flavour_models import log_model_of, save_model_of
from gtrack.integrations.sklearn import autolog, autolog_by_default
from gtrack.models.info import ModelInfo

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gtrack.integrations.flavour_models import Logged, Saved

__all__ = ["autolog", "autolog_by_default", "load_model", "log_model", "save_model"]


def log_model(sk_model: Any, artifact_path: str | PurePath = "model", **about: Unpack[Logged]) -> ModelInfo:
    """Write a scikit-learn estimator among the artifacts of the active run; see ``gtrack.log_model``.

    Args:
        sk_model: the estimator, fitted as a rule.
        artifact_path: the directory below the artifacts that it becomes.
        about: what ``gtrack.log_model`` takes by keyword, such as ``signature``, ``input_example`` and
            ``registered_model_name``.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it cannot be written as one.
        InvalidPath: an unsafe path, or one where something is already.
    """
    return log_model_of("sklearn", sk_model, artifact_path, **about)


def save_model(sk_model: Any, path: str | Path, **about: Unpack[Saved]) -> ModelInfo:
    """Write a scikit-learn estimator into a directory of its own, outside of any run; see ``gtrack.save_model``.

    Args:
        sk_model: the estimator, fitted as a rule.
        path: a directory that does not exist yet, or is empty.
        about: what ``gtrack.save_model`` takes by keyword.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it cannot be written as one, or something is at ``path``.
    """
    return save_model_of("sklearn", sk_model, path, **about)
