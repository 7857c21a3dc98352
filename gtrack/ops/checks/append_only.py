"""Whether the branch's history only ever added or edited whole runs; what did not, who did it, and when."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.errors import FormatError, GitError
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS
from gtrack.formats.yamlio import MAX_BYTES, load_mapping
from gtrack.git.promisor import commits_here, is_partial, missing
from gtrack.git.trees import parse_tree
from gtrack.ops.checks.edits import differing, values_told
from gtrack.ops.checks.faults import LOST, Fault, done_by, few, wrong
from gtrack.ops.checks.findings import Severity
from gtrack.ops.checks.run_code import Own, files_of
from gtrack.ops.checks.walk import MAX_CHANGES, BranchCommit, FileChange, walk, with_changes
from gtrack.store.branch import BranchReader

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
_HELD = (*_FIXED, "user", "host", "command", "exit_code", "parent", "metric_definitions")
"""What gtrack never changes of a run that was committed; tags, notes and name it does, and how the run ended."""
_ENDING = ("status", "ended")
_VALUES = (run_dir.METRICS, run_dir.PARAMS)
_JUDGED = (run_dir.RUN, *_VALUES, run_dir.HISTORY)


@dataclass
class History:
    """The branch's history, as far as it is here.

    Attributes:
        commits: how many commits of the branch were looked at.
        own: run id to the newest run commit, and what the branch took in with it.
        is_cut: whether commits before some of these are not here.
        unread: files that a partial clone left with its remote.
        unread_trees: directories that one without trees left there, for want of which the history was not read to its beginning.
        faults: what is wrong.
    """

    commits: int = 0
    own: dict[str, Own] = field(default_factory=dict)
    is_cut: bool = False
    unread: int = 0
    unread_trees: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Edit:
    """A file of a run that a commit changed: its path, and the experiment, the run and the name in that."""

    commit: BranchCommit
    path: str
    place: tuple[str, str, str]
    old: str
    new: str

    @property
    def file(self) -> tuple[str, str]:
        """Which file of which run it is."""
        return self.place[1], self.place[2]


@dataclass
class _States:
    """What files of runs were, and which edits ``gtrack restore`` has undone since; filled from the newest commit on.

    Attributes:
        ended: each file with each state of it that some commit ended.
        back: what restoring put there; an earlier one has to have ended.
        undone: a file that was put back, to the state that it was put back to.
        without: files that restoring took away, each with its experiment and the commit; it has to have come later than its run.
        regained: runs that got their own commit by a commit that changes nothing: another clone had purged them.
    """

    ended: set[tuple[tuple[str, str], str]] = field(default_factory=set)
    back: list[_Edit] = field(default_factory=list)
    undone: dict[tuple[str, str], str] = field(default_factory=dict)
    without: dict[tuple[str, str], tuple[str, BranchCommit]] = field(default_factory=dict)
    regained: set[str] = field(default_factory=set)

    def take(self, commit: BranchCommit, changes: Sequence[FileChange]) -> list[_Edit]:
        """Take in what a commit changed, and return the edits that are to be judged."""
        found: list[_Edit] = []
        is_back = len(commit.parents) <= 1 and commit.says_restored
        for change in changes:
            if change.is_new and not is_back:
                continue
            place = change.place
            if place is None or place[2] not in _JUDGED:
                continue
            one = _Edit(commit, change.path, place, change.old, change.new)
            if change.old:
                self.ended.add((one.file, change.old))
            if change.is_gone:
                continue
            if is_back:
                if not self._may_be_new(one):
                    self.back.append(one)
                self.undone.setdefault(one.file, one.new)
                continue
            if self.undone.get(one.file) == one.new:
                del self.undone[one.file]
            if one.file not in self.undone and (one.place[2] != run_dir.RUN or commit.own is None):
                found.append(one)
        return found

    def _may_be_new(self, one: _Edit) -> bool:
        """Tell whether restoring may put a file there that this history has never had so."""
        if one.commit.own is not None and one.place[2] == run_dir.RUN:
            return True  # merged with the tags that another clone has set meanwhile
        # Out of a backup, or where it was not purged, comes what this history has not.
        return not one.old and (one.commit.own is not None or one.place[1] in self.regained)

    def take_parts(self, commit: BranchCommit, changes: Sequence[FileChange]) -> None:
        """Take in which files restoring took away, and of which of them a run was without before."""
        if self.without:
            self._find_later(changes)
        if len(commit.parents) <= 1 and commit.says_restored and any(change.is_gone for change in changes):
            parts = _parts(changes, removed_in(changes))
            self.without.update({(run_id, name): (experiment, commit) for experiment, run_id, name in parts})

    def _find_later(self, changes: Sequence[FileChange]) -> None:
        """Note which files a run got when it was there already: before, it was without."""
        places = [(change, place[1:]) for change in changes if (place := change.place) is not None]
        gone = {file for change, file in places if change.is_gone}
        new = {file for change, file in places if change.is_new} - gone  # what is of a run that moved is not new
        for run_id, name in new:
            if (run_id, run_dir.RUN) not in new:
                self.without.pop((run_id, name), None)

    def faults(self) -> Iterator[Fault]:
        """Find what restoring put there, or left out, as it never was."""
        for (run_id, name), (experiment, commit) in self.without.items():
            yield done_by(commit, f"it removes parts of runs: {experiment}/{run_id}: {name}")
        for one in self.back:
            if (one.file, one.new) not in self.ended:
                experiment, run_id, name = one.place
                yield done_by(one.commit, f"{experiment}/{run_id}: it says that it restores {name}, which never was so")


def read_history(repo: Repository, tip: str, progress: Callable[[int, int], None]) -> History:
    """Look at all commits of the branch, as far as git can read them.

    Args:
        repo: the repository.
        tip: the newest one.
        progress: is told how many commits were looked at, of how many that are known by then.
    """
    found = History()
    edits: list[_Edit] = []
    states = _States()
    merged: list[tuple[BranchCommit, str]] = []
    removed: set[str] = set()
    try:
        for commit, changes in with_changes(repo, walk(repo, tip)):
            found.commits += 1
            found.is_cut = found.is_cut or commit.is_cut
            if commit.own is not None and commit.run_id is not None and not changes:
                states.regained.add(commit.run_id)
            if commit.own is not None and commit.run_id is not None and commit.run_id not in found.own:
                found.own[commit.run_id] = _own_of(commit.own, commit, changes, commit.run_id)
            if len(commit.parents) > 1:
                merged += [(commit, run_id) for run_id in removed_in(changes)]
                found.faults += _outside(commit, [change for change in changes if not change.is_gone])
            else:
                removed.update(removed_in(changes))
                found.faults += _judge(commit, changes)
            states.take_parts(commit, changes)
            edits += states.take(commit, changes)
            if len(edits) >= _CHUNK:
                _judge_edits(repo, edits, found)
                edits.clear()
            progress(found.commits, found.commits + len(commit.parents))
        _judge_edits(repo, edits, found)
    except GitError as error:
        found.is_cut = True
        found.unread_trees = _trees_away(repo, tip) if is_partial(repo) else 0
        if not found.unread_trees:
            found.faults.append(wrong("history of the branch", f"it cannot be read to its beginning: {error}", LOST))
    found.faults += [] if found.is_cut else [*_lost(merged, removed), *states.faults()]
    return found


def _trees_away(repo: Repository, tip: str) -> int:
    """Return how many directories of the history a partial clone left with its remote; nothing is fetched to tell."""
    options = ("--objects", "--missing=print", "--filter=blob:none", "--no-object-names")
    code, out, _ = repo.answer("rev-list", *options, tip)
    return sum(line.startswith(b"?") for line in out.splitlines()) if code == 0 else 0


def _own_of(own: str, commit: BranchCommit, changes: Sequence[FileChange], run_id: str) -> Own:
    """Return a run commit with what the branch took in with it of a run that was not there before."""
    shard = f"/{run_id[:2]}/{run_id}/"
    of_run = [change for change in changes if shard in change.path]
    if not of_run or not all(change.is_new for change in of_run):
        return Own(own)
    # Out of a backup a run comes as it was when it was removed, with the tags and notes that it got after its own commit.
    is_back = commit.says_restored
    return Own(own, files_of(of_run, without_head=is_back), is_back)


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
    if commit.own is None and not commit.says_restored:
        yield from _moved(commit, changes)
    parts = [f"{experiment}/{run_id}: {name}" for experiment, run_id, name in _parts(changes, removed)]
    if parts and not commit.says_restored:  # see `_States.without`
        yield done_by(commit, f"it removes parts of runs: {few(parts)}")


def _parts(changes: Sequence[FileChange], removed: Collection[str]) -> list[tuple[str, str, str]]:
    """Return the files that were taken away from runs that are still there."""
    kept = {
        (place[1], place[2]) for change in changes if not change.is_gone and (place := change.place) is not None
    }  # also those of a run that moved
    return [
        place
        for change in changes
        if change.is_gone
        and (place := change.place) is not None
        and place[1] not in removed
        and (place[1], place[2]) not in kept
    ]


def _moved(commit: BranchCommit, changes: Sequence[FileChange]) -> Iterator[Fault]:
    """Find runs that went from one experiment to another without a run commit."""
    gone, there = (
        {place[1]: place[0] for change in changes if change.is_gone is is_gone and (place := change.place)}
        for is_gone in (True, False)
    )
    moved = [f"{run_id} from {old} to {there[run_id]}" for run_id, old in gone.items() if there.get(run_id, old) != old]
    if moved:
        yield done_by(commit, f"it moves runs, which only a run commit does: {few(moved)}")


def _judge_edits(repo: Repository, edits: Sequence[_Edit], found: History) -> None:
    """Compare files before and after; of what a partial clone has not got, only whether it was taken as one side had it."""
    others = _of_others(repo, edits)
    oids = list(
        dict.fromkeys(oid for one, some in zip(edits, others, strict=True) for oid in (one.old, one.new, *(some or ())))
    )
    away = missing(repo, oids) if is_partial(repo) else set()
    sizes = _sizes(repo, [oid for oid in oids if oid not in away])
    for one, more in zip(edits, others, strict=True):
        experiment, run_id, name = one.place
        limit = _MAX_HISTORY if name == run_dir.HISTORY else MAX_BYTES
        if more is not None and one.new in more:
            continue  # taken as it was
        sides = [one.old, *(more or ())]
        if more is None or not away.isdisjoint((*sides, one.new)):
            found.unread += 1
            continue
        if any(sizes.get(oid, limit + 1) > limit for oid in (*sides, one.new)):
            continue  # the newest state of it is refused by name
        *before, after = (blob.data if blob else b"" for blob in repo.objects.many([*sides, one.new]))
        for severity, text in _told(one, before, after):
            found.faults.append(done_by(one.commit, f"{experiment}/{run_id}: {text}", severity))


def _told(one: _Edit, before: Sequence[bytes], after: bytes) -> Iterator[tuple[Severity, str]]:
    """Tell what an edit did to a file that gtrack does not do, and how it says that the run ended."""
    name = one.place[2]
    if name == run_dir.HISTORY:
        text = _rows_lost(before, after)
        if text:
            yield Severity.ERROR, text
        return
    try:
        sides = [load_mapping(data, name) for data in before]
        now = load_mapping(after, name)
    except FormatError:
        return  # how it is now is told by name
    if name in _VALUES:
        others = [differing(side, now) for side in sides]
        keys = [key for key in others[0] if all(key in other for other in others[1:])]
        if keys:
            told = values_told({key: sides[0][key] for key in keys if key in sides[0]}, _only(now, keys))
            yield (
                Severity.ERROR,
                f"it gives {name} values that neither side had: {told}"
                if len(sides) > 1
                else f"it changes {name}, which only a run commit does: {told}",
            )
        return
    text = _rewritten(sides, now)
    if text:
        yield Severity.ERROR, text
    ends = [key for key in _ENDING if len(sides) == 1 and sides[0].get(key) != now.get(key)]
    if ends:
        told = values_told(_only(sides[0], ends), _only(now, ends))
        yield Severity.NOTE, f"it says anew how the run ended: {told}"


def _only(values: Mapping[str, Value], keys: Sequence[str]) -> dict[str, Value]:
    return {key: values[key] for key in keys if key in values}


def _of_others(repo: Repository, edits: Sequence[_Edit]) -> list[list[str] | None]:
    """Return what each file was on the other sides of a merge, and in the run commit that was taken in; None: not known."""
    asked: list[list[str]] = []
    for one in edits:
        by_own = one.commit.own if one.place[2] in _VALUES else None
        commits = [*one.commit.parents[1:], *((by_own,) if by_own else ())]
        asked.append(commits if "\n" not in one.path else [])
    if is_partial(repo):
        return _by_trees(repo, edits, asked)
    names = [name for one, some in zip(edits, asked, strict=True) for c in some for name in (f"{c}:{one.path}", c)]
    question = os.fsencode("".join(f"{name}\n" for name in names))
    told = (
        repo.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=question).splitlines() if names else []
    )
    answers = iter(told)
    found: list[list[str] | None] = []
    for one, some in zip(edits, asked, strict=True):
        pairs = [(next(answers), next(answers)) for _ in some]
        if any(not commit.endswith(b" commit") for _, commit in pairs):
            found.append(None)
            continue
        states = [
            line.split(b" ")[0].decode() if line.endswith(b" blob") else _moved_from(repo, commit, one)
            for commit, (line, _) in zip(some, pairs, strict=True)
        ]
        found.append([state for state in states if state])
    return found


def _by_trees(repo: Repository, edits: Sequence[_Edit], asked: Sequence[Sequence[str]]) -> list[list[str] | None]:
    """Do the same by the trees of the runs alone: git would fetch a file that is not here to tell of which kind it is."""
    here = commits_here(repo, [commit for some in asked for commit in some])
    directories = [one.path.removesuffix(f"/{one.place[2]}") for one in edits]
    names = [
        f"{commit}:{directory}"
        for directory, some in zip(directories, asked, strict=True)
        for commit in some
        if commit in here
    ]
    wanted = list(dict.fromkeys(names))
    trees = dict(zip(wanted, repo.objects.many(wanted), strict=True))
    found: list[list[str] | None] = []
    for one, directory, some in zip(edits, directories, asked, strict=True):
        if not here.issuperset(some):
            found.append(None)
            continue
        states = []
        for commit in some:
            tree = trees[f"{commit}:{directory}"]
            if tree is None or tree.kind != "tree":
                states.append(_moved_from(repo, commit, one))
                continue
            entries = parse_tree(tree.data, len(repo.null_oid) // 2)
            states.append(next((entry.oid for entry in entries if entry.name == one.place[2] and entry.is_file), None))
        found.append([state for state in states if state])
    return found


def _moved_from(repo: Repository, commit: str, one: _Edit) -> str | None:
    """Return what a file is where its run is in another experiment: one clone moved it while another went on with it."""
    branch = BranchReader(repo, commit)
    location = branch.locate(one.place[1])
    entries = branch.tree(location.tree) if location is not None else ()
    return next((entry.oid for entry in entries if entry.name == one.place[2] and entry.is_file), None)


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


def _rewritten(sides: Sequence[Mapping[str, Value]], now: Mapping[str, Value]) -> str:
    """Tell which fields that stand once they are written are not as any side had them."""
    was = sides[0]
    fields = [
        name
        for name in _HELD
        if (was.get(name) is not None or name not in _FIXED) and all(side.get(name) != now.get(name) for side in sides)
    ]
    told = ", ".join(f"{name} ({_inside(was.get(name), now.get(name))})" for name in fields)
    return f"it rewrites what {run_dir.RUN} said of {told}" if told else ""


def _inside(was: Value, now: Value) -> str:
    if isinstance(was, dict) and isinstance(now, dict):
        return values_told(was, now)
    return values_told({"": was}, {"": now}).strip()


def _lost(merged: Sequence[tuple[BranchCommit, str]], removed: set[str]) -> Iterator[Fault]:
    """Find runs that merges lost: of what one side lacks, the other side's history says that it was removed."""
    for commit, run_id in merged:
        if run_id not in removed:
            said = "" if _MERGED.search(commit.message) else ", and it is no merge of gtrack's"
            yield done_by(commit, f"it loses run {run_id}, which nobody removed{said}", Severity.ERROR)
