"""The runs branch written anew without some runs: every commit of its own, from the first one on.

Run commits and code stay as they are, and so do tags on them. A rewritten commit has the message, the author and the time of
the one that it was made of, and names it in a trailer; what a purge of a purge names accumulates. So every clone finds, for the
newest commit that it knows, what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.formats.names import EXPERIMENTS, is_dot_git
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.store.branch import BranchReader
from gtrack.store.merge.bases import Commit, Line

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

REWRITTEN = "Rewritten-From"

Tell = Callable[[int, int], None]
"""Is told how many commits of how many are written."""

_TREE = "40000"
_NOTHING = "000000"
_PAIRS = 2000  # so many commits are compared by one git process
_RUN_AT = re.compile(rf"{EXPERIMENTS}/[^/]+/[0-9a-f]{{2}}/([0-9a-f]{{32}})(/.*)?\Z", re.DOTALL)
_RUN = re.compile(r"^Run: ([0-9a-f]{32})$", re.MULTILINE)
_TRAILER = re.compile(r"[A-Za-z][A-Za-z-]*: ")


@dataclass(frozen=True)
class _Step:
    """A branch commit, and what it changes in the tree of its first parent on the branch."""

    commit: Commit
    parents: tuple[str, ...]
    changes: tuple[tuple[str | None, Change], ...]


class Rewriting:
    """Writes the branch anew, first all of it, then what was added to it meanwhile.

    Args:
        repo: the repository.
        tip: where the branch is.

    Attributes:
        made: id of each commit that was rewritten, to that of what became of it.
        seen: ids of all runs that any of its commits held.
    """

    def __init__(self, repo: Repository, tip: str) -> None:
        self._repo = repo
        self._tip = tip
        self.made: dict[str, str] = {}
        self._steps = list(self._read(tip, []))
        self.seen = {run_id for step in self._steps for run_id, _ in step.changes if run_id is not None}

    def trees(self, run_ids: Collection[str]) -> list[tuple[str, str]]:
        """Return every directory that any of the commits gave one of these runs: the run, and the id of the tree."""
        changes = (change for step in self._steps for change in step.changes if change[0] in run_ids)
        found = ((run_id, one.source) for run_id, one in changes if one.source is not None and one.mode.endswith(_TREE))
        return list(dict.fromkeys((str(run_id), source) for run_id, source in found))

    def write(self, gone: Collection[str], tell: Tell = lambda *_: None) -> None:
        """Write the commits that were read, without the runs that shall be gone.

        Raises:
            GitError: git refuses; then nothing refers to what was written.
        """
        with FastImport(self._repo) as stream:
            marks = self._write(stream, self._steps, gone, tell)
        self.made.update((old, stream.oids[mark]) for old, mark in marks.items())

    def write_on(self, tip: str, gone: Collection[str], message: str, identity: Identity, seconds: int) -> str:
        """Write what was added to the branch since, and a last commit, and return the id of that.

        Args:
            tip: where the branch is now.
            gone: as for ``write``; none of these may be on the branch again.
            message: of the last commit, which changes nothing.
            identity: who makes it.
            seconds: when, since the epoch.

        Raises:
            GitError: git refuses.
        """
        added = list(self._read(tip, [self._tip])) if tip not in self.made else []
        with FastImport(self._repo) as stream:
            marks = self._write(stream, added, gone, lambda *_: None)
            last = stream.commit([marks.get(tip) or self.made[tip]], [], message, identity, seconds)
        return stream.oids[last]

    def _read(self, tip: str, without: Sequence[str]) -> Iterator[_Step]:
        line = Line(self._repo, tip, without)
        commits = line.commits()
        known = {commit.id for commit in commits}.union(self.made)
        parents = {commit.id: tuple(one for one in line.parents(commit) if one in known) for commit in commits}
        wanted = dict.fromkeys(one for commit in commits for one in (commit.id, *parents[commit.id][:1]))
        trees = dict(zip(wanted, self._trees(wanted), strict=True))
        none = self._repo.run("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()
        pairs = [(trees[parents[commit.id][0]] if parents[commit.id] else none, trees[commit.id]) for commit in commits]
        for commit, changes in zip(commits, self._differences(pairs), strict=True):
            yield _Step(commit, parents[commit.id], changes)

    def _trees(self, commits: Collection[str]) -> Iterator[str]:
        for found in self._repo.objects.many([f"{commit}^{{tree}}" for commit in commits]):
            if found is None:
                raise GitError("A commit of the runs branch has no tree here. 'git fsck' tells more.")
            yield found.oid

    def _differences(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str | None, Change], ...]]:
        waiting = iter(pairs)
        while part := list(islice(waiting, _PAIRS)):
            stdin = "".join(f"{old} {new}\n" for old, new in part).encode()
            options = ("-r", "-t", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff")
            out = self._repo.run("diff-tree", *options, "--stdin", stdin=stdin).decode(errors="surrogateescape")
            at = 0
            for old, new in part:
                head = f"{old} {new}\n"
                if not out.startswith(head, at):
                    raise GitError("git diff-tree answered something else than it was asked.")
                found, at = _changes(out, at + len(head))
                yield found

    def _write(self, stream: FastImport, steps: Sequence[_Step], gone: Collection[str], tell: Tell) -> dict[str, str]:
        marks: dict[str, str] = {}
        for number, step in enumerate(steps, 1):
            commit = step.commit
            parents = [marks.get(one) or self.made[one] for one in step.parents]
            others = [one for one in commit.parents if one not in step.parents]
            run_id = _RUN.search(commit.message)
            if run_id is None or run_id[1] not in gone:
                parents += others  # its run commit
            changes = [change for of, change in step.changes if of not in gone]
            marks[commit.id] = stream.commit(
                parents,
                changes,
                with_trailer(commit.message, REWRITTEN, commit.id),
                Identity(commit.name, commit.email),
                commit.seconds,
                from_empty=not step.parents,
            )
            tell(number, len(steps))
        return marks


def with_trailer(message: str, key: str, value: str) -> str:
    """Return a message with one trailer more: in its last paragraph, where that is of trailers, else in one of its own."""
    text = message.rstrip("\n")
    last = text.rpartition("\n\n")[2] if "\n\n" in text else ""
    gap = "\n" if last and all(_TRAILER.match(line) for line in last.split("\n")) else "\n\n"
    return f"{text}{gap}{key}: {value}\n"


def _changes(out: str, at: int) -> tuple[tuple[tuple[str | None, Change], ...], int]:
    """Return the changes that stand in the output from ``at`` on, each with its run, what goes before what comes."""
    gone: list[tuple[str | None, Change]] = []
    put: list[tuple[str | None, Change]] = []
    while out.startswith(":", at):
        facts_end = out.index("\0", at)
        end = out.index("\0", facts_end + 1)
        old_mode, mode, _, oid, _ = out[at + 1 : facts_end].split(" ")
        path = out[facts_end + 1 : end]
        at = end + 1
        match = _RUN_AT.match(path)
        if match is not None and match[2] is not None:
            continue  # the directory of the run stands for all that is in it
        if match is None and not _is_written(path):
            continue
        if match is None and _TREE in (old_mode.lstrip("0"), mode.lstrip("0")):
            continue  # so do the files in it, for any other directory
        change = Change(path, None) if mode == _NOTHING else Change(path, oid, mode)
        (gone if mode == _NOTHING else put).append((match[1] if match else None, change))
    return (*gone, *put), at


def _is_written(path: str) -> bool:
    """Tell whether git writes a path: what a stranger once put there by other means must not keep a branch from being purged."""
    return not any(part in ("", ".", "..") or is_dot_git(part) for part in path.split("/"))


def runs_at(repo: Repository, commit: str) -> set[str]:
    """Return the ids of the runs that a commit of the branch holds."""
    return {location.id for location in BranchReader(repo, commit).locations()}
