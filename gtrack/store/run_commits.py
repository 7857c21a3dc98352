"""Find in the branch's history the run commit of a run, and what the branch once held.

A run commit is the code with that one run directory, the second parent of the branch commit that merged it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.formats.names import EXPERIMENTS
from gtrack.git.refs import is_ancestor
from gtrack.git.trees import parse_tree
from gtrack.store.branch import BranchReader

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
_TRAILERS = re.compile(rb"\n\n(?:[A-Za-z-]+: .*\n)*(?:Experiment|Merged-From|Purged|Rewritten-From|Taken-Over): ")


def find_run_commit(repo: Repository, tip: str, run_id: str) -> str | None:
    """Return the newest run commit of a run, None when the history that is here has none.

    git reads the messages of commits from the newest on, no trees, and is ended at the first answer: a run among the last
    thousand takes a few milliseconds. Where branches were merged, a run may have come by any parent, so all are followed.

    Args:
        repo: the repository.
        tip: the newest commit of the runs branch.
        run_id: the run.

    Raises:
        GitError: git refuses.
    """
    # Said outright, since settings of the user change both for --grep.
    question = ("--basic-regexp", "--encoding=UTF-8", f"--grep=^Run: {run_id}$")
    process = repo.start("rev-list", "--parents", *question, tip, stdin=False)
    try:
        for line in process.stdout or ():
            commit, *parents = line.decode().split()
            found = parents[1] if len(parents) > 1 else commit
            is_own = len(parents) != 1 or _is_run_commit(repo, commit, parents[0])
            # Any commit can say the words; that of the code has no run.
            if is_own and BranchReader(repo, found).locate(run_id) is not None:
                return found
        said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        if process.wait() != 0:
            raise GitError(f"git rev-list failed: {said}")
        return None
    finally:
        process.kill()
        process.communicate()


def last_state(
    repo: Repository, tip: str | None, pathspec: str, holds: Callable[[BranchReader], bool]
) -> BranchReader | None:
    """Return the last state of the branch that held what it no longer holds, in whichever clone that was; None for none.

    Args:
        repo: the repository.
        tip: the newest commit of the branch.
        pathspec: names what is looked for.
        holds: tells whether a state has it.

    Raises:
        GitError: git refuses.
    """
    found = next(_states(repo, (tip,), pathspec, holds), None) if tip else None
    if tip is None or found is None:
        return None
    # That is the newest by the clocks of those who committed, and told at once. Where a clock is wrong, or two removed it, the
    # history has one that came later.
    others = _states(repo, ("--topo-order", tip, f"^{found.tip}"), pathspec, holds)
    return next((one for one in others if not is_ancestor(repo, str(one.tip), str(found.tip))), found)


def _states(
    repo: Repository, which: Sequence[str], pathspec: str, holds: Callable[[BranchReader], bool]
) -> Iterator[BranchReader]:
    """Yield states that held something, the last ones of each line first.

    A merge that lacks it, as one of its parents does, took that over: the other parent has it as it was before it was edited,
    and then removed, elsewhere. Those come last.
    """
    # Every line of the branch: of one that was merged, history that is simplified shows nothing of what both ends lack.
    process = repo.start("rev-list", "--full-history", *which, "--", pathspec, stdin=False)
    stale = []
    try:
        for line in process.stdout or ():
            state = BranchReader(repo, line.decode().strip())
            if holds(state):
                yield state
                continue
            found = repo.objects.get(str(state.tip))
            head = found.data.partition(b"\n\n")[0] if found else b""
            parents = [part.decode() for part in _PARENT.findall(head)]
            before = [BranchReader(repo, name) for name in parents if repo.objects.get(name) is not None]
            held = [one for one in before if holds(one)]
            if len(held) == len(before):
                yield from held
            else:
                stale += held
        said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        if process.wait() != 0:
            raise GitError(f"git rev-list failed: {said}")
    finally:
        process.kill()
        process.communicate()
    yield from stale


def _is_run_commit(repo: Repository, commit: str, parent: str) -> bool:
    """Tell a run commit from a branch commit with one parent: a later edit, or the first one, whose only parent is a run commit.

    Branch commits hold runs and no code. Where the code is nothing else either, what it has for a parent tells: a code commit.
    """
    found = repo.objects.get(f"{commit}^{{tree}}")
    entries = parse_tree(found.data, len(repo.null_oid) // 2) if found else ()
    if any(entry.name != EXPERIMENTS for entry in entries):
        return True
    return repo.objects.get(parent) is not None and not is_branch_commit(repo, parent)


def is_branch_commit(repo: Repository, commit: str) -> bool:
    """Tell whether a commit with nothing but ``experiments/`` in it, or nothing at all, is of the branch, and not code."""
    found = repo.objects.get(commit)
    if found is None or _TRAILERS.search(found.data.partition(b"\n\n")[2]) is not None:
        return found is not None
    return any(True for _ in BranchReader(repo, commit).locations())
