"""What purges left to bring things back from, and what goes with it when its time is over: also large files that nobody needs.

The store of Git LFS objects is shared with the user's own large files, so only what pointers in a backup named goes, and
only when no ref, no reflog and no index of any working tree leads to such a pointer any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from gtrack.formats.names import ARTIFACTS
from gtrack.git.lfs import MAX_POINTER, Pointer, is_here, object_path, storage
from gtrack.git.promisor import is_partial, missing
from gtrack.git.refs import Update, is_ancestor, list_refs, update
from gtrack.store.held import release
from gtrack.store.locks import turn
from gtrack.store.purge import Backup, backups, newest_twin

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.project import Project

_LOCK_SECONDS = 30.0
_LONGEST_DAYS = 365 * 100.0
_INSIDE = f"/{ARTIFACTS}/"
_REMOTE = re.compile(r"refs/(?:remotes|gtrack/seen)/")


@dataclass(frozen=True)
class Expired:
    """What became of backups whose time was over.

    Attributes:
        dropped: those that are no more.
        kept: those that stay for now, with the reason.
        large: how many large files went from the local store.
        large_bytes: how many bytes these had.
    """

    dropped: tuple[Backup, ...] = ()
    kept: tuple[tuple[Backup, str], ...] = ()
    large: int = 0
    large_bytes: int = 0


def expire_backups(project: Project, now: datetime) -> Expired:
    """Drop the backups that are older than ``retention.backup_days``, and the large files that only they needed.

    A backup stays while a remote, as it was last seen, still has what was purged, as then nothing would go; and, when it
    has large files, while a run goes on, as that may be about to log the same bytes.

    Args:
        project: where.
        now: the moment to which ages are counted.

    Raises:
        GitError: git refuses.
    """
    repo = project.repo
    limit = now - timedelta(days=min(project.config.backup_days, _LONGEST_DAYS))
    due = [backup for backup in backups(repo) if backup.when <= limit]
    kept: list[tuple[Backup, str]] = []
    dropped: list[Backup] = []
    large = size = 0
    tip = project.store.tip()
    seen = {ref: oid for ref, oid in list_refs(repo, "refs/").items() if _REMOTE.match(ref)}
    seen = {ref: oid for ref, oid in seen.items() if ref.endswith(f"/{project.config.branch}")}
    for backup in due:
        holder = next((ref for ref, oid in seen.items() if _has_purged(repo, oid, backup, tip)), None)
        pointers = [] if holder else _pointers(repo, backup)
        if holder is not None:
            remote = _REMOTE.sub("", holder).removesuffix(f"/{project.config.branch}")
            kept.append((backup, f"{remote} still has what was purged: 'gtrack push --purged {remote}'"))
        elif pointers and project.live.directories():
            kept.append((backup, "it has large files, and a run goes on"))
        else:
            gone = _drop(project, backup, pointers, limit)
            if gone is None:
                kept.append((backup, "it has large files, and a run was committed just now"))
                continue
            large, size = large + len(gone), size + sum(pointer.size for pointer in gone)
            dropped.append(backup)
    return Expired(tuple(dropped), tuple(kept), large, size)


def _has_purged(repo: Repository, seen: str, backup: Backup, tip: str | None) -> bool:
    """Tell whether a remote's branch, as it was last seen, is of the history that a backup is of, and not of that of ``tip``."""
    if tip is None or repo.objects.get(seen) is None or is_ancestor(repo, seen, tip):
        return False
    twin = newest_twin(repo, seen, tip)
    return twin is not None and is_ancestor(repo, twin.known, backup.commit)


def _drop(
    project: Project, backup: Backup, pointers: Sequence[tuple[str, Pointer]], limit: datetime
) -> list[Pointer] | None:
    """Delete the large files of a backup that nothing else needs, then its ref; killed in between, it is done again.

    Returns:
        Those that are gone; None when nothing was done, as somebody may need them by now.
    """
    repo, ref = project.repo, project.config.ref
    # A run that is committed stores its large files while it holds this lock.
    with turn(repo.common_dir / "gtrack" / "commit.lock", _LOCK_SECONDS):
        until = f"{limit.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} +0000" if project.config.backup_days else "now"
        tracking = [one for one in list_refs(repo, "refs/remotes/") if one.endswith(f"/{project.config.branch}")]
        repo.run("reflog", "expire", f"--expire-unreachable={until}", ref, *tracking, ok=(0, 1, 255))
        before = list_refs(repo, "refs/")
        gone = _unneeded(repo, backup, pointers) if pointers else []
        # Nobody waits for that lock for ever: a run goes on until the branch has it.
        if gone and (project.live.directories() or list_refs(repo, "refs/") != before):
            return None
        for pointer in gone:
            with suppress(FileNotFoundError):
                object_path(repo, pointer.oid).unlink()
        update(repo, [Update(backup.ref, None, backup.commit)], project.identity(), "backup expired")
        release(repo, backup)
    return gone


def _pointers(repo: Repository, backup: Backup) -> list[tuple[str, Pointer]]:
    """Return the pointers among the artifacts that a backup has and other refs may not have, with their blobs, if here."""
    own = repo.common_dir / "lfs"
    # What lies elsewhere other repositories may need.
    if storage(repo) != own or not (own / "objects").is_dir():
        return []
    candidates = [oid for oid, path in _listed(repo, backup.commit, "--not", *_others(backup)) if _INSIDE in path]
    if is_partial(repo):
        lacking = missing(repo, candidates)
        candidates = [oid for oid in candidates if oid not in lacking]
    question = "".join(f"{oid}\n" for oid in candidates).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", stdin=question).decode()
    facts = (line.split(" ") for line in told.splitlines())
    small = [oid for oid, kind, size in facts if kind == "blob" and int(size) <= MAX_POINTER]
    found = []
    for oid, blob in zip(small, repo.objects.many(small), strict=True):
        pointer = Pointer.decode(blob.data) if blob else None
        if pointer is not None and is_here(repo, pointer):  # one of another size is forged, and names what is another's
            found.append((oid, pointer))
    return found


def _unneeded(repo: Repository, backup: Backup, pointers: Sequence[tuple[str, Pointer]]) -> list[Pointer]:
    """Return those of a backup's pointers to which nothing else leads."""
    wanted = {oid for oid, _ in pointers}
    needed = {oid for oid, _ in _listed(repo, *_others(backup), "--reflog", "--indexed-objects") if oid in wanted}
    return list({pointer.oid: pointer for oid, pointer in pointers if oid not in needed}.values())


def _others(backup: Backup) -> tuple[str, ...]:
    return (f"--exclude={backup.ref}", "--all")


def _listed(repo: Repository, *which: str) -> Iterator[tuple[str, str]]:
    """Yield the ids of objects with the paths at which they were met first."""
    out = repo.run("rev-list", "--objects", "--missing=allow-any", *which).decode(errors="surrogateescape")
    for line in out.splitlines():
        oid, _, path = line.partition(" ")
        yield oid, f"/{path}"
