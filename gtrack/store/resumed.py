"""What a resumed run was taken from, and whether it is another on the branch by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.store.branch import BranchReader
from gtrack.store.live import SINCE

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.store.live import LiveDir


def changed_since(repo: Repository, branch: BranchReader, live: LiveDir) -> BranchReader | None:
    """Return the state of the branch that a resumed run was taken from, when the run is another there by now; else None.

    Args:
        repo: the repository.
        branch: the branch as it is now.
        live: the live directory of a run, resumed or not.
    """
    taken = (live.read(SINCE) or b"").decode(errors="replace").strip()
    if not taken or taken == branch.tip:
        return None
    # A purge, and git's own gc, may have taken it away since: then all that the run had counts as new on both sides.
    before = BranchReader(repo, taken if repo.objects.get(taken) is not None else None)
    return before if before.locate(live.id) != branch.locate(live.id) else None
