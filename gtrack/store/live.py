"""Live directories: `.gtrack/live/<id>/`, what a run writes while it runs.

The layout is the run directory's own, append-only, every row one ``write()``: after SIGKILL at most the row being written is
lost. ``params.yaml`` and ``metrics.yaml`` grow by one ``key: value`` line per call, the last line of a key counting; they are
tidied when the run ends. Files whose name begins with a dot are marks for other processes and never committed:

- ``.open``: what is written is kept. Its owner takes it away before it reads for the last time what is to be committed; whoever
  else writes looks for it afterwards, and without it tells that what was written may not be kept;
- ``.joined``: another process than the owner writes here too, so only the files know every metric;
- ``.api``: the launched script logged through the API itself;
- ``.named``, ``.placed``: the run's name, its experiment, was given on the command line and stays;
- ``.owner``: the number of the process that started it, for the worker processes of that one;
- ``.experiment.yaml``: what the run's script says of its experiment;
- ``.registrations``: the models that it shall be registered as (``registry.pending``);
- ``.since``: the commit of the branch that a resumed run was taken from;
- ``.digests``: what is known of large artifacts since they were copied (``store.large.digests``);
- ``.exit``: how the launched script ended, from that moment on (``store.liveness``).

Next to it, ``<id>.lock`` is held by the process that owns the run, and ``<id>.script.lock`` by the script that it launched
and by all who joined: they tell the living from the dead. A run is dead when nobody holds either.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrack.config import DIRECTORY
from gtrack.errors import CommitFailed, FormatError, GTrackError, RunEnded, RunIsActive
from gtrack.formats import run_dir
from gtrack.formats.history import fold, parse_rows
from gtrack.formats.names import ARTIFACTS, RUN_ID
from gtrack.formats.yamlio import dumps, load_mapping, parse_timestamp, scalar
from gtrack.records import Run, Status
from gtrack.store.liveness import Share, is_shared, read_exit
from gtrack.store.locks import file_lock

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from gtrack.records import Number, Value

LIVE = "live"
OPEN = ".open"
JOINED = ".joined"
API = ".api"
NAMED = ".named"
PLACED = ".placed"
OWNER = ".owner"
EXPERIMENT_NEWS = ".experiment.yaml"
PROMISES = ".registrations"
SINCE = ".since"
_IGNORE = "# Written by gtrack: runs that are running. Never commit these.\n/live/\n"
_CHUNK = 1 << 20
_DAMAGED = "The live directory was damaged:"
_EDIT_SECONDS = 10.0
_POLL_SECONDS = 0.005
_NEW, _DONE = ".new-", ".done-"
_LEFTOVER = re.compile(r"\.(?:new|done)-([0-9a-f]{32})-")
_LOCK = re.compile(r"([0-9a-f]{32})(?:\.edit|\.script)?\.lock\Z")
_ORPHAN_SECONDS = 60.0  # a lock without a directory may be that of a run which begins right now


def _failed(directory: Path, error: OSError) -> GTrackError:
    if not directory.is_dir():
        return _gone(directory)
    return CommitFailed(
        f"Run {directory.name[:8]} cannot be written: {error.strerror or error}. What it logged so far is in {directory}; "
        "when that is mended and the run did not end, 'gtrack recover' commits it."
    )


def _gone(directory: Path) -> RunEnded:
    return RunEnded(
        f"Run {directory.name[:8]} was ended by the process that owns it, or removed: there is no {directory}."
    )


class LiveDir:
    """One live directory; any process may append to it and edit its head, only the owner finishes it.

    Attributes:
        path: the directory.
        id: the run's id, its name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self._owner: BaseFileLock | None = None
        self._share: Share | None = None

    @property
    def artifacts(self) -> Path:
        """Where its artifacts lie."""
        return self.path / ARTIFACTS

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f"{self.id}.lock")

    @property
    def _edit_lock_path(self) -> Path:
        # Beside the directory: to lock a file in it would make it anew (filelock does) after another process removed it.
        return self.path.with_name(f"{self.id}.edit.lock")

    @property
    def _script_lock_path(self) -> Path:
        return self.path.with_name(f"{self.id}.script.lock")

    def claim(self) -> bool:
        """Become the owner; False when a process is alive that is, or that joined the run. A lock ends with its holder."""
        if self._owner is None:
            self._owner = file_lock(self._lock_path, 0)
            if self._owner is not None and is_shared(self._script_lock_path):
                self.release()
        return self._owner is not None

    def is_alive(self) -> bool:
        """Tell whether a process, this one included, owns the run or joined it."""
        if self._owner is not None or self._share is not None:
            return True
        if self._lock_path.exists():
            if not os.access(self._lock_path, os.W_OK):
                return True  # without a right to the lock the run is another user's; whoever has the right can tell
            lock = file_lock(self._lock_path, 0)
            if lock is None:
                return True
            if not self.path.exists():  # it ended meanwhile, and to lock the file made it anew
                self._lock_path.unlink(missing_ok=True)
            lock.release()
        return is_shared(self._script_lock_path)

    def script_lock(self) -> Share:
        """Return what keeps the run alive while a script that inherits it lives.

        Raises:
            CommitFailed: it cannot be made (a full disk).
        """
        try:
            return Share(self._script_lock_path, make=True)
        except OSError as error:
            raise _failed(self.path, error) from error

    def join(self) -> None:
        """Say that this process writes here too; where the owner launched a script, the run is alive while this process is."""
        self.mark(JOINED)
        with suppress(OSError):
            self._share = Share(self._script_lock_path, make=False)

    def check_open(self) -> None:
        """Check that what was written until now is kept; for writers that do not own the run, after they wrote.

        Raises:
            RunEnded: its owner has ended it, or it was removed.
        """
        if not os.access(self.path / OPEN, os.F_OK):
            raise (
                _gone(self.path)
                if not self.path.is_dir()
                else RunEnded(
                    f"Run {self.id[:8]} was ended by the process that owns it: what was written just now may not be kept."
                )
            )

    def wait_until_gone(self, seconds: float) -> bool:
        """Wait until the owner of a run that it has ended committed it; tell whether that is so."""
        last = time.monotonic() + seconds
        while self.path.is_dir():
            if time.monotonic() > last:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def begin(self, make: Callable[[], Mapping[str, bytes]]) -> None:
        """Become the owner of a directory that is not there yet, and make it, with all its files from the first moment on.

        Args:
            make: returns its files by name; asked when nobody else can be writing the run any more.

        Raises:
            RunIsActive: it is there, or somebody else makes it just now.
            OSError: it cannot be made; nothing is left of it.
        """
        if not self.claim():
            raise RunIsActive(
                f"Run {self.id[:8]} is being written by another process; it can be resumed when that has ended."
            )
        if self.path.exists():
            raise RunIsActive(f"Run {self.id[:8]} has a live directory; 'gtrack recover' finishes it first.")
        new = self.path.with_name(f"{_NEW}{self.id}-{os.urandom(4).hex()}")
        try:
            files = make()
            new.mkdir()
            for name, data in {**files, OPEN: b""}.items():
                (new / name).write_bytes(data)
            new.rename(self.path)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            with suppress(OSError):
                self._lock_path.unlink()
            raise

    def release(self) -> None:
        """Stop being the owner; the directory stays."""
        owner, self._owner = self._owner, None
        if owner is not None:
            if not self.path.exists():
                with suppress(OSError):
                    self._lock_path.unlink(missing_ok=True)
            owner.release()

    def remove(self) -> None:
        """Remove the directory and the lock, after its content is in git. Atomic: it is renamed first."""
        trash = self.path.with_name(f"{_DONE}{self.id}-{os.urandom(4).hex()}")
        try:
            self.path.replace(trash)
            shutil.rmtree(trash, ignore_errors=True)
            self.remove_locks()
        finally:
            self.release()

    def remove_locks(self) -> None:
        """Remove the lock files of a run that is no longer there; they must be held."""
        for path in (self._edit_lock_path, self._script_lock_path, self._lock_path):
            path.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file, None when there is none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replace a file as a whole: a reader sees the old bytes or the new ones.

        Raises:
            CommitFailed: it cannot be written (a full disk); the old bytes stay.
            RunEnded: the run is no longer there, or its owner has ended it meanwhile.
        """
        self._replace(name, data)
        self.check_open()

    def _replace(self, name: str, data: bytes) -> None:
        temporary = self.path / f".{name}.{os.urandom(4).hex()}"
        try:
            temporary.write_bytes(data)
            temporary.replace(self.path / name)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise _failed(self.path, error) from error

    def append(self, name: str, data: bytes) -> None:
        """Append to a file by one ``write``.

        Raises:
            CommitFailed: it cannot be written wholly (a full disk); then nothing is.
            RunEnded: the run is no longer there, or its owner has ended it meanwhile.
        """
        try:
            append_whole(self.path / name, data)
        except OSError as error:
            raise _failed(self.path, error) from error
        self.check_open()

    def mark(self, name: str) -> None:
        """Leave a mark for other processes."""
        with suppress(FileExistsError):
            (self.path / name).touch(exist_ok=False)

    def has(self, mark: str) -> bool:
        """Tell whether the mark was left."""
        return (self.path / mark).exists()

    def run(self) -> Run:
        """Return the run as it stands now."""
        run = self.without_history()
        history = self.read(run_dir.HISTORY)
        if not history:
            return run
        metrics = _Fold(run)
        metrics.rows(history)
        return replace(run, metrics=metrics.result(run.metrics))

    def without_history(self) -> Run:
        """Return the run as it stands now, but for what the rows say of its metrics: that may take a while to add up."""
        run = run_dir.decode_run(self._read_whole, self.id, "", live=True)
        note = read_exit(self.path) if run.status is Status.RUNNING else None
        return replace(run, status=note.status, exit_code=note.exit_code) if note is not None else run

    def _read_whole(self, name: str) -> bytes | None:
        data = self.read(name)
        return None if name == run_dir.RUN and not (data or b"").strip() else data  # a power cut can leave it empty

    def _damage(self, run: Run) -> list[str]:
        found = list(run.problems)
        try:
            run_dir.decode_experiment(self.read(EXPERIMENT_NEWS), run.experiment)
        except FormatError as error:
            found.append(str(error))
        return [f"{_DAMAGED} {problem}" for problem in found]

    def edit(self, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Change what ``run.yaml`` holds and return it; processes take turns, so none undoes another's change.

        Raises:
            RunIsActive: another process held the file for ten seconds.
            RunEnded: the run is no longer there, or its owner has ended it.
            FormatError: the file is damaged.
        """
        return self._edit(change, closing=False)

    def _edit(self, change: Callable[[dict[str, Any]], None], *, closing: bool) -> dict[str, Any]:
        try:
            lock = file_lock(self._edit_lock_path, _EDIT_SECONDS)
        except OSError as error:
            raise _failed(self.path, error) from error
        if lock is None:
            raise RunIsActive(
                f"Another process has been editing run {self.id[:8]} for {_EDIT_SECONDS:.0f} s; try again."
            )
        try:
            if not closing:
                self.check_open()
            head = edit_head(self.read(run_dir.RUN), change)
            self._replace(run_dir.RUN, dumps(head).encode())
        finally:
            if not self.path.exists():  # to lock the file made it anew
                self._edit_lock_path.unlink(missing_ok=True)
            lock.release()
        return head

    def finish(
        self, status: Status, ended: datetime | None, exit_code: int | None, metrics: Mapping[str, Number] | None
    ) -> Run:
        """Write the final form of every file and return the run; nothing is committed yet.

        Args:
            status: how the run ended.
            ended: when; the last sign of life when None.
            exit_code: of the process, when gtrack launched one.
            metrics: the summary values, when the caller knows them all; else they are folded from the files.
        """
        (self.path / OPEN).unlink(missing_ok=True)  # from here on whoever writes is told that it may not be kept
        shared = self.has(JOINED)
        run = self.without_history()
        if metrics is None or shared:
            metrics = self.run().metrics
        damage = self._damage(run)
        for name, values in ((run_dir.PARAMS, run.params), (run_dir.METRICS, metrics)):
            if values or not (self.read(name) or b"\n").endswith(b"\n"):
                self._replace(name, dumps(values).encode())
        damage += [problem for name in (run_dir.HISTORY, run_dir.SYSTEM) for problem in self._cut_torn_row(name)]
        end = ended or self._last_sign_of_life()
        if run.started is not None and end < run.started:
            end = run.started + timedelta(microseconds=1)

        def close(head: dict[str, Any]) -> None:
            said = head.get("status")  # the script's own block may have failed although its process did not
            final = said if status is Status.FINISHED and said in ("failed", "killed") else status.value
            head.update(
                status=final, ended=end, exit_code=exit_code if exit_code is not None else head.get("exit_code")
            )
            if damage:
                head["warnings"] = [*(head.get("warnings") or []), *damage]

        try:
            self._edit(close, closing=True)
        except FormatError:  # the head itself is damaged: what is known of the run is written anew
            head = run_dir.run_mapping(run)
            close(head)
            self._replace(run_dir.RUN, dumps(head).encode())
        return self.without_history()

    def _cut_torn_row(self, name: str) -> list[str]:
        """Take the remains of a row away that was cut off while it was written: what is committed is valid YAML."""
        data = self.read(name) or b""
        if data and not data.endswith(b"\n"):
            whole = data.rfind(b"\n") + 1
            is_row = bool(parse_rows(data[whole:])[0])
            self._replace(name, data + b"\n" if is_row else data[:whole])
            return [] if is_row else [f"{_DAMAGED} {name}: the last row was cut off."]
        return []

    def _last_sign_of_life(self) -> datetime:
        newest = max((entry.stat().st_mtime for entry in os.scandir(self.path)), default=0.0)
        return datetime.fromtimestamp(newest, timezone.utc)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the path below the run directory and the file of everything that is to be committed."""
        for directory, folders, names in os.walk(self.path):
            folders[:] = sorted(
                folder for folder in folders if not folder.startswith(".") or directory != str(self.path)
            )
            for name in sorted(names):
                path = Path(directory, name)
                inside = path.relative_to(self.path).as_posix()
                if not inside.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                    yield inside, path


def append_whole(path: Path, data: bytes) -> None:
    """Append to a file by one ``write``, wholly or not at all.

    Raises:
        OSError: it cannot be written wholly (a full disk).
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        written = os.write(descriptor, data)
        if written < len(data):  # half a line must not be taken for a whole one, nor the next one be added to it
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(ENOSPC, os.strerror(ENOSPC))
    finally:
        os.close(descriptor)


def edit_head(data: bytes | None, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the mapping of a ``run.yaml`` after ``change``; keys that this gtrack does not know stay.

    Raises:
        FormatError: it is missing, empty or damaged.
    """
    head: dict[str, Any] = load_mapping(data or b"", run_dir.RUN)
    if not head:
        raise FormatError(f"{run_dir.RUN} is missing or empty.")
    for key in ("started", "ended"):  # text to the reader, but written as the time stamps that they are
        head[key] = parse_timestamp(head.get(key))
    change(head)
    return head


def line(key: str, value: Value) -> bytes:
    """Return one appended ``key: value`` line of a flat file."""
    return f"{scalar(key)}: {scalar(value, flow=False)}\n".encode()


class _Fold:
    """Folds history rows into the summary value of each metric."""

    def __init__(self, run: Run) -> None:
        self._kinds = {name: definition.summary for name, definition in run.metric_definitions.items()}
        self._values: dict[str, Number] = {}

    def rows(self, data: bytes) -> None:
        """Take all rows of ``data``, a piece at a time, so that a long history needs no more memory than a short one."""
        start = 0
        while start < len(data):
            end = data.find(b"\n", start + _CHUNK) + 1 or len(data)
            for row in parse_rows(data[start:end])[0]:
                row.pop("step", None)
                row.pop("time", None)
                fold(self._values, row, self._kinds)
            start = end

    def result(self, without_step: Mapping[str, Number]) -> dict[str, Number]:
        """Return the summary; a value that was logged without a step is the last word on its metric."""
        fold(self._values, without_step, self._kinds)
        return self._values


class LiveStore:
    """The live directories of all working trees of one repository.

    Args:
        roots: the tops of the working trees; new runs go into the first one.
    """

    def __init__(self, roots: list[Path]) -> None:
        self._roots = roots

    def create(self, run: Run, files: Mapping[str, bytes] | None = None) -> LiveDir:
        """Make the live directory of a run, owned by this process.

        Args:
            run: the run.
            files: what else is in it from the first moment on, by name.

        Raises:
            RunIsActive: somebody is writing a run of this id.
            CommitFailed: the directory cannot be made (a full disk, a read-only file system).
        """
        return self.create_from(run.id, lambda: {run_dir.RUN: run_dir.encode_run(run), **(files or {})})

    def create_from(self, run_id: str, make: Callable[[], Mapping[str, bytes]]) -> LiveDir:
        """Make the live directory of a run, owned by this process, of what is so once nobody else can be writing the run.

        Args:
            run_id: the run.
            make: returns the files by name.

        Raises:
            RunIsActive: somebody is writing a run of this id.
            CommitFailed: the directory cannot be made (a full disk, a read-only file system).
        """
        if not self._roots:
            raise CommitFailed("This repository has no working tree that a run could be written in. Use a clone of it.")
        place = self._roots[0] / DIRECTORY / LIVE
        live = LiveDir(place / run_id)
        try:
            self._prepare(place)
            live.begin(make)
        except OSError as error:
            live.release()
            raise CommitFailed(
                f"No run can be written to {place}: {error.strerror or error}. Mend that, or use another working copy."
            ) from error
        except BaseException:
            live.release()
            raise
        return live

    def _prepare(self, place: Path) -> None:
        if place.is_dir():
            return
        place.parent.mkdir(exist_ok=True)
        ignore = place.parent / ".gitignore"
        if not ignore.exists():
            # Before `gtrack init` the file hides itself too, so that a run leaves `git status` as it was. It is there, and
            # whole, before the first live directory: another process may be taking a snapshot now.
            temporary = ignore.with_name(f".gitignore.{os.urandom(4).hex()}")
            temporary.write_text(f"{_IGNORE}/.gitignore\n", encoding="utf-8")
            temporary.replace(ignore)
        place.mkdir(exist_ok=True)

    def sweep(self) -> None:
        """Remove what processes that died between two steps of making or removing a live directory left of it."""
        for root in self._roots:
            place = root / DIRECTORY / LIVE
            for entry in list(os.scandir(place)) if place.is_dir() else []:
                found = _LEFTOVER.match(entry.name)
                if found:
                    live = LiveDir(place / found[1])
                    if live.claim():
                        shutil.rmtree(entry.path, ignore_errors=True)
                        live.release()
                    continue
                lock = _LOCK.match(entry.name)
                if lock and time.time() - entry.stat().st_mtime > _ORPHAN_SECONDS:
                    live = LiveDir(place / lock[1])
                    if not live.path.exists() and live.claim():
                        live.remove_locks()
                        live.release()

    def runs(self) -> list[Run]:
        """Return all live runs as they stand now; one that is committed and removed meanwhile is not among them."""
        found = [(live, live.run()) for live in self.directories()]
        return [run for live, run in found if live.path.is_dir()]

    def directories(self) -> list[LiveDir]:
        """Return all live directories, of living and of dead runs."""
        found = []
        for root in self._roots:
            place = root / DIRECTORY / LIVE
            if place.is_dir():
                names = sorted(entry.name for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False))
                found += [LiveDir(place / name) for name in names if RUN_ID.match(name)]
        return found

    def find(self, run_id: str) -> LiveDir | None:
        """Return the live directory of a run, None when it has none."""
        for root in self._roots:
            path = root / DIRECTORY / LIVE / run_id
            if path.is_dir():
                return LiveDir(path)
        return None


def ignore_text() -> str:
    """Return the `.gtrack/.gitignore` of an initialised project."""
    return _IGNORE
