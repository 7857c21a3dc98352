"""Compare the code of two runs, as git sees it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gtrack.git.promisor import is_partial, missing
from gtrack.git.repo import Repository
from gtrack.records import Run

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
# A repository's attributes may name programs that make diffs; comparing runs starts none.
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--find-renames")


@dataclass(frozen=True)
class FileChange:
    """How a file differs.

    Attributes:
        path: where it is now, or was when it is gone.
        added: lines that are new; None for a binary file.
        removed: lines that are gone; None for a binary file.
        old_path: where it was, when it was renamed.
    """

    path: str
    added: int | None
    removed: int | None
    old_path: str | None = None


@dataclass(frozen=True)
class CodeChange:
    """How the code of a run differs from that of the first one.

    Attributes:
        base: the code commit of the first run, None when it ran no recorded code.
        commit: the code commit of this run.
        files: what differs between their trees.
        problem: why the two cannot be compared.
    """

    base: str | None
    commit: str | None
    files: tuple[FileChange, ...] = ()
    problem: str | None = None

    @property
    def differs(self) -> bool:
        """Whether the two ran different code, as far as that can be told."""
        return bool(self.files) or self.problem is not None


def code_change(repo: Repository, base: Run, other: Run) -> CodeChange:
    """Return how the code of ``other`` differs from that of ``base``.

    Raises:
        GitError: git cannot compare the two commits.
    """
    one, two = base.code.commit, other.code.commit
    if one == two:
        return CodeChange(one, two)
    problem = _problem(repo, base) or _problem(repo, other)
    if one is None or two is None or problem:
        return CodeChange(one, two, problem=problem)
    return CodeChange(one, two, files=files_between(repo, one, two))


def files_between(repo: Repository, one: str, two: str, *pathspecs: str) -> tuple[FileChange, ...]:
    """Return which files differ between the trees of two commits, of all or of those that ``pathspecs`` name.

    Raises:
        GitError: git cannot compare the two commits.
    """
    away = _not_here(repo, one, two, pathspecs)
    plain = (*_PLAIN_DIFF, "--no-renames") if away else _PLAIN_DIFF
    without = [f":(top,exclude,literal){path}" for path in away]
    out = repo.run("diff", "--numstat", "-z", *plain, one, two, "--", *pathspecs, *without)
    found = [*_file_changes(os.fsdecode(out)), *(FileChange(path, None, None) for path in away)]
    return tuple(sorted(found, key=lambda change: change.path) if away else found)


def _not_here(repo: Repository, one: str, two: str, pathspecs: Sequence[str]) -> list[str]:
    """Return which files that differ a partial clone has left with its remote: their lines are not counted."""
    if not is_partial(repo):
        return []
    fields = os.fsdecode(repo.run("diff-tree", "-r", "-z", "--no-renames", one, two, "--", *pathspecs)).split("\0")
    changes = [(facts.split()[2:4], path) for facts, path in zip(fields[::2], fields[1::2], strict=False)]
    absent = missing(repo, {oid for oids, _ in changes for oid in oids} - {repo.null_oid})
    return [path for oids, path in changes if absent.intersection(oids)]


def patch(repo: Repository, base: Run, other: Run, *, colour: bool) -> bytes:
    """Return the patch from the code of ``base`` to that of ``other``; empty when there is none to tell."""
    change = code_change(repo, base, other)
    if not change.files or change.base is None or change.commit is None:
        return b""
    wanted = "--color=always" if colour else "--color=never"
    return repo.run("diff", "--patch", wanted, *_PLAIN_DIFF, change.base, change.commit, "--")


def _problem(repo: Repository, run: Run) -> str | None:
    commit = run.code.commit
    if commit is None:
        return f"{run.name} has no recorded code"
    found = repo.objects.get(commit) if _COMMIT.match(commit) else None
    if found is None or found.kind != "commit":
        return f"the code of {run.name}, commit {commit[:10]}, is not in this clone"
    return None


def _file_changes(numstat: str) -> Iterator[FileChange]:
    """Read ``--numstat -z``: ``added TAB removed TAB path NUL``, or for a rename an empty path and then two."""
    parts = iter(numstat.split("\0"))
    for part in parts:
        if not part:
            continue
        added, removed, path = part.split("\t", 2)
        old = None if path else next(parts)
        path = path or next(parts)
        yield FileChange(path, _lines(added), _lines(removed), old)


def _lines(text: str) -> int | None:
    return None if text == "-" else int(text)
