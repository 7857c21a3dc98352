"""Small filters, as MLflow has them for experiments and models: ``name LIKE 'churn%' AND tags.team = 'fraud'``.

Runs have a language of their own (``store.query``); of experiments and models there are few, and each is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gtrack.errors import QueryError, nearest

Facts = Mapping[str, Any]
"""What can be asked of one thing: ``name``, ``creation_time`` …, and ``tags.<name>`` for each of its tags."""

_Thing = TypeVar("_Thing")

_CLAUSE = re.compile(
    r"""\s*(?P<key>(?:tags?\.)?(?:`[^`]+`|"[^"]+"|[\w./:@-]+))\s*
    (?P<operator>>=|<=|!=|=|>|<|(?:NOT\s+)?I?LIKE\b|(?:NOT\s+)?IN\b|IS\s+(?:NOT\s+)?NULL\b)\s*
    (?P<value>'(?:[^']|'')*'|"[^"]*"|-?\d+(?:\.\d*)?|\((?:\s*'(?:[^']|'')*'\s*,?)+\s*\))?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_LISTED = re.compile(r"'((?:[^']|'')*)'")
_ORDER = re.compile(r"""\s*(?P<key>(?:tags?\.)?(?:`[^`]+`|[\w.]+))(?:\s+(?P<way>ASC|DESC))?\s*\Z""", re.IGNORECASE)


@dataclass(frozen=True)
class Clause:
    """One comparison: a key of the facts, an operator in capitals, and what it is compared with."""

    key: str
    operator: str
    value: Any

    def holds(self, facts: Facts) -> bool:
        """Tell whether the facts fulfil it; what is not known fulfils no comparison."""
        found = facts.get(self.key)
        if self.operator in _NULL:
            return (found is None) is (self.operator == "IS NULL")
        if found is None:
            return False
        numeric = isinstance(found, (int, float))
        if numeric is not isinstance(self.value, (int, float)):
            return self.operator == "!="
        return _COMPARE[self.operator](found, self.value)


_NULL = ("IS NULL", "IS NOT NULL")


def _like(pattern: str, flags: int) -> re.Pattern[str]:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), flags | re.DOTALL)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda found, value: bool(found == value),
    "!=": lambda found, value: bool(found != value),
    ">": lambda found, value: bool(found > value),
    ">=": lambda found, value: bool(found >= value),
    "<": lambda found, value: bool(found < value),
    "<=": lambda found, value: bool(found <= value),
    "LIKE": lambda found, value: _like(value, 0).fullmatch(found) is not None,
    "ILIKE": lambda found, value: _like(value, re.IGNORECASE).fullmatch(found) is not None,
    "IN": lambda found, value: found in value,
    "NOT IN": lambda found, value: found not in value,
}


def parse_clauses(text: str | None, keys: Sequence[str]) -> list[Clause]:
    """Return the comparisons of a filter, all of which must hold.

    Args:
        text: the filter; None or blank takes everything.
        keys: what can be asked for beside ``tags.<name>``.

    Raises:
        QueryError: it cannot be read, or asks for something else.
    """
    if text is None or not text.strip():
        return []
    clauses, at = [], 0
    while True:
        found = _CLAUSE.match(text, at)
        if found is None:
            raise _error(text, at, "a comparison such as name = 'churn'")
        clauses.append(_clause(text, found, keys))
        at = found.end()
        if at == len(text):
            return clauses
        joined = _AND.match(text, at)
        if joined is None:
            raise _error(text, at, "AND, or the end")
        at = joined.end()


def _clause(text: str, found: re.Match[str], keys: Sequence[str]) -> Clause:
    operator = " ".join(found["operator"].upper().split())
    key = _key(text, found["key"], found.start("key"), keys)
    given = found["value"]
    if (operator in _NULL) is not (given is None):
        at = found.end("operator") if given is None else found.start("value")
        raise _error(text, at, "a value" if given is None else "AND, or the end")
    value: Any = None
    if given is not None and given[0] == "(":
        value = tuple(one.replace("''", "'") for one in _LISTED.findall(given))
    elif given is not None:
        value = given[1:-1].replace("''", "'") if given[0] in "'\"" else float(given)
    fits = {"LIKE": str, "ILIKE": str, "IN": tuple, "NOT IN": tuple}.get(operator, (str, float))
    if operator not in _NULL and (operator not in _COMPARE or not isinstance(value, fits)):
        raise _error(text, found.start("operator"), "another comparison, or another value")
    return Clause(key, operator, value)


def _key(text: str, written: str, at: int, keys: Sequence[str]) -> str:
    prefix, dot, name = written.partition(".")
    if dot and prefix.lower() in {"tag", "tags"}:
        return f"tags.{name.strip('`').strip(chr(34))}"
    bare = written.strip('`"')
    if dot and prefix in {"attribute", "attributes", "attr"}:
        bare = name
    if bare not in keys:
        known = ", ".join([*keys, "tags.NAME"])
        raise _error(text, at, f"one of {known}", nearest(bare, keys))
    return bare


def _error(text: str, at: int, expected: str, hint: str = "") -> QueryError:
    at += len(text[at:]) - len(text[at:].lstrip())
    return QueryError(f"Expected {expected}.{hint}\n  {text}\n  {' ' * at}^", text, at, expected)


def in_order(
    things: Sequence[_Thing], facts: Callable[[_Thing], Facts], order: Sequence[str] | str | None, keys: Sequence[str]
) -> list[_Thing]:
    """Return things sorted by some of their facts; what is not known comes last, and what is equal stays in order.

    Args:
        things: what is sorted.
        facts: gives those of one.
        order: such as ``["name ASC", "creation_time DESC"]``.
        keys: what can be sorted by beside ``tags.<name>``.

    Raises:
        QueryError: it cannot be read, or names something else.
    """
    found = list(things)
    for text in reversed([order] if isinstance(order, str) else list(order or ())):
        match = _ORDER.match(text)
        if match is None:
            raise _error(text, 0, "a name, then ASC or DESC")
        key = _key(text, match["key"], match.start("key"), keys)
        known = [one for one in found if facts(one).get(key) is not None]
        known.sort(key=lambda one: facts(one)[key], reverse=(match["way"] or "").upper() == "DESC")
        found = known + [one for one in found if facts(one).get(key) is None]
    return found
