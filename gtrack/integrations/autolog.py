"""Autologging of every library that gtrack knows, at once."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from gtrack.errors import InvalidValue, nearest

FLAVOURS: Mapping[str, str] = {
    "sklearn": "gtrack.integrations.sklearn.autolog",
    "xgboost": "gtrack.integrations.xgboost",
    "lightgbm": "gtrack.integrations.lightgbm",
    "keras": "gtrack.integrations.keras",
}
"""Library to the module whose ``autolog`` records it; each waits until the library is imported."""
_OTHER_NAMES = {"scikit-learn": "sklearn", "tensorflow": "keras"}


def autolog(  # noqa: PLR0913, PLR0917 - the signature that this field knows
    log_input_examples: bool = False,  # noqa: FBT001, FBT002 - likewise
    log_model_signatures: bool = True,  # noqa: FBT001, FBT002
    log_models: bool = True,  # noqa: FBT001, FBT002
    log_datasets: bool = True,  # noqa: FBT001, FBT002
    log_traces: bool = True,  # noqa: ARG001, FBT001, FBT002 - taken as MLflow has it
    disable: bool = False,  # noqa: FBT001, FBT002
    exclusive: bool = False,  # noqa: FBT001, FBT002
    disable_for_unsupported_versions: bool = False,  # noqa: ARG001, FBT001, FBT002 - taken as MLflow has it
    silent: bool = False,  # noqa: FBT001, FBT002
    extra_tags: Mapping[str, object] | None = None,
    exclude_flavors: Sequence[str] | None = None,
) -> None:
    """Record every training from now on, by scikit-learn, XGBoost, LightGBM and Keras, imported already or later.

    Args:
        log_input_examples: keep the first rows of the training data with the model.
        log_model_signatures: keep with the model what goes in and comes out.
        log_models: keep the model.
        log_datasets: record digest, shape and schema of the data.
        log_traces: taken as MLflow has it, without effect: there are no traces here.
        disable: switch all of it off.
        exclusive: open a run for each training, or record none, where a run is active; as ``autolog`` of the library says.
        disable_for_unsupported_versions: taken as MLflow has it, without effect.
        silent: warn of nothing.
        extra_tags: tags for each run.
        exclude_flavors: libraries that are left alone: ``["keras"]``.

    Raises:
        InvalidValue: a library in ``exclude_flavors`` that is not among these, by a name that looks like a mistake.
        InvalidName: a tag name that cannot be written.
    """
    given = {
        "log_input_examples": log_input_examples,
        "log_model_signatures": log_model_signatures,
        "log_models": log_models,
        "log_datasets": log_datasets,
        "disable": disable,
        "exclusive": exclusive,
        "silent": silent,
        "extra_tags": extra_tags,
    }
    left_out = [_known(one) for one in exclude_flavors or ()]
    for library, module in FLAVOURS.items():
        if library not in left_out and find_spec(library) is not None:
            of_library = import_module(module).autolog
            taken = inspect.signature(of_library).parameters
            of_library(**{name: value for name, value in given.items() if name in taken})


def _known(flavour: str) -> str:
    """Return a library's name as ``FLAVOURS`` has it; one that gtrack records nothing of is left out anyhow."""
    name = _OTHER_NAMES.get(flavour, flavour)
    hint = "" if name in FLAVOURS else nearest(name, FLAVOURS)
    if hint:
        raise InvalidValue(f"autolog(exclude_flavors=…) does not know {flavour!r}.{hint}")
    return name
