"""Take many runs off the runs branch by one commit, list what was taken off it, and put such a run back.

What the branch's history has, and what a backup ref of a purge has, can be put back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gtrack.errors import RunNotFound, UsageError
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS, RUN_ID, decode_experiment, experiment_path, on_one_line, run_path
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.refs import is_ancestor
from gtrack.store.branch import BranchReader
from gtrack.store.merge.contents import check_run
from gtrack.store.purge import Backup, PurgeRecord, moment_of, purges_since
from gtrack.store.run_commits import find_run_commit

if TYPE_CHECKING:
    from datetime import datetime

    from gtrack.git.repo import Repository
    from gtrack.records import Run

_LONGEST = 200
_REMOVES = (" removed$", "^Remove [0-9]+ runs? ", "^Merge ")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = re.compile(rb"^name: (.+)$", re.MULTILINE)
_FORMAT = "%H%x00%an <%ae>%x00%at%x00%s%x00"


@dataclass(frozen=True)
class Going:
    """A run that is to go: its id, experiment and name, and the rule or reason, a few words."""

    run_id: str
    experiment: str
    name: str
    why: str


@dataclass(frozen=True)
class Made:
    """A commit that the branch shall move to."""

    commit: str


@dataclass(frozen=True)
class Removed:
    """A run that is not on the branch, and can be put back.

    Attributes:
        run_id: its id.
        experiment: the experiment that it was in.
        at: a commit of the branch that has it.
        blob: the id of its ``run.yaml`` there.
        when: when it was removed.
        who: who removed it, with the address, or purged it; empty when nothing says so.
        why: the subject of the commit that removed it.
        backup: the backup ref that has it, when the branch's own history does not.
    """

    run_id: str
    experiment: str
    at: str
    blob: str
    when: datetime
    who: str
    why: str
    backup: str | None = None


def remove_runs(
    repo: Repository, tip: str, going: Sequence[Going], subject: str, identity: Identity
) -> tuple[Made, list[Going]]:
    """Make a commit on ``tip`` without some runs, one line of its message for each; no ref is moved.

    Args:
        repo: the repository.
        tip: the newest commit of the branch.
        going: which runs; those that are not there are passed over.
        subject: what is done, with ``{}`` for how many runs: ``Remove {} by retention``.
        identity: who does it.

    Returns:
        The commit, ``tip`` itself when there is nothing to remove; and the runs that it removes.

    Raises:
        GitError: git refuses.
    """
    places = {location.id: location for location in BranchReader(repo, tip).locations()}
    gone = [one for one in going if one.run_id in places]
    if not gone:
        return Made(tip), []
    changes = [Change(run_path(places[one.run_id].experiment, one.run_id), None) for one in gone]
    count = f"{len(gone)} run{'' if len(gone) == 1 else 's'}"
    lines = "".join(f"{_line(one)}\n" for one in gone)
    with FastImport(repo) as stream:
        mark = stream.commit([tip], changes, f"{subject.format(count)}\n\n{lines}", identity, int(time.time()))
    return Made(stream.oids[mark]), gone


def _line(one: Going) -> str:
    return _UNSAFE.sub("", f"{one.run_id} {one.experiment} {one.name}: {one.why}")[:_LONGEST]


def removed_runs(
    repo: Repository, tip: str | None, kept: Sequence[Backup] = (), *, thorough: bool = False
) -> list[Removed]:
    """Return the runs that were taken off the branch and are not on it, the last removed first.

    Args:
        repo: the repository.
        tip: the newest commit of the branch.
        kept: the backups of purges.
        thorough: compare each commit of the branch with the one before; else only those whose messages say that they
            remove something, or merge, which is ten times as quick.

    Raises:
        GitError: git refuses.
    """
    there = {location.id for location in BranchReader(repo, tip).locations()}
    found: dict[str, Removed] = {}
    is_before = cache(lambda old, new: is_ancestor(repo, old, new))
    for one in _deleted(repo, tip, None, thorough=thorough) if tip else ():
        before = found.get(one.run_id)
        # Of what a merge took away, the commit that it took that from tells who removed it. Of two clones that removed one run,
        # the one that knew more of it had it as it was last.
        if one.run_id not in there and (
            before is None
            or (_is_merge(before) and not _is_merge(one))
            or (_is_merge(before) == _is_merge(one) and is_before(before.at, one.at))
        ):
            found[one.run_id] = one
    for backup in kept:
        purges = purges_since(repo, backup.commit, tip) if tip else ()
        for one in (*_deleted(repo, backup.commit, tip, thorough=thorough), *_held(repo, backup, there, purges)):
            if one.run_id not in there and one.run_id not in found:
                ref = backup.ref
                found[one.run_id] = Removed(**{**vars(one), "backup": ref})
    # Those of one second stay in the order of the history.
    return sorted(found.values(), key=lambda one: one.when, reverse=True)


def _is_merge(one: Removed) -> bool:
    return one.why.startswith("Merge ")


def _deleted(repo: Repository, tip: str, without: str | None, *, thorough: bool) -> Iterator[Removed]:
    """Yield the runs that commits in the history of ``tip`` removed, the newest first."""
    options = ("--diff-merges=first-parent", "--diff-filter=D", "--raw", "-z", "--no-renames", "--no-abbrev")
    command = ("log", *options, "--no-ext-diff", "--encoding=UTF-8", f"--format={_FORMAT}")
    history = (tip, f"^{without}") if without else (tip,)
    which, stdin = ("--topo-order", "--full-history", *history), None
    if not thorough:
        said = ("--extended-regexp", "--encoding=UTF-8", *(f"--grep={pattern}" for pattern in _REMOVES))
        # In the order of the history, and not of the clocks of those who committed.
        stdin = repo.run("rev-list", "--topo-order", *said, *history)
        which = ("--no-walk=unsorted", "--stdin")
        if not stdin:
            return
    pathspec = f":(glob){EXPERIMENTS}/*/*/*/{run_dir.RUN}"
    out = repo.run(*command, *which, "--", pathspec, stdin=stdin)
    tokens = iter(out.decode(errors="surrogateescape").split("\0"))
    commit, who, moment, why = "", "", moment_of("0"), ""
    for token in tokens:
        text = token.lstrip("\n")
        if text.startswith(":"):
            _, component, _, run_id, _ = next(tokens).split("/")
            if RUN_ID.match(run_id):
                blob = text.split(" ")[2]
                yield Removed(run_id, decode_experiment(component), f"{commit}^1", blob, moment, who, why)
        elif text:
            commit, who = text, next(tokens)
            moment, why = moment_of(next(tokens)), next(tokens)


def _held(repo: Repository, backup: Backup, there: Collection[str], purges: Sequence[PurgeRecord]) -> Iterator[Removed]:
    """Yield the runs that a backup itself holds and the branch does not: another clone purged them."""
    reader = BranchReader(repo, backup.commit)
    places = [location for location in reader.locations() if location.id not in there]
    heads = repo.objects.many([f"{location.tree}:{run_dir.RUN}" for location in places])
    by_run = {run_id: (purge.when, purge.who) for purge in reversed(purges) for run_id in purge.run_ids}
    for location, head in zip(places, heads, strict=True):
        oid = head.oid if head else ""
        when, who = by_run.get(location.id, (backup.when, ""))
        yield Removed(location.id, location.experiment, backup.commit, oid, when, who, "purged")


def names_of(repo: Repository, removed: Sequence[Removed]) -> Mapping[str, str]:
    """Return run id to name, without parsing YAML."""
    heads = repo.objects.many([one.blob or repo.null_oid for one in removed])
    found = {}
    for one, head in zip(removed, heads, strict=True):
        match = _NAME.search(head.data) if head else None
        found[one.run_id] = match[1].decode(errors="replace").strip("'\"") if match else ""
    return found


def restored(repo: Repository, tip: str | None, one: Removed, identity: Identity) -> tuple[Made, Run]:
    """Make a commit on ``tip`` with a removed run as it was; no ref is moved.

    Out of a backup, its own commit comes along, which the branch's history has lost.

    Returns:
        The commit, and the run.

    Raises:
        UsageError: it is there.
        RunNotFound: what should hold it does not.
        FormatError: it holds what no run may hold.
        GitError: git refuses.
    """
    branch, before = BranchReader(repo, tip), BranchReader(repo, repo.resolve(one.at))
    if branch.locate(one.run_id) is not None:
        raise UsageError(f"Run {one.run_id[:8]} is there: nothing is to be restored.")
    location = before.locate(one.run_id)
    if location is None:
        raise RunNotFound(f"Run {one.run_id[:8]} is no more in {one.backup or 'the history of the branch'}.")
    check_run(repo, one.run_id, location.tree, before.tip)
    run = before.runs([location])[0]
    changes = [Change(run_path(location.experiment, one.run_id), location.tree, "040000")]
    about = experiment_path(location.experiment)
    said = repo.resolve(f"{before.tip}:{about}")
    if said is not None and repo.resolve(f"{tip}:{about}") is None:
        changes.append(Change(about, said))
    own = find_run_commit(repo, before.tip, one.run_id) if one.backup and before.tip else None
    subject = on_one_line(f"{location.experiment}: {run.name} restored")
    message = f"{subject}\n\nRun: {one.run_id}\nExperiment: {on_one_line(location.experiment)}\n"
    parents = [parent for parent in (tip, own) if parent]
    with FastImport(repo) as stream:
        mark = stream.commit(parents, changes, message, identity, int(time.time()), from_empty=tip is None)
    return Made(stream.oids[mark]), run
