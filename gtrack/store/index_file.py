"""The file of the index: open it, build it, keep it up to date with the runs branch.

Contract: several threads and processes may use it at once. Whoever writes holds ``index.lock``: a build is made in a file of
its own, which then takes the old one's place; an update is one transaction. The file keeps a rollback journal, not a
write-ahead log: a log lies beside the file under a fixed name, and one that belongs to a file which was replaced would be taken
for the new one's (https://sqlite.org/howtocorrupt.html, 1.4). Readers never wait for more than the end of a transaction.
Where nothing can be written, the index lives in memory.

What reads the branch is imported when it has changed: most questions find the index up to date.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.store.index_schema import INDICES, SCHEMA, VERSION
from gtrack.store.index_write import IndexWriter
from gtrack.store.locks import file_lock

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from gtrack.git.repo import Repository
    from gtrack.store.branch import Location

Progress = Callable[[int, int], None]
"""Is told how many runs of how many have been read."""

_BUSY_SECONDS = 30.0
_LOCK_SECONDS = 600.0
_REBUILT_FROM = 0.5  # when more than this share of the runs changed, building anew is quicker
_FEW = 1000


class IndexFile:
    """An index that is as new as the runs branch whenever it is asked for.

    Args:
        repo: the repository.
        ref: the full name of the runs branch.
    """

    def __init__(self, repo: Repository, ref: str) -> None:
        self._repo = repo
        self._ref = ref
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._owner = 0
        self.path = repo.common_dir / "gtrack" / "index.db"

    @property
    def is_stored(self) -> bool:
        """Whether it lies in its file, and not in the memory of this process."""
        return self._connection is not None and self._inode is not None

    def close(self) -> None:
        """Close the file; ``refresh`` opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None and self._owner == os.getpid():
            connection.close()

    def refresh(self, tip: str, progress: Progress | None = None, *, rebuild: bool = False) -> sqlite3.Connection:
        """Return a connection that shows the runs as of a commit of the branch.

        Args:
            tip: the commit; empty when there is no branch.
            progress: is told how far it is, when runs have to be read.
            rebuild: begin from nothing.

        Raises:
            GTrackError: the runs cannot be read, or another process kept writing for ten minutes.
        """
        if self._connection is not None and self._owner != os.getpid():
            self._connection = None  # a forked child must not use its parent's connection, nor close it
        if rebuild:
            return self._build(tip, progress, anew=True)
        try:
            connection = self._connection or self._open()
            return connection if known_tip(connection) == tip else self._update(connection, tip, progress)
        except sqlite3.DatabaseError:
            return self._build(tip, progress)

    def _open(self) -> sqlite3.Connection:
        """Open the file, if it is one of ours.

        Raises:
            sqlite3.DatabaseError: it is missing, damaged, or another version's or branch's.
        """
        try:
            inode = self.path.stat().st_ino
        except OSError as error:
            raise sqlite3.DatabaseError("missing") from error
        connection = connect(self.path)
        try:
            meta = dict(connection.execute("SELECT key, value FROM meta"))
        except BaseException:
            connection.close()
            raise
        if meta.get("version") != str(VERSION) or meta.get("ref") != self._ref:
            connection.close()
            raise sqlite3.DatabaseError("another version")
        self._keep(connection, inode)
        return connection

    def _keep(self, connection: sqlite3.Connection, inode: int | None) -> None:
        self._connection, self._inode, self._owner = connection, inode, os.getpid()

    # Writing

    def _lock(self) -> BaseFileLock | None:
        """Return the right to write, or None where nothing can be written.

        Raises:
            GTrackError: another process kept it for ten minutes.
        """
        try:
            self.path.parent.mkdir(exist_ok=True)
            lock = file_lock(self.path.with_name("index.lock"), _LOCK_SECONDS)
        except (OSError, NotImplementedError):
            return None
        if lock is None:
            minutes = _LOCK_SECONDS / 60
            raise GTrackError(f"Another process has been writing {self.path} for {minutes:.0f} minutes; try again.")
        return lock

    def _update(self, connection: sqlite3.Connection, tip: str, progress: Progress | None) -> sqlite3.Connection:
        """Read what changed between two tips; what a rewritten branch lost goes too."""
        lock = self._lock() if self._inode is not None else None
        if lock is None and self._inode is not None:
            connection = self._in_memory(connection)
        try:
            if lock is not None and self._is_replaced():  # another process built it anew
                self.close()
                connection = self._open()
            known = known_tip(connection)
            changed, gone = differences(self._repo, connection, known, tip) if known != tip else ([], [])
            if len(changed) + len(gone) <= _REBUILT_FROM * max(_count(connection), _FEW):
                if known != tip:
                    self._apply(connection, tip, changed, gone, progress)
                return connection
        finally:
            if lock is not None:
                lock.release()
        return self._build(tip, progress)

    def _is_replaced(self) -> bool:
        try:
            return self.path.stat().st_ino != self._inode
        except OSError:
            return True

    def _in_memory(self, stored: sqlite3.Connection) -> sqlite3.Connection:
        connection = connect(None)
        stored.backup(connection)
        stored.close()
        self._keep(connection, None)
        return connection

    def _apply(
        self,
        connection: sqlite3.Connection,
        tip: str,
        changed: Sequence[Location],
        gone: Iterable[str],
        progress: Progress | None,
    ) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            writer = IndexWriter(connection, "main.", read_keys(connection), self._repo)
            writer.remove([*gone, *(location.id for location in changed)])
            self._add(writer, changed, progress)
            connection.execute("UPDATE meta SET value = ? WHERE key = 'tip'", (tip,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _add(self, writer: IndexWriter, locations: Sequence[Location], progress: Progress | None) -> None:
        from gtrack.store.index_read import read_rows  # noqa: PLC0415 - see the module

        done = 0
        for rows in read_rows(self._repo, locations, progress):
            writer.add(rows)
            done += len(rows)
            if progress is not None:
                progress(done, len(locations))

    def _build(self, tip: str, progress: Progress | None, *, anew: bool = False) -> sqlite3.Connection:
        """Make it from nothing: in a file or, where none can be written, in memory."""
        self.close()
        lock = self._lock()
        if lock is None:
            return self._build_at(None, tip, progress)
        try:
            if not anew and self._is_built(tip):  # by whoever held the lock before
                return self._open()
            try:
                return self._build_at(self.path, tip, progress)
            except (sqlite3.OperationalError, OSError):  # a full disk
                return self._build_at(None, tip, progress)
        finally:
            lock.release()

    def _is_built(self, tip: str) -> bool:
        try:
            found = known_tip(self._open()) == tip
        except sqlite3.DatabaseError:
            found = False
        self.close()
        return found

    def _build_at(self, path: Path | None, tip: str, progress: Progress | None) -> sqlite3.Connection:
        from gtrack.store.branch import BranchReader  # noqa: PLC0415 - see the module

        temporary = path.with_name(f"index-{os.urandom(8).hex()}.tmp") if path else None
        for leftover in path.parent.glob("index-*.tmp*") if path else ():  # of a builder that was killed
            leftover.unlink(missing_ok=True)
        connection = connect(temporary, durable=False)
        try:
            connection.executescript(SCHEMA)
            connection.execute("BEGIN")
            writer = IndexWriter(connection, "main.", {}, self._repo)
            self._add(writer, first_of_each(BranchReader(self._repo, tip or None).locations()), progress)
            meta = [("version", str(VERSION)), ("ref", self._ref), ("tip", tip)]
            connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)
            connection.execute("COMMIT")
            connection.executescript(INDICES)
            if path is None or temporary is None:
                self._keep(connection, None)
                return connection
            connection.close()
            for suffix in ("-journal", "-wal", "-shm"):  # of the file that is replaced
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            temporary.replace(path)
        except BaseException:
            connection.close()
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise
        return self._open()


def known_tip(connection: sqlite3.Connection) -> str:
    """Return the commit of the branch that an index shows.

    Raises:
        sqlite3.DatabaseError: it does not say.
    """
    row = connection.execute("SELECT value FROM main.meta WHERE key = 'tip'").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("no tip")
    return str(row[0])


def read_keys(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return kind and name to the number of every parameter, metric and tag."""
    return {(kind, name): k for k, kind, name in connection.execute("SELECT k, kind, name FROM main.keys")}


def first_of_each(locations: Iterable[Location]) -> list[Location]:
    """Return the locations without those of a run that another experiment before has too (branches that were merged)."""
    found: dict[str, Location] = {}
    for location in locations:
        found.setdefault(location.id, location)
    return list(found.values())


def differences(
    repo: Repository, connection: sqlite3.Connection, known: str, tip: str
) -> tuple[list[Location], list[str]]:
    """Return which runs are new or changed at ``tip``, and the ids of those that are gone.

    Only shards whose tree is another than at ``known`` are looked into; all are, when that commit is no longer there.
    """
    from gtrack.store.branch import BranchReader, Location  # noqa: PLC0415 - see the module

    old = BranchReader(repo, known if known and repo.resolve(known) else None)
    new = BranchReader(repo, tip or None)
    before, after = old.shards(), new.shards()
    # A run belongs to the first experiment that has it, so its digits are looked for in all of them.
    touched = {shard[1] for shard in {*before, *after} if before.get(shard) != after.get(shard)}
    found = first_of_each(new.in_shards({shard: tree for shard, tree in after.items() if shard[1] in touched}))
    if old.tip is None:
        rows = connection.execute("SELECT id, experiment, tree FROM main.runs").fetchall()
    else:
        sql = "SELECT id, experiment, tree FROM main.runs WHERE id >= ? AND id < ?"
        rows = [row for digits in touched for row in connection.execute(sql, (digits, f"{digits}g"))]
    indexed = {run_id: Location(run_id, experiment, tree) for run_id, experiment, tree in rows}
    changed = [location for location in found if indexed.get(location.id) != location]
    present = {location.id for location in found}
    return changed, [run_id for run_id in indexed if run_id not in present]


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM main.runs").fetchone()[0])


def connect(path: Path | None, *, durable: bool = True) -> sqlite3.Connection:
    """Open a database: a file, or one in memory when ``path`` is None; one that is not ``durable`` is lost with the power."""
    connection = sqlite3.connect(
        path or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    if not durable:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA case_sensitive_like = OFF")
    return connection
