"""Say where things stand: the repository, its runs, what a run would record now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gtrack.config import DIRECTORY, FILE
from gtrack.git.worktree import WorktreeState
from gtrack.ops.sharing.waiting import Waiting, waiting
from gtrack.project import Project
from gtrack.records import Run, Status


@dataclass(frozen=True)
class StatusReport:
    """Where things stand.

    Attributes:
        root: top of the working tree, or the git directory of a bare repository.
        runs_branch: the branch that holds the runs.
        has_runs_branch: whether there is one yet.
        experiment: the experiment of runs that name none.
        initialised: whether the project has settings of its own.
        counts: committed runs by status.
        live: the runs that are in live directories now.
        worktree: its state; None for a bare repository.
        waiting: what waits to be pushed; None where there is no usual remote, and for a bare repository.
    """

    root: str
    runs_branch: str
    has_runs_branch: bool
    experiment: str
    initialised: bool
    counts: Mapping[str, int] = field(default_factory=dict)
    live: tuple[Run, ...] = ()
    worktree: WorktreeState | None = None
    waiting: Waiting | None = None


def status(project: Project) -> StatusReport:
    """Return where things stand in ``project``.

    Raises:
        GitError: git cannot tell.
    """
    repo, config = project.repo, project.config
    branch = project.store.branch()
    counted = Counter(glance.status for glance in branch.glances(branch.locations()))
    known = [one.value for one in Status]
    return StatusReport(
        root=str(repo.root or repo.git_dir),
        runs_branch=config.branch,
        has_runs_branch=branch.tip is not None,
        experiment=config.experiment,
        initialised=repo.root is not None and (repo.root / DIRECTORY / FILE).exists(),
        counts={name: counted[name] for name in [*known, *sorted(set(counted) - set(known))] if counted[name]},
        live=tuple(directory.run() for directory in project.live.directories()),
        worktree=project.worktree() if repo.root is not None else None,
        waiting=waiting(project) if repo.root is not None else None,
    )
