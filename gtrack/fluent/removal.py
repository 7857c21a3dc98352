"""Take away what was recorded: runs, from the runs branch though not from its history, and tags."""

from __future__ import annotations

from gtrack.fluent.active import active, get_run, project_here
from gtrack.ops import remove
from gtrack.ops.edit import edit_tags


def delete_run(run_id: str) -> None:
    """Remove a run from the runs branch, by a commit that says so; ``restore_run`` brings it back.

    Args:
        run_id: the run, as for ``get_run``. Runs that are nested in it stay.

    Raises:
        RunNotFound: no such run.
        RunIsActive: it has not ended.
    """
    remove.remove_run(project_here(), get_run(run_id))


def restore_run(run_id: str) -> None:
    """Bring a run back that was deleted, as it was, from the history of the runs branch or the backup of a purge.

    Args:
        run_id: its whole id.

    Raises:
        RunNotFound: neither has it.
        UsageError: it is there.
    """
    remove.restore_run(project_here(), run_id)


def delete_tag(key: str) -> None:
    """Remove a tag of the active run.

    Args:
        key: its name.

    Raises:
        UsageError: the run has no such tag.
    """
    run = active("delete_tag")
    edit_tags(project_here(), run.record(), {}, [key])
