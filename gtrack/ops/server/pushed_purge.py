"""Judge a runs branch that is pushed in the place of the one that is there: whether it is that one, purged by who may do so.

What a purge writes follows from the branch and from the runs that it leaves out, to the last byte. So the server writes it once
more, without the runs that the pushed branch says were purged: if the commit which comes of its own branch is in the pushed one,
that leaves out nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from gtrack.errors import RefChanged
from gtrack.formats.words import plural
from gtrack.git.objects import Identity
from gtrack.git.refs import Update, update
from gtrack.ops.server.pushed_tag import Refused
from gtrack.registry.reader import RegistryReader
from gtrack.store.merge.bases import Commit, Line
from gtrack.store.purge import BACKUPS, backups, keep_backup, made_of, purged_by
from gtrack.store.rewriting import Rewriting
from gtrack.store.runs import RunStore

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.ops.server.settings import ServerSettings

HIDDEN = "transfer.hideRefs"
"""git's setting of refs that no push and no fetch sees: what a server keeps of purged branches is among them."""
_SERVER = Identity("gtrack", "")
_LONGEST_DAYS = 365 * 100.0
_MOST_PURGES = 20
_NAMED = 3
_ADDRESS = re.compile(r"<([^<>]*)>")


class PushedPurge:
    """A branch that does not contain the one that is there.

    Args:
        repo: the repository that is pushed to.
        settings: those of its default branch.
        old: where its runs branch is.
        new: where that is to be.
    """

    def __init__(self, repo: Repository, settings: ServerSettings, old: str, new: str) -> None:
        self._repo = repo
        self._settings = settings
        self._old = old
        self._new = new
        self._made: dict[tuple[str, frozenset[str]], str] = {}

    def check(self) -> set[str]:
        """Check that it is the branch that is there but for runs that were purged, and return these.

        Raises:
            Refused: it is not, or whoever purged it may not.
            GitError: git cannot tell.
        """
        there = {commit.id for commit in Line(self._repo, self._old, []).commits()}
        pushed = Line(self._repo, self._new, [self._old]).commits()
        purges = [commit for commit in pushed if purged_by(commit.message)]
        # A purge that was there before is written anew by the next one.
        new = [commit for commit in purges if there.isdisjoint(made_of(commit.message))]
        twins = [commit for commit in pushed if self._old in made_of(commit.message)]
        if not twins or not new:
            raise self._refused(
                "it does not contain what is there, and was not made of it by a purge",
                "Fetch it first: git fetch; what was there must be among the ancestors of what you push. If you did purge it, "
                "somebody has pushed since: 'gtrack pull --accept-rewrite' merges that with yours; then remove and purge again.",
            )
        if len(new) > _MOST_PURGES:
            raise self._refused(f"it has {len(new)} purges; {_MOST_PURGES} at once are looked at")
        used = next((found for twin in twins if (found := self._purges_of(twin, new)) is not None), None)
        if used is None:
            raise self._refused("it leaves out, or changes, more than the runs that its purges name")
        gone = {run_id for purge in used for run_id in purged_by(purge.message)}
        self._check_people(used)
        self._check_registered(gone)
        return gone

    def keep(self, now: datetime) -> str | None:
        """Keep where the branch is by a backup ref that nobody outside sees, and drop those whose time is over.

        Returns:
            The ref; None where the settings keep none.

        Raises:
            Refused: git would show it to others.
            GitError: git refuses.
        """
        hidden = self._repo.run("config", "--get-all", HIDDEN, ok=(0, 1)).decode(errors="replace").split()
        if not {BACKUPS.rstrip("/"), "refs/gtrack"}.intersection(hidden):
            raise self._refused(
                "the server would show what it keeps of it to everybody",
                "Whoever runs it sets that up by: gtrack init --server PATH",
            )
        days = min(self._settings.config.backup_days, _LONGEST_DAYS)
        kept = keep_backup(self._repo, self._old, _SERVER, now).ref if days else None
        for one in backups(self._repo):
            if one.ref != kept and one.when <= now - timedelta(days=days):
                try:
                    update(self._repo, [Update(one.ref, None, one.commit)], _SERVER, "backup expired")
                except RefChanged:  # another push did so
                    continue
        return kept

    def _refused(self, why: str, advice: str = "") -> Refused:
        name = self._settings.config.branch
        return Refused(
            f"{name}, which holds the runs, is only added to or purged: {why}.{f' {advice}' if advice else ''}"
        )

    def _purges_of(self, twin: Commit, purges: Sequence[Commit]) -> list[Commit] | None:
        """Return the purges that make ``twin`` of the branch that is there, one after the other; None when they do not."""
        made = list(made_of(twin.message))
        steps = [*made[made.index(self._old) + 1 :], twin.id]
        used: list[Commit] = []
        now, left = self._old, list(purges)
        for wanted in steps:
            purge = next((one for one in left if self._without(now, purged_by(one.message)) == wanted), None)
            if purge is None:
                return None
            used.append(purge)
            left.remove(purge)
            now = wanted
        return used

    def _without(self, tip: str, gone: frozenset[str]) -> str:
        """Return what becomes of a state without some runs."""
        if (tip, gone) not in self._made:  # whatever a stranger pushes, no more is written than there are purges
            rewriting = Rewriting(self._repo, tip)
            rewriting.write(gone)
            self._made[tip, gone] = rewriting.made[tip]
        return self._made[tip, gone]

    def _check_people(self, purges: Sequence[Commit]) -> None:
        may = {_identity(one) for one in self._settings.config.purgers}
        for one in purges:
            if may.isdisjoint({_identity(one.email), _identity(one.name)} - {""}):
                raise self._refused(
                    f"{one.name} <{one.email}> is not one of those who may purge it",
                    "retention.purgers in the settings on the default branch names them.",
                )

    def _check_registered(self, gone: Collection[str]) -> None:
        store = RunStore(self._repo, self._settings.config, lambda: _SERVER)
        models = RegistryReader(self._repo, store, self._settings.config.branch, ()).ledger().models.values()
        needed = [
            f"{one.name} {one.semver} (run {one.run_id[:8]})"
            for model in models
            for one in (*model.versions, *model.withdrawn)
            if one.run_id is not None and one.run_id in gone
        ]
        if needed:
            more = f" and {len(needed) - _NAMED} more" if len(needed) > _NAMED else ""
            raise self._refused(f"it leaves out runs that are model versions: {', '.join(needed[:_NAMED])}{more}")


def _identity(who: str) -> str:
    found = _ADDRESS.search(who)
    return (found[1] if found and found[1] else who).strip().casefold()


def accept_purge(repo: Repository, settings: ServerSettings, old: str, new: str) -> Iterator[str]:
    """Check a branch that does not contain the one that is there, and say what the pusher should know of it.

    Raises:
        Refused: it may not take its place.
        GitError: git cannot tell.
    """
    pushed = PushedPurge(repo, settings, old, new)
    gone = pushed.check()
    kept = pushed.keep(datetime.now(timezone.utc))
    yield f"{plural(len(gone), 'run')} purged."
    if kept is not None:
        yield f"Where the branch was, {kept} keeps on the server for {settings.config.backup_days:g} days."
