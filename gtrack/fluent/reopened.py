"""A run that had ended, and is written to once more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from gtrack.store.liveness import ExitNote
from gtrack.store.reopen import reopen
from gtrack.writer import ActiveRun

if TYPE_CHECKING:
    from gtrack.project import Project
    from gtrack.records import Run


class ReopenedRun(ActiveRun):
    """A run that had ended and is written to once more: when it ended, how, and of which code it is, stays as it was."""

    ended_before: datetime | None = None

    def _end_time(self) -> datetime:
        return self.ended_before or super()._end_time()


def reopened(project: Project, run: Run) -> ReopenedRun:
    """Return the writer of a committed run. When this process dies meanwhile, the run is found as it had ended.

    Raises:
        RunNotFound: it is no longer there.
        RunIsActive: somebody is writing it.
        CommitFailed: its live directory cannot be made.
    """
    note = ExitNote(run.status, run.exit_code, run.ended) if run.ended is not None else None
    again = ReopenedRun(project, *reopen(project.store, project.live, run.id, run.code, note))
    again.ended_before = run.ended
    return again
