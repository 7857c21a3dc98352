"""Runs that are over but not in git yet, so that what comes late still goes into them by one line in a file.

A library that opens a run of its own around one call (``fit``) ends it with that call, and yet the metrics that the script
computes of its result belong to it. Such a run lingers: it has its end and its status, and its live directory goes on taking
what is logged. It is committed as soon as the process asks its project anything, starts a run by itself, or ends. When the
process is killed before that, the next gtrack command commits the run with everything in it, as it ended. A run that was
committed is reopened for what comes later, and lingers again.
"""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.fluent.active import process, project_at, stack_here
from gtrack.fluent.reopened import reopened
from gtrack.records import Status
from gtrack.store.liveness import ExitNote, note_exit, reserve_exit
from gtrack.writer import ActiveRun

if TYPE_CHECKING:
    from gtrack.fluent.active import FluentRun
    from gtrack.project import Project

MOST = 16
"""So many runs linger at once; of more, the one that was written to longest ago is committed."""

_keeping: ContextVar[bool] = ContextVar("gtrack_keeping", default=False)


class _Lingering:
    """The runs that linger in this process, by id, with how each ended; the one written to last is the last one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[str, tuple[ActiveRun, Status]] = {}


_lingering = _Lingering()
os.register_at_fork(after_in_child=_lingering.__init__)  # type: ignore[misc]  # they are the parent's, which commits them


def linger(run: FluentRun) -> None:
    """End a run of this process as finished, but let it take what comes late; see the module.

    Args:
        run: one that this process started.

    Raises:
        GTrackError: its live directory is gone, or cannot be written.
    """
    run.ends_at = datetime.now(timezone.utc)
    run.stop_sampling()
    _note_end(run, Status.FINISHED, run.ends_at)
    stack_here.set(tuple(one for one in stack_here.get() if one is not run))
    with process.lock:
        process.open.pop(run.id, None)
        hooks = process.hooks.pop(run.id, [])
    for do in hooks:
        do()
    _keep(run, Status.FINISHED)
    _commit_eldest()


def _note_end(run: ActiveRun, status: Status, ended: datetime) -> None:
    try:
        reserve_exit(run.directory)
    except OSError as error:
        raise GTrackError(f"Run {run.name} ({run.id[:8]}) cannot be written: {error.strerror or error}.") from error
    note_exit(run.directory, ExitNote(status, 0, ended))


def _keep(run: ActiveRun, status: Status) -> None:
    if settle not in process.before_questions:
        process.before_questions.append(settle)
        atexit.register(settle)
    with _lingering.lock:
        _lingering.runs[run.id] = (run, status)


def _commit_eldest() -> None:
    with _lingering.lock:
        many = list(_lingering.runs)[:-MOST]
    for run_id in many:
        _commit(run_id)


def settle() -> None:
    """Commit all runs that linger, unless ``keeping`` holds them; one that cannot be committed is a warning."""
    if not _keeping.get():
        for run_id in list(_lingering.runs):
            _commit(run_id)


def _commit(run_id: str) -> None:
    problem = None
    with _lingering.lock:  # kept until it is in git: what comes late meanwhile would be lost with its live directory
        run, status = _lingering.runs.pop(run_id, (None, Status.FINISHED))
        if run is not None:
            try:
                # Not FluentRun's, which takes the lock of the process: whoever holds that may be waiting for this one.
                ActiveRun.end(run, status)
            except GTrackError as error:
                problem = error
    if problem is not None:
        warnings.warn(f"gtrack: {problem}", stacklevel=2)


@contextmanager
def keeping() -> Iterator[None]:
    """Let runs linger on inside, where a library asks the project for something that does not concern them."""
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


@contextmanager
def late(run: FluentRun) -> Iterator[ActiveRun]:
    """Give what logs into a run that may have ended since.

    Args:
        run: as this process wrote it or joined it.

    Raises:
        RunNotFound: it was removed.
        GTrackError: it cannot be written.
    """
    with keeping():
        # Asked before the lock is taken: whoever opens a project may be about to commit what lingers; and always, as the run may
        # be ended and committed by another thread before the lock is had.
        project = project_at(str(run.directory.parents[2])) if not run.joined else None
        with _lingering.lock:  # what lingers is not to be committed while it is written to
            yield _writer(run, project)
        _commit_eldest()


def _writer(run: FluentRun, project: Project | None) -> ActiveRun:
    known = _lingering.runs.pop(run.id, None)
    if known is not None:
        _lingering.runs[run.id] = known
        return known[0]
    if not run.ended:
        return run
    return _reopened(run, project) if project is not None else ActiveRun.join(run.directory)


def _reopened(run: FluentRun, project: Project) -> ActiveRun:
    """Return the writer of a run of this process that is committed; it lingers."""
    ActiveRun.end(run)  # another thread may be ending it just now: this waits until it is done
    found = project.resolve(run.id)
    live = project.live.find(run.id)
    if live is not None and live.is_alive():  # someone goes on with it
        return ActiveRun.join(live.path)
    again = reopened(project, found)
    _keep(again, found.status)
    return again
