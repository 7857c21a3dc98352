"""Models that are any Python: what they may look like, how they are called, and the form in which others load them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any


class PythonModelContext:
    """What a ``PythonModel`` is given beside its input.

    Attributes:
        artifacts: name to the path of each file or directory that was logged with the model.
        model_config: always empty here; MLflow's models look at it.
    """

    def __init__(self, artifacts: Mapping[str, str] | None = None) -> None:
        self.artifacts = dict(artifacts or {})
        self.model_config: dict[str, Any] = {}


class PythonModel:
    """A model of one's own: subclass it and write ``predict``.

    It has the shape of MLflow's class of this name. A plain object with ``predict``, or a function, does as well, and then
    whoever loads it needs no gtrack.
    """

    predict_type_hints = SimpleNamespace(input=None, output=None)

    def load_context(self, context: PythonModelContext) -> None:
        """Load what lies in ``context.artifacts``, once, before the first prediction; nothing, as it stands."""

    def predict(self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the predictions for ``model_input``.

        Args:
            context: the artifacts.
            model_input: what the caller gave, in the columns of the signature when there is one.
            params: parameters of this prediction.
        """
        raise NotImplementedError(f"{type(self).__name__} is a PythonModel without predict().")


def is_python_model(model: object) -> bool:
    """Tell whether ``model`` has the whole shape of a ``PythonModel``, gtrack's or MLflow's."""
    return all(hasattr(model, name) for name in ("load_context", "predict", "predict_type_hints"))


def served(model: Any) -> Any:
    """Return what is pickled for a model: itself when it is a ``PythonModel``, else a shell of that shape around it.

    The shell is made of what Python itself has, its functions pickled by value: neither MLflow nor gtrack has to be there
    where it is loaded.
    """
    if is_python_model(model):
        return model
    call: Callable[..., Any] = model.predict if hasattr(model, "predict") else model
    names = _parameters(call)
    with_context, with_params = "context" in names, "params" in names

    def predict(context: Any, model_input: Any, params: Any = None) -> Any:
        first = (context,) if with_context else ()
        return call(*first, model_input, **({"params": params} if with_params else {}))

    def load_context(context: Any) -> None:
        load = getattr(model, "load_context", None)
        if load is not None:
            load(context)

    return SimpleNamespace(
        model=model,
        predict=predict,
        load_context=load_context,
        predict_type_hints=SimpleNamespace(input=None, output=None),
    )


def unwrapped(loaded: Any) -> Any:
    """Return the model that ``served`` was given."""
    return loaded.model if type(loaded) is SimpleNamespace else loaded


def call(model: Any, context: PythonModelContext, data: Any, params: Mapping[str, Any] | None) -> Any:
    """Return the predictions of what ``served`` returned, gtrack's or MLflow's."""
    names = _parameters(model.predict)
    first = (context,) if "context" in names or "ctx" in names else ()
    return model.predict(*first, data, **({"params": params} if "params" in names else {}))


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell
        return ()
    return tuple(one.name for one in found if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD})
