"""Runs as plain values, and an index in memory that holds them."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from gtrack.store.index_schema import INDICES, SCHEMA
from gtrack.store.query.conditions import Names, Test, tests
from gtrack.store.query.parser import parse_filter, parse_order
from gtrack.store.query.sql import compile_order, compile_where

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)


@dataclass
class Row:
    """A run; times in microseconds since the epoch, metrics with all their values."""

    id: str
    name: str = "calm-otter-1"
    experiment: str = "default"
    status: str = "finished"
    started: int | None = 1_795_000_000_000_000
    ended: int | None = None
    parent: str | None = None
    user: str | None = None
    host: str | None = None
    exit_code: int | None = None
    commit: str | None = None
    head: str | None = None
    branch: str | None = None
    dirty: bool = False
    notes: str | None = None
    damaged: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    packages: dict[str, str] | None = None

    @property
    def duration(self) -> float | None:
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started) / 1e6


def seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def database(rows: Sequence[Row]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    keys: dict[tuple[str, str], int] = {}
    for n, row in enumerate(rows, 1):
        environment = None
        if row.packages is not None:
            environment = n
            connection.executemany(
                "INSERT INTO packages VALUES (?, ?, ?)", [(n, *item) for item in row.packages.items()]
            )
        times = (seconds(row.started), seconds(row.ended), row.duration)
        values = (
            *(
                n,
                row.id,
                "",
                row.experiment,
                row.name,
                row.status,
                *times,
                row.parent,
                row.user,
                row.host,
                row.exit_code,
            ),
            *(row.commit, row.head, row.branch, int(row.dirty), row.notes, environment, int(row.damaged), 0),
        )
        connection.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(values))})", values)
        for kind, rows_of_kind in _hanging(row).items():
            for name, columns in rows_of_kind.items():
                k = keys.setdefault((kind, name), len(keys) + 1)
                marks = ", ".join("?" * (len(columns) + 2))
                connection.execute(f"INSERT INTO {kind} VALUES ({marks})", (k, n, *columns))
        connection.executemany(
            "INSERT INTO inputs VALUES (?, ?, ?, ?, ?)", [(n, name, *rest) for name, rest in row.inputs.items()]
        )
    connection.executemany("INSERT INTO keys VALUES (?, ?, ?)", [(k, *key) for key, k in keys.items()])
    connection.executescript(INDICES)
    return connection


def _hanging(row: Row) -> dict[str, dict[str, tuple[object, ...]]]:
    return {
        "params": {name: (number(value), str(value)) for name, value in row.params.items()},
        "metrics": {name: summary(values) for name, values in row.metrics.items()},
        "tags": {name: (text,) for name, text in row.tags.items()},
    }


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def summary(values: Sequence[float]) -> tuple[object, ...]:
    real = [value for value in values if not math.isnan(value)]
    return values[-1], values[0], min(real, default=None), max(real, default=None), len(values), None, None, None


def ask(
    connection: sqlite3.Connection,
    text: str,
    order: Sequence[str] = (),
    names: Names | None = None,
    now: datetime = NOW,
) -> list[str]:
    condition = parse_filter(text, names)
    by = compile_order([parse_order(one, names) for one in order])

    def found(dense: frozenset[Test]) -> list[str]:
        where = compile_where(condition, now, dense)
        sql = f"SELECT r.id FROM runs AS r WHERE {where.text} ORDER BY {by.text}"
        return [row[0] for row in connection.execute(sql, (*where.parameters, *by.parameters))]

    ids = found(frozenset())
    assert found(frozenset(tests(condition))) == ids  # whichever way the comparisons are written
    return ids
