"""Verify runs, their code and their large artifacts, and that the history of their branch is whole."""

from __future__ import annotations

import gc
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import FormatError, RunNotFound
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS, decode_experiment
from gtrack.git.promisor import is_partial, missing, promisor_remotes
from gtrack.ops.checks.append_only import History, read_history
from gtrack.ops.checks.beside import history_beside
from gtrack.ops.checks.faults import BRING, BRING_MORE, DAMAGED, HOSTILE, Fault, few, remark, wrong
from gtrack.ops.checks.findings import Severity
from gtrack.ops.checks.large_files import check_large, find_large
from gtrack.ops.checks.run_code import Own, check_code
from gtrack.ops.checks.run_files import Directory, Heads, check_files, sizes_of
from gtrack.store.merge.contents import Contents
from gtrack.store.merge.places import Changes, Comparison

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.project import Project

Tell = Callable[[str, int, int], None]
"""Is told what is being looked at, and how much of how much."""

_MANY = 2000
"""From so many runs on a second process saves more than its start takes."""
_MIGHT_HAVE_MORE = (
    "Nothing has to be done: in a partial clone, large files stay with the remote; 'gtrack get' fetches those of a run."
)


@dataclass(frozen=True)
class RunVerification:
    """What became of verifying runs.

    Attributes:
        faults: errors first.
        runs: how many runs were looked at.
        commits: how many commits of the branch; None when only some runs were asked for.
        large: how many large contents.
        branch: the branch.
    """

    faults: tuple[Fault, ...]
    runs: int = 0
    commits: int | None = None
    large: int = 0
    branch: str = ""

    @property
    def errors(self) -> list[Fault]:
        """The errors among the faults."""
        return [one for one in self.faults if one.severity is Severity.ERROR]

    @property
    def notes(self) -> list[Fault]:
        """The notes among the faults."""
        return [one for one in self.faults if one.severity is Severity.NOTE]


def verify_runs(
    project: Project,
    chosen: Collection[str] | None = None,
    *,
    large: bool = False,
    tell: Tell = lambda *_: None,
) -> RunVerification:
    """Verify the runs on the branch, and, when it is all of them, its history; nothing is fetched.

    Args:
        project: the repository.
        chosen: ids of the runs that are looked at; all when None.
        large: whether a large artifact that is not here is an error, not a note.
        tell: is told how far it is.

    Raises:
        RunNotFound: one that was chosen is not on the branch.
        GitError: git refuses.
    """
    tip, branch = project.store.tip(), project.config.branch
    if tip is None:
        return RunVerification((), commits=0, branch=branch)
    with _no_collection():
        return _verify(project, tip, chosen, large=large, tell=tell)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no circles of objects: there are none here, and many runs to look through for them each time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _verify(project: Project, tip: str, chosen: Collection[str] | None, *, large: bool, tell: Tell) -> RunVerification:
    repo, branch = project.repo, project.config.branch
    places = Comparison(repo).between(None, tip)
    for run_id in chosen or ():
        if run_id not in places.runs:
            raise RunNotFound.of(run_id)
    faults = list(_structure(repo, places)) if chosen is None else []
    directories, refused = _directories(repo, places, chosen)
    faults += refused
    live = {one.id for one in project.live.directories()}
    heads, sizes = Heads(), sizes_of(repo, directories)
    with _history(project, tip, chosen, len(directories), tell) as history_of:
        faults += check_files(repo, directories, sizes, live, heads, lambda *done: tell("Verifying runs", *done))
        history = history_of()
    faults += history.faults
    faults += check_code(repo, directories, heads.code, history.own, is_cut=history.is_cut)
    found = find_large(repo, directories, sizes)
    faults += check_large(
        repo, found, demanded=large, progress=lambda *done: tell("Verifying large artifacts, in bytes", *done)
    )
    faults += _unseen(repo, branch, history, heads.unread, len(sizes.away))
    faults.sort(key=lambda one: one.severity is not Severity.ERROR)
    commits = history.commits if chosen is None else None
    return RunVerification(tuple(faults), len(directories), commits, len(found.users), branch)


@contextmanager
def _history(
    project: Project, tip: str, chosen: Collection[str] | None, runs: int, tell: Tell
) -> Iterator[Callable[[], History]]:
    """Give the function that returns the history: read by another process meanwhile, when it is long."""
    if chosen is not None:
        yield lambda: History(own=_own(project, chosen))
    elif runs >= _MANY and sys.executable and (os.cpu_count() or 1) > 1:
        with history_beside(project.repo, tip) as result:
            yield result
    else:
        yield lambda: read_history(project.repo, tip, lambda *done: tell("Verifying the history", *done))


def _own(project: Project, chosen: Collection[str]) -> dict[str, Own]:
    found = {run_id: project.store.run_commit(run_id) for run_id in chosen}
    return {run_id: Own(commit) for run_id, commit in found.items() if commit is not None}


def _structure(repo: Repository, places: Changes) -> Iterator[Fault]:
    """Find what does not belong on the branch, and what experiments say of themselves that cannot be read."""
    for one in places.malformed:
        yield wrong(one.path or "the branch", one.reason, HOSTILE)
    own = {component: step.after.tree for component, step in places.experiments.items() if step.after is not None}
    away = missing(repo, own.values()) if is_partial(repo) else set()
    for component, oid in own.items():
        path = f"{EXPERIMENTS}/{component}/{run_dir.EXPERIMENT}"
        found = repo.objects.get(oid) if oid not in away else None
        try:
            run_dir.decode_experiment(found.data if found else None, decode_experiment(component))
        except FormatError as error:
            yield wrong(path, str(error), DAMAGED)


def _directories(
    repo: Repository, places: Changes, chosen: Collection[str] | None
) -> tuple[list[Directory], list[Fault]]:
    """Return the directories of runs without what no run may hold, and that."""
    contents = Contents(repo)
    found = {
        run_id: step.after
        for run_id, step in places.runs.items()
        if step.after is not None and (chosen is None or run_id in chosen)
    }
    unsafe = contents.unsafe([place.tree for place in found.values()])
    directories, faults = [], []
    for run_id, place in sorted(found.items(), key=lambda item: (item[1].component, item[0])):
        listing = contents.listing(place.tree)
        one = Directory(run_id, place.component, decode_experiment(place.component), listing.files)
        directories.append(one)
        faults += [wrong(one.name, f"{path or one.place}: {reason}", HOSTILE) for path, reason in listing.refused]
        if place.tree in unsafe and not listing.refused:
            faults.append(wrong(one.name, "its directory is one that git finds fault with", HOSTILE))
    return directories, faults


def _unseen(repo: Repository, branch: str, history: History, unread: int, away: int) -> Iterator[Fault]:
    """Say what could not be looked at, and what brings it."""
    if history.is_cut and not history.unread_trees:
        yield remark(branch, "its history is cut off here: what came before could not be looked at", BRING)
    told = [
        f"{count} {what}"
        for count, what in (
            (unread, "files of runs"),
            (history.unread, "earlier states of them"),
            (history.unread_trees, "directories of their history"),
            (away, "files in all"),
        )
        if count
    ]
    if told:
        what = "files and directories" if history.unread_trees else "files"
        text = f"{what} that this partial clone left with its remote could not be looked at: {few(told, len(told))}"
        lacking = promisor_remotes(repo) if unread or history.unread or history.unread_trees else []
        bring = BRING_MORE.format(remote=shlex.quote(lacking[0])) if lacking else _MIGHT_HAVE_MORE
        yield remark(branch, text, bring)
