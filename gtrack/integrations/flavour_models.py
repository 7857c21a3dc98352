"""Models of one flavour, logged and saved as ``mlflow.sklearn`` and its like know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypedDict

from gtrack.errors import UsageError
from gtrack.fluent import models
from gtrack.models.info import ModelInfo

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Saved(TypedDict, total=False):
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
    await_registration_for: int | None  # has no effect: a version is there with the commit of its run


_SAVED = frozenset(
    {
        *("signature", "input_example", "pip_requirements", "extra_pip_requirements"),
        *("metadata", "serialization_format"),
    }
)
_LOGGED = _SAVED | {"registered_model_name", "name", "await_registration_for"}

_REQUIREMENTS = "what a model needs is named by pip_requirements"
_CODE = "the commit of the run has the code"
_FILES = "further files are logged with log_artifact"
_RUN = "a model belongs to its run, which takes log_params and set_tags"
_FORMAT = "a model is written in one format of its library"
_TRUST = "which types may be loaded is said to load_model(trust=…)"
_REFUSED = {
    "conda_env": _REQUIREMENTS,
    "code_paths": _CODE,
    "extra_files": _FILES,
    "mlflow_model": _RUN,
    "model_id": _RUN,
    "model_type": _RUN,
    "params": _RUN,
    "step": _RUN,
    "tags": _RUN,
    "model_format": _FORMAT,
    "pyfunc_predict_fn": "a model is asked by predict()",
    "skops_trusted_types": _TRUST,
}
_SAME = {"step": 0, "model_format": "ubj", "pyfunc_predict_fn": "predict"}
"""What says what is so anyway."""


def log_model_of(flavour: str, model: Any, artifact_path: str | PurePath, **given: Unpack[Logged]) -> ModelInfo:
    """Write a model among the artifacts of the active run; see ``gtrack.log_model``.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it cannot be written as one of the flavour.
        InvalidPath: an unsafe path, or one where something is already.
    """
    about = _known(f"gtrack.{flavour}.log_model", given, _LOGGED)
    about.pop("await_registration_for", None)
    return models.log_model(model, artifact_path, flavour=flavour, **about)


def save_model_of(flavour: str, model: Any, path: str | Path, **given: Unpack[Saved]) -> ModelInfo:
    """Write a model into a directory of its own, outside of any run; see ``gtrack.save_model``.

    Raises:
        UsageError: an argument of MLflow's that has no meaning here.
        InvalidValue: it cannot be written as one of the flavour, or something is at ``path``.
    """
    return models.save_model(model, path, flavour=flavour, **_known(f"gtrack.{flavour}.save_model", given, _SAVED))


def _known(who: str, given: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    strange = [name for name in given if name not in known and name not in _REFUSED]
    if strange:
        raise TypeError(f"{who}() got an unexpected keyword argument {strange[0]!r}")
    refused = [name for name in given if name not in known and given[name] is not None]
    refused = [name for name in refused if name not in _SAME or given[name] != _SAME[name]]
    if refused:
        reasons = "; ".join(dict.fromkeys(_REFUSED[name] for name in refused))
        raise UsageError(f"{who} takes no {', '.join(refused)}: {reasons}.")
    return {name: value for name, value in given.items() if name in known}
