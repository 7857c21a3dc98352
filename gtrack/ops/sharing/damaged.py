"""Which of the runs that came from somebody else cannot be read as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.formats import run_dir
from gtrack.git.promisor import is_partial, missing
from gtrack.store.branch import BranchReader

if TYPE_CHECKING:
    from collections.abc import Collection

    from gtrack.git.repo import Repository

_READ = (run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS)
_MOST = 5000
"""So many runs are looked at; of more, each is told of when it is shown."""


@dataclass(frozen=True)
class Damaged:
    """A run that is damaged: its id, what it is called, its experiment, and the first of what cannot be read."""

    run_id: str
    name: str
    experiment: str
    problem: str


def damaged_of(repo: Repository, commit: str, run_ids: Collection[str]) -> tuple[Damaged, ...]:
    """Return those of some runs that are damaged; nothing is fetched to tell.

    Args:
        repo: the repository.
        commit: of the branch.
        run_ids: which runs; those that it does not have are passed over.

    Raises:
        GitError: git refuses.
    """
    branch, wanted = BranchReader(repo, commit), set(run_ids)
    places = [place for place in branch.locations() if place.id in wanted][:_MOST]
    if is_partial(repo):
        files = {place.id: [entry.oid for entry in branch.tree(place.tree) if entry.name in _READ] for place in places}
        away = missing(repo, [oid for some in files.values() for oid in some])
        places = [place for place in places if not away.intersection(files[place.id])]
    return tuple(
        Damaged(run.id, run.name, run.experiment, run.problems[0]) for run in branch.runs(places) if run.problems
    )
