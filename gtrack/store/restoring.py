"""Put many removed runs back at once, and put a run back as it was at an earlier commit of the branch; no ref is moved here."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gtrack.errors import RunNotFound
from gtrack.formats.names import experiment_path, on_one_line, run_path
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.store.branch import BranchReader, Location
from gtrack.store.merge.contents import check_run
from gtrack.store.removal import Made, Removed
from gtrack.store.run_commits import find_run_commit

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.records import Run

_RUN = re.compile(r"^Run: ([0-9a-f]{32})$", re.MULTILINE)


def restored_together(
    repo: Repository, tip: str | None, removed: Sequence[Removed], identity: Identity
) -> tuple[Made, list[Run]]:
    """Make commits on ``tip`` with removed runs as they were; no ref is moved.

    All that the branch's history has come by one commit. One out of a backup comes by a commit of its own, together with its
    run commit, which the branch's history has lost. Those that are there already are passed over.

    Args:
        repo: the repository.
        tip: the newest commit of the branch; None when there is none.
        removed: which runs.
        identity: who does it.

    Returns:
        The last commit, ``tip`` itself when there is nothing to restore; and the runs.

    Raises:
        RunNotFound: what should hold one does not.
        FormatError: one holds what no run may hold.
        GitError: git refuses.
    """
    there = {location.id for location in BranchReader(repo, tip).locations()}
    parts: dict[tuple[str, bool], list[Removed]] = {}
    for one in removed:
        if one.run_id not in there:
            parts.setdefault((one.at, one.backup is not None), []).append(one)
    if not parts:
        return Made(tip or ""), []
    runs: list[Run] = []
    together: list[Change] = []
    alone: list[tuple[Run, str | None, list[Change]]] = []
    for (at, is_of_backup), group in parts.items():
        before = BranchReader(repo, repo.resolve(at))
        places = _places(repo, before, group)
        found = before.runs(places)
        about = _experiments(repo, tip, before, places)
        runs += found
        changes = [Change(run_path(place.experiment, place.id), place.tree, "040000") for place in places]
        if is_of_backup:
            own = _own_commits(repo, str(before.tip), [place.id for place in places])
            alone += [(run, own.get(run.id), [change, *about]) for run, change in zip(found, changes, strict=True)]
        else:
            together += [*changes, *about]
    by_id = {run.id: run for run in runs}
    with FastImport(repo) as stream:
        mark, now, last = "", int(time.time()), tip
        if together:
            back = [
                by_id[one.run_id] for (_, is_of_backup), group in parts.items() if not is_of_backup for one in group
            ]
            mark = last = stream.commit(
                [last] if last else [], together, _message(back), identity, now, from_empty=last is None
            )
        for run, commit, changes in alone:
            parents = [one for one in (last, commit) if one]
            mark = last = stream.commit(parents, changes, _message([run]), identity, now, from_empty=last is None)
    return Made(stream.oids[mark]), runs


def _places(repo: Repository, before: BranchReader, group: Iterable[Removed]) -> list[Location]:
    known = {location.id: location for location in before.locations()}
    found = []
    for one in group:
        if one.run_id not in known:
            raise RunNotFound(f"Run {one.run_id[:8]} is no more in {one.backup or 'the history of the branch'}.")
        check_run(repo, one.run_id, known[one.run_id].tree, before.tip)
        found.append(known[one.run_id])
    return found


def _experiments(repo: Repository, tip: str | None, before: BranchReader, places: Sequence[Location]) -> list[Change]:
    """Return what puts back what was said of experiments, where nothing is said of them now."""
    changes = []
    for path in sorted({experiment_path(place.experiment) for place in places}):
        said = repo.resolve(f"{before.tip}:{path}")
        if said is not None and (tip is None or repo.resolve(f"{tip}:{path}") is None):
            changes.append(Change(path, said))
    return changes


def _own_commits(repo: Repository, tip: str, run_ids: Sequence[str]) -> dict[str, str]:
    """Return run id to the newest run commit of some runs, by one walk; see ``find_run_commit``."""
    wanted = set(run_ids)
    found: dict[str, str] = {}
    options = ("--basic-regexp", "--encoding=UTF-8", "--min-parents=2", "--no-commit-header")
    out = repo.run("rev-list", *options, "--grep=^Run: ", "--format=%P%x00%B%x00", tip)
    parts = out.decode(errors="replace").split("\0")
    for parents, message in zip(parts[::2], parts[1::2], strict=False):
        own = parents.split()[1]
        for run_id in _RUN.findall(message):
            if run_id in wanted and run_id not in found and BranchReader(repo, own).locate(run_id) is not None:
                found[run_id] = own
    for run_id in wanted - found.keys():
        commit = find_run_commit(repo, tip, run_id)
        if commit is not None:
            found[run_id] = commit
    return found


def restored_at(repo: Repository, tip: str, run_id: str, commit: str, identity: Identity) -> tuple[Made, Run]:
    """Make a commit on ``tip`` with a run as it was at a commit of the branch, whatever it has become since; no ref is moved.

    Its run commit comes along: that is where its values are from.

    Args:
        repo: the repository.
        tip: the newest commit of the branch.
        run_id: the run.
        commit: of the branch, or any other that has the run.
        identity: who does it.

    Returns:
        The commit, ``tip`` itself when the run is as it was; and the run.

    Raises:
        RunNotFound: the commit does not have it.
        FormatError: it holds what no run may hold there.
        GitError: git refuses.
    """
    branch, before = BranchReader(repo, tip), BranchReader(repo, commit)
    now, place = branch.locate(run_id), before.locate(run_id)
    if place is None:
        raise RunNotFound(
            f"The commit {commit[:10]} does not have run {run_id[:8]}: 'gtrack audit --run {run_id[:8]}' names some."
        )
    check_run(repo, run_id, place.tree, commit)
    [run] = before.runs([place])
    path = run_path(place.experiment, run_id)
    if now is not None and (now.experiment, now.tree) == (place.experiment, place.tree):
        return Made(tip), run
    changes = [Change(run_path(now.experiment, run_id), None)] if now is not None else []
    changes += [Change(path, place.tree, "040000"), *_experiments(repo, tip, before, [place])]
    own = find_run_commit(repo, commit, run_id)
    parents = [tip, own] if own else [tip]
    with FastImport(repo) as stream:
        mark = stream.commit(parents, changes, _message([run]), identity, int(time.time()))
    return Made(stream.oids[mark]), run


def _message(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        [run] = runs
        subject = on_one_line(f"{run.experiment}: {run.name} restored")
        return f"{subject}\n\nRun: {run.id}\nExperiment: {on_one_line(run.experiment)}\n"
    lines = "".join(on_one_line(f"{run.id} {run.experiment} {run.name}") + "\n" for run in runs)
    return f"Restore {len(runs)} runs\n\n{lines}"
