"""What the words of a filter mean: which field a key is, and whether a value can be compared with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from gtrack.errors import QueryError, nearest
from gtrack.store.query import moments
from gtrack.store.query.conditions import Constant, Names, Operator, Target, Test
from gtrack.store.query.fields import (
    ALIASES,
    ATTRIBUTES,
    MLFLOW_TAGS,
    NAMED,
    PARTS,
    PREFIXES,
    REGISTERED,
    Field,
    Kind,
    Place,
)
from gtrack.store.query.moments import Moment
from gtrack.store.query.pointing import error_at

MAX_VALUES = 10_000
"""Values in one filter; SQLite takes 32,766, the names among them."""
MAX_PATTERN = 10_000
"""Bytes in the pattern of a LIKE; SQLite takes 50,000, and some characters grow fourfold on their way."""

_HEX = re.compile(r"[0-9a-f]{4,64}")
_NULLS = (Operator.IS_NULL, Operator.IS_NOT_NULL)
_EQUAL = (Operator.EQ, Operator.NE)
_ORDERED = (*_EQUAL, Operator.LT, Operator.LE, Operator.GT, Operator.GE)
_LISTED = (Operator.IN, Operator.NOT_IN)
_LIKE = (Operator.LIKE, Operator.ILIKE)
_TEXTUAL = (*_EQUAL, *_LIKE, *_LISTED, *_NULLS)

OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    Kind.TEXT: _TEXTUAL,
    Kind.STATUS: _TEXTUAL,
    Kind.STAGE: _TEXTUAL,
    Kind.HEX: _TEXTUAL,
    Kind.VALUE: (*_ORDERED, *_LIKE, *_LISTED, *_NULLS),
    Kind.NUMBER: (*_ORDERED, *_LISTED, *_NULLS),
    Kind.DURATION: (*_ORDERED, *_LISTED, *_NULLS),
    Kind.MOMENT: (*_ORDERED, *_NULLS),
    Kind.MILLISECONDS: (*_ORDERED, *_NULLS),
    Kind.FLAG: (*_EQUAL, *_NULLS),
}
"""Which comparisons each kind of field takes."""

_MEANT = {"==": "=", "<>": "!=", "=<": "<=", "=>": ">=", "=~": "LIKE", "~": "LIKE", "!~": "not … LIKE"}


@dataclass(frozen=True)
class Word:
    """A key, an operator or a direction, as written, and the index of its first character."""

    text: str
    at: int


@dataclass(frozen=True)
class Literal:
    """A value as written; ``form`` is ``text``, ``duration``, ``number`` or ``flag``."""

    form: str
    text: str
    at: int


@dataclass(frozen=True)
class Comparison:
    """A comparison as written."""

    key: Word
    operator: Word
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class _Part:
    text: str
    quoted: bool
    at: int


class Meaning:
    """Finds out what the words of one text mean.

    Args:
        text: the whole filter or order, for the errors.
        names: all names of a kind, or None when they shall not be checked.
        strict: whether a name that no run has is an error.
    """

    def __init__(self, text: str, names: Names | None, *, strict: bool) -> None:
        self._text = text
        self._names = names
        self._strict = strict
        self._known: dict[Place, frozenset[str]] = {}
        self._values = 0

    def test(self, written: Comparison) -> Test:
        """Return the comparison that was written.

        Raises:
            QueryError: there is no such key, or it cannot be compared like that.
        """
        operator = self._operator(written.operator)
        target = self._target(written.key, check=operator not in _NULLS)
        taken = OPERATORS[target.field.kind]
        if operator not in taken:
            raise self._cannot(written, taken)
        self._values += len(written.values)
        if self._values > MAX_VALUES:
            raise self._error(written.key.at, f"A filter can have {MAX_VALUES:,} values at the most.")
        return Test(target, operator, tuple(self._constant(target.field, operator, value) for value in written.values))

    def sortable(self, key: Word) -> Target:
        """Return what a key means in an order.

        Raises:
            QueryError: there is no such key, or a run can have several of it.
        """
        target = self._target(key, check=True)
        if target.place in (Place.DATASET, Place.REGISTRY):
            several = f"{target.place.value}s" if target.field.kind is not Kind.STAGE else "stages"
            raise self._error(key.at, f"A run may have several {several}, so they do not say where it stands.")
        return target

    # Keys

    def _target(self, key: Word, *, check: bool) -> Target:
        parts = _parts(key)
        place = PREFIXES.get(parts[0].text) if len(parts) > 1 else Place.ATTRIBUTE
        if place is None:
            raise self._unknown(key, parts)
        if place is Place.ATTRIBUTE:
            return self._attribute(key, parts)
        rest = parts[1:]
        if place in (Place.DATASET, Place.INPUT):
            return self._input(place, rest)
        if place is Place.PACKAGE:
            return Target(place, PARTS[place][""], re.sub(r"[-_.]+", "-", _joined(rest)).lower())
        name, field = self._metric(rest) if place is Place.METRIC else (_joined(rest), PARTS[place][""])
        known = None if self._names is None else self._all(place)
        if place is Place.TAG and name in MLFLOW_TAGS and name not in (known or ()):
            return Target(Place.ATTRIBUTE, MLFLOW_TAGS[name])
        if check and self._strict and known is not None and name not in known:
            raise self._no_such(place, name, rest[0].at)
        return Target(place, field, name)

    def _metric(self, parts: Sequence[_Part]) -> tuple[str, Field]:
        """Tell ``loss.min``, the least of a metric's values, from a metric of that name; a quoted ``loss`` settles it."""
        whole, fields = _joined(parts), PARTS[Place.METRIC]
        *stem, last = parts
        if not stem or last.quoted or last.text not in fields:
            return whole, fields["last"]
        if not any(part.quoted for part in stem) and self._names is not None and whole in self._all(Place.METRIC):
            return whole, fields["last"]
        return _joined(stem), fields[last.text]

    def _attribute(self, key: Word, parts: Sequence[_Part]) -> Target:
        name = _joined(parts if len(parts) == 1 else parts[1:])
        if name in REGISTERED:
            return Target(Place.REGISTRY, REGISTERED[name])
        field = ATTRIBUTES.get(ALIASES.get(name, name))
        if field is None:
            raise self._unknown(key, parts)
        return Target(Place.ATTRIBUTE, field)

    def _input(self, place: Place, parts: Sequence[_Part]) -> Target:
        fields = PARTS[place]
        *stem, last = parts
        key = _joined(stem)
        if last.text in fields and bool(key) == (place is Place.INPUT):
            return Target(place, fields[last.text], key)
        prefix = "datasets." if place is Place.DATASET else f"inputs.{key or last.text}."
        expected = " or ".join(f"{prefix}{name}" for name in fields)
        raise self._error(last.at, f"Expected {expected}.{nearest(last.text, fields)}", expected)

    def _all(self, place: Place) -> frozenset[str]:
        if place not in self._known and self._names is not None:
            self._known[place] = frozenset(self._names(NAMED[place]))
        return self._known[place]

    def _no_such(self, place: Place, name: str, at: int) -> QueryError:
        known = sorted(self._all(place))
        if place is Place.METRIC and name.rpartition(".")[0]:
            stem = name.rpartition(".")[0]
            if stem in known:
                known += [f"{stem}.{part}" for part in PARTS[place]]
        few = f" They have {', '.join(known[:8])}{' …' * (len(known) > 8)}." if known else ""
        return self._error(
            at, f"No run has a {place.value} {_short(name)!r}.{nearest(name, known) or few}", place.value
        )

    def _unknown(self, key: Word, parts: Sequence[_Part]) -> QueryError:
        """Tell that there is no such attribute or prefix; perhaps a metric or parameter of that name was meant."""
        first, name = parts[0], _joined(parts)
        if self._names is not None:
            for place, kind in NAMED.items():
                if name in self._all(place):
                    return self._error(
                        key.at, f"There is no {_short(name)!r} of the run itself. Did you mean '{kind}.{name}'?"
                    )
        if len(parts) > 1 and PREFIXES.get(first.text) is not Place.ATTRIBUTE:
            expected = "metrics., params., tags., attributes., datasets., inputs. or packages."
            close = nearest(first.text, PREFIXES)
            return self._error(
                key.at, f"No key begins with '{_short(first.text)}.': expected {expected}{close}", expected
            )
        last = parts[-1]
        expected = f"one of {', '.join(sorted([*ATTRIBUTES, *REGISTERED]))}, or a prefix such as metrics. or params."
        hint = nearest(last.text, [*ATTRIBUTES, *ALIASES, *REGISTERED]) or f" Expected {expected}"
        return self._error(last.at, f"A run has no {_short(last.text)!r} itself.{hint}", expected)

    # Comparisons

    def _operator(self, word: Word) -> Operator:
        try:
            return Operator(word.text)
        except ValueError:
            expected = "one of = != < <= > >="
            meant = f" Did you mean '{_MEANT[word.text]}'?" if word.text in _MEANT else f" Expected {expected}."
            raise self._error(word.at, f"{word.text!r} is no comparison.{meant}", expected) from None

    def _cannot(self, written: Comparison, taken: Iterable[Operator]) -> QueryError:
        operators = ", ".join(map(str, taken))
        return self._error(
            written.operator.at,
            f"{written.key.text} cannot be compared with {written.operator.text}: it takes {operators}.",
            operators,
        )

    def _constant(self, field: Field, operator: Operator, value: Literal) -> Constant:
        constant = self._like(field, value) if operator in _LIKE else _READERS[field.kind](field, operator, value)
        if constant is None:
            expected = _expected(field, operator)
            raise self._error(value.at, f"Expected {expected}, not {_short(value.text)}.", expected)
        return constant

    def _like(self, field: Field, value: Literal) -> str | None:
        if value.form != "text":
            return None
        pattern = _unquoted(value.text)
        if len(pattern.encode()) > MAX_PATTERN:
            raise self._error(value.at, f"A pattern can have {MAX_PATTERN:,} bytes at the most.")
        return pattern.lower() if field.kind in (Kind.STATUS, Kind.STAGE) else pattern

    def _error(self, at: int, problem: str, expected: str = "") -> QueryError:
        return error_at(self._text, at, problem, expected)


def _parts(key: Word) -> list[_Part]:
    """Cut a key at its dots, but not at those inside quotes; take the quotes off."""
    parts, at = [], 0
    while at < len(key.text):
        quote = key.text[at]
        quoted = quote in "`\"'"
        pattern = f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}" if quoted else r"[^.]+"
        found = re.compile(pattern).match(key.text, at)
        text = found.group() if found else key.text[at:]
        parts.append(_Part(_unquoted(text) if quoted else text, quoted, key.at + at))
        at += len(text) + 1
    return parts


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _joined(parts: Iterable[_Part]) -> str:
    return ".".join(part.text for part in parts)


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _expected(field: Field, operator: Operator) -> str:
    if operator in _LIKE:
        return "a pattern in quotes"
    if field.kind is Kind.VALUE and operator in _ORDERED and operator not in _EQUAL:
        return "a number without quotes (text has no order here)"
    return field.kind.value


# How the value of each kind is read: None when it is no such value.


def _text(_: Field, __: Operator, value: Literal) -> str | None:
    return _unquoted(value.text) if value.form == "text" else None


def _lower_case(_: Field, __: Operator, value: Literal) -> str | None:
    return _unquoted(value.text).lower() if value.form == "text" else None


def _hex(field: Field, _: Operator, value: Literal) -> str | None:
    digits = _unquoted(value.text).lower().removeprefix(field.stem) if value.form == "text" else ""
    return field.stem + digits if _HEX.fullmatch(digits) else None


def _number(_: Field, __: Operator, value: Literal) -> float | None:
    return float(value.text) if value.form == "number" else None


def _value(_: Field, operator: Operator, value: Literal) -> Constant | None:
    if value.form == "number":
        return float(value.text)
    if value.form == "duration" or (operator in _ORDERED and operator not in _EQUAL):
        return None
    return _unquoted(value.text) if value.form == "text" else value.text.lower() == "true"


def _duration(_: Field, __: Operator, value: Literal) -> float | None:
    if value.form == "number":
        return float(value.text)
    return moments.seconds(_unquoted(value.text) if value.form == "text" else value.text)


def _moment(_: Field, __: Operator, value: Literal) -> Moment | None:
    text = _unquoted(value.text) if value.form == "text" else ""
    return Moment(text) if moments.period(text, datetime(2000, 1, 1, tzinfo=timezone.utc)) else None


def _milliseconds(field: Field, operator: Operator, value: Literal) -> Constant | None:
    return float(value.text) if value.form == "number" else _moment(field, operator, value)


def _flag(_: Field, __: Operator, value: Literal) -> bool | None:
    text = _unquoted(value.text) if value.form == "text" else value.text
    return {"true": True, "false": False}.get(text.lower())


_READERS = {
    Kind.TEXT: _text,
    Kind.STATUS: _lower_case,
    Kind.STAGE: _lower_case,
    Kind.HEX: _hex,
    Kind.VALUE: _value,
    Kind.NUMBER: _number,
    Kind.DURATION: _duration,
    Kind.MOMENT: _moment,
    Kind.MILLISECONDS: _milliseconds,
    Kind.FLAG: _flag,
}
