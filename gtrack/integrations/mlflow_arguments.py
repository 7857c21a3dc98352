"""What MLflow's functions for models take and gtrack's do not: taken where it has no effect, refused where it would have one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from gtrack.errors import UsageError


class WithoutEffect(TypedDict, total=False):
    """What a call may say that makes no difference here."""

    await_registration_for: int | None  # a version is there with the commit of its run
    example_no_conversion: bool | None  # an example is kept as it is given


_REQUIREMENTS = "what a model needs is named by pip_requirements"
_CODE = "the commit of the run has the code"
_FILES = "further files are logged with log_artifact"
_RUN = "a model belongs to its run, which takes log_params and set_tags"
_FORMAT = "a model is written in one format of its library"
_TRUST = "which types may be loaded is said to load_model(trust=…)"
_OBJECT = "a Python model is an object with predict(), or a function: python_model"
_CONFIG = "what a model is set up with goes into the object itself, or into a file of its artifacts"
_SERVED = "gtrack serves nothing; what whoever serves the model must know goes into metadata"
_REFUSED = {
    "auth_policy": _SERVED,
    "code_path": _CODE,
    "code_paths": _CODE,
    "conda_env": _REQUIREMENTS,
    "data_path": _OBJECT,
    "dst_path": "files are brought into a directory by download_artifacts",
    "extra_files": _FILES,
    "infer_code_paths": _CODE,
    "loader_module": _OBJECT,
    "mlflow_model": _RUN,
    "model_config": _CONFIG,
    "model_format": _FORMAT,
    "model_id": _RUN,
    "model_type": _RUN,
    "params": _RUN,
    "prompts": "a prompt is a file in the repository, and its versions are commits",
    "pyfunc_predict_fn": "a model is asked by predict()",
    "resources": _SERVED,
    "skops_trusted_types": _TRUST,
    "step": _RUN,
    "streamable": "predict() returns all at once",
    "tags": _RUN,
    "uv_extras": _REQUIREMENTS,
    "uv_groups": _REQUIREMENTS,
    "uv_project_path": _REQUIREMENTS,
}
_SAME: Mapping[str, object] = {
    "infer_code_paths": False,
    "model_format": "ubj",
    "pyfunc_predict_fn": "predict",
    "step": 0,
    "streamable": False,
}
"""What says what is so anyway."""


def checked_arguments(who: str, given: Mapping[str, Any], known: Collection[str] = ()) -> dict[str, Any]:
    """Return those arguments of a call that mean something here.

    Args:
        who: the function that was called.
        given: name to value.
        known: the names that it takes.

    Raises:
        UsageError: one of MLflow's has no meaning here; the message says what to do instead.
        TypeError: one that nobody knows.
    """
    strange = [
        name for name in given if not (name in known or name in _REFUSED or name in WithoutEffect.__annotations__)
    ]
    if strange:
        raise TypeError(f"{who}() got an unexpected keyword argument {strange[0]!r}")
    refused = [name for name in given if name not in known and name in _REFUSED and _says_something(name, given[name])]
    if refused:
        reasons = "; ".join(dict.fromkeys(_REFUSED[name] for name in refused))
        raise UsageError(f"{who} takes no {', '.join(refused)}: {reasons}.")
    return {name: value for name, value in given.items() if name in known}


def _says_something(name: str, value: object) -> bool:
    if value is None or (isinstance(value, (list, tuple, dict)) and not value):
        return False
    return name not in _SAME or value != _SAME[name]
