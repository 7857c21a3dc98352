"""Find in the branch's history the run commit of a run, and what the branch once held.

A run commit is the code with that one run directory, the second parent of the branch commit that merged it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.formats.names import EXPERIMENTS
from gtrack.git.trees import parse_tree
from gtrack.store.branch import BranchReader

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
_TRAILERS = re.compile(rb"\n\n(?:[A-Za-z-]+: .*\n)*(?:Experiment|Merged-From|Purged|Rewritten-From): ")


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


def last_states(repo: Repository, tip: str, pathspec: str) -> Iterator[str]:
    """Yield commits that may hold what a pathspec names, where the branch no longer has it: the newest first.

    They are those from which the last changes of it were made, in whichever clone that was, and then what they made of it.

    Raises:
        GitError: git refuses.
    """
    # Every line of the branch: of one that was merged, history that is simplified shows nothing of what both ends lack.
    process = repo.start("rev-list", "--full-history", tip, "--", pathspec, stdin=False)
    try:
        for line in process.stdout or ():
            commit = line.decode().strip()
            found = repo.objects.get(commit)
            head = found.data.partition(b"\n\n")[0] if found else b""
            parents = [part.decode() for part in _PARENT.findall(head)]
            yield from [name for name in (*parents, commit) if repo.objects.get(name) is not None]
        said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        if process.wait() != 0:
            raise GitError(f"git rev-list failed: {said}")
    finally:
        process.kill()
        process.communicate()


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
