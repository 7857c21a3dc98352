"""Tell what waits to be pushed, by what is known here: no remote is asked."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.git.remotes import default_remote, push_url
from gtrack.ops.sharing.remote_branch import SEEN
from gtrack.store.auto_push import AutoPush, Failure
from gtrack.store.merge.places import Comparison

if TYPE_CHECKING:
    from gtrack.project import Project


@dataclass(frozen=True)
class Waiting:
    """What the usual remote lacks, as far as is known since the last push or pull.

    Attributes:
        remote: its name.
        new: how many runs were made here.
        changed: how many were edited here.
        removed: how many were removed here.
        failure: why the last push after a run failed; None when it did not.
    """

    remote: str
    new: int = 0
    changed: int = 0
    removed: int = 0
    failure: Failure | None = None


def waiting(project: Project) -> Waiting | None:
    """Return what waits to be pushed to the usual remote; None where there is none, or it cannot be told which.

    Raises:
        GitError: git cannot tell.
    """
    repo = project.repo
    try:
        remote = default_remote(repo)
    except GTrackError:
        return None
    tip, known = project.store.tip(), _known(project, remote)
    if tip is not None and known is not None and known != tip:
        # What only the remote has is none of what waits.
        out = repo.answer("merge-base", known, tip)[1].decode().split()
        known = out[0] if out else known
    steps = Comparison(repo).between(known, tip).runs.values() if tip is not None and tip != known else []
    return Waiting(
        remote,
        new=sum(step.before is None for step in steps),
        changed=sum(step.before is not None and step.after is not None for step in steps),
        removed=sum(step.after is None for step in steps),
        failure=AutoPush(repo).last_failure(),
    )


def _known(project: Project, remote: str) -> str | None:
    """Return where the branch of a remote was when it was last pushed to, or pulled from; None when it has none yet."""
    repo, branch = project.repo, project.config.branch
    place = push_url(repo, remote)
    key = remote if place == remote else sha256(place.encode(errors="surrogateescape")).hexdigest()[:16]
    refs = [f"{SEEN}/{key}/{branch}"] + ([f"refs/remotes/{remote}/{branch}"] if place == remote else [])
    return next((tip for ref in refs if (tip := repo.resolve(ref)) is not None), None)
