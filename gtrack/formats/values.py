"""What users hand in -> the plain values that the format writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gtrack.errors import InvalidValue
from gtrack.formats.names import check_name
from gtrack.formats.yamlio import quote
from gtrack.records import Status

if TYPE_CHECKING:
    from gtrack.records import Number, Value

_MAX_DIGITS_OF_INT = 10**1000
_MAX_DEPTH = 32
_MAX_TEXT = 1 << 20
_MAX_KEY = 1000  # as it is written: YAML lets a key have 1024 characters


def plain_value(value: object, what: str, depth: int = 0) -> Value:
    """Return ``value`` as bool, int, float, text, None, or lists and mappings of these.

    Args:
        value: also a subclass (an enum of text), a path (as text), a numpy or pandas scalar, a tuple.
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
    if isinstance(value, (str, os.PathLike)):
        return _text(str.__str__(value) if isinstance(value, str) else os.fsdecode(value), what)
    if depth > _MAX_DEPTH:
        raise InvalidValue(f"The {what} is nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(value, Mapping):
        return _plain_mapping(value, what, depth)
    if isinstance(value, (list, tuple)):
        return [plain_value(item, f"{what}[{at}]", depth + 1) for at, item in enumerate(value)]
    item = _scalar_item(value)
    if item is not value:
        return plain_value(item, what, depth + 1)
    raise InvalidValue(
        f"The {what} is a {type(value).__name__}, which cannot be written. Log numbers, text, bools, None, or lists and mappings "
        "of these; str(value) makes text of anything."
    )


def _plain_mapping(mapping: Mapping[Any, object], what: str, depth: int) -> dict[str, Value]:
    plain: dict[str, Value] = {}
    for key, item in mapping.items():
        name = _key(key, what)
        if name in plain:
            raise InvalidValue(f"The {what} has two keys that are both written {name!r}.")
        plain[name] = plain_value(item, f"{what}[{key!r}]", depth + 1)
    return plain


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
    item = _scalar_item(value, of_one=True)
    if item is not value:
        return check_number(item, what)
    try:
        number = float(value) if hasattr(value, "__float__") else None
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch's are RuntimeErrors
        number = None
    if number is None:
        raise InvalidValue(f"The {what} is {_shown(value)} ({type(value).__name__}), which is no number.")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _scalar_item(value: object, *, of_one: bool = False) -> object:
    """Return the Python scalar inside a numpy scalar, a 0-d array or a tensor; ``value`` itself elsewhere.

    Args:
        value: anything.
        of_one: whether an array of one element in however many dimensions counts too.
    """
    item = getattr(value, "item", None)
    if not callable(item) or isinstance(value, type):
        return value
    shape = getattr(value, "shape", None)
    if not (shape in ((), None) or (of_one and getattr(value, "size", None) == 1)):
        return value
    try:
        found = item()
    except (TypeError, ValueError, RuntimeError):
        return value
    if type(found) is type(value):  # numpy's long double, for which Python has no type, gives itself
        return float(value) if hasattr(value, "__float__") else value
    return found


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
    key = _scalar_item(key)
    if key is None or isinstance(key, (int, float)):
        return str(key)
    if not isinstance(key, str) or not key or "\n" in key:
        raise InvalidValue(f"The {what} has the key {_shown(key)}; keys are one line of text.")
    text = _text(str.__str__(key), what)
    if len(quote(text)) > _MAX_KEY:
        raise InvalidValue(f"The {what} has a key of {len(text)} characters ({text[:40]!r}…), too long for YAML.")
    return text


def text_tags(tags: object, verb: str) -> dict[str, str]:
    """Return tags as they are written: name to text.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: a text that cannot be written, or no mapping.
    """
    items = mapping_of(tags, verb).items()
    return {check_name(key, "tag"): str(plain_value(str(value), f"tag {key!r}")) for key, value in items}


def free_text(text: object, what: str) -> str | None:
    """Return what a person wrote about something, such as the notes of a run, as it is written.

    Raises:
        InvalidValue: no text, and not None.
    """
    if text is None or isinstance(text, str):
        return None if text is None else str(plain_value(text, what))
    raise InvalidValue(f"The {what} must be text, not {type(text).__name__}.")


def mapping_of(value: object, verb: str) -> Mapping[Any, Any]:
    """Return ``value`` when it is a mapping of names to values, as ``verb`` takes it.

    Raises:
        InvalidValue: it is none.
    """
    if isinstance(value, Mapping):
        return value
    raise InvalidValue(f"{verb} takes a mapping of names to values, not {type(value).__name__}: {_shown(value)}.")


def final_status(status: object) -> Status:
    """Return how a run ends, also from MLflow's spelling in capitals.

    Raises:
        InvalidValue: no run ends so.
    """
    text = str(status).lower()
    for final in (Status.FINISHED, Status.FAILED, Status.KILLED):
        if text == final.value:
            return final
    raise InvalidValue(f"A run ends as 'finished', 'failed' or 'killed', not {status!r}.")
