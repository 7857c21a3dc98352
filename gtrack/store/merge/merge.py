"""Merge two states of the runs branch: one commit, made of directories and files that are there already.

Runs are what is merged, by id; the experiment is a property of a run, which may have changed. What only one side changed is
taken as it is, what both did is merged file by file (``run_files``). The result does not depend on which side is ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtrack.formats.names import EXPERIMENTS, decode_experiment
from gtrack.formats.run_dir import EXPERIMENT
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.store.merge.bases import merge_bases
from gtrack.store.merge.contents import Contents
from gtrack.store.merge.outcome import REMOVAL, Conflict, Merged, Refused
from gtrack.store.merge.places import Changes, Comparison, Place, Step
from gtrack.store.merge.run_files import FileMerger, MergedFiles

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_DEEPEST = 20
_LINES = 500
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOBODY = Identity("gtrack", "")


def merge(
    repo: Repository, ours: str | None, theirs: str, identity: Identity, *, source: str, base: str | None = None
) -> Merged:
    """Merge two states of the runs branch; no ref is moved.

    Nothing that is well-formed is lost: what one side removed and the other changed stays, and of two values the one that
    was set last is taken and the other is named in the commit. Whatever is malformed on either side is left out, by name.

    Args:
        repo: the repository.
        ours: the state to begin from; None when there is no branch yet.
        theirs: the state to take in.
        identity: who commits.
        source: where ``theirs`` is from, for the message.
        base: the commit that both began from; found from their history when None.

    Returns:
        What came of it: ``ours`` itself when ``theirs`` has nothing that it lacks, ``theirs`` when nothing else was changed
        since, else a new commit that has both for parents.

    Raises:
        GitError: git refuses.
    """
    if ours is not None and base is None:
        base = _common(repo, ours, theirs, 0)
    if ours is not None and base == theirs:
        return Merged(ours)
    return _Merge(repo, ours, theirs, base).commit(identity, source, int(time.time()))


def _common(repo: Repository, ours: str, theirs: str, depth: int) -> str | None:
    """Return what two states began from; where several are equally new, these merged, which is the same in each clone."""
    bases = merge_bases(repo, ours, theirs)
    joint = bases[0] if bases else None
    for other in bases[1:] if depth < _DEEPEST else ():
        before = _common(repo, str(joint), other, depth + 1)
        joint = _Merge(repo, joint, other, before).commit(_NOBODY, "several merge bases", 0).commit
    return joint


@dataclass
class _Plan:
    """What is done to the tree of ``ours``, in this order, and what there is to tell."""

    gone: list[Change] = field(default_factory=list)
    put: list[Change] = field(default_factory=list)
    files: list[tuple[str, MergedFiles]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class _Merge:
    def __init__(self, repo: Repository, ours: str | None, theirs: str, base: str | None) -> None:
        self._repo, self._commits, self._base = repo, (ours, theirs), base
        self._compare = Comparison(repo)
        self._ours = self._compare.between(base, ours) if ours != base else Changes()
        self._theirs = self._compare.between(base, theirs)
        self._contents = Contents(repo)
        steps = [*self._ours.runs.values(), *self._theirs.runs.values()]
        self._unsafe = self._contents.unsafe([step.after.tree for step in steps if step.after])
        self._plan = _Plan()

    def commit(self, identity: Identity, source: str, seconds: int) -> Merged:
        """Make the commit, unless there is one already."""
        ours, theirs = self._commits
        anew = self._look_at_malformed()
        self._merge_runs()
        self._merge_experiments()
        plan = self._plan
        told = (tuple(sorted(plan.taken)), tuple(plan.conflicts), tuple(plan.refused))
        if ours == self._base and not plan.refused:
            return Merged(str(theirs), *told)
        with FastImport(self._repo) as stream:
            changes = [*(self._anew(stream) if anew else ()), *plan.gone, *plan.put]
            for path, files in plan.files:
                changes.append(Change(path, None))
                changes += files.changes(self._repo, path, stream)
            parents = [commit for commit in (ours, theirs) if commit]
            text = _message(source, *told)
            mark = stream.commit(parents, changes, text, identity, seconds, from_empty=anew or ours is None)
        return Merged(stream.oids[mark], *told)

    def _look_at_malformed(self) -> bool:
        """Note what does not belong; tell whether our tree has to be made anew, as some of that is in it."""
        for side in (self._ours, self._theirs):
            for one in side.malformed:
                self._refuse(one.path, one.reason)
        return bool(self._ours.malformed or self._theirs.cleared)

    def _anew(self, stream: FastImport) -> Iterator[Change]:
        """Yield what makes an empty tree ours without what does not belong: no change of it would be sure to find all."""
        whole = self._compare.between(None, self._commits[0])
        places = {run_id: step.after for run_id, step in whole.runs.items() if step.after is not None}
        unsafe = self._contents.unsafe([place.tree for place in places.values()])
        for run_id, place in sorted(places.items()):
            path = _path(place.component, run_id)
            if place.tree in unsafe:
                files = MergedFiles(dict(self._contents.listing(place.tree).files))
                yield from files.changes(self._repo, path, stream)
            else:
                yield Change(path, place.tree, "040000")
        for component, step in sorted(whole.experiments.items()):
            if step.after is not None:
                yield Change(f"{EXPERIMENTS}/{component}/{EXPERIMENT}", step.after.tree)
        for one in self._ours.malformed:
            if one.instead is not None:
                yield Change(one.path, one.instead.oid, _mode(one.instead.mode))

    def _refuse(self, path: str, reason: str) -> None:
        refused = Refused(path, reason)
        if refused not in self._plan.refused:
            self._plan.refused.append(refused)

    # Runs

    def _merge_runs(self) -> None:
        ours, theirs = self._ours.runs, self._theirs.runs
        both = {
            run_id: (one, two)
            for run_id, one in sorted(ours.items())
            if (two := theirs.get(run_id)) and one.after and two.after and one.after != two.after
        }
        merger = FileMerger(self._repo, self._contents, self._commits, self._base, both) if both else None
        for run_id in sorted({*ours, *theirs}):
            one, two = ours.get(run_id), theirs.get(run_id)
            if merger is not None and run_id in both:
                self._put_merged(run_id, merger)
            elif two is None or (one is not None and one.after == two.after):
                self._clean_ours(run_id, one.after if one else None)
            elif one is None:
                self._take(run_id, two.before, two.after)
            else:
                self._keep_edited(run_id, one, two)

    def _put_merged(self, run_id: str, merger: FileMerger) -> None:
        """Merge what both sides changed, file by file."""
        place = self._ours.runs[run_id].after
        component, files, conflicts = merger.merge(run_id)
        self._plan.conflicts += conflicts
        for path, reason in files.refused:
            self._refuse(path, reason)
        target = _path(component, run_id)
        if place is not None and place.component != component:
            self._plan.gone.append(Change(_path(place.component, run_id), None))
        if place is None or place.component != component or files.differs_from(self._contents.listing(place.tree)):
            self._plan.files.append((target, files))
            self._plan.taken.append(run_id)

    def _keep_edited(self, run_id: str, one: Step, two: Step) -> None:
        """Keep a run that one side changed and the other removed."""
        kept = one.after or two.after
        experiment = decode_experiment(kept.component) if kept else ""
        self._plan.conflicts.append(Conflict(experiment, run_id, "the run", "the changed one", REMOVAL))
        if one.after is None:
            self._take(run_id, None, two.after)
        else:
            self._clean_ours(run_id, one.after)

    def _take(self, run_id: str, place: Place | None, wanted: Place | None) -> None:
        """Put a run where ``wanted`` says, away from ``place``."""
        if place is not None and (wanted is None or place.component != wanted.component):
            self._plan.gone.append(Change(_path(place.component, run_id), None))
        if wanted is None or self._put(run_id, wanted):
            self._plan.taken.append(run_id)

    def _clean_ours(self, run_id: str, place: Place | None) -> None:
        if place is not None and place.tree in self._unsafe:
            self._put(run_id, place)

    def _put(self, run_id: str, place: Place) -> bool:
        """Put a run in place, without what is malformed in it; False when nothing else is."""
        path = _path(place.component, run_id)
        if place.tree not in self._unsafe:
            self._plan.put.append(Change(path, place.tree, "040000"))
            return True
        listing = self._contents.listing(place.tree)
        for inside, reason in listing.refused or (("", "a directory that git finds fault with"),):
            self._refuse(f"{path}/{inside}".rstrip("/"), reason)
        self._plan.files.append((path, MergedFiles(dict(listing.files))))
        return bool(listing.files)

    # Experiments' own files

    def _merge_experiments(self) -> None:
        ours, theirs = self._ours.experiments, self._theirs.experiments
        both = {
            component: (one, two)
            for component, one in sorted(ours.items())
            if (two := theirs.get(component)) and one.after and two.after and one.after != two.after
        }
        merger = FileMerger(self._repo, self._contents, self._commits, self._base, {}, both) if both else None
        for component in sorted({*ours, *theirs}):
            one, two = ours.get(component), theirs.get(component)
            path = f"{EXPERIMENTS}/{component}/{EXPERIMENT}"
            if merger is not None and component in both:
                files, conflicts = merger.experiment(component)
                self._plan.conflicts += conflicts
                self._plan.files.append((path, files))
            elif one is None and two is not None:
                if two.after is not None:
                    self._plan.put.append(Change(path, two.after.tree))
                elif not _has_runs(self._ours, component):
                    self._plan.gone.append(Change(path, None))
            elif two is None and one is not None and one.after is None:
                if one.before is not None and _has_runs(self._theirs, component):
                    self._plan.put.append(Change(path, one.before.tree))
            elif one is not None and two is not None and one.after is None and two.after is not None:
                self._plan.put.append(Change(path, two.after.tree))


def _has_runs(side: Changes, component: str) -> bool:
    return any(step.after is not None and step.after.component == component for step in side.runs.values())


def _path(component: str, run_id: str) -> str:
    return f"{EXPERIMENTS}/{component}/{run_id[:2]}/{run_id}"


def _mode(mode: str) -> str:
    return {"40000": "040000"}.get(mode, mode)


def _message(source: str, taken: tuple[str, ...], conflicts: tuple[Conflict, ...], refused: tuple[Refused, ...]) -> str:
    """Return subject, what was lost or refused, and the trailer; none of it is a ``Run:`` trailer."""
    where = _UNSAFE.sub("?", source)
    lines = [f"Merge {len(taken)} {'run' if len(taken) == 1 else 'runs'} of {where}", ""]
    told = list(_told(conflicts, refused))
    lines += [_UNSAFE.sub("?", line) for line in told[:_LINES]]
    lines += [f"- … and {len(told) - _LINES} more", ""] if len(told) > _LINES else [""] if told else []
    return "\n".join([*lines, f"Merged-From: {where}", ""])


def _told(conflicts: tuple[Conflict, ...], refused: tuple[Refused, ...]) -> Iterator[str]:
    for one in conflicts:
        yield f"- {one}"
    for bad in refused:
        yield f"- refused {bad.path}: {bad.reason}"
