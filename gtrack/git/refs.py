"""Move refs by compare-and-swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import GitError, RefChanged

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository


@dataclass(frozen=True)
class Update:
    """Move ``ref`` to ``new`` (None: delete it).

    Attributes:
        expected: the id that it must have now; ``""`` when it must not exist; None when it does not matter.
    """

    ref: str
    new: str | None
    expected: str | None = None


def update(repo: Repository, updates: Sequence[Update], identity: Identity, reason: str) -> None:
    """Carry all ``updates`` out in one transaction, or none of them.

    Args:
        identity: who stands in the reflog.
        reason: what stands in the reflog.

    Raises:
        RefChanged: a ref is not where it was expected.
        GitError: anything else, such as a ref that somebody keeps locked.
    """
    lines = []
    for one in updates:
        old = None if one.expected is None else one.expected or repo.null_oid
        action = f"update {one.ref}\0{one.new}" if one.new else f"delete {one.ref}"
        lines.append(f"{action}\0{old or ''}\0")
    stdin = "".join(lines).encode()
    try:
        repo.run("update-ref", "-z", "--stdin", "-m", reason, stdin=stdin, env=identity.environment())
    except GitError as error:
        text = str(error)
        if "but expected" in text or "reference already exists" in text or "unable to resolve reference" in text:
            raise RefChanged(text) from error
        raise


def tracked(repo: Repository, branch: str) -> str | None:
    """Return where a remote had ``branch`` when it was last fetched, ``origin`` before others; None when none has it.

    A fresh clone has branches other than the checked out one only so.
    """
    found = list_refs(repo, f"refs/remotes/*/{branch}")
    return found.get(f"refs/remotes/origin/{branch}") or next(iter(found.values()), None)


def newest(repo: Repository, branch: str) -> str | None:
    """Return the newest commit of a branch; in a clone that has no such branch yet, of the one it was cloned from."""
    return repo.resolve(f"refs/heads/{branch}") or tracked(repo, branch)


def branch_with(repo: Repository, commit: str, branches: Sequence[str]) -> str | None:
    """Return the first of ``branches`` from which a commit can be reached, here or on a remote; None when from none of them.

    Raises:
        GitError: git refuses.
    """
    if repo.objects.get(commit) is None:
        return None
    for branch in branches:
        refs = {**list_refs(repo, f"refs/heads/{branch}"), **list_refs(repo, f"refs/remotes/*/{branch}")}
        for ref in refs:
            if ref.endswith(f"/{branch}") and is_ancestor(repo, commit, ref):
                return branch
    return None


def is_ancestor(repo: Repository, old: str, new: str) -> bool:
    """Tell whether ``old`` can be reached from ``new``.

    Raises:
        GitError: git cannot tell, as one of them is not here.
    """
    code, _, err = repo.answer("merge-base", "--is-ancestor", old, new)
    if code not in {0, 1}:
        raise GitError(f"git cannot tell whether {old} is in {new}: {err.decode(errors='replace').strip()}")
    return code == 0


def list_refs(repo: Repository, prefix: str) -> dict[str, str]:
    """Return ref name to object id for every ref below ``prefix``."""
    lines = repo.run("for-each-ref", "--format=%(refname) %(objectname)", prefix).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)
