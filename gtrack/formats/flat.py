"""The quick way through the plain files that gtrack itself writes.

PyYAML's C loader takes a quarter of a millisecond for a ``run.yaml``; a hundred thousand runs have three such files each. What
``yamlio.dumps`` writes is nearly always one ``key: value`` per line, mappings indented by two spaces, so one regular expression
takes all lines apart at once. When a line is of any other shape ``parse`` gives up and the full loader reads the file: both
always agree.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.records import Value

_GIVE_UP = object()
_DEEPEST = 16
# The shapes that need no second look; all others go to the full loader. A float has a dot, as yamlio.number writes it.
_INT = r"-?(?:0|[1-9][0-9]{0,17})"
_FLOAT = r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\\(?:["\\/bfnrt]|u(?!d[89a-f])[0-9a-f]{4}))*"'
_CHARACTER = "[A-Za-z0-9_./@+=()<>~%-]"
_PLAIN = rf"[A-Za-z_/]{_CHARACTER}*(?:[ :]{_CHARACTER}+)*"
# No longer than a commit's id, so that a hostile line cannot make the two stars try all ways to share it.
_ID = r"(?!0[xXoObB])(?=[0-9A-Za-z]{2,64}(?![0-9A-Za-z]))[0-9][0-9A-Za-z]*[ac-df-np-wyzAC-DF-NP-WYZ][0-9A-Za-z]*"
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z"
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
_WORD = "|".join(map(re.escape, _WORDS))
_TYPED_WORD = (
    "(?i:y|n|yes|no|on|off|true|false|null|nan|inf)"  # a loader takes these, unquoted, for another type than text
)


def _value(end: str) -> str:
    """Return the expression for a scalar that ``end`` follows; its groups are float, int, word, quoted and other text."""
    plain = f"(?!{_TYPED_WORD}{end})(?:{_PLAIN}|{_MOMENT}|{_ID})"
    return f"(?:({_FLOAT})|({_INT})|({_WORD})|({_QUOTED})|({plain})){end}"


_KEY = f"({_QUOTED}|(?!{_TYPED_WORD}:)[A-Za-z_]{_CHARACTER}*)"
_LINE = re.compile(rf"^( *){_KEY}:(?:\n| (?:{_value(chr(10))}|\[([^\n]+)\]\n))", re.MULTILINE)
_ITEM = re.compile(_value(r"(?:, |\Z)"))


def parse(data: bytes) -> dict[str, Value] | None:
    """Return the mapping that a flat file holds, or None when the full loader has to read it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    lines = _LINE.findall(text)
    # Each match is a whole line, so as many as there are lines are all of them.
    if not lines or len(lines) != text.count("\n") or text[-1] != "\n":
        return None
    top: dict[str, Value] = {}
    levels: list[dict[str, Value]] = [top]
    opened: str | None = None
    for indent, name, *scalar, inside in lines:
        key = json.loads(name) if name[0] == '"' else name
        depth, odd = divmod(len(indent), 2)
        if opened is not None:
            inner: dict[str, Value] = {}
            levels[-1][opened] = inner
            levels.append(inner)
            opened = None
            if depth + 1 != len(levels):
                return None
        del levels[depth + 1 :]
        if odd or depth >= len(levels) or depth > _DEEPEST:
            return None
        value = _flow_list(inside) if inside else _scalar(*scalar)
        if value is _GIVE_UP:
            if inside:
                return None
            opened, value = key, None
        levels[-1][key] = value  # type: ignore[assignment]
    return top if opened is None else None


def without_comments(data: bytes) -> bytes:
    """Return a file without comments and empty lines, for ``parse``; as it is where more than a look tells what is one."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    lines = []
    for line in text.split("\n"):
        head, mark, comment = line.partition("#")
        # A mark inside quotes begins none, and what is not printable may end one.
        begins = mark and head[-1:] in {"", " ", "\t"} and not ('"' in head or "'" in head)
        kept = head.rstrip(" \t") if begins and comment.isprintable() else line
        if kept:
            lines.append(f"{kept}\n")
    return "".join(lines).encode()


def _scalar(decimal: str, whole: str, word: str, quoted: str, plain: str) -> object:
    """Return the value that one group of ``_value`` holds; ``_GIVE_UP`` when none does."""
    if plain:
        return plain
    if decimal:
        return float(decimal)
    if whole:
        return int(whole)
    if word:
        value = _WORDS[word]
        return type(value)() if isinstance(value, (dict, list)) else value
    return json.loads(quoted) if quoted else _GIVE_UP


def _flow_list(inside: str) -> object:
    items: list[object] = []
    at = 0
    while at < len(inside):
        found = _ITEM.match(inside, at)
        if found is None or (found[5] and ":" in found[5]):
            return _GIVE_UP
        value = _scalar(*(group or "" for group in found.groups()))
        if isinstance(value, (list, dict)):
            return _GIVE_UP
        items.append(value)
        at = found.end()
    return items if not inside.endswith(", ") else _GIVE_UP
