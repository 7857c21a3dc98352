"""The quick way through the plain files that gtrack itself writes.

PyYAML's C loader takes a quarter of a millisecond for a ``run.yaml``; a hundred thousand runs have three such files each. What
``yamlio.dumps`` writes is nearly always one ``key: value`` per line, mappings indented by two spaces, so lines are read as
they stand. At the first line of any other shape ``parse`` gives up and the full loader reads the file: both always agree.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gtrack.records import Value

_GIVE_UP = object()
_DEEPEST = 16
# The shapes that need no second look; all others go to the full loader. A float has a dot, as yamlio.number writes it.
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?\Z")
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=()<>~%-]*(?:[ :][A-Za-z0-9_./@+=()<>~%-]+)*\Z")
_ID = re.compile(r"(?!0[xXoObB])[0-9][0-9A-Za-z]*[ac-df-np-wyzAC-DF-NP-WYZ][0-9A-Za-z]*\Z")
_QUOTED = re.compile(
    r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\\(?:["\\/bfnrt]|u(?!d[89a-f])[0-9a-f]{4}))*"\Z'
)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z\Z")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./@+=()<>~%-]*\Z")
_WORDS: dict[str, Value] = {
    "null": None,
    "true": True,
    "false": False,
    "{}": {},
    "[]": [],
    ".nan": float("nan"),
    ".inf": float("inf"),
    "-.inf": float("-inf"),
}
_TYPED_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_ITEM = re.compile(r'("(?:[^"\\]|\\.)*"|[^",\[\]{}]+)(?:, |\Z)')


def parse(data: bytes) -> dict[str, Value] | None:
    """Return the mapping that a flat file holds, or None when the full loader has to read it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    top: dict[str, Value] = {}
    levels: list[dict[str, Value]] = [top]
    opened: str | None = None
    lines = text.split("\n")
    if lines.pop() or not lines:
        return None
    for line in lines:
        body = line.lstrip(" ")
        depth, odd = divmod(len(line) - len(body), 2)
        if opened is not None:
            if depth != len(levels) or odd or depth > _DEEPEST:
                return None
            inner: dict[str, Value] = {}
            levels[-1][opened] = inner
            levels.append(inner)
        elif depth >= len(levels) or odd:
            return None
        del levels[depth + 1 :]
        key, value = _line(body)
        if key is None:
            return None
        opened = key if value is _GIVE_UP else None
        levels[-1][key] = None if opened else cast("Value", value)
    return None if opened is not None else top


def _line(body: str) -> tuple[str | None, object]:
    """Return key and value of a line; the value is ``_GIVE_UP`` when a mapping follows, the key None at any other shape."""
    if body.startswith('"'):
        end = body.find('":', 1) + 1
        name = body[:end]
        if not _QUOTED.match(name):
            return None, None
        key, rest = json.loads(name), body[end + 1 :]
    else:
        key, colon, rest = body.partition(":")
        if not colon or not _KEY.match(key) or key.lower() in _TYPED_WORDS:
            return None, None
    if not rest:
        return key, _GIVE_UP
    if rest[0] != " ":
        return None, None
    value = _scalar(rest[1:])
    return (None, None) if value is _GIVE_UP else (key, value)


def _scalar(text: str) -> object:
    if _FLOAT.match(text):
        return float(text)
    if _INT.match(text):
        return int(text)
    if text in _WORDS:
        value = _WORDS[text]
        return type(value)() if isinstance(value, (dict, list)) else value
    if _QUOTED.match(text):
        return json.loads(text)
    if _PLAIN.match(text):
        return _GIVE_UP if text.lower() in _TYPED_WORDS else text
    if _MOMENT.match(text) or _ID.match(text):
        return text
    return _flow_list(text[1:-1]) if text[:1] == "[" and text[-1] == "]" else _GIVE_UP


def _flow_list(inside: str) -> object:
    items: list[object] = []
    at = 0
    while at < len(inside):
        found = _ITEM.match(inside, at)
        if not found or (":" in found[1] and found[1][0] != '"'):
            return _GIVE_UP
        value = _scalar(found[1])
        if value is _GIVE_UP or isinstance(value, (list, dict)):
            return _GIVE_UP
        items.append(value)
        at = found.end()
    return items
