"""Values of the command line that are taken as they are, where typer would convert them.

From 0.29 on typer converts by pydantic, which takes longer to import than typer itself. Most values are texts, numbers that
are written plainly, words out of a list, or not given at all: those need none. Everything else is typer's, with its messages.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeGuard

import typer.core

_Parameter = typer.core.TyperArgument | typer.core.TyperOption
_DIGITS = 15
_NOT_PLAIN = object()


def take_plainly(command: Any, parent: typer.Context | None = None) -> None:
    """Let a command, and those that it groups, take values that need no conversion as they are.

    Args:
        command: what typer made of an application.
        parent: the context of the group that it is in.
    """
    context = typer.Context(command, parent=parent, **command.context_settings)
    for parameter in command.get_params(context):
        # Before 0.29 there was no descriptor, and nothing to save.
        if isinstance(parameter, _Parameter) and hasattr(parameter, "type_descriptor"):
            _take_plainly(parameter)
    for inner in getattr(command, "commands", {}).values():
        take_plainly(inner, context)


def _take_plainly(parameter: _Parameter) -> None:
    convert = parameter.process_value

    def process_value(ctx: Any, value: Any) -> Any:
        plain = _plain(parameter, value)
        if plain is _NOT_PLAIN or (parameter.required and parameter.value_is_missing(plain)):
            return convert(ctx, value)
        return plain if parameter.callback is None else parameter.callback(ctx, parameter, plain)

    vars(parameter)["process_value"] = process_value


def _plain(parameter: _Parameter, value: object) -> object:
    """Return what typer would make of a value; ``_NOT_PLAIN`` where that is for typer to say."""
    kind = parameter.type_descriptor.annotation
    if value is None or type(value) is kind:
        return value
    if kind == list[str]:
        return list(value) if isinstance(value, (list, tuple)) and all(map(_is_text, value)) else _NOT_PLAIN
    if kind is int and _is_text(value) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        number = int(value)
        low, high = parameter.min, parameter.max
        return number if (low is None or number >= low) and (high is None or number <= high) else _NOT_PLAIN
    if isinstance(kind, type) and issubclass(kind, Enum) and _is_text(value):
        return next((one for one in kind if one.value == value), _NOT_PLAIN)
    return _NOT_PLAIN


def _is_text(value: object) -> TypeGuard[str]:
    return type(value) is str
