"""Model versions by a filter, in MLflow's grammar for them: clauses on ``name``, ``run_id`` … joined by ``and``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from gtrack.errors import QueryError, nearest

if TYPE_CHECKING:
    from gtrack.records import ModelVersion

_CLAUSE = re.compile(
    r"\s*(?:attributes?\.)?(?P<key>[A-Za-z_]+|`[^`]+`)\s*(?P<sign>!=|<=|>=|=|<|>|\bnot\s+in\b|\bin\b|\bi?like\b)\s*"
    r"(?P<value>'[^']*'|\"[^\"]*\"|-?[0-9]+|\((?:[^()'\"]|'[^']*'|\"[^\"]*\")*\))\s*",
    re.IGNORECASE,
)
_AND = re.compile(r"and\b", re.IGNORECASE)
_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"|(-?[0-9]+)")
_NUMBER = "version_number"
_TEXTS: Mapping[str, Callable[[ModelVersion], Iterable[str]]] = {
    "name": lambda one: [one.name],
    "run_id": lambda one: [one.run_id or ""],
    "semver": lambda one: [one.semver],
    "tag": lambda one: [one.tag],
    "source_path": lambda one: [one.source or ""],
    "user": lambda one: [one.user or ""],
    "stage": lambda one: one.stages,
    "current_stage": lambda one: [one.current_stage],
}
_ALIASES = {"version": _NUMBER, "source": "source_path", "user_id": "user", "alias": "stage"}


def matching(versions: Iterable[ModelVersion], filter_string: str) -> list[ModelVersion]:
    """Return the versions that a filter takes, in the order in which they come.

    Args:
        versions: what is chosen from.
        filter_string: ``name = 'churn' and version_number > 2``. ``name``, ``run_id``, ``semver``, ``tag``, ``source_path``,
            ``user``, ``stage`` and ``current_stage`` take ``= != LIKE ILIKE IN`` and ``NOT IN`` with quoted text,
            ``version_number`` takes ``= != < <= > >= IN`` and ``NOT IN`` with a number. Nothing means all.

    Raises:
        QueryError: it cannot be read.
    """
    tests = _tests(filter_string)
    return [one for one in versions if all(test(one) for test in tests)]


def _tests(text: str) -> list[Callable[[ModelVersion], bool]]:
    tests: list[Callable[[ModelVersion], bool]] = []
    at = 0
    while text[at:].strip() or tests:
        found = _CLAUSE.match(text, at)
        if found is None:
            raise _unreadable(text, at, "a clause such as name = 'churn' or version_number > 2")
        tests.append(_test(text, found))
        at = found.end()
        if at == len(text):
            break
        joined = _AND.match(text, at)
        if joined is None:
            raise _unreadable(text, at, "'and', or the end")
        at = joined.end()
    return tests


def _test(text: str, clause: re.Match[str]) -> Callable[[ModelVersion], bool]:
    key = clause["key"].strip("`").lower()
    key = _ALIASES.get(key, key)
    sign = " ".join(clause["sign"].lower().split())
    items = ["".join(groups) for groups in _ITEM.findall(clause["value"])]
    if (sign in {"in", "not in"}) != clause["value"].startswith("(") or not items:
        raise _unreadable(text, clause.start("value"), "a list in parentheses after IN, one value after anything else")
    if key == _NUMBER:
        return _number_test(text, clause, sign, items)
    if key not in _TEXTS:
        known = [*_TEXTS, _NUMBER]
        raise _unreadable(text, clause.start("key"), f"one of {', '.join(known)}.{nearest(key, known)}")
    return _text_test(text, clause, _TEXTS[key], sign, items)


def _number_test(text: str, clause: re.Match[str], sign: str, items: list[str]) -> Callable[[ModelVersion], bool]:
    try:
        numbers = [int(item) for item in items]
    except ValueError:
        raise _unreadable(text, clause.start("value"), "a whole number") from None
    first = numbers[0]
    tests: dict[str, Callable[[ModelVersion], bool]] = {
        "=": lambda one: one.version == first,
        "!=": lambda one: one.version != first,
        "<": lambda one: one.version < first,
        "<=": lambda one: one.version <= first,
        ">": lambda one: one.version > first,
        ">=": lambda one: one.version >= first,
        "in": lambda one: one.version in numbers,
        "not in": lambda one: one.version not in numbers,
    }
    if sign not in tests:
        raise _unreadable(text, clause.start("sign"), f"one of {', '.join(tests)}")
    return tests[sign]


def _text_test(
    text: str, clause: re.Match[str], of: Callable[[ModelVersion], Iterable[str]], sign: str, items: list[str]
) -> Callable[[ModelVersion], bool]:
    wanted = set(items)
    pattern = re.compile(
        "".join({"%": ".*", "_": "."}.get(mark, re.escape(mark)) for mark in items[0]) + r"\Z",
        re.DOTALL | (re.IGNORECASE if sign == "ilike" else 0),
    )
    tests: dict[str, Callable[[ModelVersion], bool]] = {
        "=": lambda one: not wanted.isdisjoint(of(one)),
        "in": lambda one: not wanted.isdisjoint(of(one)),
        "!=": lambda one: wanted.isdisjoint(of(one)),
        "not in": lambda one: wanted.isdisjoint(of(one)),
        "like": lambda one: any(pattern.match(value) for value in of(one)),
        "ilike": lambda one: any(pattern.match(value) for value in of(one)),
    }
    if sign not in tests:
        raise _unreadable(text, clause.start("sign"), f"one of {', '.join(tests)}")
    return tests[sign]


def _unreadable(text: str, at: int, expected: str) -> QueryError:
    return QueryError(
        f"This filter of model versions cannot be read:\n  {text}\n  {' ' * at}^\nExpected here: {expected}.",
        text,
        at,
        expected,
    )
