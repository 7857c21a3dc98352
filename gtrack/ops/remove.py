"""Take runs and experiments off the runs branch, and put them back: the branch's history keeps what it held."""

from __future__ import annotations

from gtrack.errors import RunIsActive, RunNotFound
from gtrack.formats.names import RUN_ID
from gtrack.ops.search import Choice, find_runs
from gtrack.project import Project
from gtrack.records import Experiment, Run


def remove_run(project: Project, run: Run) -> None:
    """Take a run off the branch, by a commit that says so; its children stay.

    Raises:
        RunIsActive: it has not ended.
        GitError: git refuses.
    """
    _check_ended(project, run)
    project.store.remove(run.id)


def remove_experiment(project: Project, name: str) -> None:
    """Take an experiment off the branch, with all its runs, by a commit that says so.

    Raises:
        ExperimentNotFound: there is none of the name.
        RunIsActive: one of its runs has not ended.
        GitError: git refuses.
    """
    for run in find_runs(project, Choice(experiments=(name,), statuses=("running",))):
        _check_ended(project, run)
    project.store.remove_experiment(name)


def restore_run(project: Project, run_id: str) -> Run:
    """Put a run that was removed back, as it was.

    Args:
        project: where it was.
        run_id: its whole id: a part of it is nothing's any more.

    Raises:
        RunNotFound: the branch never held it.
        UsageError: it is there.
        GitError: git refuses.
    """
    if not RUN_ID.match(run_id):
        raise RunNotFound(f"A run that was removed is restored by its whole id of 32 digits, not by {run_id!r}.")
    return project.store.restore(run_id)


def restore_experiment(project: Project, name: str) -> Experiment:
    """Put an experiment that was removed back, with the runs that it had.

    Raises:
        ExperimentNotFound: the branch never held it.
        UsageError: it is there.
        GitError: git refuses.
    """
    return project.store.restore_experiment(name)


def _check_ended(project: Project, run: Run) -> None:
    if project.live.find(run.id) is not None:
        raise RunIsActive(f"Run {run.name} ({run.short_id}) has not ended; end it before it is removed.")
