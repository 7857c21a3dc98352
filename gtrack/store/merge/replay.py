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
from gtrack.store.merge.bases import Commit, Line
from gtrack.store.merge.contents import Contents
from gtrack.store.merge.outcome import REMOVAL, Conflict
from gtrack.store.merge.places import Changes, Comparison, Place, Step
from gtrack.store.merge.run_files import FileMerger, MergedFiles
from gtrack.store.run_commits import find_run_commit

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_ALONE = "alone"


@dataclass(frozen=True)
class Replayed:
    """What commits became on top of another state of the branch.

    Attributes:
        commit: the newest state; None when there was none, and nothing to put there.
        runs: ids of the runs that were added, changed or removed.
        conflicts: what could not be kept of both sides.
        came_back: ids of the runs that the base had, the other state had no more, and the newest one has.
        alone: ids of the runs that the other state did not have and the newest one has, and that no commit put there together
            with a run commit.
    """

    commit: str | None
    runs: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    came_back: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


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
    made = _Replay(repo, onto, experiments, identity).of(Line(repo, ours, [one for one in (base, onto) if one]))
    if made.commit is None or not made.alone:
        return made
    was = BranchReader(repo, base)
    came_back = tuple(run_id for run_id in made.alone if was.locate(run_id) is not None)
    return replace(made, commit=_with_run_commits(repo, made.commit, made.alone, ours, identity), came_back=came_back)


def _with_run_commits(repo: Repository, tip: str, alone: Sequence[str], ours: str, identity: Identity) -> str:
    """Return the newest state with the run commits of runs that came without: nothing else may lead to their code."""
    reader, last = BranchReader(repo, tip), tip
    with FastImport(repo) as stream:
        for run_id in alone:
            own, place = find_run_commit(repo, ours, run_id), reader.locate(run_id)
            if own is not None and place is not None:
                experiment = on_one_line(place.experiment)
                message = f"{experiment}: {run_id[:8]} with its own commit\n\nRun: {run_id}\nExperiment: {experiment}\n"
                last = stream.commit([last, own], [], message, identity, int(time.time()))
    return stream.oids.get(last, last)


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
        self._made: set[str] = set()
        self._with_own: set[str] = set()
        self._conflicts: list[Conflict] = []

    def of(self, line: Line) -> Replayed:
        """Replay the commits of a line."""
        steps = [(commit, line.parents(commit)) for commit in line.commits()]
        changes = [self._changes(commit, parents) for commit, parents in steps]
        self._settle(steps, changes)
        trees = {step.after.tree for one in changes for step in one.runs.values() if step.after}
        unsafe = self._contents.unsafe(trees)
        last = self._onto
        with FastImport(self._repo) as stream:
            for (commit, parents), one in zip(steps, changes, strict=True):
                moves = self._moves(commit, parents, one, unsafe)
                if not moves:
                    continue
                own = [parent for parent in commit.parents if parent not in parents]
                self._with_own.update(one.runs if own else ())
                last = stream.commit(
                    [*([last] if last else []), *own],
                    moves,
                    _message(commit, parents, moves),
                    self._identity,
                    commit.seconds,
                    from_empty=last is None,
                    author=Identity(commit.name, commit.email),
                )
        newest = stream.oids.get(last, last) if last else None
        return Replayed(newest, tuple(sorted(self._made)), tuple(self._conflicts), alone=self._alone())

    def _alone(self) -> tuple[str, ...]:
        found = sorted(self._made - self._with_own)
        return tuple(one for one in found if self._runs[one] is not None and self._reader.locate(one) is None)

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
                self._settle_by(changes[at], [changes[one] for one in before], known[0], commit.id)

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
        if now in (step.before, step.after):
            return step.after
        if now is None or step.after is None:
            kept = now or step.after
            experiment = decode_experiment(kept.component) if kept else ""
            self._conflicts.append(Conflict(experiment, run_id, "the run", "the changed one", REMOVAL))
            return kept
        both = {run_id: (Step(step.before, now), step)}
        merger = FileMerger(self._repo, self._contents, (self._onto, commits[0]), commits[1], both)
        component, files, conflicts = merger.merge(run_id)
        self._conflicts += conflicts
        return Place(component, self._written(files))

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


def _located(reader: BranchReader, run_id: str) -> Place | None:
    found = reader.locate(run_id)
    return Place(encode_experiment(found.experiment), found.tree) if found is not None else None


def _path(place: Place, run_id: str) -> str:
    return f"{EXPERIMENTS}/{place.component}/{run_id[:2]}/{run_id}"
