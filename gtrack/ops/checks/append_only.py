"""Whether the branch's history only ever added or edited whole runs; what did not, who did it, and when."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.errors import FormatError, GitError
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS
from gtrack.formats.yamlio import MAX_BYTES, load_mapping
from gtrack.git.promisor import is_partial, missing
from gtrack.ops.checks.faults import LOST, Fault, done_by, few, wrong
from gtrack.ops.checks.run_code import Own, files_of
from gtrack.ops.checks.walk import MAX_CHANGES, BranchCommit, FileChange, walk, with_changes
from gtrack.ops.findings import Severity

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.records import Value

_SAYS_REMOVAL = re.compile(r" removed$|: removed$|^Remove [0-9]+ runs? ")
_INSIDE = re.compile(
    rf"{EXPERIMENTS}/[^/]+/(?:[0-9a-f]{{2}}/[0-9a-f]{{32}}/.|{re.escape(run_dir.EXPERIMENT)}\Z)", re.DOTALL
)
_MERGED = re.compile(r"^Merged-From: ", re.MULTILINE)
_MAX_HISTORY = 512 * 1024 * 1024
_CHUNK = 500
_MANY = 2
_FIXED = ("id", "code", "started")


@dataclass
class History:
    """The branch's history, as far as it is here.

    Attributes:
        commits: how many commits of the branch were looked at.
        own: run id to the newest run commit, and what the branch took in with it.
        is_cut: whether commits before some of these are not here.
        unread: files that a partial clone left with its remote.
        faults: what is wrong.
    """

    commits: int = 0
    own: dict[str, Own] = field(default_factory=dict)
    is_cut: bool = False
    unread: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Edit:
    """A file of a run that a commit changed: its path, and the experiment, the run and the name in that."""

    commit: BranchCommit
    path: str
    place: tuple[str, str, str]
    old: str
    new: str


def read_history(repo: Repository, tip: str, progress: Callable[[int, int], None]) -> History:
    """Look at all commits of the branch, as far as git can read them.

    Args:
        repo: the repository.
        tip: the newest one.
        progress: is told how many commits were looked at, of how many that are known by then.
    """
    found = History()
    edits: list[_Edit] = []
    merged: list[tuple[BranchCommit, str]] = []
    removed: set[str] = set()
    try:
        for commit, changes in with_changes(repo, walk(repo, tip)):
            found.commits += 1
            found.is_cut = found.is_cut or commit.is_cut
            if commit.own is not None and commit.run_id is not None and commit.run_id not in found.own:
                found.own[commit.run_id] = Own(commit.own, _taken(changes, commit.run_id))
            if len(commit.parents) > 1:
                merged += [(commit, run_id) for run_id in removed_in(changes)]
                found.faults += _outside(commit, [change for change in changes if not change.is_gone])
            else:
                removed.update(removed_in(changes))
                found.faults += _judge(commit, changes)
            edits += _edits(commit, changes)
            if len(edits) >= _CHUNK:
                _judge_edits(repo, edits, found)
                edits.clear()
            progress(found.commits, found.commits + len(commit.parents))
        _judge_edits(repo, edits, found)
    except GitError as error:
        found.is_cut = True
        found.faults.append(wrong("history of the branch", f"it cannot be read to its beginning: {error}", LOST))
    found.faults += [] if found.is_cut else _lost(merged, removed)
    return found


def _taken(changes: Sequence[FileChange], run_id: str) -> bytes | None:
    """Return what a commit took in of a run that was not there before; None when it was, and where that is not known."""
    shard = f"/{run_id[:2]}/{run_id}/"
    of_run = [change for change in changes if shard in change.path]
    return files_of(of_run) if of_run and all(change.is_new for change in of_run) else None


def removed_in(changes: Sequence[FileChange]) -> dict[str, str]:
    """Return run id to experiment of the runs that a commit took away; one that moved to another experiment is there still."""
    if not any(change.is_gone for change in changes):
        return {}
    gone: dict[str, str] = {}
    there: set[str] = set()
    for change in changes:
        if change.path.endswith(f"/{run_dir.RUN}") and (place := change.place) and place[2] == run_dir.RUN:
            if change.is_gone:
                gone[place[1]] = place[0]
            else:
                there.add(place[1])
    return {run_id: experiment for run_id, experiment in gone.items() if run_id not in there}


def _outside(commit: BranchCommit, changes: Sequence[FileChange]) -> Iterator[Fault]:
    """Find what a commit did elsewhere than in runs; a merge of gtrack's takes nothing of that sort."""
    outside = [path for path in (change.path for change in changes) if not _INSIDE.match(path)]
    if outside:
        yield done_by(commit, f"it touches what is no run: {few(outside)}")
    bombs = [change.path for change in changes if change.is_tree and _INSIDE.match(change.path)]
    if bombs:
        yield done_by(commit, f"it changes more than {MAX_CHANGES} files, which are not looked at, in: {few(bombs)}")


def _judge(commit: BranchCommit, changes: Sequence[FileChange]) -> Iterator[Fault]:
    """Find what a commit did that gtrack does not do."""
    yield from _outside(commit, changes)
    removed = removed_in(changes)
    if removed and not _SAYS_REMOVAL.search(commit.subject):
        names = [f"{experiment}/{run_id}" for run_id, experiment in removed.items()]
        yield done_by(commit, f"it removes runs without saying so: {few(names)}")
    if not any(change.is_gone for change in changes):
        return
    kept = {
        (place[1], place[2]) for change in changes if not change.is_gone and (place := change.place) is not None
    }  # also those of a run that moved
    parts = [
        f"{place[0]}/{place[1]}: {place[2]}"
        for change in changes
        if change.is_gone
        and (place := change.place) is not None
        and place[1] not in removed
        and (place[1], place[2]) not in kept
    ]
    if parts:
        yield done_by(commit, f"it removes parts of runs: {few(parts)}")


def _edits(commit: BranchCommit, changes: Sequence[FileChange]) -> Iterator[_Edit]:
    for change in changes:
        place = None if change.is_new or change.is_gone else change.place
        if place is None:
            continue
        if place[2] == run_dir.HISTORY or (place[2] == run_dir.RUN and commit.own is None):
            yield _Edit(commit, change.path, place, change.old, change.new)


def _judge_edits(repo: Repository, edits: Sequence[_Edit], found: History) -> None:
    """Compare files before and after; what a partial clone has not got is not looked at."""
    oids = list(dict.fromkeys(oid for one in edits for oid in (one.old, one.new)))
    away = missing(repo, oids) if is_partial(repo) else set()
    sizes = _sizes(repo, [oid for oid in oids if oid not in away])
    found.unread += sum(one.old in away or one.new in away for one in edits)
    for one in edits:
        experiment, run_id, name = one.place
        limit = _MAX_HISTORY if name == run_dir.HISTORY else MAX_BYTES
        sides = [one.old, *_of_others(repo, one)] if one.old not in away else []
        sizes.update(_sizes(repo, [oid for oid in sides[1:] if oid not in sizes]))
        if one.new in sides[1:] or any(sizes.get(oid, limit + 1) > limit for oid in (one.old, *sides, one.new)):
            continue  # taken as it was, or the newest state of it is refused by name
        *before, after = (blob.data if blob else b"" for blob in repo.objects.many([*sides, one.new]))
        text = _rows_lost(before, after) if name == run_dir.HISTORY else _rewritten(before, after)
        if text:
            found.faults.append(done_by(one.commit, f"{experiment}/{run_id}: {text}"))


def _of_others(repo: Repository, one: _Edit) -> list[str]:
    """Return what the other sides of a merge had of a file; of a partial clone's merges only the first side is known."""
    if len(one.commit.parents) < _MANY or "\n" in one.path or is_partial(repo):
        return []
    names = "".join(f"{parent}:{one.path}\n" for parent in one.commit.parents[1:])
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=os.fsencode(names)).splitlines()
    return [line.split(b" ")[0].decode() for line in told if line.endswith(b" blob")]


def _sizes(repo: Repository, oids: Sequence[str]) -> dict[str, int]:
    if not oids:
        return {}
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin).decode().splitlines()
    return {oid: int(size) for oid, _, size in (line.partition(" ") for line in told) if size.isdigit()}


def _rows_lost(before: Sequence[bytes], after: bytes) -> str:
    """Tell which rows that all sides had are there no more."""
    if any(after.startswith(one) for one in before):
        return ""
    first, *others = (Counter(one.split(b"\n")) for one in before)
    for other in others:
        first &= other
    kept = Counter(after.split(b"\n"))  # a replay puts rows of two clones in order
    count = sum((first - kept).values()) if not others else len(first.keys() - kept.keys())
    return f"it changes or removes {count} rows of {run_dir.HISTORY} that were there" if count else ""


def _rewritten(before: Sequence[bytes], after: bytes) -> str:
    """Tell which fields that stand once they are written are not as any side had them."""
    try:
        was, *others = (load_mapping(one, run_dir.RUN) for one in before)
        now = load_mapping(after, run_dir.RUN)
    except FormatError:
        return ""  # how it is now is told by name
    fields = [
        name
        for name in _FIXED
        if was.get(name) is not None and all(side.get(name) != now.get(name) for side in (was, *others))
    ]
    told = ", ".join(f"{name} ({_inside(was[name], now.get(name))})" for name in fields)
    return f"it rewrites what {run_dir.RUN} said of {told}" if told else ""


def _inside(was: Value, now: Value) -> str:
    if isinstance(was, dict) and isinstance(now, dict):
        return few([str(key) for key in {**was, **now} if was.get(key) != now.get(key)])
    return f"{str(was)[:40]} to {str(now)[:40]}"


def _lost(merged: Sequence[tuple[BranchCommit, str]], removed: set[str]) -> Iterator[Fault]:
    """Find runs that merges lost: of what one side lacks, the other side's history says that it was removed."""
    for commit, run_id in merged:
        if run_id not in removed:
            said = "" if _MERGED.search(commit.message) else ", and it is no merge of gtrack's"
            yield done_by(commit, f"it loses run {run_id}, which nobody removed{said}", Severity.ERROR)
