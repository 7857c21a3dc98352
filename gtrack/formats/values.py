"""What users hand in -> the plain values that the format writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    from gtrack.records import Number, Value

_MAX_DIGITS_OF_INT = 10**1000
_MAX_DEPTH = 32
_MAX_TEXT = 1 << 20


def plain_value(value: object, what: str, depth: int = 0) -> Value:
    """Return ``value`` as bool, int, float, text, None, or lists and mappings of these.

    Args:
        value: also a subclass (an enum of text), a numpy or pandas scalar, a tuple.
        what: what it is, for the message.

    Raises:
        InvalidValue: it is anything else.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        if abs(value) >= _MAX_DIGITS_OF_INT:
            raise InvalidValue(f"The {what} has more than 1000 digits; log it as text: str(value).")
        return int(value)
    if isinstance(value, str):
        return _text(str.__str__(value), what)
    if depth > _MAX_DEPTH:
        raise InvalidValue(f"The {what} is nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(value, Mapping):
        return {_key(key, what): plain_value(item, f"{what}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item, f"{what}[{at}]", depth + 1) for at, item in enumerate(value)]
    item = _scalar_item(value)
    if item is not value:
        return plain_value(item, what, depth + 1)
    raise InvalidValue(
        f"The {what} is a {type(value).__name__}, which cannot be written. Log numbers, text, bools, None, or lists and mappings "
        "of these; str(value) makes text of anything."
    )


def check_number(value: object, what: str) -> Number:
    """Return ``value`` as the int or float that it is.

    Raises:
        InvalidValue: it is no number, or one that a 64-bit float cannot hold.
    """
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):  # a bool counts as 0 or 1, as in arithmetic
        try:
            float(value)
        except OverflowError:
            raise InvalidValue(
                f"The {what} is an int of {value.bit_length()} bits, which no 64-bit float can hold."
            ) from None
        return int(value)
    item = _scalar_item(value)
    if item is not value:
        return check_number(item, what)
    try:
        number = float(value) if hasattr(value, "__float__") else None
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise InvalidValue(f"The {what} is {value!r} ({type(value).__name__}), which is no number.")
    return number


def _scalar_item(value: object) -> object:
    """Return the Python scalar inside a numpy scalar, a 0-d array or a one-element tensor; ``value`` itself elsewhere."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) in ((), None) and not isinstance(value, type):
        try:
            return item()
        except (TypeError, ValueError, RuntimeError):
            return value
    if callable(item) and getattr(value, "size", None) == 1:
        return item()
    return value


def _text(text: str, what: str) -> str:
    if len(text) > _MAX_TEXT:
        raise InvalidValue(
            f"The {what} has {len(text)} characters; log texts above {_MAX_TEXT} as an artifact: log_text."
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"The {what} is not valid Unicode text: {text[:40]!r}.") from None
    return text


def _key(key: object, what: str) -> str:
    if isinstance(key, str) and key and "\n" not in key:
        return _text(key, what)
    if isinstance(key, (int, float, bool)) or key is None:
        return str(key)
    raise InvalidValue(f"The {what} has the key {key!r}; keys are one line of text.")
