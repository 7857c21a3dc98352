"""One run as a commit holds it, asked in the query language: an index in memory, of just this run."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gtrack.store.branch import BranchReader
from gtrack.store.index_file import connect
from gtrack.store.index_read import read_chunk
from gtrack.store.index_schema import REGISTERED, SCHEMA
from gtrack.store.index_write import IndexWriter
from gtrack.store.query.conditions import tests
from gtrack.store.query.fields import Place
from gtrack.store.query.parser import parse_filter
from gtrack.store.query.sql import compile_where

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.records import Run
    from gtrack.store.branch import Location
    from gtrack.store.query.conditions import Test


class OneRun:
    """A run of one commit.

    Attributes:
        run: its record.
    """

    def __init__(self, repo: Repository, commit: str, location: Location) -> None:
        self.run: Run = BranchReader(repo, commit).runs([location])[0]
        self._repo = repo
        self._location = location
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def at(cls, repo: Repository, commit: str, run_id: str) -> OneRun | None:
        """Return a run as ``commit`` holds it, None when it does not, or is not here."""
        location = BranchReader(repo, commit).locate(run_id) if repo.objects.get(commit) is not None else None
        return None if location is None else cls(repo, commit, location)

    def holds(self, text: str) -> bool:
        """Tell whether the run fulfils a filter; what it lacks fulfils no comparison.

        Raises:
            QueryError: the filter cannot be read.
        """
        condition = compile_where(parse_filter(text), datetime.now(timezone.utc))
        found = self._index().execute(f"SELECT count(*) FROM runs AS r WHERE {condition.text}", condition.parameters)  # noqa: S608 - parameterised
        return bool(found.fetchone()[0])

    def figures(self, text: str) -> str:
        """Return what the run has of the metrics, parameters and tags that a filter names: ``f1 = 0.91, no loss``.

        Raises:
            QueryError: the filter cannot be read.
        """
        return ", ".join(dict.fromkeys(self._figure(test) for test in tests(parse_filter(text)) if test.target.key))

    def _figure(self, test: Test) -> str:
        key = test.target.key
        held = {Place.METRIC: self.run.metrics, Place.PARAM: self.run.params, Place.TAG: self.run.tags}
        values = held.get(test.target.place, {})
        if key not in values:
            return f"no {key}" if test.target.place in held else key
        value = values[key]
        return f"{key} = {value:.6g}" if isinstance(value, float) else f"{key} = {value}"

    def _index(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(None, durable=False)
            self._connection.executescript(SCHEMA)
            self._connection.executescript(REGISTERED)
            IndexWriter(self._connection, "main.", {}, self._repo).add(read_chunk(self._repo, [self._location]))
        return self._connection
