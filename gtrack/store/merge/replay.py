"""Put commits of the runs branch on top of another state of it, one by one."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gtrack.formats.names import EXPERIMENTS, RUN_ID, decode_experiment, encode_experiment, on_one_line
from gtrack.formats.run_dir import EXPERIMENT
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.trees import Entry
from gtrack.store.branch import BranchReader
from gtrack.store.merge.bases import Commit, Line, without_origins
from gtrack.store.merge.contents import Contents
from gtrack.store.merge.outcome import REMOVAL, Conflict
from gtrack.store.merge.places import Changes, Comparison, Place, Step
from gtrack.store.merge.run_files import FileMerger, MergedFiles
from gtrack.store.run_commits import find_run_commit

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_ALONE = "alone"
_LINES = 500


@dataclass(frozen=True)
class Replayed:
    """What commits became on top of another state of the branch.

    Attributes:
        commit: the newest state; None when there was none, and nothing to put there.
        runs: ids of the runs that were added, changed or removed.
        conflicts: what could not be kept of both sides.
        came_back: ids of the runs that the base had, the other state had no more, and the newest one has.
    """

    commit: str | None
    runs: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    came_back: tuple[str, ...] = ()


def replay(
    repo: Repository,
    onto: str | None,
    base: str | None,
    ours: str,
    identity: Identity,
    *,
    experiments: Collection[str] | None = None,
) -> Replayed:
    """Put the commits of ``ours`` that ``base`` does not have on top of ``onto``; no ref is moved.

    Each keeps its message, its author, its time and its run commit. A run that ``onto`` has otherwise than the commit found it
    is merged as ``merge`` does it. A commit that changes nothing there, such as a merge, is left out. A run that comes to where
    its run commit is not, as a purge took it away or as it came there without, gets that by a commit more.

    Args:
        repo: the repository.
        onto: the state to begin from; None when there is none.
        base: what is known there, in some form; None when nothing is.
        ours: the newest of the commits.
        identity: who does it.
        experiments: take only what these experiments have; all when None.

    Raises:
        GitError: git refuses.
    """
    steps = _Replay(repo, onto, experiments, identity)
    made = steps.of(Line(repo, ours, [one for one in (base, onto) if one]))
    was = BranchReader(repo, base)
    return replace(made, came_back=tuple(one for one in steps.new_there() if was.locate(one) is not None))


class _Replay:
    def __init__(
        self, repo: Repository, onto: str | None, experiments: Collection[str] | None, identity: Identity
    ) -> None:
        self._repo, self._onto, self._identity, self._wanted = repo, onto, identity, experiments
        self._contents = Contents(repo)
        self._compare = Comparison(repo)
        self._reader = BranchReader(repo, onto)
        self._runs: dict[str, Place | None] = {}
        self._experiments: dict[str, Place | None] = {}
        self._kept: dict[str, Place | None] = {}
        self._made: set[str] = set()
        self._settled_own: dict[str, dict[str, list[Commit]]] = {}
        self._conflicts: list[Conflict] = []

    def of(self, line: Line) -> Replayed:
        """Replay the commits of a line."""
        # What a purge has made them of is not what they become on top of another state.
        steps = [
            (replace(commit, message=without_origins(commit.message)), line.parents(commit))
            for commit in line.commits()
        ]
        changes = [self._changes(commit, parents) for commit, parents in steps]
        self._settle(steps, changes)
        trees = {step.after.tree for one in changes for step in one.runs.values() if step.after}
        unsafe = self._contents.unsafe(trees)
        last = self._onto
        with FastImport(self._repo) as stream:
            for (commit, parents), one in zip(steps, changes, strict=True):
                last = self._with_settled_own(stream, last, (commit, parents), one, unsafe)
                absent = [run_id for run_id in sorted(one.runs) if self._run_now(run_id) is None]
                told = len(self._conflicts)
                moves = self._moves(commit, parents, one, unsafe)
                if not moves:
                    continue
                own = [parent for parent in commit.parents if parent not in parents]
                last = stream.commit(
                    [*([last] if last else []), *own],
                    moves,
                    _naming(_message(commit, parents, moves), self._conflicts[told:]),
                    self._identity,
                    commit.seconds,
                    from_empty=last is None,
                    author=Identity(commit.name, commit.email),
                )
                if not own:
                    last = self._with_earlier_own(stream, last, commit, absent)
        newest = stream.oids.get(last, last) if last else None
        return Replayed(newest, tuple(sorted(self._made)), tuple(self._conflicts))

    def new_there(self) -> tuple[str, ...]:
        """Return the runs that are there now and were not."""
        found = (one for one in sorted(self._made) if self._runs[one] is not None)
        return tuple(one for one in found if self._reader.locate(one) is None)

    def _with_earlier_own(self, stream: FastImport, last: str, commit: Commit, absent: Sequence[str]) -> str:
        """Put the run commits there of runs that a commit has brought without: nothing else may lead to their code."""
        for run_id in absent:
            place = self._runs.get(run_id)
            if place is None or self._reader.locate(run_id) is not None:
                continue
            own = find_run_commit(self._repo, commit.id, run_id)
            if own is not None:
                experiment = on_one_line(decode_experiment(place.component))
                message = f"{experiment}: {run_id[:8]} with its own commit\n\nRun: {run_id}\nExperiment: {experiment}\n"
                last = stream.commit([last, own], [], message, self._identity, int(time.time()))
        return last

    def _with_settled_own(
        self,
        stream: FastImport,
        last: str | None,
        step: tuple[Commit, tuple[str, ...]],
        changes: Changes,
        unsafe: set[str],
    ) -> str | None:
        """Put the runs there for which a merge stands, and that have gone on since, each with its run commits.

        The merge itself has none: their values, and the code that they ran on, would come from nowhere.
        """
        for run_id, brought in self._settled_own.get(step[0].id, {}).items():
            if run_id not in changes.runs:
                continue
            told = len(self._conflicts)
            moves = self._moves(*step, Changes({run_id: changes.runs.pop(run_id)}), unsafe)
            for commit in brought if moves else ():
                is_last = commit is brought[-1]
                last = stream.commit(
                    [*([last] if last else []), *commit.parents[1:]],
                    moves if is_last else [],
                    _naming(commit.message, self._conflicts[told:] if is_last else ()),
                    self._identity,
                    commit.seconds,
                    from_empty=last is None,
                    author=Identity(commit.name, commit.email),
                )
        return last

    def _changes(self, commit: Commit, parents: tuple[str, ...]) -> Changes:
        """Return what a commit itself did; of a merge, what none of its parents has."""
        first, *others = [self._compare.between(parent, commit.id) for parent in parents or (None,)]
        found = Changes()
        for run_id, step in first.runs.items():
            if all(run_id in other.runs for other in others) and self._is_wanted(step):
                found.runs[run_id] = step
        for component, step in first.experiments.items():
            if all(component in other.experiments for other in others) and self._is_wanted(step):
                found.experiments[component] = step
        return found

    def _settle(self, steps: Sequence[tuple[Commit, tuple[str, ...]]], changes: Sequence[Changes]) -> None:
        """Let a merge with a state that is known stand for what was done before it to runs which that state has.

        Done once more, that would be compared with what has become of them since, in which it is already.
        """
        number = {commit.id: at for at, (commit, _) in enumerate(steps)}
        settled: set[int] = set()
        for at, (commit, parents) in reversed(list(enumerate(steps))):
            known = [parent for parent in parents if parent not in number]
            if len(parents) > 1 and known and at not in settled:
                before = _ancestors(at, steps, number)
                settled.update(before)
                brought = [
                    (run_id, steps[one][0])
                    for one in before
                    for run_id in (changes[one].runs if len(steps[one][1]) == 1 < len(steps[one][0].parents) else ())
                ]
                self._settle_by(changes[at], [changes[one] for one in before], known[0], commit.id)
                self._settled_own[commit.id] = self._new_own(brought, changes[at])

    def _new_own(self, brought: Sequence[tuple[str, Commit]], merged: Changes) -> dict[str, list[Commit]]:
        """Return, by run, the commits that brought run commits of what a merge stands for, and that are not there yet."""
        chosen = [(run_id, commit) for run_id, commit in brought if run_id in merged.runs]
        if not chosen:
            return {}
        names = [*(commit.parents[1] for _, commit in chosen), *([f"^{self._onto}"] if self._onto else [])]
        new = set(self._repo.run("rev-list", "--stdin", stdin="\n".join(names).encode()).decode().split())
        found: dict[str, list[Commit]] = {}
        for run_id, commit in chosen:
            if commit.parents[1] in new:
                found.setdefault(run_id, []).append(commit)
        return found

    def _settle_by(self, merged: Changes, before: Sequence[Changes], known: str, commit: str) -> None:
        then, now = BranchReader(self._repo, known), BranchReader(self._repo, commit)
        for run_id in sorted({run_id for one in before for run_id in one.runs}):
            step = Step(_located(then, run_id), _located(now, run_id))
            if step.before is None:
                continue
            for one in (*before, merged):
                one.runs.pop(run_id, None)
            if step.before != step.after:
                merged.runs[run_id] = step

    def _is_wanted(self, step: Step) -> bool:
        if self._wanted is None:
            return True
        return any(place and decode_experiment(place.component) in self._wanted for place in (step.before, step.after))

    def _moves(self, commit: Commit, parents: tuple[str, ...], changes: Changes, unsafe: set[str]) -> list[Change]:
        """Return what a commit changes where the branch is now."""
        base = parents[0] if parents else None
        gone: list[Change] = []
        put: list[Change] = []
        for run_id, step in sorted(changes.runs.items()):
            now = self._run_now(run_id)
            after = self._clean(step.after, unsafe)
            wanted = self._wanted_run(run_id, now, Step(step.before, after), (commit.id, base))
            if wanted == now:
                continue
            self._runs[run_id] = wanted
            self._made.add(run_id)
            if now is not None and (wanted is None or wanted.component != now.component):
                gone.append(Change(_path(now, run_id), None))
            if wanted is not None:
                put.append(Change(_path(wanted, run_id), wanted.tree, "040000"))
        for component, step in sorted(changes.experiments.items()):
            now = self._experiment_now(component)
            wanted = self._wanted_experiment(component, now, step, (commit.id, base))
            if wanted != now:
                self._experiments[component] = wanted
                put.append(Change(f"{EXPERIMENTS}/{component}/{EXPERIMENT}", wanted.tree if wanted else None))
        return gone + put

    def _wanted_run(self, run_id: str, now: Place | None, step: Step, commits: tuple[str, str | None]) -> Place | None:
        """Return where a run shall be; what one side changed stays where the other removed it."""
        # What was removed and restored is compared with what it was before.
        if step.before is None and run_id in self._kept:
            step = Step(self._kept.pop(run_id), step.after)
        if step.before == step.after:
            return now
        if now in (step.before, step.after):
            return step.after
        if step.before is None and now is not None and step.after is not None and self._was_there(run_id, step.after):
            return now
        if now is None or step.after is None:
            kept = now or step.after
            if step.after is None:
                self._kept[run_id] = step.before
            experiment = decode_experiment(kept.component) if kept else ""
            self._conflicts.append(Conflict(experiment, run_id, "the run", "the changed one", REMOVAL))
            return kept
        both = {run_id: (Step(step.before, now), step)}
        merger = FileMerger(self._repo, self._contents, (self._onto, commits[0]), commits[1], both)
        component, files, conflicts = merger.merge(run_id)
        self._conflicts += conflicts
        return Place(component, self._written(files))

    def _was_there(self, run_id: str, place: Place) -> bool:
        """Tell whether a run was ever so in the other state's history: what it has become since there is what counts."""
        if self._onto is None:
            return False
        options = ("--format=", "--raw", "--no-abbrev", "--no-renames", "-t", "-m", "--full-history")
        told = self._repo.run("log", *options, self._onto, "--", f":(literal){_path(place, run_id)}")
        return f" {place.tree} ".encode() in told

    def _wanted_experiment(
        self, component: str, now: Place | None, step: Step, commits: tuple[str, str | None]
    ) -> Place | None:
        if now in (step.before, step.after):
            return step.after
        if now is None or step.after is None:
            return now or step.after
        both = {component: (Step(step.before, now), step)}
        merger = FileMerger(self._repo, self._contents, (self._onto, commits[0]), commits[1], {}, both)
        files, conflicts = merger.experiment(component)
        self._conflicts += conflicts
        return Place(component, self._written(files))

    def _clean(self, place: Place | None, unsafe: set[str]) -> Place | None:
        """Return a run without what must not be in it."""
        if place is None or place.tree not in unsafe:
            return place
        files: Mapping[str, Entry] = self._contents.listing(place.tree).files
        return Place(place.component, self._written(MergedFiles(dict(files)))) if files else None

    def _written(self, files: MergedFiles) -> str:
        """Write a directory, or a file, and return its id."""
        with FastImport(self._repo) as stream:
            changes = files.changes(self._repo, _ALONE, stream)
            mark = stream.commit([], changes, "Merged\n", self._identity, 0)
        return str(self._repo.resolve(f"{stream.oids[mark]}:{_ALONE}"))

    def _run_now(self, run_id: str) -> Place | None:
        if run_id not in self._runs:
            self._runs[run_id] = _located(self._reader, run_id)
        return self._runs[run_id]

    def _experiment_now(self, component: str) -> Place | None:
        if component not in self._experiments:
            oid = self._repo.resolve(f"{self._onto}:{EXPERIMENTS}/{component}/{EXPERIMENT}") if self._onto else None
            self._experiments[component] = Place(component, oid) if oid else None
        return self._experiments[component]


def _ancestors(at: int, steps: Sequence[tuple[Commit, tuple[str, ...]]], number: Mapping[str, int]) -> list[int]:
    """Return the numbers of the steps that a step came from."""
    found: set[int] = set()
    waiting = [at]
    while waiting:
        parents = {number[parent] for parent in steps[waiting.pop()][1] if parent in number}
        waiting += parents - found
        found |= parents
    return sorted(found)


def _message(commit: Commit, parents: Sequence[str], moves: Sequence[Change]) -> str:
    """Return the message of a commit; of a merge that stands for removals before it, one that says so, as each removal does."""
    put = {change.path.rpartition("/")[2] for change in moves if change.source is not None}
    gone = [change for change in moves if change.source is None and change.path.rpartition("/")[2] not in put]
    count = sum(RUN_ID.match(change.path.rpartition("/")[2]) is not None for change in gone)
    if len(parents) == 1 or not count:
        return commit.message
    return f"Remove {count} run{'' if count == 1 else 's'} by a merge\n\n{commit.message}"


def _naming(message: str, conflicts: Sequence[Conflict]) -> str:
    """Return a message with what could not be kept of both sides, before its trailers."""
    lines = "".join(f"- {on_one_line(str(one))}\n" for one in conflicts[:_LINES])
    subject, gap, rest = message.partition("\n\n")
    return f"{subject.rstrip()}\n\n{lines}{gap[1:]}{rest}" if lines else message


def _located(reader: BranchReader, run_id: str) -> Place | None:
    found = reader.locate(run_id)
    return Place(encode_experiment(found.experiment), found.tree) if found is not None else None


def _path(place: Place, run_id: str) -> str:
    return f"{EXPERIMENTS}/{place.component}/{run_id[:2]}/{run_id}"
