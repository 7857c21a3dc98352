"""Put runs into the tables of the index, and take them out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

from gtrack.errors import FormatError
from gtrack.formats import run_dir
from gtrack.formats.yamlio import load_mapping
from gtrack.store.index_rows import Rows, storable
from gtrack.store.index_schema import TABLES

if TYPE_CHECKING:
    from gtrack.git.repo import Repository


class _Numbers(dict[str, int]):
    """The number of each name of one kind; a name that has none gets the next one when it is asked for."""

    def __init__(
        self, kind: str, keys: Mapping[tuple[str, str], int], counter: Iterator[int], new: list[tuple[int, str, str]]
    ) -> None:
        super().__init__((name, number) for (of, name), number in keys.items() if of == kind)
        self._kind, self._counter, self._added = kind, counter, new

    def __missing__(self, name: str) -> int:
        number = self[name] = next(self._counter)
        self._added.append((number, self._kind, name))
        return number


class IndexWriter:
    """Puts rows into the tables of one schema."""

    def __init__(
        self, connection: sqlite3.Connection, schema: str, keys: Mapping[tuple[str, str], int], repo: Repository
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._new: list[tuple[int, str, str]] = []
        counter = count(len(keys) + 1)
        self._params, self._metrics, self._tags = (
            _Numbers(kind, keys, counter, self._new) for kind in ("params", "metrics", "tags")
        )
        self._repo = repo
        self._environments: dict[str, int] = {}

    def add(self, rows: Sequence[Rows], first: int | None = None) -> None:
        """Add runs, numbered downwards from ``first`` or, when None, upwards after those that are there."""
        number, step = (first, -1) if first is not None else (self._next(), 1)
        params, metrics, tags = self._params, self._metrics, self._tags
        tables: dict[str, list[tuple[object, ...]]] = {name: [] for name in TABLES}
        for one in rows:
            run = list(one.run)
            run[17] = self._environment(run[17]) if isinstance(run[17], str) else None
            tables["runs"].append((number, *run))
            tables["bodies"].append((number, one.body))
            tables["params"] += [(params[name], number, num, text) for name, num, text in one.params]
            tables["metrics"] += [(metrics[str(name)], number, *cells) for name, *cells in one.metrics]
            tables["tags"] += [(tags[name], number, text) for name, text in one.tags]
            tables["inputs"] += [(number, *cells) for cells in one.inputs]
            number += step
        self._insert("keys", self._new)
        self._new.clear()
        for name, lines in tables.items():
            self._insert(name, lines)

    def _insert(self, table: str, lines: Sequence[tuple[object, ...]]) -> None:
        if lines:
            marks = ", ".join("?" * len(lines[0]))
            sql = f"INSERT OR REPLACE INTO {self._schema}{table} VALUES ({marks})"
            try:
                self._connection.executemany(sql, lines)
            except UnicodeEncodeError:
                clean = [tuple(storable(cell) if isinstance(cell, str) else cell for cell in line) for line in lines]
                self._connection.executemany(sql, clean)

    def _next(self) -> int:
        row = self._connection.execute("SELECT coalesce(max(n), 0) + 1 FROM main.runs").fetchone()
        return int(row[0])

    def _environment(self, oid: str) -> int:
        """Return the number of an environment, whose packages are stored once for all the runs that share it."""
        number = self._environments.get(oid)
        if number is None:
            row = self._connection.execute("SELECT e FROM main.environments WHERE oid = ?", (oid,)).fetchone()
            number = self._environments[oid] = row[0] if row else self._new_environment(oid)
        return number

    def _new_environment(self, oid: str) -> int:
        cursor = self._connection.execute("INSERT INTO main.environments (oid) VALUES (?)", (oid,))
        number = cursor.lastrowid or 0
        lines = [(number, name, version) for name, version in _packages(self._repo, oid)]
        self._connection.executemany("INSERT OR REPLACE INTO main.packages (e, name, version) VALUES (?, ?, ?)", lines)
        return number

    def remove(self, ids: Iterable[str]) -> None:
        """Remove runs from all tables."""
        for run_id in ids:
            row = self._connection.execute("SELECT n FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                continue
            for table in ("params", "metrics", "tags"):
                keyed = f"DELETE FROM {table} WHERE k IN (SELECT k FROM keys WHERE kind = ?) AND n = ?"
                self._connection.execute(keyed, (table, row[0]))
            for table in ("inputs", "bodies", "runs"):
                self._connection.execute(f"DELETE FROM {table} WHERE n = ?", row)


def _packages(repo: Repository, oid: str) -> list[tuple[str, str]]:
    found = repo.objects.get(oid)
    try:
        packages = load_mapping(found.data, run_dir.ENVIRONMENT).get("packages") if found else None
    except FormatError:  # a damaged environment.yaml has no packages to ask for
        return []
    return [(name, str(version)) for name, version in packages.items()] if isinstance(packages, dict) else []
