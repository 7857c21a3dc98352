"""What the script calls a value: the name of the variable, looked for where the script itself calls scikit-learn."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any

UNKNOWN = "unknown_dataset"
_OURS = ("gtrack.", "wrapt", "sklearn.", "joblib.")
_BETWEEN = (
    "gtrack.",
    "wrapt",
    "sklearn.utils._param_validation",
    "sklearn.utils.validation",
    "sklearn.metrics._scorer",
)
"""What stands between a script and the metric function that it calls, or has a scorer call."""
_LONGEST_TEXT = 32


def calling_frame() -> FrameType | None:
    """Return the frame of the script that called scikit-learn."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to see what the caller calls its data
    while frame is not None and _module(frame).startswith(_OURS):
        frame = frame.f_back
    return frame


def called_by_script() -> bool:
    """Tell whether the script itself calls the metric function that is being recorded, or asks a scorer to.

    What scikit-learn computes with its metrics on its own behalf is part of something else.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - see above
    while frame is not None and _module(frame).startswith(_BETWEEN):
        frame = frame.f_back
    return frame is not None and not _module(frame).startswith("sklearn.")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def variable_name(value: object, fallback: str = UNKNOWN) -> str:
    """Return the name of the variable that holds a value, in the outermost function that was not handed it as an argument."""
    frame = calling_frame()
    while frame is not None:
        held = frame.f_locals
        try:
            outer = frame.f_back
            if outer is None or not _is_argument(frame.f_code, held, value):
                known = [*list(held.items()), *list(frame.f_globals.items())]
                return next((name for name, one in known if one is value and not name.startswith("_")), fallback)
        finally:
            _let_go(frame, held)
        frame = outer
    return fallback


def _is_argument(code: CodeType, held: Mapping[str, Any], value: object) -> bool:
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames)
    if any(held.get(name) is value for name in names[:count]):
        return True
    several: list[object] = []
    if code.co_flags & inspect.CO_VARARGS:
        several += held.get(names[count]) or ()
        count += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        several += (held.get(names[count]) or {}).values()
    return any(one is value for one in several)


def _let_go(frame: FrameType, held: Any) -> None:
    """Forget the copy that Python, before 3.13, keeps of the variables of a function once they were looked at.

    It would keep alive what the function deletes. Not where the function itself has asked for its ``locals()``: they are that
    very copy.
    """
    known_here = 4  # as ``held`` here and in the caller, in the frame, and as the argument of what counts
    if type(held) is dict and frame.f_code.co_flags & inspect.CO_OPTIMIZED and sys.getrefcount(held) <= known_here:
        held.clear()


def spelled(name: str, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return a call as the script wrote it, as far as that is known: ``accuracy_score(y_true=y_test, y_pred=y_pred)``."""
    parameters = [one for one in inspect.signature(function).parameters if one != "self"]
    words = [
        f"{parameters[at]}={_spelled_value(value)}" if at < len(parameters) else _spelled_value(value)
        for at, value in enumerate(args)
    ]
    words += [f"{key}={_spelled_value(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(words)})"


def _spelled_value(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, complex)):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}...")
    if getattr(value, "ndim", 1) == 0 and hasattr(value, "item"):
        return repr(value.item())
    return variable_name(value, f"<{type(value).__name__}>")
