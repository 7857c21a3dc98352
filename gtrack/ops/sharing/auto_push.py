"""Carry out the pushes that runs ask for, and tell what became of the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.ops.sharing.push import push
from gtrack.store.auto_push import AutoPush, Failure

if TYPE_CHECKING:
    from gtrack.project import Project


def carry_out(project: Project) -> None:
    """Push as long as runs ask for it; another process that does so already goes on in the place of this one.

    What fails is kept for ``last_failure``, and the next run tries again.
    """
    pushes = AutoPush(project.repo)
    for _ in pushes.rounds():
        try:
            pushed = push(project)
        except (GTrackError, OSError) as error:
            pushes.note_failure(str(error))
        else:
            if pushed.tags.problems:
                pushes.note_failure(" ".join(pushed.tags.problems))
            else:
                pushes.note_done()


def last_failure(project: Project) -> Failure | None:
    """Return why the last push of a run failed; None when it did not, or there was none."""
    return AutoPush(project.repo).last_failure()
