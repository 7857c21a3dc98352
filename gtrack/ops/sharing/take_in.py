"""Take the runs branch of a remote into the one here: merged, or after a purge replayed on what the purge made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.refs import tracked
from gtrack.ops.registered_runs import registered_runs
from gtrack.ops.sharing.remote_branch import contains, last_known, note_seen
from gtrack.store.branch import BranchReader
from gtrack.store.merge.bases import Line, without_origins
from gtrack.store.merge.merge import merge
from gtrack.store.merge.outcome import Conflict, Refused
from gtrack.store.merge.places import Comparison
from gtrack.store.merge.replay import replay
from gtrack.store.purge import (
    Backup,
    PurgeRecord,
    Twin,
    keep_backup,
    newest_taken_over,
    newest_twin,
    purges_since,
    were_both_purged,
)
from gtrack.store.removal import Removed, restored
from gtrack.store.run_commits import is_branch_commit

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gtrack.git.repo import Repository
    from gtrack.ops.sharing.remote_branch import RemoteBranch
    from gtrack.project import Project
    from gtrack.store.merge.bases import Commit


class Rewritten(GitError):
    """The runs branch of a remote was rewritten by other means than a purge of gtrack; nothing was changed."""


class Unpublished(GitError):
    """The runs branch was purged here, and what the remote has is not of that; nothing was changed."""


@dataclass(frozen=True)
class TakenIn:
    """What came of taking a remote's branch in.

    Attributes:
        commit: where the branch here is now.
        runs: ids of the runs that were added, changed or removed here.
        merged: whether what was here was merged with what was there, and not just moved on to it.
        conflicts: what could not be kept of both sides.
        refused: what was left out.
        purges: the purges that came along, the newest first.
        backup: the ref that keeps where the branch was before these.
        replayed: how many runs of ours were put on top of what a purge made.
        came_back: ids of the runs that a purge took away and that are back, changed by somebody meanwhile, or model versions.
        still_here: ids of the runs that one of the purges took away and that the branch has all the same: those that came back,
            and those that were back on the remote, by another purge that did not know of the first, say.
    """

    commit: str
    runs: tuple[str, ...] = ()
    merged: bool = False
    conflicts: tuple[Conflict, ...] = ()
    refused: tuple[Refused, ...] = ()
    purges: tuple[PurgeRecord, ...] = ()
    backup: str | None = None
    replayed: int = 0
    came_back: tuple[str, ...] = ()
    still_here: tuple[str, ...] = ()

    def followed_by(self, later: TakenIn) -> TakenIn:
        """Return what came of taking in twice, one after the other."""
        return TakenIn(
            later.commit,
            tuple(sorted({*self.runs, *later.runs})),
            merged=self.merged or later.merged,
            conflicts=(*self.conflicts, *later.conflicts),
            refused=(*self.refused, *later.refused),
            purges=(*later.purges, *self.purges),
            backup=self.backup or later.backup,
            replayed=self.replayed + later.replayed,
            came_back=tuple(sorted({*self.came_back, *later.came_back})),
            still_here=tuple(sorted({*self.still_here, *later.still_here})),
        )


def take_in(project: Project, branch: RemoteBranch, tip: str, *, accept_rewrite: bool = False) -> TakenIn:
    """Take what a remote's branch has into the one here, which is made when there is none.

    Args:
        project: the project.
        branch: the remote's branch.
        tip: its newest commit, which is here with all that it reaches.
        accept_rewrite: merge also when the remote's branch was rewritten, is another project's, or has what was purged here.

    Raises:
        Rewritten: it was, and that is not accepted.
        Unrelated: it has nothing in common with what is here, and that is not accepted.
        Unpublished: the branch here was purged, and the remote's was not, and that is not accepted.
        GitError: git refuses, or the branch here is checked out.
    """
    steps = _TakingIn(project, branch, tip, accept_rewrite=accept_rewrite)
    done = project.store.integrate(steps.build, f"gtrack: taken in from {branch.name}")
    note_seen(project, branch, tip)
    return done


class Unrelated(GitError):
    """A remote's branch has nothing in common with the one here, as if it were another project's; nothing was changed."""


class _TakingIn:
    def __init__(self, project: Project, branch: RemoteBranch, tip: str, *, accept_rewrite: bool) -> None:
        self._project = project
        self._repo = project.repo
        self._branch = branch
        self._tip = tip
        self._accept = accept_rewrite

    def build(self, local: str | None) -> TakenIn:
        """Return where the branch goes from ``local``."""
        if local is not None:
            if contains(self._repo, local, self._tip):
                if not self._accept:
                    check_not_rewritten(self._project, self._branch, local, self._tip)
                return TakenIn(local)
            twin = newest_twin(self._repo, local, self._tip)
            if twin is not None:
                return self._after_purge(local, twin.known, twin.twin)
            if not self._accept and newest_twin(self._repo, self._tip, local) is not None:
                raise self._unpublished()
            if not self._accept:
                if were_both_purged(self._repo, local, self._tip):
                    raise self._purged_twice()
                check_not_rewritten(self._project, self._branch, local, self._tip)
                self._check_related(local)
        identity = self._project.identity()
        made = merge(self._repo, local, self._tip, identity, source=self._branch.name)
        merged = made.commit not in {local, self._tip} and local is not None
        taken = made.taken if local is not None else self._new(made.commit)
        purges = purges_since(self._repo, local, self._tip) if local is not None else ()
        here = self._still_here(made.commit, purges)
        return TakenIn(made.commit, taken, merged, made.conflicts, made.refused, purges, still_here=here)

    def _still_here(self, commit: str, purges: Sequence[PurgeRecord]) -> tuple[str, ...]:
        now = BranchReader(self._repo, commit)
        gone = sorted({run_id for one in purges for run_id in one.run_ids})
        return tuple(run_id for run_id in gone if now.locate(run_id) is not None)

    def _check_related(self, local: str) -> None:
        """Check that what is here and what is there began somewhere together, by runs or by code.

        Raises:
            Unrelated: they did not, as far as all of the history is here.
        """
        repo, branch = self._repo, self._branch
        if last_known(repo, branch, local) is not None or (repo.common_dir / "shallow").exists():
            return
        here = [one for one in (local, repo.resolve("HEAD")) if one is not None]
        if repo.answer("merge-base", self._tip, *here)[0] != 1:
            return
        if not all(self._has_code(tip) for tip in (local, self._tip)):  # all runs of it were purged, or had none
            return
        another = (
            "" if branch.tracking is None else f" If you mean another remote: git remote set-url {branch.name} URL."
        )
        raise Unrelated(
            f"{self._project.config.branch} of {branch.name} has nothing in common with what is here, neither runs nor code: it "
            f"seems to be of another project. Nothing was changed, here or there.{another} If both shall be one: 'gtrack pull "
            f"{branch.name} --accept-rewrite' puts the runs of both together, and the next push publishes them."
        )

    def _has_code(self, tip: str) -> bool:
        roots = self._repo.run("rev-list", "--max-parents=0", tip).decode().split()
        return any(not is_branch_commit(self._repo, root) for root in roots)

    def _new(self, commit: str) -> tuple[str, ...]:
        """Return what is new to a clone that has the branch only as its remote had it."""
        before = tracked(self._repo, self._project.config.branch)
        return tuple(sorted(Comparison(self._repo).between(before, commit).runs))

    def _after_purge(self, local: str, known: str, twin: str) -> TakenIn:
        """Put what is only here on top of what the purge made of the rest; what was here is kept by a backup ref."""
        identity = self._project.identity()
        # The twin holds nothing that what it was made of does not; what came on top of it is anybody's.
        clean = merge(self._repo, twin, self._tip, identity, source=self._branch.name, base=twin)
        known = newest_taken_over(self._repo, local, self._tip, Twin(known, twin))
        made = replay(self._repo, clean.commit, known, local, identity)
        purges = purges_since(self._repo, twin, self._tip)
        backup = keep_backup(self._repo, local, identity, datetime.now(timezone.utc))
        gone = {run_id for one in purges for run_id in one.run_ids}
        back = self._registered(local, made.commit or clean.commit, backup, gone)
        commit = made.commit or clean.commit
        for one in back:
            commit = restored(self._repo, commit, one, identity)[0].commit
        changed = Comparison(self._repo).between(local, commit).runs
        return TakenIn(
            commit,
            tuple(sorted(changed)),
            conflicts=made.conflicts,
            refused=clean.refused,
            purges=purges,
            backup=backup.ref,
            replayed=len(made.runs),
            came_back=tuple(sorted({*made.came_back, *(one.run_id for one in back)})),
            still_here=self._still_here(commit, purges),
        )

    def _registered(self, local: str, commit: str, backup: Backup, gone: Collection[str]) -> list[Removed]:
        """Return the runs that a purge took away though they are model versions here, of which the purge may not have known.

        One that somebody removed all the same (``gtrack rm --force``) no purge names, as the history keeps it: it stays removed.
        """
        before, now = BranchReader(self._repo, local), BranchReader(self._repo, commit)
        found = []
        for run_id in sorted(registered_runs(self._project).intersection(gone)):
            place = before.locate(run_id) if now.locate(run_id) is None else None
            if place is not None:
                found.append(Removed(run_id, place.experiment, local, "", backup.when, "", "purged", backup.ref))
        return found

    def _unpublished(self) -> Unpublished:
        return Unpublished(
            f"Runs were purged from {self._project.config.branch} here, and {self._branch.name} still has them; merged, they "
            f"would be back. Publish the purge: gtrack push --purged {self._branch.name}. What it took comes back by: "
            "gtrack restore RUN."
        )

    def _purged_twice(self) -> Unpublished:
        name = self._branch.name
        return Unpublished(
            f"{self._project.config.branch} was purged here, and otherwise on {name}, and neither purge knows of the other. "
            f"Nothing was changed, here or there. 'gtrack pull {name} --accept-rewrite' merges them: what only one of them took "
            f"is back then. Remove it and purge once more: gtrack rm, gtrack gc --purge, gtrack push --purged {name}."
        )


def _lives_on(repo: Repository, known: str, tip: str) -> bool:
    """Tell whether all that a state has and a purged one lacks was put on top of that anew, as publishing a purge does it."""
    line = Line(repo, known, [tip])
    lost = [_mark(commit) for commit in line.commits() if len(line.parents(commit)) < 2]  # merges are not put there
    if not lost or not purges_since(repo, known, tip):
        return False
    return {_mark(commit) for commit in Line(repo, tip, [known]).commits()}.issuperset(lost)


def _mark(commit: Commit) -> tuple[str, str, int, str]:
    return commit.name, commit.email, commit.seconds, without_origins(commit.message)


def check_not_rewritten(project: Project, branch: RemoteBranch, local: str, tip: str) -> None:
    """Check that a remote's branch has all that it is known to have had.

    Args:
        project: the project.
        branch: the remote's branch.
        local: where the branch is here.
        tip: where it is there, which is here, too.

    Raises:
        Rewritten: it was forced to something else, or back.
    """
    repo = project.repo
    known = last_known(repo, branch, local)
    if known is None or contains(repo, tip, known) or _lives_on(repo, known, tip):
        return
    gone = int(repo.run("rev-list", "--count", "--first-parent", known, f"^{tip}"))
    lost = f"{gone} commit{' is' if gone == 1 else 's are'} gone from it"
    raise Rewritten(
        f"{project.config.branch} of {branch.name} was rewritten: it was at {known[:10]} when it was last seen, and "
        f"{tip[:10]}, where it is now, does not contain that ({lost}). Nothing was changed, here or there. Find out who did "
        f"it and why: 'git log {tip[:10]}' shows what is there. 'gtrack pull {branch.name} --accept-rewrite' merges it with "
        "what is here, so that nothing of either is lost; the next push then brings back what is gone there."
    )
