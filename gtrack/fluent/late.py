"""Log into a run by its id: one that is open here, one that another process writes, or one that has ended."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gtrack.errors import RunEnded, RunIsActive
from gtrack.fluent.active import FluentRun, process, project_here
from gtrack.fluent.reopened import reopened
from gtrack.records import Status
from gtrack.store.live import OPEN
from gtrack.store.locks import turn
from gtrack.writer import ActiveRun

if TYPE_CHECKING:
    from gtrack.project import Project


_LOCK_SECONDS = 30.0


class _Turn:
    """Whose turn it is to reopen a run: two threads that reopen one would meet in its live directory."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def after_fork(self) -> None:
        """Be free again: another thread of the parent may have held the lock, and is not here."""
        self.lock = threading.RLock()


_turn = _Turn()
os.register_at_fork(after_in_child=_turn.after_fork)


def open_here(run_id: str) -> FluentRun | None:
    """Return the run of this id that this process writes, its own or one that it joined; None when it writes none."""
    with process.lock:
        if process.launched is not None and process.launched.id == run_id:
            return process.launched
        found = process.open.get(run_id) or process.inherited.get(run_id)
        joined = process.joined.get(run_id)
        return joined if found is None and joined is not None and joined.live.has(OPEN) else found


@contextmanager
def writing(ref: str, project: Project | None = None) -> Iterator[ActiveRun]:
    """Give the run to log into; one that has ended is reopened, and committed again at the end of the block.

    Args:
        ref: its id, or another reference.
        project: where it is; that of the current directory when None.

    Raises:
        RunNotFound: there is no such run.
        RunIsActive: it has not ended, and no process here writes it.
        CommitFailed: it cannot be written, or not be committed again.
    """
    found = open_here(ref)
    if found is not None:
        yield found
        return
    place = project or project_here()
    run = place.resolve(ref)
    found = open_here(run.id)
    if found is not None:
        yield found
        return
    with _turn.lock, turn(place.repo.common_dir / "gtrack" / "late.lock", _LOCK_SECONDS):
        live = place.live.find(run.id)
        if live is not None and live.is_alive() and not (live.has(OPEN) or live.wait_until_gone(_LOCK_SECONDS)):
            raise RunEnded(f"Run {run.name} ({run.short_id}) has ended, and whoever ended it has not committed it yet.")
        if live is not None and live.path.is_dir() and live.is_alive():
            with process.lock:
                process.joined[run.id] = FluentRun.join(live.path)
            yield process.joined[run.id]
            return
        if live is not None:
            place.recover()
        run = place.resolve(run.id)  # anew: it may have ended since it was found
        if run.status is Status.RUNNING:
            raise RunIsActive(
                f"Run {run.name} ({run.short_id}) has not ended, and is not written in this working copy: log into it there."
            )
        late = reopened(place, run)
        try:
            yield late
        finally:
            late.end(run.status, run.exit_code)
