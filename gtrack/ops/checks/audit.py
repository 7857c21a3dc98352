"""Who did what and when: from the log of the runs branch and from the tags of the registry, the newest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING

from gtrack.errors import ExperimentNotFound, GitError, ModelNotFound, RunNotFound, UsageError, nearest
from gtrack.formats import run_dir
from gtrack.formats.names import EXPERIMENTS, decode_experiment
from gtrack.formats.yamlio import MAX_BYTES
from gtrack.git.promisor import is_partial, missing
from gtrack.ops.checks.append_only import removed_in
from gtrack.ops.checks.edits import edits_of
from gtrack.ops.checks.faults import few
from gtrack.ops.checks.touching import touching
from gtrack.ops.checks.walk import BranchCommit, FileChange, walk, with_changes
from gtrack.ops.remove import removed
from gtrack.registry.tag_names import Action
from gtrack.store.query.moments import SECONDS, period

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.project import Project
    from gtrack.registry.ledger import Event

_PURGED = re.compile(r"^Purged: ([0-9a-f]{32})$", re.MULTILINE)
_NAME = re.compile(rb"^name: (.+)$", re.MULTILINE)
_WHY = re.compile(r"^([0-9a-f]{32}) .*: (.*)$", re.MULTILINE)
_LOST = re.compile(r"^- (?!refused )(.*: kept .*, lost .*)$", re.MULTILINE)
_NOTHING = re.compile(r"\AMerge 0 runs of\b")
_SHORT_AGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])\Z")
_PREFIX = re.compile(r"[0-9a-f]{4,32}\Z")
_AT_FIRST, _AT_MOST = 32, 1000
_SLOP = 500
"""So many older commits in a row end the walk: a clock that was wrong puts some before their time."""
_ACTIONS = {
    Action.REGISTER: "registered",
    Action.DEREGISTER: "withdrawn",
    Action.ASSIGN: "promoted",
    Action.UNASSIGN: "demoted",
    Action.DEPRECATE: "deprecated",
    Action.CREATE: "named",
}


@dataclass(frozen=True)
class Subject:
    """A run that something was done to; its name is empty where it is not known here."""

    id: str
    experiment: str
    name: str = ""


@dataclass(frozen=True)
class Deed:
    """Something that somebody did.

    Attributes:
        when: when.
        who: who, with the address.
        action: ``created``, ``edited``, ``removed``, ``restored``, ``merged``, ``purged``; of an experiment ``described``; of
            the registry ``registered``, ``promoted``, ``demoted``, ``withdrawn``, ``deprecated``.
        what: what exactly, a few words.
        runs: to which runs.
        experiment: of which experiment, where it is one.
        model: of which model; None for the runs branch.
        source: the commit, or the tag.
        lost: of a merge, the values that both sides had changed, each with which was kept and which was lost.
    """

    when: datetime
    who: str
    action: str
    what: str = ""
    runs: tuple[Subject, ...] = ()
    experiment: str = ""
    model: str | None = None
    source: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None, or empty, for anything.

    Attributes:
        since: nothing before it.
        until: nothing from it on.
        run: id of a run, or its beginning.
        user: a part of the name or the address, in any case.
        experiment: its name, or a pattern.
        model: its name: of the registry alone, then.
    """

    since: datetime | None = None
    until: datetime | None = None
    run: str | None = None
    user: str | None = None
    experiment: str | None = None
    model: str | None = None


def since_of(text: str, now: datetime) -> datetime:
    """Return the moment that a person means who asks for what was done since then: ``2026-11-01``, ``2w``, ``yesterday``.

    Raises:
        UsageError: it is no moment.
    """
    return _moment(text, now, end=False)


def until_of(text: str, now: datetime) -> datetime:
    """Return the moment before which something was done until ``text``: the end of the day, where it is a day.

    Raises:
        UsageError: it is no moment.
    """
    return _moment(text, now, end=True)


def _moment(text: str, now: datetime, *, end: bool) -> datetime:
    short = _SHORT_AGE.match(text.strip().lower())
    if short:
        seconds: float | None = now.timestamp() - float(short[1]) * SECONDS[short[2]]
    else:
        found = period(text, now)
        seconds = None if found is None else found.end if end and found.end is not None else found.start
    try:
        return datetime.fromtimestamp(seconds if seconds is not None else float("nan"), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{text!r} is no moment: write 2026-11-01, '2026-11-01 15:30', yesterday, or how long ago: 3h, 2d, 2w."
        ) from None


def run_named(project: Project, ref: str) -> str:
    """Return the id of the run that a reference names, or the beginning of the id of one that may have been removed.

    Raises:
        RunNotFound: there is none, and it is no beginning of an id.
        AmbiguousRun: it is a prefix of several ids.
    """
    try:
        return project.resolve(ref).id
    except RunNotFound as error:
        if _PREFIX.match(ref):
            return ref
        found = next((one.removed.run_id for one in removed(project)[0] if one.name == ref), None)
        if found is not None:
            return found
        more = f"{error} Nor was one of that name removed here, as far as 'gtrack restore' knows; its id always works."
        raise RunNotFound(more) from None


def check_named(project: Project, wanted: Wanted) -> None:
    """Check that the experiment or the model that is asked for is there; for when nothing was found of it.

    Raises:
        ExperimentNotFound: no experiment is called so.
        ModelNotFound: no model is.
    """
    if wanted.experiment is not None:
        known = [one.name for one in project.store.experiments()]
        if not any(fnmatchcase(name, wanted.experiment) for name in known):
            raise ExperimentNotFound(
                f"No experiment {wanted.experiment!r} on the runs branch of this repository, and nothing was done in one of that "
                f"name.{nearest(wanted.experiment, known)} 'gtrack experiments' lists them."
            )
    if wanted.model is not None and wanted.model not in project.registry.ledger().events:
        raise ModelNotFound.of(wanted.model, sorted(project.registry.ledger().models))


def audit(project: Project, wanted: Wanted, limit: int | None = None) -> list[Deed]:
    """Return what was done, the newest first.

    Args:
        project: where.
        wanted: what of it.
        limit: how many at the most; all when None. Of a long history only as much is read as that takes.

    Raises:
        GitError: git refuses.
    """
    return list(islice(deeds(project, wanted), limit))


def deeds(project: Project, wanted: Wanted) -> Iterator[Deed]:
    """Yield what was done, the newest first; see ``audit``."""
    tip = project.store.tip()
    on_branch = _on_branch(project.repo, tip, wanted) if tip is not None and wanted.model is None else iter(())
    tags = iter(_of_registry(project, wanted))
    tag = next(tags, None)
    for deed in on_branch:
        while tag is not None and tag.when >= deed.when:
            yield tag
            tag = next(tags, None)
        yield deed
    while tag is not None:
        yield tag
        tag = next(tags, None)


def _is_in_time(when: datetime, wanted: Wanted) -> bool:
    return (wanted.since is None or when >= wanted.since) and (wanted.until is None or when < wanted.until)


def _is_by(who: str, wanted: Wanted) -> bool:
    return wanted.user is None or wanted.user.casefold() in who.casefold()


def _narrowed(deed: Deed, wanted: Wanted) -> Deed | None:
    """Return what of a deed is asked for; None when nothing is."""
    runs, lost = deed.runs, deed.lost
    if wanted.run is not None:
        runs = tuple(one for one in runs if one.id.startswith(wanted.run))
        lost = tuple(line for line in lost if _is_of(line, wanted.run))
        if not runs and not lost:
            return None
    if wanted.experiment is not None:
        pattern = wanted.experiment
        runs = tuple(one for one in runs if fnmatchcase(one.experiment, pattern))
        lost = tuple(line for line in lost if fnmatchcase(line.partition(": ")[0].rpartition(" ")[0], pattern))
        if not runs and not lost and not (deed.experiment and fnmatchcase(deed.experiment, pattern)):
            return None
    return replace(deed, runs=runs, lost=lost)


def _is_of(line: str, run: str) -> bool:
    """Tell whether what a merge lost is of a run; its line has the beginning of an id."""
    said = line.partition(": ")[0].rpartition(" ")[2]
    return _PREFIX.match(said) is not None and (said.startswith(run) or run.startswith(said))


# The registry


def _of_registry(project: Project, wanted: Wanted) -> list[Deed]:
    if wanted.experiment is not None:  # a tag does not say it
        return []
    ledger = project.registry.ledger()
    found = [
        _of_event(event, {one.version: one.run_id for one in (*model.versions, *model.withdrawn)} if model else {})
        for name, events in ledger.events.items()
        for model in (ledger.models.get(name),)
        for event in events
        if wanted.model in (None, name)
    ]
    found = [one for one in found if _is_in_time(one.when, wanted) and _is_by(one.who, wanted)]
    narrowed = [deed for one in found if (deed := _narrowed(one, wanted)) is not None]
    narrowed.reverse()  # of one second the last stands first
    return sorted(narrowed, key=lambda one: one.when, reverse=True)


def _of_event(event: Event, runs: Mapping[int, str | None]) -> Deed:
    run_id = runs.get(event.version) if event.version is not None else None
    version = f" v{event.version}" if event.version is not None else ""
    stage = f" {event.stage}" if event.stage else ""
    reason = f": {event.reason}" if event.reason else ""
    return Deed(
        when=event.time or datetime.fromtimestamp(0, timezone.utc),
        who=event.user or "",
        action=_ACTIONS[event.action],
        what=f"{event.model}{version}{stage}{reason}",
        runs=(Subject(run_id, ""),) if run_id else (),
        model=event.model,
        source=event.tag,
    )


# The branch


def _on_branch(repo: Repository, tip: str, wanted: Wanted) -> Iterator[Deed]:
    commits = _chosen(walk(repo, tip) if wanted.run is None else _touching(repo, tip, wanted.run), wanted)
    size, waiting = _AT_FIRST, with_changes(repo, commits)
    while part := list(islice(waiting, size)):
        found = [deed for commit, changes in part for deed in _of_commit(commit, changes)]
        narrowed = [(deed, one) for one in found if (deed := _narrowed(one.deed, wanted)) is not None]
        yield from _told(repo, narrowed)
        size = min(size * 2, _AT_MOST)


def _touching(repo: Repository, tip: str, run: str) -> Iterator[BranchCommit]:
    """Yield the commits that may have to do with a run; all, when git cannot tell them: then these say what is damaged."""
    try:
        found = list(touching(repo, tip, run))
    except GitError:
        return walk(repo, tip)
    return iter(found)


def _chosen(commits: Iterator[BranchCommit], wanted: Wanted) -> Iterator[BranchCommit]:
    older = 0
    for commit in commits:
        older = older + 1 if wanted.since is not None and commit.when < wanted.since else 0
        if older > _SLOP:
            return
        if _is_in_time(commit.when, wanted) and _is_by(commit.who, wanted):
            yield commit


@dataclass(frozen=True)
class _Found:
    """A deed of which the details are still to be read, and the files that tell them, by run id."""

    deed: Deed
    heads: Mapping[str, str]
    changes: tuple[FileChange, ...] = ()


def _of_commit(commit: BranchCommit, changes: Sequence[FileChange]) -> Iterator[_Found]:
    plain = Deed(commit.when, commit.who, "", source=commit.id)
    purged = _PURGED.findall(commit.message)
    if purged:
        yield _Found(replace(plain, action="purged", runs=tuple(Subject(one, "") for one in purged)), {})
        return
    by_run: dict[str, list[FileChange]] = {}
    experiments: dict[str, FileChange] = {}
    for change in changes:
        place = change.place
        if place is not None:
            by_run.setdefault(place[1], []).append(change)
        elif change.path.count("/") == 2 and change.path.startswith(f"{EXPERIMENTS}/"):
            experiments[decode_experiment(change.path.split("/")[1])] = change
    if len(commit.parents) > 1:
        subjects = tuple(_subject(run_id, found) for run_id, found in by_run.items())
        lost = tuple(_LOST.findall(commit.message))
        what = _NOTHING.sub("Merge with", commit.subject)
        yield _Found(replace(plain, action="merged", what=what, runs=subjects, lost=lost), _heads(by_run))
        return
    yield from _of_runs(commit, plain, by_run, removed_in(changes))
    touched = {_subject(run_id, found).experiment for run_id, found in by_run.items()}
    for experiment, change in experiments.items():
        if experiment not in touched:
            action = "removed" if change.is_gone else "described"
            yield _Found(replace(plain, action=action, what=f"the experiment {experiment}", experiment=experiment), {})


def _of_runs(
    commit: BranchCommit, plain: Deed, by_run: Mapping[str, list[FileChange]], gone: Mapping[str, str]
) -> Iterator[_Found]:
    """Yield what a commit did to runs: one deed for all that it created or removed, one for each that it edited."""
    groups: dict[tuple[str, str], list[str]] = {}
    reasons = dict(_WHY.findall(commit.message)) if gone else {}
    for run_id, changes in by_run.items():
        head = next((one for one in changes if one.path.endswith(f"/{run_id}/{run_dir.RUN}")), None)
        if run_id in gone:
            groups.setdefault(("removed", reasons.get(run_id, "")), []).append(run_id)
        elif head is not None and head.is_new and not any(one.old for one in changes):
            action = "restored" if commit.says_restored else "created"
            groups.setdefault((action, ""), []).append(run_id)
        else:
            subject = _subject(run_id, changes)
            action = "restored" if commit.says_restored else "edited"
            deed = replace(plain, action=action, runs=(subject,), experiment=subject.experiment)
            yield _Found(deed, _heads({run_id: changes}) or _head_in(commit, run_id, changes), tuple(changes))
    for (action, what), run_ids in groups.items():
        subjects = tuple(_subject(run_id, by_run[run_id]) for run_id in run_ids)
        experiments = {one.experiment for one in subjects}
        experiment = experiments.pop() if len(experiments) == 1 else ""
        deed = replace(plain, action=action, what=what, runs=subjects, experiment=experiment)
        yield _Found(deed, _heads({run_id: by_run[run_id] for run_id in run_ids}))


def _subject(run_id: str, changes: Sequence[FileChange]) -> Subject:
    places = [change for change in changes if change.new] or changes
    place = places[0].place
    return Subject(run_id, place[0] if place else "")


def _heads(by_run: Mapping[str, Sequence[FileChange]]) -> dict[str, str]:
    """Return run id to the blob of its ``run.yaml``, as it became or, of one that went, as it was."""
    found: dict[str, str] = {}
    for run_id, changes in by_run.items():
        heads = [one for one in changes if one.path.endswith(f"/{run_id}/{run_dir.RUN}")]
        for one in sorted(heads, key=lambda one: bool(one.new)):
            found[run_id] = one.new or one.old
    return found


def _head_in(commit: BranchCommit, run_id: str, changes: Sequence[FileChange]) -> dict[str, str]:
    """Return run id to what names its ``run.yaml`` in a commit that did not change that."""
    top = "/".join(changes[0].path.split("/")[:4])
    return {run_id: f"{commit.id}:{top}/{run_dir.RUN}"} if "\n" not in top else {}


def _told(repo: Repository, found: Sequence[tuple[Deed, _Found]]) -> Iterator[Deed]:
    """Yield deeds with the names of their runs, and with what was edited; what is not here stays unsaid."""
    wanted: dict[str, None] = {}
    for deed, one in found:
        wanted.update((one.heads[run.id], None) for run in deed.runs if run.id in one.heads)
        edited = (change for change in one.changes if not change.path.endswith("/" + run_dir.OUTPUT))
        wanted.update((oid, None) for change in edited if _is_told(change) for oid in (change.old, change.new) if oid)
    names = list(wanted)
    if is_partial(repo):
        oids = [name for name in names if ":" not in name]
        away = missing(repo, oids)
        names = [oid for oid in oids if oid not in away]
    small = _small(repo, names)
    data = {oid: one.data for oid, one in zip(small, repo.objects.many(small), strict=True) if one is not None}
    for deed, one in found:
        runs = tuple(replace(run, name=_name(data.get(one.heads.get(run.id, ""), b""))) for run in deed.runs)
        what = "; ".join(edits_of(one.changes, data)) if one.changes else deed.what
        if len(runs) > 1 and not what:
            what = few(run.name or run.id[:8] for run in runs)
        if deed.lost:
            what = f"{what}; {few(deed.lost)}"
        yield replace(deed, runs=runs, what=what)


def _is_told(change: FileChange) -> bool:
    place = change.place
    return place is not None and place[2] in (run_dir.RUN, run_dir.HISTORY, run_dir.METRICS, run_dir.PARAMS)


def _small(repo: Repository, names: Sequence[str]) -> list[str]:
    """Return those names of blobs that are small enough to be read."""
    if not names:
        return []
    stdin = "".join(f"{name}\n" for name in names).encode(errors="surrogateescape")
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin)
    sizes = (line.rpartition(" ")[2] for line in told.decode(errors="replace").splitlines())
    return [name for name, size in zip(names, sizes, strict=True) if size.isdigit() and int(size) <= MAX_BYTES]


def _name(data: bytes) -> str:
    found = _NAME.search(data)
    return found[1].decode(errors="replace").strip("'\"") if found else ""
