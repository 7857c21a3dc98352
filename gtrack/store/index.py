"""The index: an SQLite cache of the runs, for questions over all of them.

It lies in ``<common git directory>/gtrack/index.db``, shared by all working trees, and knows which tip of the runs branch it
shows. Git stays the only truth: the file is made anew when it is missing, damaged, another version's or another branch's, and
deleting it loses nothing (``index_file``).

Live runs are never stored: they are read from their directories at every question and stand in temporary tables for as long as
it takes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gtrack.formats import run_dir
from gtrack.records import TRIAL_STATE, Goal, usual_goal
from gtrack.store.index_file import IndexFile, Progress, read_keys
from gtrack.store.index_plan import Only, Question, along, condition_of, numbers, rows_by_number
from gtrack.store.index_rows import Rows, decode_body, rows_of
from gtrack.store.index_schema import KEY, LIVE, REGISTERED, RUN_COLUMNS
from gtrack.store.index_write import IndexWriter
from gtrack.store.query.conditions import And, Not, Operator, Or, Order, Target, Test, tests
from gtrack.store.query.fields import ATTRIBUTES, PARTS, Place
from gtrack.store.query.sql import compile_driven

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.records import Run
    from gtrack.store.live import LiveStore
    from gtrack.store.query.parser import Condition

_ASKED = 100  # so many of the newest runs that define a metric are asked for its goal
_BOUND = 500  # SQLite takes 999 values, or more
_BODIES = "SELECT b.body, r.n FROM runs AS r CROSS JOIN bodies AS b ON b.n = r.n"
_Answer = TypeVar("_Answer")


class Index:
    """Answers questions over all runs of a repository.

    Args:
        repo: the repository.
        ref: the full name of the runs branch.
        live: its live directories.
        tip: gives the commit that the branch is at, None when there is no such branch.
        registered: gives run id, model and stage (None for none) of all model versions.
    """

    def __init__(
        self,
        repo: Repository,
        ref: str,
        live: LiveStore,
        tip: Callable[[], str | None],
        registered: Callable[[], Iterable[tuple[str, str, str | None]]] = tuple,
    ) -> None:
        self._repo = repo
        self._tip = tip
        self._live = live
        self._registered = registered
        self._lock = threading.RLock()
        self._file = IndexFile(repo, ref)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._file.path

    @property
    def is_stored(self) -> bool:
        """Whether the index that answered last lies in its file, not in memory since nothing can be written there."""
        return self._file.is_stored

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        with self._lock:
            self._file.close()

    def refresh(self, progress: Progress | None = None, *, rebuild: bool = False) -> None:
        """Bring the index up to date with the branch; every question does that by itself.

        Args:
            progress: is told how far it is, when runs have to be read.
            rebuild: begin from nothing.

        Raises:
            GTrackError: the runs cannot be read, or another process kept writing for ten minutes.
        """
        with self._lock:
            self._file.refresh(self._tip() or "", progress, rebuild=rebuild)

    # Questions

    def select(
        self,
        where: Condition | None = None,
        order: Sequence[Order] = (),
        limit: int | None = None,
        offset: int = 0,
        *,
        only: Only | None = None,
    ) -> list[Run]:
        """Return the runs that fulfil a condition.

        Args:
            where: the condition; all runs when None.
            order: by what they are sorted; the newest first when empty.
            limit: how many at the most.
            offset: how many to leave out at the beginning.
            only: limits the answer to runs with some facts.
        """
        question = Question(where, order, limit, offset, only)
        return self._ask(lambda connection: _runs(connection, numbers(connection, question)), where)

    def by_ids(self, ids: Sequence[str]) -> list[Run]:
        """Return the runs that have these ids, in any order; unknown ones are left out."""
        rows = []
        for at in range(0, len(ids), _BOUND):
            part = ids[at : at + _BOUND]
            rows += self._rows(f"{_BODIES} WHERE r.id IN ({', '.join('?' * len(part))})", part)
        return _decoded(rows)

    def named(self, name: str) -> list[Run]:
        """Return the runs of a name, in any order."""
        return _decoded(self._rows(f"{_BODIES} WHERE r.name = ?", (name,)))

    def run_names(self, count: int) -> list[str]:
        """Return what the ``count`` newest runs are called."""
        return [row[0] for row in self._rows("SELECT name FROM runs ORDER BY started DESC, id LIMIT ?", (count,))]

    def best(
        self,
        metric: str,
        goal: Goal,
        where: Condition | None = None,
        limit: int | None = 1,
        *,
        only: Only | None = None,
    ) -> list[Run]:
        """Return the runs with the best values of a metric that fulfil a condition, the best first; nan is no value.

        What failed, was killed or was pruned had no chance to be good or bad: it counts only where the status is asked for.
        """
        if "status" not in (only or {}) and not any(test.target.field is ATTRIBUTES["status"] for test in tests(where)):
            where = _STANDING if where is None else And((where, _STANDING))
        condition = condition_of(where, only)
        order = Order(Target(Place.METRIC, PARTS[Place.METRIC]["last"], metric), descending=goal is Goal.MAXIMIZE)
        walk = compile_driven(order)
        return self._ask(lambda connection: _runs(connection, along(connection, walk, condition, limit)), where)

    def goal(self, metric: str) -> Goal | None:
        """Return which direction of a metric is better: as the newest run that has it and says so, else as its name says."""
        said = json.dumps(metric, ensure_ascii=False) + ':{"summary":'
        sql = f"{_BODIES} WHERE r.defines = 1 AND instr(b.body, ?) > 0 ORDER BY r.started DESC, r.id LIMIT {_ASKED}"
        for run in _decoded(self._rows(sql, (said,))):
            definition = run.metric_definitions.get(metric)
            if definition is not None and definition.goal is not None:
                return definition.goal
        return usual_goal(metric)

    def ids(
        self,
        where: Condition | None = None,
        order: Sequence[Order] = (),
        limit: int | None = None,
        *,
        only: Only | None = None,
    ) -> list[str]:
        """Return the ids of the runs that fulfil a condition; see ``select``."""
        question = Question(where, order, limit, only=only)
        rows = self._ask(lambda connection: rows_by_number(connection, "r.id", numbers(connection, question)), where)
        return [row[0] for row in rows]

    def count(self, where: Condition | None = None, *, only: Only | None = None) -> int:
        """Return how many runs fulfil a condition."""
        condition = condition_of(where, only)
        rows = self._rows(f"SELECT count(*) FROM runs AS r WHERE {condition.text}", condition.parameters, where)
        return int(rows[0][0])

    def names(self, kind: str) -> list[str]:
        """Return the names of all parameters, metrics or tags (``kind``: ``params``, ``metrics``, ``tags``)."""
        used = f"EXISTS (SELECT 1 FROM {kind} AS t WHERE t.k = keys.k)"
        rows = self._rows(f"SELECT DISTINCT name FROM keys WHERE kind = ? AND {used} ORDER BY name", (kind,))
        return [row[0] for row in rows]

    def column(
        self, kind: str, name: str, where: Condition | None = None, *, only: Only | None = None
    ) -> dict[str, int | float | str | None]:
        """Return run id to what each run that fulfils a condition has of one thing; runs without it are left out.

        Args:
            kind: ``params``, ``metrics``, ``tags``, or ``runs`` for a fact about the run itself.
            name: which one. Of a metric it is the value that stands for the run, None for nan; a parameter that is no
                number comes as Python's text of it.
            where: the condition; all runs when None.
            only: limits the answer to runs with some facts.
        """
        bound: tuple[str, ...] = ()
        if kind == "runs":
            columns, source = RUN_COLUMNS[name], "runs AS r"
        else:
            columns = {"params": "t.text, t.num", "metrics": "t.last", "tags": "t.text"}[kind]
            source, bound = f"{kind} AS t CROSS JOIN runs AS r ON r.n = t.n AND t.k = ({KEY})", (kind, name)
        condition = condition_of(where, only)
        sql = f"SELECT r.id, {columns} FROM {source} WHERE {condition.text}"
        rows = self._rows(sql, (*bound, *condition.parameters), where)
        return {row[0]: _as_number(row[1]) if len(row) == 3 and row[2] is not None else row[1] for row in rows}

    def experiments(self) -> list[tuple[str, str, int, float | None]]:
        """Return experiment, status, how many runs it has with that status, and when one of them last started or ended."""
        return self._rows(
            "SELECT experiment, status, count(*), max(coalesce(ended, started)) FROM runs GROUP BY experiment, status"
        )

    def _rows(self, sql: str, bound: Sequence[object] = (), where: Condition | None = None) -> list[Any]:
        """Return what a query gives; see ``_ask``."""
        return self._ask(lambda connection: connection.execute(sql, tuple(bound)).fetchall(), where)

    def _ask(
        self, question: Callable[[sqlite3.Connection], list[_Answer]], where: Condition | None = None
    ) -> list[_Answer]:
        """Return what a question gives; once more from an index built anew, when it is found to be damaged.

        Args:
            question: asks a connection.
            where: the condition in it: one about the registry needs what that says.
        """
        with self._lock:
            try:
                with self._ready(where) as connection:
                    return question(connection)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:  # a kind of it says what is wrong with the query
                    raise
                self.refresh(rebuild=True)
            with self._ready(where) as connection:
                return question(connection)

    @contextmanager
    def _ready(self, where: Condition | None = None) -> Iterator[sqlite3.Connection]:
        """Give a connection that shows the branch as it is now, the live runs and, where it is asked for, the registry."""
        # The live ones first: a run that is committed meanwhile is in both, not in neither.
        live = self._read_live()
        connection = self._file.refresh(self._tip() or "")
        if any(test.target.place is Place.REGISTRY for test in tests(where)):
            connection.executescript(REGISTERED)
            connection.executemany("INSERT INTO temp.registered VALUES (?, ?, ?)", list(self._registered()))
        if not live:
            yield connection
            return
        _hide_live(connection)  # of a question that was cut short
        try:
            self._show_live(connection, live)
            yield connection
        finally:
            _hide_live(connection)

    def _read_live(self) -> list[Rows]:
        found = []
        for one in self._live.directories():
            rows = rows_of(one.run(), "", None, one.read(run_dir.HISTORY))
            if one.path.is_dir():  # else it was committed while it was read
                found.append(rows)
        return found

    def _show_live(self, connection: sqlite3.Connection, live: Sequence[Rows]) -> None:
        connection.executescript(
            "".join(f"CREATE TEMP TABLE live_{name} AS SELECT * FROM main.{name} WHERE 0;" for name in LIVE)
        )
        writer = IndexWriter(connection, "temp.live_", read_keys(connection), self._repo)
        writer.add(live, first=-1)
        hidden = "n IN (SELECT n FROM main.runs WHERE id IN (SELECT id FROM temp.live_runs))"
        for name in LIVE:
            shown = f"SELECT * FROM main.{name}" + ("" if name == "keys" else f" WHERE NOT {hidden}")
            connection.execute(f"CREATE TEMP VIEW {name} AS {shown} UNION ALL SELECT * FROM temp.live_{name}")


_STANDING = Not(
    Or(
        (
            Test(Target(Place.ATTRIBUTE, ATTRIBUTES["status"]), Operator.IN, ("failed", "killed")),
            Test(Target(Place.TAG, PARTS[Place.TAG][""], TRIAL_STATE), Operator.EQ, ("PRUNED",)),
        )
    )
)


def _hide_live(connection: sqlite3.Connection) -> None:
    connection.executescript(
        "".join(f"DROP VIEW IF EXISTS temp.{name}; DROP TABLE IF EXISTS temp.live_{name};" for name in LIVE)
    )


def _runs(connection: sqlite3.Connection, ordered: Sequence[int]) -> list[Run]:
    return _decoded(rows_by_number(connection, "b.body, r.n", ordered))


def _decoded(rows: Sequence[tuple[str, int]]) -> list[Run]:
    return [decode_body(body, live=number < 0) for body, number in rows]


def _as_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
