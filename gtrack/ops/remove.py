"""Take runs and experiments off the runs branch, and put them back: the branch's history keeps what it held."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gtrack.errors import AmbiguousRun, GTrackError, RefChanged, RunIsActive, RunNotFound, UsageError
from gtrack.formats.names import RUN_ID
from gtrack.ops.edit import edit_tags
from gtrack.ops.registered_runs import registered_runs
from gtrack.ops.retention.plan import PINNED
from gtrack.ops.search import Choice, find_runs
from gtrack.project import Project
from gtrack.records import Experiment, Run
from gtrack.store.branch import BranchReader
from gtrack.store.purge import backups
from gtrack.store.removal import Going, Made, Removed, names_of, remove_runs, removed_runs, restored
from gtrack.store.restoring import restored_at, restored_together

_PREFIX = re.compile(r"[0-9a-f]{4,32}\Z")
_REVISION = re.compile(r"[\w@][\w./^~@{}-]*\Z")
_BY_HAND = "Remove {} by hand"
_SHOWN = 5


@dataclass(frozen=True)
class RemovedRun:
    """A run that was removed and can be put back, and its name."""

    removed: Removed
    name: str


def remove_run(project: Project, run: Run) -> None:
    """Take a run off the branch, by a commit that says so; its children stay.

    Raises:
        RunIsActive: it has not ended.
        GitError: git refuses.
    """
    _check_ended(project, run)
    project.store.remove(run.id)


def remove_all(
    project: Project, runs: Sequence[Run], *, with_children: bool = False, force: bool = False
) -> tuple[Going, ...]:
    """Take runs off the branch, all of them by one commit, and return those that went.

    Args:
        project: where they are.
        runs: which ones.
        with_children: also the runs that are nested in them; else one that has such is refused.
        force: also runs that are in the registry, or pinned.

    Raises:
        RunIsActive: one has not ended.
        GTrackError: one is in the registry, or pinned, or has runs nested in it.
        GitError: git refuses; nothing was removed.
    """
    chosen = {run.id: run for run in runs}
    nested = [run for run in _nested(project, chosen) if run.id not in chosen]
    if nested and not with_children:
        parents = dict.fromkeys(chosen[run.parent].name for run in nested if run.parent in chosen)
        raise GTrackError(
            f"{len(nested)} {'run is' if len(nested) == 1 else 'runs are'} nested in {_few(parents)}, and would lose what "
            "they belong to. --with-children removes them as well."
        )
    chosen.update((run.id, run) for run in nested)
    for run in chosen.values():
        _check_ended(project, run)
    if not force:
        _check_free(project, chosen.values())
    if len(chosen) == 1:
        [run] = chosen.values()
        project.store.remove(run.id)
        return (Going(run.id, run.experiment, run.name, ""),)
    going = [Going(run.id, run.experiment, run.name, "gtrack rm") for run in chosen.values()]
    gone: list[Going] = []

    def build(tip: str | None) -> Made:
        base = tip or project.store.tip()
        if base is None:
            raise RefChanged(f"{project.config.ref} is gone.")
        made, gone[:] = remove_runs(project.repo, base, going, _BY_HAND, project.identity())
        return made

    project.store.integrate(build, f"{len(going)} runs removed")
    return tuple(gone)


def _nested(project: Project, chosen: Iterable[str]) -> list[Run]:
    """Return the runs nested in some runs, and those nested in these, and so on."""
    children: dict[str, list[str]] = {}
    for run_id, parent in project.index.column("runs", "parent").items():
        if parent is not None:
            children.setdefault(str(parent), []).append(run_id)
    found: dict[str, None] = {}
    waiting = list(chosen)
    while waiting:
        new = [run_id for run_id in children.get(waiting.pop(), ()) if run_id not in found]
        found.update(dict.fromkeys(new))
        waiting += new
    return project.index.by_ids(list(found))


def _check_free(project: Project, runs: Iterable[Run]) -> None:
    registered = registered_runs(project)
    for run in runs:
        if run.id in registered:
            raise GTrackError(
                f"Run {run.name} ({run.short_id}) is in the model registry, which would name a run that is not there. "
                "--force removes it all the same."
            )
        if PINNED in run.tags:
            raise GTrackError(
                f"Run {run.name} ({run.short_id}) is pinned. 'gtrack pin --unpin' lets it go, --force removes it all the same."
            )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN])}{more}"


def remove_experiment(project: Project, name: str) -> None:
    """Take an experiment off the branch, with all its runs, by a commit that says so.

    Raises:
        ExperimentNotFound: there is none of the name.
        RunIsActive: one of its runs has not ended.
        GitError: git refuses.
    """
    for run in find_runs(project, Choice(experiments=(name,), statuses=("running",))):
        _check_ended(project, run)
    project.store.remove_experiment(name)


def removed(project: Project, limit: int | None = None) -> tuple[list[RemovedRun], int]:
    """Return the runs that can be put back, the last removed first, and how many there are.

    Args:
        project: where they were.
        limit: how many at the most; None for all.

    Raises:
        GitError: git refuses.
    """
    found = removed_runs(project.repo, project.store.tip(), backups(project.repo))
    shown = found[:limit]
    names = names_of(project.repo, shown)
    return [RemovedRun(one, names[one.run_id]) for one in shown], len(found)


def removed_since_purge(project: Project) -> int:
    """Return how many removed runs the branch's history has: those that a purge would take out of it, but registered ones.

    Raises:
        GitError: git refuses.
    """
    kept = registered_runs(project)
    return sum(one.run_id not in kept for one in removed_runs(project.repo, project.store.tip()))


def restore_removed(project: Project, ref: str) -> Run:
    """Put a run back that was removed, also by a purge whose backup is still there, as it was.

    Args:
        project: where it was.
        ref: its id, a prefix of four or more digits that only one removed run has, or its name, the last removed of
            several that had it.

    Raises:
        RunNotFound: no removed run answers to it.
        AmbiguousRun: it is a prefix of several ids.
        UsageError: it is there.
        GitError: git refuses.
    """
    fitting = _fitting(project, ref, thorough=False) or _fitting(project, ref, thorough=True)
    if not fitting:
        if project.store.branch().locate(ref) is not None:
            raise UsageError(f"Run {ref[:8]} is there: nothing is to be restored.")
        raise RunNotFound(f"No run {ref!r} was removed here. 'gtrack restore' lists those that can be restored.")
    return _put_back(project, fitting[0])


def restore_last(project: Project) -> list[Run]:
    """Put back, by one commit, all runs that the last removal took away and that are not there; see ``restore_of``.

    Raises:
        RunNotFound: no run was removed.
        GitError: git refuses.
    """
    found = removed_runs(project.repo, project.store.tip(), backups(project.repo))
    if not found:
        raise RunNotFound("No run was removed here that could be restored.")
    return _put_all_back(project, [one for one in found if (one.at, one.when) == (found[0].at, found[0].when)])


def restore_of(project: Project, removal: str) -> list[Run]:
    """Put back, by one commit, all runs that a commit of the branch took away and that are not there.

    Those that a purge took away since come out of its backup, each by a commit of its own.

    Args:
        project: where they were.
        removal: names the commit that removed them.

    Raises:
        UsageError: there is no such commit.
        RunNotFound: it took away no run that is not there.
        GitError: git refuses.
    """
    commit = _commit(project, removal)
    found = removed_runs(project.repo, project.store.tip(), backups(project.repo), thorough=True)
    chosen = [one for one in found if one.at == f"{commit}^1"]
    if not chosen:
        raise RunNotFound(
            f"The commit {commit[:10]} took away no run that is not there. 'gtrack restore' lists what was removed."
        )
    return _put_all_back(project, chosen)


def restore_at(project: Project, ref: str, commit: str) -> Run:
    """Put a run as it was at an earlier commit of the branch, by a commit of its own.

    Args:
        project: where it is.
        ref: its id, or a prefix of it that no other run of that commit has; or any reference to a run that is there now.
        commit: names a commit that has the run.

    Raises:
        UsageError: there is no such commit.
        RunNotFound: it does not have the run.
        AmbiguousRun: it is a prefix of several ids.
        GitError: git refuses.
    """
    before = _commit(project, commit)
    ids = {one.id for one in BranchReader(project.repo, before).locations()} if _PREFIX.match(ref) else set()
    fitting = sorted(one for one in ids if one.startswith(ref))
    if len(fitting) > 1:
        raise AmbiguousRun.of(ref, fitting)
    run_id = fitting[0] if fitting else project.resolve(ref).id

    def build(tip: str | None) -> Made:
        return restored_at(project.repo, tip or project.store.tip() or before, run_id, before, project.identity())[0]

    project.store.integrate(build, f"{run_id[:8]} restored")
    return project.store.run(run_id)


def _commit(project: Project, name: str) -> str:
    found = project.repo.resolve(f"{name}^{{commit}}") if _REVISION.match(name) else None
    if found is None:
        raise UsageError(f"There is no commit {name!r} here. 'gtrack audit --json' tells those of the branch.")
    return found


def _put_all_back(project: Project, found: Sequence[Removed]) -> list[Run]:
    runs: list[Run] = []

    def build(tip: str | None) -> Made:
        made, runs[:] = restored_together(project.repo, tip or project.store.tip(), found, project.identity())
        return made

    project.store.integrate(build, f"{len(found)} runs restored")
    return runs


def _fitting(project: Project, ref: str, *, thorough: bool) -> list[Removed]:
    found = removed_runs(project.repo, project.store.tip(), backups(project.repo), thorough=thorough)
    fitting = [one for one in found if one.run_id.startswith(ref)] if _PREFIX.match(ref) else []
    if fitting:
        if len(fitting) > 1:
            names = names_of(project.repo, fitting)
            raise AmbiguousRun.of(ref, [f"{one.run_id}  {names[one.run_id]}" for one in fitting])
        return fitting
    names = names_of(project.repo, found)
    return [one for one in found if names[one.run_id] == ref][:1]


def restore_run(project: Project, run_id: str) -> Run:
    """Put a run that was removed back, as it was.

    Args:
        project: where it was.
        run_id: its whole id: a part of it is nothing's any more.

    Raises:
        RunNotFound: neither the branch's history nor a backup of a purge has it.
        UsageError: it is there.
        GitError: git refuses.
    """
    if not RUN_ID.match(run_id):
        raise RunNotFound(f"A run that was removed is restored by its whole id of 32 digits, not by {run_id!r}.")
    try:
        return project.store.restore(run_id)
    except RunNotFound:
        found = _fitting(project, run_id, thorough=True)
        if not found:
            raise
        return _put_back(project, found[0])


def _put_back(project: Project, one: Removed) -> Run:
    if one.backup is None:
        return project.store.restore(one.run_id)

    def build(tip: str | None) -> Made:
        return restored(project.repo, tip or project.store.tip(), one, project.identity())[0]

    project.store.integrate(build, f"{one.run_id[:8]} restored")
    return project.store.run(one.run_id)


def restore_experiment(project: Project, name: str) -> Experiment:
    """Put an experiment that was removed back, with the runs that it had.

    Raises:
        ExperimentNotFound: the branch never held it.
        UsageError: it is there.
        GitError: git refuses.
    """
    return project.store.restore_experiment(name)


def pin(project: Project, run: Run, *, pinned: bool = True) -> Run:
    """Keep a run from every retention rule, by a tag; or let it go again. One that is as it shall be stays as it is.

    Raises:
        GitError: git refuses.
    """
    if pinned:
        return edit_tags(project, run, {PINNED: "true"})
    return edit_tags(project, run, {}, [PINNED]) if PINNED in run.tags else run


def _check_ended(project: Project, run: Run) -> None:
    if project.live.find(run.id) is not None:
        raise RunIsActive(f"Run {run.name} ({run.short_id}) has not ended; end it before it is removed.")
