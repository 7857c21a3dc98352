"""One call of ``fit``, ``fit_transform`` or ``fit_predict``: which data it was given."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_IN_PLACE = frozenset({"copy", "copy_X", "copy_x"})


@dataclass(frozen=True)
class FitCall:
    """What an estimator is fitted to.

    Attributes:
        estimator: the estimator.
        method: ``fit``, ``fit_transform`` or ``fit_predict``.
        X: the data, None when it cannot be looked at (a generator).
        y: the target, None without one.
        weight: one weight per row, None without.
    """

    estimator: Any
    method: str
    X: Any = None
    y: Any = None
    weight: Any = field(default=None)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{type(self.estimator).__name__}.{self.method}"


def read_call(
    method: Callable[..., Any],
    estimator: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    params: Mapping[str, Any],
) -> FitCall:
    """Return what a call is given, by position or by name, whatever the method calls it.

    Args:
        method: bound to the estimator.
        estimator: the estimator.
        args: of the call.
        kwargs: of the call.
        params: of the estimator: one that works on its data in place is shown a copy later.

    Raises:
        TypeError: the method cannot be called like this.
    """
    bound = inspect.signature(method).bind_partial(*args, **kwargs)
    given: dict[str, Any] = {}
    for name, parameter in bound.signature.parameters.items():
        value = bound.arguments.get(name)
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(value or {})
        elif parameter.kind is parameter.VAR_POSITIONAL:
            given.update({f"{name}[{at}]": item for at, item in enumerate(value or ())})
        else:
            given[name] = value
    names = list(given)
    data = given[names[0]] if names else None
    target = next((given[name] for name in ("y", "Y") if name in given), None)
    weight = given.get("sample_weight")
    if not (hasattr(data, "shape") or hasattr(data, "__len__")):
        data = None  # to look at a generator would be to use it up
    if data is not None and any(params.get(name) is False for name in _IN_PLACE):
        data = copy.deepcopy(data)
    return FitCall(estimator, method.__name__, data, target, weight)
