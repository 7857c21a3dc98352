"""The line of the runs branch in git's history, and where two of its commits last were one.

A branch commit has two sorts of parents: earlier states of the branch, and run commits, which hold code. When two clones ran
on the same newer code, git's own merge bases name that code commit too, and after a purge, whose rewritten branch has the same
run commits, all of these; only commits of the branch itself are bases here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gtrack.formats.names import EXPERIMENTS
from gtrack.git.refs import is_ancestor
from gtrack.git.trees import parse_tree
from gtrack.store.run_commits import is_branch_commit

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_RUN = re.compile(r"^Run: [0-9a-f]{32}$", re.MULTILINE)
_REWRITTEN = re.compile(r"^Rewritten-From: [0-9a-f]+\n", re.MULTILINE)
_FORMAT = "%at%x00%an%x00%ae%x00%B%x00"
_FIELDS = 4


@dataclass(frozen=True)
class Commit:
    """A commit as git names it: its parents in order, author, time in seconds since the epoch, and message."""

    id: str
    parents: tuple[str, ...]
    name: str
    email: str
    seconds: int
    message: str
    is_boundary: bool


def without_origins(message: str) -> str:
    """Return the message of a commit without the commits that purges have made it of."""
    return _REWRITTEN.sub("", message)


class Line:
    """The commits of the branch that ``tip`` has and those of ``without`` do not have.

    Args:
        repo: the repository.
        tip: the newest commit.
        without: commits of the branch that are known otherwise.
    """

    def __init__(self, repo: Repository, tip: str, without: Sequence[str]) -> None:
        self._repo = repo
        self._tip = tip
        self._oid_bytes = len(repo.null_oid) // 2
        self._commits = {commit.id: commit for commit in _commits(repo, tip, without)}
        own = self.commits()
        known = {commit.id for commit in own}
        oldest = [commit.id for commit in own if known.isdisjoint(self.parents(commit))]
        if any(is_ancestor(repo, one, other) for one in oldest for other in without):
            self._commits = {commit.id: commit for commit in _exactly(repo, tip, without)}

    def commits(self) -> list[Commit]:
        """Return the branch commits, parents before children."""
        known = self._reached()
        return [commit for commit in self._commits.values() if commit.id in known and not commit.is_boundary]

    def edge(self) -> list[str]:
        """Return the branch commits of ``without`` that these stand on, sorted."""
        return sorted(one for one in self._reached() if self._commits[one].is_boundary)

    def parents(self, commit: Commit) -> tuple[str, ...]:
        """Return the parents of a branch commit that are of the branch too."""
        if len(commit.parents) == 1:
            return () if self._is_run_commit(commit.parents[0], commit) else commit.parents
        return commit.parents[:1] if _RUN.search(commit.message) else commit.parents

    def _reached(self) -> set[str]:
        found: set[str] = set()
        waiting = [self._tip]
        while waiting:
            commit = self._commits.get(waiting.pop())
            if commit is not None and commit.id not in found:
                found.add(commit.id)
                waiting += () if commit.is_boundary else self.parents(commit)
        return found

    def _is_run_commit(self, name: str, child: Commit) -> bool:
        """Tell whether the only parent of a branch commit is the commit of its first run, and not an earlier state.

        Both then have one message; and a run commit has code, or where that is nothing but ``experiments/``, stands on it.
        """
        commit = self._commits.get(name)
        said = without_origins(child.message)  # a purge adds to what the branch commit says
        if commit is None or commit.message != said or not _RUN.search(commit.message):
            return False
        if not commit.parents or any(name != EXPERIMENTS for name in self._root(commit.id)):
            return True
        before = commit.parents[0]
        return self._repo.objects.get(before) is not None and not is_branch_commit(self._repo, before)

    def _root(self, commit: str) -> list[str]:
        found = self._repo.objects.get(f"{commit}^{{tree}}")
        return [entry.name for entry in parse_tree(found.data, self._oid_bytes)] if found else []


def merge_bases(repo: Repository, ours: str, theirs: str) -> list[str]:
    """Return the newest states of the branch that two of its commits have in common, sorted: several after a criss-cross.

    It is one of the two where the other has come from that. git walks from one side until it meets the other, so what it
    takes does not depend on how much they share.

    Raises:
        GitError: git refuses.
    """
    line = Line(repo, ours, [theirs])
    if not line.commits():
        return [ours]
    found = line.edge()
    if len(found) > 1:
        found = sorted(repo.run("merge-base", "--independent", *found).decode().split())
    return found


def _exactly(repo: Repository, tip: str, without: Sequence[str]) -> Iterator[Commit]:
    """Yield what ``_commits`` does, whatever the clocks were by which the commits were made.

    git stops to look for what it shall leave out when that seems older than all that is left: where a clock was wrong by
    hours, it lists commits that ``without`` has. To walk all of those is slow and sure.
    """
    known = set(repo.run("rev-list", *without).decode().split())
    for commit in _commits(repo, tip, ()):
        yield replace(commit, is_boundary=commit.id in known)


def _commits(repo: Repository, tip: str, without: Sequence[str]) -> Iterator[Commit]:
    options = ("--boundary", "--topo-order", "--reverse", "--parents", "--encoding=UTF-8", f"--format={_FORMAT}")
    out = repo.run("rev-list", *options, tip, *(f"^{one}" for one in without)).decode(errors="surrogateescape")
    parts = out.split("\0")[:-1]
    for at in range(0, len(parts), _FIELDS):
        (head, _, seconds), name, email, message = parts[at].lstrip("\n").partition("\n"), *parts[at + 1 : at + _FIELDS]
        first, *parents = head.removeprefix("commit ").split()
        yield Commit(first.lstrip("-"), tuple(parents), name, email, int(seconds or 0), message, first.startswith("-"))
