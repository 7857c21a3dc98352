"""Parameters as a tree: nested names, and one value for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gtrack.errors import InvalidValue, ParamConflict
from gtrack.formats.names import check_name
from gtrack.formats.values import mapping_of, plain_value
from gtrack.formats.yamlio import scalar
from gtrack.records import flatten

if TYPE_CHECKING:
    from gtrack.records import Value


def plain_params(params: object, verb: str) -> dict[str, Value]:
    """Return parameters as they are written.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: a value that cannot be written, or no mapping.
    """
    return {
        check_name(key, "parameter"): plain_value(value, f"parameter {key!r}")
        for key, value in mapping_of(params, verb).items()
    }


class ParamTree:
    """The parameters of a run: each has one value, under one name, be it nested (``{"opt": {"lr": 1}}``) or dotted.

    Args:
        tree: those that the run has already.
    """

    def __init__(self, tree: Mapping[str, Value]) -> None:
        self._tree = dict(tree)
        self._flat = dict(flatten(tree))

    def add(self, news: Mapping[str, Value], *, amend: bool = False) -> dict[str, Value]:
        """Take ``news`` in, all or none, and return what changes: top name to its whole value, what it held before included.

        Raises:
            ParamConflict: a parameter has another value already, unless ``amend``.
        """
        if not amend:
            for key, value in flatten(news):
                if key in self._flat and not _same(self._flat[key], value):
                    raise ParamConflict.of(key, self._flat[key], value)
        changed: dict[str, Value] = {}
        for key, value in news.items():
            if key not in self._tree:
                changed[key] = value
                continue
            both = _both(self._tree[key], value, key, amend=amend)
            if not _same(self._tree[key], both):
                changed[key] = both
        self._tree.update(changed)
        if amend:
            self._flat = dict(flatten(self._tree))
        else:
            self._flat.update(flatten(changed))
        return changed


def _both(old: Value, new: Value, key: str, *, amend: bool) -> Value:
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        inside = {
            name: _both(old[name], value, f"{key}.{name}", amend=amend) for name, value in new.items() if name in old
        }
        return {**old, **new, **inside}
    if not amend and not _same(old, new):
        raise ParamConflict.of(key, old, new)
    return new


def _same(one: Value, other: Value) -> bool:
    """Tell whether two values are written the same: 1 and True are not, nan and nan are."""
    return scalar(one) == scalar(other)


def over_default(given: Mapping[str, Any], default: Any, key: str, texts: Mapping[str, str] | None = None) -> Any:
    """Return what was given for a parameter, in the type of its default where it can take it; else the default.

    An int for a float becomes a float, ``1e3`` for an int an int, a list for a tuple a tuple, a number for text its text;
    ``opt.lr`` is given for the ``lr`` in a default ``opt`` that is a mapping.

    Args:
        given: name to value.
        default: of this parameter.
        key: its name.
        texts: the words that were typed for given values, by name: a text is exactly these.

    Raises:
        InvalidValue: a value of another kind.
    """
    if isinstance(default, dict):
        default = {name: over_default(given, value, f"{key}.{name}", texts) for name, value in default.items()}
    if key not in given or given[key] is None or default is None:
        return given.get(key, default)
    value = given[key]
    if not isinstance(value, _accepted(default)) or _is_bool_for_number(value, default):
        raise InvalidValue(
            f"Parameter {key!r} is {type(default).__name__} ({default!r}); {value!r} is {type(value).__name__}."
        )
    return _as(value, default, (texts or {}).get(key))


def _is_bool_for_number(value: object, default: object) -> bool:
    return isinstance(value, bool) and isinstance(default, (int, float)) and not isinstance(default, bool)


def _accepted(default: object) -> tuple[type, ...]:
    if isinstance(default, bool):
        return (bool,)
    if isinstance(default, (int, float)):
        return (int, float)
    if isinstance(default, str):
        return (str, bool, int, float)
    if isinstance(default, (list, tuple)):
        return (list,)
    return (dict,) if isinstance(default, dict) else (object,)


def _as(value: Any, default: object, text: str | None) -> Any:
    if isinstance(default, float):
        return float(value)
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(default, str):
        return value if isinstance(value, str) else text or scalar(value)
    return tuple(value) if isinstance(default, tuple) else value
