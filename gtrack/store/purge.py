"""What a purge says of itself in the branch's history, and what it leaves to bring things back from.

A purge writes the branch anew without some runs (``rewriting``). Its last commit names them, one ``Purged:`` trailer for each.
Where the branch was before, a backup ref says: ``refs/gtrack/backup/<UTC, yyyymmddThhmmssZ>``. Those never leave the clone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from gtrack.errors import RefChanged
from gtrack.git.refs import Update, list_refs, update
from gtrack.store.merge.bases import Line
from gtrack.store.merge.places import Comparison
from gtrack.store.rewriting import REWRITTEN

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository

PURGED = "Purged"
BACKUPS = "refs/gtrack/backup/"
_STAMP = "%Y%m%dT%H%M%SZ"
_PURGED = re.compile(rf"^{PURGED}: ([0-9a-f]{{32}})$", re.MULTILINE)
_REWRITTEN = re.compile(rf"^{REWRITTEN}: ([0-9a-f]{{40,64}})$", re.MULTILINE)


@dataclass(frozen=True)
class PurgeRecord:
    """A purge, as the branch's history tells of it.

    Attributes:
        run_ids: the runs that were taken out of the history.
        who: who did it, with the address.
        when: when.
    """

    run_ids: tuple[str, ...]
    who: str
    when: datetime


@dataclass(frozen=True)
class Backup:
    """Where the branch was before a purge: the ref, the commit, and when the purge was."""

    ref: str
    commit: str
    when: datetime


@dataclass(frozen=True)
class Twin:
    """A commit of one history of the branch, and what a purge made of it in another."""

    known: str
    twin: str


def purge_message(run_ids: Sequence[str]) -> str:
    """Return the message of the last commit of a purge."""
    count = len(run_ids)
    trailers = "".join(f"{PURGED}: {run_id}\n" for run_id in run_ids)
    return f"Purge {count} run{'' if count == 1 else 's'}\n\n{trailers}"


def twin_of(repo: Repository, known: str, tip: str) -> str | None:
    """Return the commit in the history of ``tip`` that a purge made of ``known``, None when there is none.

    Raises:
        GitError: git refuses.
    """
    question = ("--basic-regexp", "--encoding=UTF-8", f"--grep=^{REWRITTEN}: {known}$")
    return repo.run("rev-list", "-1", *question, tip).decode().strip() or None


def newest_twin(repo: Repository, theirs: str, tip: str) -> Twin | None:
    """Return the newest commit in the history of ``theirs`` of which a purge made one in that of ``tip``.

    What ``theirs`` has on top of it has to be replayed on ``tip``: merged, it would bring back what was purged. A history that
    only says so, and lacks or changes more than the runs that its purges name, was not made by a purge.

    Args:
        repo: the repository.
        theirs: a state of the branch that the purge may not have seen whole.
        tip: the branch after the purge.

    Returns:
        None when ``tip`` has not come from any state of ``theirs`` by a purge.

    Raises:
        GitError: git refuses.
    """
    made = {
        old: commit.id for commit in Line(repo, tip, [theirs]).commits() for old in _REWRITTEN.findall(commit.message)
    }
    if not made:
        return None
    found = [commit.id for commit in Line(repo, theirs, [tip]).commits() if commit.id in made]
    if not found:
        return None
    twin = Twin(found[-1], made[found[-1]])
    return twin if _is_faithful(repo, twin, tip) else None


def were_both_purged(repo: Repository, ours: str, theirs: str) -> bool:
    """Tell whether two states were made of one history by purges of which neither has the other.

    Merged, each would bring back what the other is without.

    Raises:
        GitError: git refuses.
    """
    said = ("--basic-regexp", "--encoding=UTF-8", f"--grep=^{REWRITTEN}: ")
    if not all(repo.run("rev-list", "-1", *said, tip, f"^{other}") for tip, other in ((theirs, ours), (ours, theirs))):
        return False
    olds = [
        {old for commit in Line(repo, tip, [other]).commits() for old in _REWRITTEN.findall(commit.message)}
        for tip, other in ((theirs, ours), (ours, theirs))
    ]
    return not olds[0].isdisjoint(olds[1])


def _is_faithful(repo: Repository, twin: Twin, tip: str) -> bool:
    """Tell whether a twin holds what it was made of, less runs that purges name."""
    changes = Comparison(repo).between(twin.known, twin.twin)
    if changes.experiments or changes.malformed:
        return False
    if any(step.after is not None for step in changes.runs.values()):
        return False
    purged = {run_id for purge in purges_since(repo, twin.twin, tip) for run_id in purge.run_ids}
    return changes.runs.keys() <= purged


def purges_since(repo: Repository, twin: str, tip: str) -> tuple[PurgeRecord, ...]:
    """Return the purges that ``tip`` has and ``twin`` does not have, the newest first.

    Raises:
        GitError: git refuses.
    """
    options = ("--basic-regexp", f"--grep=^{PURGED}: ", "--encoding=UTF-8", "--no-commit-header")
    out = repo.run("rev-list", *options, "--format=%an <%ae>%x00%at%x00%B%x00", tip, f"^{twin}")
    parts = out.decode(errors="replace").split("\0")[:-1]
    records = []
    for at in range(0, len(parts), 3):
        who, seconds, message = parts[at].lstrip("\n"), parts[at + 1], parts[at + 2]
        records.append(PurgeRecord(tuple(_PURGED.findall(message)), who, moment_of(seconds)))
    return tuple(records)


def moment_of(seconds: str) -> datetime:
    """Return the moment that a commit says, in seconds since the epoch; the epoch where it says one that cannot be."""
    try:
        return datetime.fromtimestamp(int(seconds or 0), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, timezone.utc)


def backups(repo: Repository) -> list[Backup]:
    """Return what purges left, the newest first."""
    found = []
    for ref, commit in list_refs(repo, BACKUPS).items():
        try:
            moment = datetime.strptime(ref.removeprefix(BACKUPS), _STAMP).replace(tzinfo=timezone.utc)
        except ValueError:  # somebody else's
            continue
        found.append(Backup(ref, commit, moment))
    return sorted(found, key=lambda backup: backup.when, reverse=True)


def keep_backup(repo: Repository, commit: str, identity: Identity, now: datetime) -> Backup:
    """Name a commit by a new backup ref, the one that names it already where there is one, and return that.

    Raises:
        GitError: git refuses.
    """
    for backup in backups(repo):
        if backup.commit == commit:
            return backup
    while True:
        moment = now.astimezone(timezone.utc).replace(microsecond=0)
        ref = f"{BACKUPS}{moment.strftime(_STAMP)}"
        try:
            update(repo, [Update(ref, commit, "")], identity, "before a purge")
        except RefChanged:
            now += timedelta(seconds=1)
        else:
            return Backup(ref, commit, moment)
