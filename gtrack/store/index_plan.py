"""Choose how SQLite answers a question about many runs.

SQLite knows how long a table is, not how many runs fulfil a condition, and that decides what is quick: of a condition that few
runs fulfil, the set of those runs is made first and all else starts from it; where many do, making that set takes longer than
to look at one run after the other until there are enough. So each condition is tried on a sample, spread over all runs. The
answer is the same whichever way is taken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from gtrack.store.index_schema import RUN_COLUMNS
from gtrack.store.query.conditions import Condition, Order, Test, tests
from gtrack.store.query.fields import NAMED, SOURCES
from gtrack.store.query.sql import Driven, Sql, compile_driven, compile_order, compile_where

Only = Mapping[str, Sequence[str]]
"""What a question is limited to beside its condition: ``{"experiment": ("churn",)}``; see ``RUN_COLUMNS``."""

LARGE = 5000
"""From so many runs on a sample is worth its time."""
_SAMPLE = 250
_DENSE = 0.2
_WALKED = 0.2


@dataclass(frozen=True)
class Question:
    """Which runs are asked for, and in which order.

    Attributes:
        where: the condition; all runs when None.
        order: by what they are sorted; the newest first when empty.
        limit: how many at the most.
        offset: how many to leave out at the beginning.
        only: limits the answer to runs with some facts.
    """

    where: Condition | None = None
    order: Sequence[Order] = ()
    limit: int | None = None
    offset: int = 0
    only: Only | None = None


def numbers(connection: sqlite3.Connection, question: Question) -> list[int]:
    """Return the numbers of the runs that a question asks for, in its order."""
    sample = _Sample(connection)
    condition = condition_of(question.where, question.only, sample)
    limit, offset = question.limit, question.offset
    is_driven = limit is not None and any(one.target.place in NAMED for one in question.order[:1])
    if is_driven and sample.finds(condition, (limit or 0) + offset):
        first, *others = question.order
        found = along(connection, compile_driven(first), condition, limit, others=others, offset=offset)
        if len(found) == limit:  # else those follow that have no such value
            return found
    sorting = compile_order(question.order)
    sql = f"SELECT r.n FROM runs AS r WHERE {condition.text} ORDER BY {sorting.text} LIMIT ? OFFSET ?"
    bound = (*condition.parameters, *sorting.parameters, limit_of(limit), offset)
    return [row[0] for row in connection.execute(sql, bound)]


def condition_of(where: Condition | None, only: Only | None, sample: _Sample | None = None) -> Sql:
    """Return the SQL of a condition, and of what the answer is limited to.

    Args:
        where: the condition; all runs when None.
        only: limits the answer to runs with some facts.
        sample: tells which parts of the condition many runs fulfil; none is taken to be so, when None.
    """
    now = datetime.now(timezone.utc)
    dense = frozenset(test for test in tests(where) if sample is not None and sample.is_dense(test, now))
    condition = compile_where(where, now, dense)
    texts, parameters = [f"({condition.text})"], list(condition.parameters)
    for name, values in (only or {}).items():
        texts.append(f"{RUN_COLUMNS[name]} IN ({', '.join('?' * len(values))})")
        parameters += values
    return Sql(" AND ".join(texts), tuple(parameters))


def along(
    connection: sqlite3.Connection,
    driven: Driven,
    condition: Sql,
    limit: int | None,
    *,
    others: Sequence[Order] = (),
    offset: int = 0,
) -> list[int]:
    """Return the numbers of the runs that have a value, sorted by it: along the values, of metrics along their index.

    Args:
        connection: the index.
        driven: the values.
        condition: which runs.
        limit: how many at the most.
        others: by what runs with the same value are sorted.
        offset: how many to leave out at the beginning.
    """
    sorting = compile_order(others)
    sql = (
        f"SELECT r.n FROM {driven.table} AS x CROSS JOIN runs AS r ON r.n = x.n WHERE {driven.condition.text} "
        f"AND {condition.text} ORDER BY {driven.terms}, {sorting.text} LIMIT ? OFFSET ?"
    )
    bound = (*driven.condition.parameters, *condition.parameters, *sorting.parameters, limit_of(limit), offset)
    return [row[0] for row in connection.execute(sql, bound)]


def limit_of(count: int | None) -> int:
    """Return what SQLite's LIMIT calls a number of rows, or no limit."""
    return -1 if count is None else count


class _Sample:
    """Some of the stored runs, evenly spread over all of them; none when there are few."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._count: int = connection.execute("SELECT coalesce(max(n), 0) FROM main.runs").fetchone()[0]
        self._numbers = ""
        self._size = 0
        if self._count >= LARGE:
            self._numbers = ", ".join(str(1 + at * self._count // _SAMPLE) for at in range(_SAMPLE))
            self._size = self._found(Sql("1"))

    def _found(self, condition: Sql) -> int:
        sql = f"SELECT count(*) FROM main.runs AS r WHERE r.n IN ({self._numbers}) AND ({condition.text})"
        count: int = self._connection.execute(sql, condition.parameters).fetchone()[0]
        return count

    def is_dense(self, test: Test, now: datetime) -> bool:
        """Tell whether many runs fulfil a comparison."""
        if not self._size or test.target.place not in SOURCES:
            return False
        return self._found(compile_where(test, now, frozenset({test}))) > _DENSE * self._size

    def finds(self, condition: Sql, wanted: int) -> bool:
        """Tell whether a small part of all runs has as many that fulfil a condition."""
        return bool(self._size) and self._found(condition) * self._count * _WALKED >= wanted * self._size


def rows_by_number(connection: sqlite3.Connection, columns: str, ordered: Sequence[int]) -> list[Any]:
    """Return ``columns`` of ``runs AS r`` and ``bodies AS b`` for each of some runs, in the order given."""
    found: dict[int, Any] = {}
    for at in range(0, len(ordered), LARGE):
        part = ", ".join(map(str, ordered[at : at + LARGE]))
        sql = f"SELECT r.n, {columns} FROM runs AS r JOIN bodies AS b ON b.n = r.n WHERE r.n IN ({part})"
        found.update((row[0], row[1:]) for row in connection.execute(sql))
    return [found[number] for number in ordered]
