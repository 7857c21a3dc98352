"""Whether the branch's history only ever added or edited whole runs; what did not, who did it, and when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.errors import FormatError
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS
from gtrack.formats.yamlio import MAX_BYTES, load_mapping
from gtrack.git.promisor import is_partial, missing
from gtrack.ops.checks.faults import Fault, done_by, few
from gtrack.ops.checks.walk import BranchCommit, FileChange, walk, with_changes
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
_FIXED = ("id", "code", "started")


@dataclass
class History:
    """The branch's history, as far as it is here.

    Attributes:
        commits: how many commits of the branch were looked at.
        own: run id to the newest run commit.
        is_cut: whether commits before some of these are not here.
        unread: files that a partial clone left with its remote.
        faults: what is wrong.
    """

    commits: int = 0
    own: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    unread: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Edit:
    """A file of a run that a commit changed."""

    commit: BranchCommit
    experiment: str
    run_id: str
    name: str
    old: str
    new: str


def read_history(repo: Repository, tip: str, progress: Callable[[int, int], None]) -> History:
    """Look at all commits of the branch.

    Args:
        repo: the repository.
        tip: the newest one.
        progress: is told how many commits were looked at, of how many that are known by then.

    Raises:
        GitError: git refuses.
    """
    found = History()
    edits: list[_Edit] = []
    merged: list[tuple[BranchCommit, str]] = []
    removed: set[str] = set()
    for commit, changes in with_changes(repo, walk(repo, tip)):
        found.commits += 1
        found.is_cut = found.is_cut or commit.is_cut
        if commit.own is not None and commit.run_id is not None:
            found.own.setdefault(commit.run_id, commit.own)
        if len(commit.parents) > 1:
            merged += [(commit, run_id) for run_id in removed_in(changes)]
        else:
            removed.update(removed_in(changes))
            found.faults += _judge(commit, changes)
            edits += _edits(commit, changes)
        if len(edits) >= _CHUNK:
            _judge_edits(repo, edits, found)
            edits.clear()
        progress(found.commits, found.commits + len(commit.parents))
    _judge_edits(repo, edits, found)
    found.faults += [] if found.is_cut else _lost(merged, removed)
    return found


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


def _judge(commit: BranchCommit, changes: Sequence[FileChange]) -> Iterator[Fault]:
    """Find what a commit did that gtrack does not do."""
    outside = [path for path in (change.path for change in changes) if not _INSIDE.match(path)]
    if outside:
        yield done_by(commit, f"it touches what is no run: {few(outside)}")
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
            yield _Edit(commit, place[0], place[1], place[2], change.old, change.new)


def _judge_edits(repo: Repository, edits: Sequence[_Edit], found: History) -> None:
    """Compare files before and after; what a partial clone has not got is not looked at."""
    oids = list(dict.fromkeys(oid for one in edits for oid in (one.old, one.new)))
    away = missing(repo, oids) if is_partial(repo) else set()
    here = [oid for oid in oids if oid not in away]
    sizes = _sizes(repo, here)
    found.unread += sum(one.old in away or one.new in away for one in edits)
    for one in edits:
        limit = _MAX_HISTORY if one.name == run_dir.HISTORY else MAX_BYTES
        if any(sizes.get(oid, limit + 1) > limit for oid in (one.old, one.new)):
            continue  # the newest state of it is refused by name
        before, after = (blob.data if blob else b"" for blob in repo.objects.many([one.old, one.new]))
        text = _rows_lost(before, after) if one.name == run_dir.HISTORY else _rewritten(before, after)
        if text:
            found.faults.append(done_by(one.commit, f"{one.experiment}/{one.run_id}: {text}"))


def _sizes(repo: Repository, oids: Sequence[str]) -> Mapping[str, int]:
    if not oids:
        return {}
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin).decode().splitlines()
    return {oid: int(size) for oid, _, size in (line.partition(" ") for line in told) if size.isdigit()}


def _rows_lost(before: bytes, after: bytes) -> str:
    if after.startswith(before):
        return ""
    gone = Counter(before.split(b"\n")) - Counter(after.split(b"\n"))  # a replay puts rows of two clones in order
    count = sum(gone.values())
    return f"it changes or removes {count} rows of {run_dir.HISTORY} that were there" if count else ""


def _rewritten(before: bytes, after: bytes) -> str:
    try:
        was, now = load_mapping(before, run_dir.RUN), load_mapping(after, run_dir.RUN)
    except FormatError:
        return ""  # how it is now is told by name
    fields = [name for name in _FIXED if was.get(name) is not None and was[name] != now.get(name)]
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
