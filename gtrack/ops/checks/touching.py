"""The commits of the runs branch that have to do with one run, found by git, which compares trees a hundred times as fast.

git follows the branch by first parents, and tells which commits differ from theirs in the shards where the run can lie. What
it cannot know is told from the messages of all commits: which of them are merges, whose other parents are lines of the branch
too, and where the branch begins.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gtrack.errors import GitError
from gtrack.formats.names import EXPERIMENTS
from gtrack.git.trees import parse_tree
from gtrack.ops.checks.walk import NAMES_RUN, NO_FETCH, REWRITTEN, BranchCommit, commits_of

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_FORMAT = "%H %P%x00%ct%x00%B%x00"
_MANY = 64
"""Of more experiments git compares each entry of a tree with every path, so that a pattern is quicker than their names."""


class _Seen(NamedTuple):
    """A commit in its place in the history: when it was made, its parents that are of the branch, and its message, as a hash."""

    seconds: int
    parents: tuple[str, ...]
    said: int


@dataclass
class _Lines:
    """The history of the branch, as far as messages tell it.

    Attributes:
        commits: by id; what is below the branch is among them, and cut off.
        tips: the ends of its lines: the newest commit, and what was merged.
        naming: commits whose message has the beginning of the run's id.
        first: the first commits of the branch.
        below: the run commits under those; what these stand on is code.
    """

    commits: dict[str, _Seen] = field(default_factory=dict)
    tips: list[str] = field(default_factory=list)
    naming: set[str] = field(default_factory=set)
    first: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


def touching(repo: Repository, tip: str, run: str) -> Iterator[BranchCommit]:
    """Yield the commits that may have changed a run, or that say something of it, in the order of ``walk``.

    Those that changed other runs of its shards are among them.

    Args:
        repo: the repository.
        tip: the newest commit of the branch.
        run: the run's id, or the beginning of it, four digits or more.

    Raises:
        GitError: git refuses.
    """
    lines = _lines(repo, tip, run)
    wanted = {*lines.naming, *lines.first, *_changing(repo, lines, run)}
    yield from commits_of(repo, [one for one in _in_order(lines, tip) if one in wanted])


def _lines(repo: Repository, tip: str, run: str) -> _Lines:
    lines = _Lines()
    alone: dict[str, int] = {}
    new = [tip]
    while new:
        lines.tips += new
        sides: dict[str, None] = {}
        for commit, parents, seconds, message in _listed(repo, new):
            if commit in lines.commits:
                continue
            names_run = NAMES_RUN.search(message) is not None
            if run[:8] in message:
                lines.naming.add(commit)
            if names_run and len(parents) == 1:
                alone[commit] = hash(REWRITTEN.sub("", message))
            is_merge = len(parents) > 1 and not names_run
            sides.update(dict.fromkeys(parents[1:] if is_merge else ()))
            lines.commits[commit] = _Seen(seconds, parents if is_merge else parents[:1], hash(message))
        new = [one for one in sides if one not in lines.commits]
    _cut(repo, lines, alone)
    return lines


def _cut(repo: Repository, lines: _Lines, alone: Mapping[str, int]) -> None:
    """End the lines where the branch begins: with a commit that says what its only parent says, the commit of its run."""
    likely = [one for one, said in alone.items() if said == lines.commits[lines.commits[one].parents[0]].said]
    for commit in commits_of(repo, likely):
        if not commit.parents:
            seen = lines.commits[commit.id]
            lines.first.append(commit.id)
            lines.below += seen.parents
            lines.commits[commit.id] = seen._replace(parents=())


def _listed(repo: Repository, tips: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], int, str]]:
    """Yield id, parents, time and message of some commits and all that come by first parents."""
    options = ("--first-parent", "--no-commit-header", "--encoding=UTF-8", f"--format={_FORMAT}", "--stdin")
    out = repo.run("rev-list", *options, stdin=_lines_of(tips)).decode(errors="replace")
    parts = out.split("\0")
    for head, seconds, message in zip(parts[:-1:3], parts[1::3], parts[2::3], strict=True):
        commit, *parents = head.split()
        yield commit, tuple(parents), int(seconds or 0), message


def _in_order(lines: _Lines, tip: str) -> Iterator[str]:
    """Yield the commits of the branch as ``walk`` does."""
    waiting = [(-lines.commits[tip].seconds, 0, tip)]
    seen, number = {tip}, 0
    while waiting:
        _, _, commit = heapq.heappop(waiting)
        yield commit
        for one in lines.commits[commit].parents:
            if one in lines.commits and one not in seen:
                seen.add(one)
                number += 1
                heapq.heappush(waiting, (-lines.commits[one].seconds, number, one))


def _changing(repo: Repository, lines: _Lines, run: str) -> set[str]:
    """Return the commits that changed anything in the shards where a run can lie."""
    known = _experiments(repo, lines.tips)
    new, found = known, set[str]()
    while new and len(known) <= _MANY:
        shards = [f":(literal){EXPERIMENTS}/{one}/{run[:2]}" for one in sorted(new)]
        others = [f":(exclude,literal){EXPERIMENTS}/{one}" for one in sorted(known)]
        # An experiment that is gone, with all its runs, is found by whatever changed what is not known.
        with (
            _asked(repo, lines, shards) as inside,
            _asked(repo, lines, [f":(literal){EXPERIMENTS}", *others]) as outside,
        ):
            found.update(inside())
            elsewhere = outside()
        new = _experiments(repo, [name for one in elsewhere for name in (one, f"{one}^")]) - known
        known = known | new
    if not new and known:
        return found
    with _asked(repo, lines, [f":(glob){EXPERIMENTS}/*/{run[:2]}/**"]) as anywhere:
        return set(anywhere())


def _experiments(repo: Repository, commits: Sequence[str]) -> set[str]:
    """Return the path components of the experiments that any of some commits has."""
    trees = repo.objects.many([f"{one}:{EXPERIMENTS}" for one in commits])
    distinct = {tree.oid: tree.data for tree in trees if tree is not None and tree.kind == "tree"}
    size = len(repo.null_oid) // 2
    return {entry.name for data in distinct.values() for entry in parse_tree(data, size)}


@contextmanager
def _asked(repo: Repository, lines: _Lines, paths: Sequence[str]) -> Iterator[Callable[[], list[str]]]:
    """Start to look for the commits that differ from their first parents at some paths; give what waits for the answer."""
    process = repo.start("rev-list", "--first-parent", "--stdin", env=NO_FETCH)

    def result() -> list[str]:
        words = [*lines.tips, *(f"^{one}" for one in lines.below), "--", *paths]
        out, err = process.communicate(_lines_of(words))
        if process.returncode != 0:
            raise GitError(f"git rev-list failed in {repo.common_dir}: {err.decode(errors='replace').strip()}")
        return out.decode().split()

    try:
        yield result
    finally:
        process.kill()
        process.communicate()


def _lines_of(words: Sequence[str]) -> bytes:
    return os.fsencode("".join(f"{word}\n" for word in words))
