"""Take runs out of the history of the runs branch, so that their bytes go; and give the rewritten branch to a remote.

The branch's own commits are written anew, run commits and code stay as they are, and so do registry tags. Whoever is killed in
between leaves the branch where it was or where it shall be: what is written is on disk before the branch moves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError, RefChanged
from gtrack.git.objects import FastImport
from gtrack.git.promisor import ObjectsMissing, is_partial
from gtrack.git.refs import Update, list_refs, update
from gtrack.git.remotes import PushedRef, PushRejected, push_move, without_secrets
from gtrack.git.tags import TAGS
from gtrack.ops.large.transfer import pointers_between, upload
from gtrack.ops.registered_runs import registered_runs
from gtrack.ops.sharing.remote_branch import bring, contains, look, note_seen
from gtrack.store.held import hold
from gtrack.store.locks import file_lock
from gtrack.store.merge.replay import Replayed, replay
from gtrack.store.purge import (
    Backup,
    backups,
    keep_backup,
    large_of,
    newest_taken_over,
    newest_twin,
    purge_message,
    taken_over_message,
)
from gtrack.store.removal import Made
from gtrack.store.rewriting import Rewriting, Tell, runs_at

if TYPE_CHECKING:
    from gtrack.git import progress
    from gtrack.git.repo import Repository
    from gtrack.ops.sharing.remote_branch import RemoteBranch
    from gtrack.project import Project

_LOCK_SECONDS = 1.0
_TIMES = 5  # so often a run comes back that was to be purged, and all is written once more


@dataclass(frozen=True)
class Purge:
    """What a purge did.

    Attributes:
        run_ids: the runs that the branch's history has no more.
        commits: how many commits were written anew.
        commit: where the branch is now.
        backup: where it was.
    """

    run_ids: tuple[str, ...]
    commits: int
    commit: str
    backup: Backup


@dataclass(frozen=True)
class PushedPurge:
    """What was given to a remote.

    Attributes:
        remote: what people call it.
        commit: where the branch is there now.
        before: where it was; None when there was none.
        replayed: how many runs that others had pushed since the purge were put on top of the branch here, and there.
        came_back: ids of the runs among them that the purge had taken away: somebody has changed them since.
    """

    remote: str
    commit: str
    before: str | None
    replayed: int = 0
    came_back: tuple[str, ...] = ()


class _CameBack(Exception):
    """A run that was to be purged is on the branch again."""


def check_remotes(project: Project) -> None:
    """Check that no remote has something of the runs branch or the registry that this clone lacks.

    A purge here would leave such runs behind, and may take away one that is a model version there. Asked are the remotes that
    are known to have the branch, or all of them where none is.

    Raises:
        GTrackError: one is ahead, or cannot be asked; the message says what to do.
    """
    repo = project.repo
    names = repo.run("remote").decode(errors="replace").split()
    tracking = list_refs(repo, "refs/remotes/")
    tags = list_refs(repo, TAGS)
    for name in [one for one in names if f"refs/remotes/{one}/{project.config.branch}" in tracking] or names:
        try:
            branch = look(project, name)
        except GitError as error:
            raise GTrackError(
                f"{error} Nothing was purged, since it may have runs that are not here. --no-remote purges all the same."
            ) from error
        lacking = _lacking(project, branch)
        if lacking is None and any(f"{TAGS}{tag}" not in tags for tag in branch.tags):
            lacking = "registry tags"
        if lacking is not None:
            raise GTrackError(
                f"{name} has {lacking} that are not here, and a purge would not heed them. Nothing was purged. "
                f"First: gtrack pull {name}."
            )


def _lacking(project: Project, branch: RemoteBranch) -> str | None:
    """Return what a remote's branch has that is not here, None for nothing.

    Raises:
        GTrackError: it lacks the last purge.
    """
    repo, tip, theirs = project.repo, project.store.tip(), branch.tip
    if theirs is None or (tip is not None and contains(repo, tip, theirs)):
        return None
    if tip is not None and repo.objects.get(theirs) is not None and newest_twin(repo, theirs, tip) is not None:
        raise GTrackError(
            f"{branch.name} does not have the last purge yet. Publish that first: gtrack push --purged {branch.name}."
        )
    return f"commits on {project.config.branch}"


def purge(project: Project, now: datetime, tell: Tell = lambda *_: None) -> Purge | None:
    """Write the runs branch anew without the runs that were removed from it, and move it there.

    What is in the registry, or goes on, stays in the history. Runs that others commit meanwhile are on the new branch, too.

    Args:
        project: where.
        now: the time of the backup.
        tell: is told how many commits of how many are written.

    Returns:
        None when the history has no removed run.

    Raises:
        GTrackError: another purge goes on, or the clone is shallow.
        GitError: git refuses; the branch is where it was.
    """
    repo = project.repo
    if (repo.common_dir / "shallow").exists():
        raise GTrackError("This clone is shallow: it has not all of the history. First: git fetch --unshallow.")
    path = repo.common_dir / "gtrack" / "purge.lock"
    try:
        path.parent.mkdir(exist_ok=True)
        lock = file_lock(path, _LOCK_SECONDS)
    except OSError as error:
        raise GTrackError(f"{path} cannot be written: {error.strerror or error}. Nothing was purged.") from error
    if lock is None:
        raise GTrackError(f"Another purge goes on here (it holds {path}). Wait until it is done.")
    try:
        for _ in range(_TIMES):
            try:
                return _purge(project, now, tell)
            except _CameBack:
                continue
    finally:
        lock.release()
    raise RefChanged(f"Runs that were removed from {project.config.branch} kept coming back. Nothing was purged.")


def _purge(project: Project, now: datetime, tell: Tell) -> Purge | None:
    repo, tip = project.repo, project.store.tip()
    if tip is None:
        return None
    rewriting = Rewriting(repo, tip)
    live = {one.id for one in project.live.directories()}
    gone = rewriting.seen - runs_at(repo, tip) - registered_runs(project) - live
    if not gone:
        return None
    rewriting.write(gone, tell)
    message = purge_message(sorted(gone), large_of(repo, rewriting.trees(gone)))
    backup: Backup | None = None

    def build(at: str | None) -> Made:
        nonlocal backup
        base = at or tip
        live = {one.id for one in project.live.directories()}
        if not gone.isdisjoint(runs_at(repo, base) | live | registered_runs(project)):
            raise _CameBack
        if backup is not None and backup.commit != base:
            update(repo, [Update(backup.ref, None, backup.commit)], project.identity(), "the branch moved on")
        backup = keep_backup(repo, base, project.identity(), now)
        return Made(rewriting.write_on(base, gone, message, project.identity(), int(time.time())))

    made = project.store.integrate(build, f"{len(gone)} runs purged")
    if backup is None:
        raise GitError("The branch was moved without a backup.")
    return Purge(tuple(sorted(gone)), len(rewriting.made), made.commit, backup)


def push_purged(project: Project, remote: str, tell: Callable[[str, int, int], None] = lambda *_: None) -> PushedPurge:
    """Put the runs branch as it is here in the place of what a remote has, if that is what a purge here was made of.

    What others have pushed there since is put on top of the branch here first. Large files go before the branch. A partial clone
    first brings what its backup needs of what is there.

    Args:
        project: where.
        remote: its name or URL.
        tell: is told what git is doing, and how far it is.

    Raises:
        GTrackError: what the remote has is not what the branch here was, or it does not accept a rewritten one.
        ArtifactError: a large file cannot be sent; then the branch is not, either.
        GitError: it cannot be reached.
    """
    repo, name = project.repo, project.config.branch
    came_back: list[str] = []
    for attempt in range(1, _TIMES + 1):
        branch = look(project, remote, pushing=True)
        if project.store.tip() is None:
            raise GTrackError(f"There is no branch {name} here to be pushed.")
        taken = _take_over(project, branch, tell) if branch.tip is not None else Replayed(None)
        came_back += [one for one in taken.came_back if one not in came_back]
        tip = repo.resolve(branch.ref) or str(project.store.tip())
        if tip != branch.tip:
            pointers = pointers_between(repo, branch.tip, tip)
            if pointers:
                upload(project, remote, pointers, tell)
            if project.config.backup_days > 0:
                _hold(repo, branch.tip, tip, tell)
            try:
                push_move(repo, branch.place, PushedRef(branch.ref, tip), branch.tip, tell)
            except PushRejected as error:
                if look(project, remote, pushing=True).tip != branch.tip and attempt < _TIMES:
                    continue
                raise GTrackError(
                    f"{error} Where a server lets the branch only grow, whoever runs it has to allow this one push: see "
                    "docs/retention.md."
                ) from error
        note_seen(project, branch, tip)
        return PushedPurge(branch.name, tip, branch.tip, len(taken.runs), tuple(came_back))
    raise RefChanged(f"{name} of {without_secrets(remote)} kept moving. Nothing was pushed.")


def _hold(repo: Repository, theirs: str | None, tip: str, tell: progress.Tell) -> None:
    """Bring what the backups of a partial clone lack of what a remote is about to lose."""
    for backup in backups(repo) if theirs is not None and is_partial(repo) else ():
        old = ("rev-list", "--count", backup.commit, "--not", tip)
        if repo.run(*old) == repo.run(*old, str(theirs)):
            continue  # the remote has nothing of it that it would lose
        try:
            hold(repo, backup, tip, tell)
        except ObjectsMissing as error:
            raise GitError(
                f"{backup.ref} needs {len(error.oids)} objects that are not in this partial clone and would be lost. Nothing was "
                f"pushed. {error}"
            ) from error


def _take_over(project: Project, branch: RemoteBranch, tell: Callable[[str, int, int], None]) -> Replayed:
    """Put what a remote has since the purge on top of the branch here, and return what came of it."""
    theirs = str(branch.tip)
    bring(project, branch, tell, with_tags=False)
    taken = Replayed(None)

    def build(tip: str | None) -> Made:
        nonlocal taken
        base = tip or project.store.tip() or theirs
        if contains(project.repo, base, theirs):
            return Made(base)
        twin = newest_twin(project.repo, theirs, base)
        if twin is None:
            raise GTrackError(
                f"What {branch.name} has on {project.config.branch} is not what a purge here was made of. Nothing was pushed. "
                f"An ordinary push will do: gtrack push {branch.name}."
            )
        since = newest_taken_over(project.repo, theirs, base, twin)
        if since == theirs:
            return Made(base)
        taken = replay(project.repo, base, since, theirs, project.identity())
        with FastImport(project.repo) as stream:
            message = taken_over_message(branch.name, theirs, len(taken.runs))
            mark = stream.commit([taken.commit or base], [], message, project.identity(), int(time.time()))
        return Made(stream.oids[mark])

    project.store.integrate(build, f"taken over from {branch.name}")
    return taken
