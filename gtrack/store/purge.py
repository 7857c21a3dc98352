"""What a purge says of itself in the branch's history, and what it leaves to bring things back from.

A purge writes the branch anew without some runs (``rewriting``). Its last commit names them, one ``Purged:`` trailer for each,
and the large artifacts that they had, one ``Purged-Large:`` for each: sha256, size in bytes, and a run. By that it is known what
a store has of them when their pointers are long gone. Where the branch was before, a backup ref says:
``refs/gtrack/backup/<UTC, yyyymmddThhmmssZ>``. Those never leave the clone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from gtrack.errors import RefChanged
from gtrack.formats.names import ARTIFACTS, on_one_line
from gtrack.git.lfs import Pointer
from gtrack.git.pointers import POINTERS, small_blobs
from gtrack.git.promisor import commits_here
from gtrack.git.refs import Update, is_ancestor, list_refs, update
from gtrack.store.merge.bases import Line
from gtrack.store.merge.places import Comparison
from gtrack.store.rewriting import REWRITTEN

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository

PURGED = "Purged"
LARGE = "Purged-Large"
TAKEN_OVER = "Taken-Over"
BACKUPS = "refs/gtrack/backup/"
_STAMP = "%Y%m%dT%H%M%SZ"
_PURGED = re.compile(rf"^{PURGED}: ([0-9a-f]{{32}})$", re.MULTILINE)
_LARGE = re.compile(rf"^{LARGE}: ([0-9a-f]{{64}}) [0-9]{{1,18}} ([0-9a-f]{{32}})$", re.MULTILINE)
_TAKEN_OVER = re.compile(rf"^{TAKEN_OVER}: ([0-9a-f]{{40,64}})$", re.MULTILINE)
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


def purge_message(run_ids: Sequence[str], large: Mapping[Pointer, str] | None = None) -> str:
    """Return the message of the last commit of a purge.

    Args:
        run_ids: the runs that are gone.
        large: the large artifacts that they had, with a run that had each.
    """
    count = len(run_ids)
    trailers = "".join(f"{PURGED}: {run_id}\n" for run_id in run_ids)
    trailers += "".join(f"{LARGE}: {one.oid} {one.size} {run_id}\n" for one, run_id in (large or {}).items())
    return f"Purge {count} run{'' if count == 1 else 's'}\n\n{trailers}"


def large_of(repo: Repository, trees: Iterable[tuple[str, str]]) -> dict[Pointer, str]:
    """Return the large artifacts in the directories of runs, each with a run that has it; what is not here is passed over.

    Args:
        repo: the repository.
        trees: the runs, with the tree of each.

    Raises:
        GitError: git refuses.
    """
    runs = {tree: run_id for run_id, tree in trees}
    stdin = "".join(f"{tree}\n" for tree in runs).encode()
    lenient = ("--missing=allow-any", f"--filter=blob:limit={POINTERS.stop}", "--no-object-names", "--stdin")
    pointers = dict(small_blobs(repo, lenient, stdin)) if runs else {}
    found: dict[Pointer, str] = {}
    for tree, path, oid in _files(repo, list(runs)) if pointers else ():
        if oid in pointers and path.startswith(f"{ARTIFACTS}/"):
            found.setdefault(pointers[oid], runs[tree])
    return found


def _files(repo: Repository, trees: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the files below some trees: the tree, the path, and the id of the blob."""
    none = repo.run("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()
    stdin = "".join(f"{none} {tree}\n" for tree in trees).encode()
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "--stdin")
    parts = repo.run("diff-tree", *options, stdin=stdin).decode(errors="surrogateescape").split("\0")
    tree = ""
    for facts, path in zip(parts[::2], parts[1::2], strict=False):
        heads, _, about = facts.rpartition("\n")  # a line for each pair of trees, before what differs
        tree = heads.rpartition(" ")[2] or tree
        yield tree, path, about.split(" ")[3]


def purged_large(repo: Repository, tips: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of each large artifact that a purge in the history of some commits took away, with a run that had it.

    Raises:
        GitError: git refuses.
    """
    options = ("--basic-regexp", f"--grep=^{LARGE}: ", "--encoding=UTF-8", "--format=%B", "--stdin")
    stdin = "".join(f"{tip}\n" for tip in tips).encode()
    return dict(_LARGE.findall(repo.run("rev-list", *options, stdin=stdin).decode(errors="replace")))


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
    only says so, and lacks or changes more than the runs that its purges name, was not made by a purge. Where ``theirs`` was
    purged since, too, replaying would undo that without a word.

    Args:
        repo: the repository.
        theirs: a state of the branch that the purge may not have seen whole.
        tip: the branch after the purge.

    Returns:
        None when ``tip`` has not come from any state of ``theirs`` by a purge, or each has by one of its own.

    Raises:
        GitError: git refuses.
    """
    made: dict[str, list[str]] = {}
    for commit in Line(repo, tip, [theirs]).commits():
        for old in _REWRITTEN.findall(commit.message):
            made.setdefault(old, []).append(commit.id)
    if not made:
        return None
    line = Line(repo, theirs, [tip]).commits()
    found = [commit.id for commit in line if commit.id in made]
    if not found or any(
        not made.keys().isdisjoint(_REWRITTEN.findall(commit.message)) for commit in line if commit.id not in made
    ):
        return None
    # Several clones may have purged it, each otherwise, and others have merged these.
    twins = [Twin(found[-1], one) for one in made[found[-1]]]
    return next((one for one in twins if _is_faithful(repo, one, tip)), None)


def taken_over_message(source: str, commit: str, runs: int) -> str:
    """Return the message of the commit that ends what was put on top of a purge: all of a commit of the branch of before."""
    count = f"{runs} run{'' if runs == 1 else 's'}"
    return f"Take over {count} of {on_one_line(source)}\n\n{TAKEN_OVER}: {commit}\n"


def newest_taken_over(repo: Repository, theirs: str, tip: str, twin: Twin) -> str:
    """Return the newest commit in the history of ``theirs`` of which ``tip`` has everything, in some form.

    That is what the purge was made of, or what whoever has purged found on a remote since and put on top. Put there once more,
    that would be compared with itself: what was removed later would seem to be changed, and stay.

    Args:
        repo: the repository.
        theirs: a state of the branch that the purge did not see whole.
        tip: the branch after the purge.
        twin: what ``newest_twin`` found.

    Raises:
        GitError: git refuses.
    """
    question = ("--basic-regexp", f"--grep=^{TAKEN_OVER}: ", "--encoding=UTF-8", "--format=%B")
    said = repo.run("rev-list", *question, tip, f"^{twin.twin}").decode(errors="replace")
    newest = twin.known
    for commit in commits_here(repo, _TAKEN_OVER.findall(said)):
        if is_ancestor(repo, newest, commit) and is_ancestor(repo, commit, theirs):
            newest = commit
    return newest


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


def made_of(message: str) -> tuple[str, ...]:
    """Return the commits that purges have made a commit of, the first one first, as its message says it."""
    return tuple(_REWRITTEN.findall(message))


def purged_by(message: str) -> frozenset[str]:
    """Return the runs that the last commit of a purge names; none for any other commit."""
    return frozenset(_PURGED.findall(message))


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
