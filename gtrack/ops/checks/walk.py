"""The commits of the runs branch, the newest first, and what each of them changed; one after the other, as they are asked for.

Only commits of the branch itself are read, no run commits and no code, so a first page of a long history takes no time.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from gtrack.errors import GitError
from gtrack.formats.names import EXPERIMENTS, RUN_ID, decode_experiment
from gtrack.git.trees import parse_tree
from gtrack.store.purge import moment_of
from gtrack.store.run_commits import is_branch_commit

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

NO_FETCH = {"GIT_NO_LAZY_FETCH": "1"}
"""For git that reads trees: nothing is fetched to look at it (git 2.44; earlier ones ignore it)."""
_NONE = "000000"
_AT_FIRST, _AT_MOST = 32, 2000  # so many commits are compared by one git process
MAX_CHANGES = 100_000
"""So many files and directories that a commit changes of one run are looked at."""
_MAX_IN_ALL = 2_000_000
_RUN_DEPTH = 3
_SHARD = re.compile(r"[0-9a-f]{2}\Z")
_TREE_MODE = "040000"
NAMES_RUN = re.compile(r"^Run: ([0-9a-f]{32})$", re.MULTILINE)
"""Of a message: the run that it names. What names one and has two parents took its run commit in; the others are merges."""
REWRITTEN = re.compile(r"^Rewritten-From: [0-9a-f]+\n", re.MULTILINE)
"""Of a message: what a purge added to it."""
_RESTORED = re.compile(r" restored$|^Restore [0-9]+ runs?\b")
_HEADER = re.compile(r"(?P<key>tree|parent|author|committer) (?P<value>.*)")
_PERSON = re.compile(r"(?P<who>.*?) ?(?P<seconds>-?[0-9]{1,18})(?: [-+][0-9]{4})?\Z")
_PLACE = re.compile(rf"{EXPERIMENTS}/([^/]+)/[0-9a-f]{{2}}/([0-9a-f]{{32}})/(.+)\Z", re.DOTALL)


@dataclass(frozen=True)
class BranchCommit:
    """A commit of the runs branch.

    Attributes:
        id: its id.
        tree: the id of its tree.
        base: the tree of its first parent on the branch; None for the first one, and where that parent is not here.
        parents: those of its parents that are of the branch too.
        own: the run commit that it merged; None when it is a later edit, or a merge.
        who: its author, with the address.
        when: when it was made.
        message: subject and body.
        is_cut: whether its parents are not here, though it has some: a shallow clone.
    """

    id: str
    tree: str
    base: str | None
    parents: tuple[str, ...]
    own: str | None
    who: str
    when: datetime
    message: str
    is_cut: bool = False

    @property
    def subject(self) -> str:
        """The first line of its message."""
        return self.message.partition("\n")[0]

    @property
    def run_id(self) -> str | None:
        """The run that its message names."""
        found = NAMES_RUN.search(self.message)
        return found[1] if found else None

    @property
    def says_restored(self) -> bool:
        """Whether its subject is that of commits which put runs back as they were."""
        return _RESTORED.search(self.subject) is not None


class FileChange(NamedTuple):
    """A file that a commit changed: its path, and mode and object id before and after (empty where there is none)."""

    path: str
    old_mode: str
    mode: str
    old: str
    new: str

    @property
    def is_new(self) -> bool:
        """Whether it was not there before."""
        return not self.old

    @property
    def is_gone(self) -> bool:
        """Whether it is not there any more."""
        return not self.new

    @property
    def is_tree(self) -> bool:
        """Whether it is a directory, of which no more is told."""
        return _TREE_MODE in (self.old_mode, self.mode)

    @property
    def tree_before(self) -> str:
        """The id of the directory that it was; empty when it was none."""
        return self.old if self.old_mode == _TREE_MODE else ""

    @property
    def tree_after(self) -> str:
        """The id of the directory that it is; empty when it is none."""
        return self.new if self.mode == _TREE_MODE else ""

    @property
    def place(self) -> tuple[str, str, str] | None:
        """Experiment, run id and path below the run directory; None when it is not in one."""
        found = _PLACE.match(self.path)
        return (_experiment(found[1]), found[2], found[3]) if found else None


_experiment = lru_cache(maxsize=1024)(decode_experiment)


@dataclass(frozen=True)
class _Read:
    """A commit object: what its headers say."""

    id: str
    tree: str
    parents: tuple[str, ...]
    who: str
    seconds: int
    order: int
    message: str


def walk(repo: Repository, tip: str) -> Iterator[BranchCommit]:
    """Yield the commits of the branch, the newest first; a parent never before all of its children that are known by then.

    Args:
        repo: the repository.
        tip: the newest one.

    Raises:
        GitError: git refuses.
    """
    shallow = _shallow(repo)
    first = _read(repo, [tip])[0]
    if first is None:
        raise GitError(f"{tip} is no commit.")
    waiting = [(-first.order, 0, first)]
    seen, number = {tip}, 0
    while waiting:
        _, _, commit = heapq.heappop(waiting)
        told, known = _told(repo, commit, is_cut=commit.id in shallow)
        yield told
        for one in told.parents:
            if one in known and one not in seen:
                seen.add(one)
                number += 1
                heapq.heappush(waiting, (-known[one].order, number, known[one]))


def commits_of(repo: Repository, names: Sequence[str]) -> Iterator[BranchCommit]:
    """Yield some commits of the branch, in the order in which they are given; what is none is left out.

    Raises:
        GitError: git refuses.
    """
    shallow = _shallow(repo)
    for commit in _read(repo, names):
        if commit is not None:
            yield _told(repo, commit, is_cut=commit.id in shallow)[0]


def _told(repo: Repository, commit: _Read, *, is_cut: bool) -> tuple[BranchCommit, dict[str, _Read]]:
    """Return a commit as one of the branch, and those of its parents that may be of it too."""
    known = {} if is_cut else _known(repo, commit)
    parents = tuple(one for one in _branch_parents(repo, commit, known) if not is_cut)
    others = [one for one in commit.parents if one not in parents]
    told = BranchCommit(
        id=commit.id,
        tree=commit.tree,
        base=known[parents[0]].tree if parents and parents[0] in known else None,
        parents=parents,
        own=others[0] if others and not is_cut else None,
        who=commit.who,
        when=moment_of(str(commit.seconds)),
        message=commit.message,
        is_cut=is_cut or any(one not in known for one in parents),
    )
    return told, known


def _known(repo: Repository, commit: _Read) -> dict[str, _Read]:
    """Return those parents of a commit that may be of the branch, as far as they are here; its run commit is not read."""
    return {one.id: one for one in _read(repo, _candidates(commit)) if one is not None}


def _candidates(commit: _Read) -> tuple[str, ...]:
    return commit.parents[:1] if len(commit.parents) > 1 and NAMES_RUN.search(commit.message) else commit.parents


def _branch_parents(repo: Repository, commit: _Read, known: dict[str, _Read]) -> tuple[str, ...]:
    """Return the parents that are earlier states of the branch, and not run commits; as ``store.merge.bases`` tells them."""
    if len(commit.parents) != 1:
        return _candidates(commit)
    parent = known.get(commit.parents[0])
    said = REWRITTEN.sub("", commit.message)
    if parent is None or parent.message != said or not NAMES_RUN.search(said):
        return commit.parents
    tree = repo.objects.get(parent.tree)
    names = [entry.name for entry in parse_tree(tree.data, len(repo.null_oid) // 2)] if tree else []
    if not parent.parents or any(name != EXPERIMENTS for name in names):
        return ()
    before = repo.objects.get(parent.parents[0])
    return () if before is not None and not is_branch_commit(repo, before.oid) else commit.parents


def _shallow(repo: Repository) -> frozenset[str]:
    try:
        return frozenset((repo.common_dir / "shallow").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()


def _read(repo: Repository, names: Sequence[str]) -> list[_Read | None]:
    found = repo.objects.many(names) if names else ()
    return [_parsed(one.oid, one.data) if one is not None and one.kind == "commit" else None for one in found]


def _parsed(oid: str, data: bytes) -> _Read:
    head, _, message = data.decode(errors="replace").partition("\n\n")
    said: dict[str, list[str]] = {}
    for line in head.split("\n"):
        header = _HEADER.match(line)
        if header is not None:
            said.setdefault(header["key"], []).append(header["value"])
    who, seconds = _person(said.get("author", [""])[0])
    order = _person(said.get("committer", [""])[0])[1]
    tree = said.get("tree", [""])[0]
    return _Read(oid, tree, tuple(said.get("parent", ())), who, seconds, order, message)


def _person(text: str) -> tuple[str, int]:
    found = _PERSON.match(text)
    return (found["who"], int(found["seconds"])) if found else (text, 0)


def with_changes(
    repo: Repository, commits: Iterator[BranchCommit]
) -> Iterator[tuple[BranchCommit, tuple[FileChange, ...]]]:
    """Yield each commit with the files that it changed against its first parent on the branch.

    Of one whose parents are not here nothing can be told: it comes with no changes.

    Args:
        repo: the repository.
        commits: of ``walk``; few are read at first, more at once later.

    Raises:
        GitError: git refuses.
    """
    nothing = empty_tree(repo)
    size = _AT_FIRST
    while part := list(islice(commits, size)):
        pairs = [(one.base or nothing, one.tree) for one in part]
        asked = [
            pair for pair, one in zip(pairs, part, strict=True) if pair[0] != pair[1] and (one.base or not one.is_cut)
        ]
        told = dict(zip(asked, differences(repo, asked), strict=True))
        for one, pair in zip(part, pairs, strict=True):
            yield one, () if one.base is None and one.is_cut else told.get(pair, ())
        size = min(size * 2, _AT_MOST)


def differences(
    repo: Repository, pairs: Sequence[tuple[str, str]], away: set[str] | None = None
) -> Iterator[tuple[FileChange, ...]]:
    """Yield the files that differ between the two trees of each pair; no pair is of one tree twice.

    One level of directories after the other is compared, since few trees that name each other can stand for more files than
    there are atoms, and git would list them all. Of a directory where no run can be, and beyond ``MAX_CHANGES``, it is told
    that it differs, and not what is in it.

    Args:
        repo: the repository.
        pairs: ids of trees.
        away: takes those trees of ``pairs`` that lack a directory, and nothing is told of their pairs; when None, one that
            lacks any is an error.

    Raises:
        GitError: git refuses, such as when a tree is damaged.
    """
    waiting = iter(pairs)
    nothing = empty_tree(repo)
    while part := list(islice(waiting, _AT_MOST)):
        found: list[list[FileChange]] = [[] for _ in part]
        counts: Counter[tuple[int, str]] = Counter()
        level = [_Pair(number, "", "", old, new) for number, (old, new) in enumerate(part)]
        depth = 0
        while level:
            if away is not None:
                level, lacking = _whole(repo, level)
                away.update(part[pair.number][side] for pair, side in lacking)
                for pair, _ in lacking:
                    found[pair.number].clear()
            told = _one_level(repo, list(dict.fromkeys((one.old, one.new) for one in level)))
            below: list[_Pair] = []
            for pair in level:
                changes = told[pair.old, pair.new]
                counts[pair.number, pair.run] += len(changes)
                counts[pair.number, ""] += len(changes) if pair.run else 0
                is_full = counts[pair.number, pair.run] > MAX_CHANGES or counts[pair.number, ""] > _MAX_IN_ALL
                for change in changes:
                    one = change._replace(path=f"{pair.above}{change.path}") if depth else change
                    if change.is_tree and not is_full and _may_hold_runs(change.path, pair.above, depth):
                        run = pair.run or (one.path if depth == _RUN_DEPTH else "")
                        old, new = (oid or nothing for oid in (change.tree_before, change.tree_after))
                        below.append(_Pair(pair.number, f"{one.path}/", run, old, new))
                    else:
                        found[pair.number].append(one)
            level, depth = below, depth + 1
        yield from map(tuple, found)


class _Pair(NamedTuple):
    """Two trees to compare: for which pair, where they are, in which run if in one, and their ids."""

    number: int
    above: str
    run: str
    old: str
    new: str


def _whole(repo: Repository, level: Sequence[_Pair]) -> tuple[list[_Pair], list[tuple[_Pair, int]]]:
    """Return what can be compared still, and what lacks its first (0) or second tree (1)."""
    absent = {
        oid
        for oid in _absent(repo, [oid for one in level for oid in (one.old, one.new)])
        if not (repo.common_dir / "objects" / oid[:2] / oid[2:]).exists()
    }
    lacking = [(one, side) for one in level for side, oid in enumerate((one.old, one.new)) if oid in absent]
    numbers = {one.number for one, _ in lacking}
    return [one for one in level if one.number not in numbers], lacking


def _may_hold_runs(name: str, above: str, depth: int) -> bool:
    if depth == 0:
        return name == EXPERIMENTS
    if depth == _RUN_DEPTH - 1:
        return _SHARD.match(name) is not None
    return depth != _RUN_DEPTH or (RUN_ID.match(name) is not None and above.endswith(f"/{name[:2]}/"))


def empty_tree(repo: Repository) -> str:
    """Return the id of a tree with nothing in it."""
    return repo.run("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()


def _one_level(repo: Repository, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[FileChange]]:
    """Return what differs between trees, and not what is below it."""
    stdin = "".join(f"{old} {new}\n" for old, new in pairs).encode()
    options = ("-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff")
    try:
        out = repo.run("diff-tree", *options, "--stdin", stdin=stdin, env=NO_FETCH).decode(errors="surrogateescape")
    except GitError as error:
        raise _lacking(repo, pairs) or error from None
    at = 0
    told: dict[tuple[str, str], list[FileChange]] = {}
    for old, new in pairs:
        head = f"{old} {new}\n"
        if not out.startswith(head, at):
            raise _lacking(repo, pairs) or GitError("git diff-tree answered something else than it was asked.")
        at += len(head)
        found = told[old, new] = []
        while out.startswith(":", at):
            middle = out.index("\0", at)
            end = out.index("\0", middle + 1)
            found.append(_change(out[at + 1 : middle], out[middle + 1 : end]))
            at = end + 1
    return told


def _lacking(repo: Repository, pairs: Sequence[tuple[str, str]]) -> GitError | None:
    """Return what to say when a tree is not here."""
    absent = _absent(repo, [oid for pair in pairs for oid in pair])
    return GitError(f"the directory {absent[0][:10]} is not here, or is damaged.") if absent else None


def _absent(repo: Repository, trees: Sequence[str]) -> list[str]:
    """Return which of these trees are not here, or are damaged."""
    stdin = "".join(f"{one}\n" for one in trees).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=stdin, env=NO_FETCH).decode()
    return [line.partition(" ")[0] for line in told.splitlines() if not line.endswith(" tree")]


def _change(facts: str, path: str) -> FileChange:
    old_mode, mode, old, new, _ = facts.split(" ")
    return FileChange(path, old_mode, mode, old if old.strip("0") else "", new if new.strip("0") else "")
