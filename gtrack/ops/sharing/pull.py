"""Bring the runs and the registry of a remote here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.git.lfs import Pointer
from gtrack.git.refs import tracked
from gtrack.ops.large.transfer import pointers_between
from gtrack.ops.sharing.damaged import Damaged, damaged_of
from gtrack.ops.sharing.remote_branch import bring, chosen_remote, forget_seen, look
from gtrack.ops.sharing.take_in import Rewritten, TakenIn, take_in
from gtrack.registry.travel import Travelled, bring_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtrack.git.progress import Tell
    from gtrack.ops.sharing.remote_branch import RemoteBranch
    from gtrack.project import Project


@dataclass(frozen=True)
class Pulled:
    """What came of a pull.

    Attributes:
        remote: what people call the remote, without secrets.
        has_runs: whether it has a runs branch.
        taken: what came of the branch; None when it has none.
        tags: what came of the registry tags.
        large: how many large artifacts came by name only.
        large_bytes: their size.
        damaged: runs that came and cannot be read as they are.
    """

    remote: str
    has_runs: bool
    taken: TakenIn | None
    tags: Travelled
    large: int = 0
    large_bytes: int = 0
    damaged: tuple[Damaged, ...] = ()

    def followed_by(self, later: Pulled) -> Pulled:
        """Return what came of two pulls, one after the other; what could not travel at first may have travelled then."""
        one, two = self.taken, later.taken
        return Pulled(
            later.remote,
            self.has_runs or later.has_runs,
            one.followed_by(two) if one is not None and two is not None else one or two,
            self.tags.followed_by(later.tags),
            self.large + later.large,
            self.large_bytes + later.large_bytes,
            tuple({one.run_id: one for one in (*self.damaged, *later.damaged)}.values()),
        )


def pull(
    project: Project, remote: str | None = None, *, accept_rewrite: bool = False, tell: Tell = lambda *_: None
) -> Pulled:
    """Bring what a remote has: its runs are merged with those here, its registry tags get their names here.

    Args:
        project: the project.
        remote: name or URL; the usual one, when None.
        accept_rewrite: merge also when the remote's branch was rewritten, is another project's, or has what was purged here.
        tell: is told how far it is.

    Raises:
        UsageError: there is no such remote.
        Rewritten: its branch was rewritten, and that is not accepted; nothing was changed.
        Unrelated: its branch is another project's; nothing was changed.
        Unpublished: the branch here was purged, and the remote's was not; nothing was changed.
        GitError: the remote cannot be reached, or git refuses.
    """
    branch = look(project, chosen_remote(project, remote))
    return take(project, branch, tell, accept_rewrite=accept_rewrite)


def take(project: Project, branch: RemoteBranch, tell: Tell, *, accept_rewrite: bool = False) -> Pulled:
    """Do what ``pull`` does, with a remote that was looked at already."""
    if branch.tip is None and accept_rewrite:
        forget_seen(project, branch)
    check_not_deleted(project, branch)
    bring(project, branch, tell)
    before = project.repo.resolve(branch.ref) or tracked(project.repo, project.config.branch)
    taken = None
    if branch.tip is not None:
        taken = take_in(project, branch, branch.tip, accept_rewrite=accept_rewrite)
    tags = bring_tags(project.repo, project.registry_reader, branch.tags, project.identity(), branch.name)
    large: Sequence[Pointer] = []
    if taken is not None and taken.runs:
        large = pointers_between(project.repo, before, taken.commit)
    damaged = damaged_of(project.repo, taken.commit, taken.runs) if taken is not None and taken.runs else ()
    sizes = sum(pointer.size for pointer in large)
    return Pulled(branch.name, branch.tip is not None, taken, tags, len(large), sizes, damaged)


def check_not_deleted(project: Project, branch: RemoteBranch) -> None:
    """Check that a remote which has no runs branch is not known to have had one.

    Raises:
        Rewritten: it had; nothing was changed.
    """
    known = project.repo.resolve(branch.seen) if branch.tip is None else None
    if known is not None:
        raise Rewritten(
            f"{branch.name} has no branch {project.config.branch} any more: it was at {known[:10]} when it was last seen, so "
            f"somebody has deleted it, or {branch.name} is another repository now. Nothing was changed, here or there. Find out "
            f"who did it and why. 'gtrack pull {branch.name} --accept-rewrite' forgets that it was there; the next push then "
            "publishes all runs that are here."
        )
