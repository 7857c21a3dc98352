"""Signatures: what goes into a model, what comes out, and the parameters of a prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gtrack.errors import FormatError, InvalidValue
from gtrack.models.schema import Schema, schema_from_json, schema_of, schema_to_json


@dataclass(frozen=True)
class Param:
    """A parameter of a prediction: ``type`` is MLflow's name of its type, ``shape`` None for a scalar, (-1,) for a list."""

    name: str
    type: str
    default: Any = None
    shape: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the JSON list."""
        shape = None if self.shape is None else list(self.shape)
        return {"name": self.name, "type": self.type, "default": self.default, "shape": shape}


@dataclass(frozen=True)
class ModelSignature:
    """What a model takes and gives; an empty schema is one that nobody stated."""

    inputs: Schema = ()
    outputs: Schema = ()
    params: tuple[Param, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs or self.params)

    def to_dict(self) -> dict[str, str | None]:
        """Return it as ``MLmodel`` holds it: JSON texts."""
        return {
            "inputs": schema_to_json(self.inputs) if self.inputs else None,
            "outputs": schema_to_json(self.outputs) if self.outputs else None,
            "params": json.dumps([param.to_json() for param in self.params]) if self.params else None,
        }

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> ModelSignature:
        """Return the signature that a mapping of JSON texts holds.

        Raises:
            FormatError: it is none.
        """
        schemas = [
            schema_from_json(held[side], f"The signature's {side}") if held.get(side) else ()
            for side in ("inputs", "outputs")
        ]
        return cls(schemas[0], schemas[1], _params_from_json(held.get("params")))


def _params_from_json(text: object) -> tuple[Param, ...]:
    if not text:
        return ()
    try:
        entries: Any = json.loads(text) if isinstance(text, str) else text
        return tuple(
            Param(
                str(entry["name"]),
                str(entry.get("type", entry.get("dtype", "string"))),
                entry.get("default"),
                None if entry.get("shape") is None else tuple(entry["shape"]),
            )
            for entry in entries
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"The signature's params are no list of parameters: {error!r}.") from error


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None
) -> ModelSignature:
    """Return the signature that examples show.

    Args:
        model_input: DataFrame (columns), array or sparse matrix (a tensor of n×…), mapping of arrays, or list.
        model_output: what the model made of it: Series, DataFrame, array or list.
        params: name to default of the parameters that a prediction takes.

    Raises:
        InvalidValue: data of another kind.
    """
    return ModelSignature(
        schema_of(model_input, "The model's input") if model_input is not None else (),
        schema_of(model_output, "The model's output") if model_output is not None else (),
        tuple(_param(str(name), default) for name, default in (params or {}).items()),
    )


def _param(name: str, default: Any) -> Param:
    is_list = isinstance(default, (list, tuple))
    first = (default[0] if default else "") if is_list else default
    for kind, name_of in ((bool, "boolean"), (int, "long"), (float, "double"), (str, "string")):
        if isinstance(first, kind):
            return Param(name, name_of, list(default) if is_list else default, (-1,) if is_list else None)
    raise InvalidValue(
        f"The parameter {name!r} of a prediction is a bool, number, text or a list of them, not {default!r}."
    )


def as_signature(given: Any) -> ModelSignature | None:
    """Return what a caller gave as a signature: one of ours, a mapping as in ``MLmodel``, MLflow's own, or False for none.

    Raises:
        InvalidValue: it is none of these.
    """
    if given is None or isinstance(given, ModelSignature):
        return given
    if given is False:
        return ModelSignature()
    held = given if isinstance(given, Mapping) else given.to_dict() if hasattr(given, "to_dict") else None
    if not isinstance(held, Mapping) or not held.keys() & {"inputs", "outputs"}:
        raise InvalidValue(
            f"A signature is what infer_signature() returns, not {type(given).__name__}: "
            "signature=infer_signature(X, model.predict(X))."
        )
    try:
        return ModelSignature.from_dict(held)
    except FormatError as error:
        raise InvalidValue(str(error)) from error
