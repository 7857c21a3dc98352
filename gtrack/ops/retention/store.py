"""Free the space of a store of large artifacts: what nothing needs any more is found, shown, and deleted.

An object is deleted when no commit needs it, it is older than the grace period (somebody may have sent it for a branch that is
not pushed yet; who needs an old one anew renews it), and a purge of this project has named it. What no purge named may be
another project's that uses the store, too, and goes only when that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gtrack.errors import UsageError
from gtrack.ops.retention.needed import Reach, known, needed, reach
from gtrack.store.large.moving import each
from gtrack.store.large.stores import open_store

if TYPE_CHECKING:
    from gtrack.git.progress import Tell
    from gtrack.project import Project
    from gtrack.store.large.stored import Stored
    from gtrack.store.large.stores import Store

_BATCH = 1000
_LEAST_DAYS = 1.0
_LONGEST_DAYS = 365 * 100.0


@dataclass(frozen=True)
class Leftover:
    """An object of a store that nothing needs.

    Attributes:
        stored: its sha256, size and age.
        run_id: a run that had it, by the purge that took that away; None when no purge here named the object.
    """

    stored: Stored
    run_id: str | None


@dataclass(frozen=True)
class Sum:
    """How many objects, and how many bytes they have."""

    objects: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, leftovers: Sequence[Leftover]) -> Sum:
        """Return the sum of objects that nothing needs."""
        return cls(len(leftovers), sum(one.stored.size for one in leftovers))

    def with_(self, stored: Stored) -> Sum:
        """Return the sum with one object more."""
        return Sum(self.objects + 1, self.bytes + stored.size)


@dataclass(frozen=True)
class StorePlan:
    """What a store holds, and what of it nothing needs.

    Attributes:
        store: what people call the store.
        needed: what is needed.
        young: what is not, and is younger than ``days``.
        days: the grace period.
        leftovers: what is not needed, and older: that of purged runs first, the largest first.
        litter: uploads that were begun before that and never finished.
        reaches: what was looked at, of this project and of the others.
    """

    store: str
    needed: Sum
    young: Sum
    days: float
    leftovers: tuple[Leftover, ...]
    litter: Sum
    reaches: tuple[Reach, ...]

    @property
    def purged(self) -> tuple[Leftover, ...]:
        """Return what purged runs had."""
        return tuple(one for one in self.leftovers if one.run_id is not None)

    @property
    def unknown(self) -> tuple[Leftover, ...]:
        """Return what no purge named."""
        return tuple(one for one in self.leftovers if one.run_id is None)


@dataclass(frozen=True)
class Deleted:
    """What was deleted.

    Attributes:
        leftovers: the objects.
        stayed: how many were to go and stayed, as somebody needs or has renewed them since, or they were gone already.
        litter: the uploads that were never finished.
    """

    leftovers: tuple[Leftover, ...]
    stayed: int = 0
    litter: Sum = field(default_factory=Sum)


def plan_store(
    project: Project, now: datetime, others: Sequence[Project] = (), tell: Tell = lambda *_: None
) -> StorePlan:
    """Find what nothing needs of the store that ``artifacts.remote`` names.

    Args:
        project: where; what its remotes have is brought here, and no ref is moved.
        now: the moment to which ages are counted.
        others: other projects that use the store, too: what they need counts as well.
        tell: is told how far it is.

    Raises:
        UsageError: there is no store.
        ArtifactError: the store cannot be used.
        GTrackError: what is needed cannot be told here, say because a remote does not answer.
    """
    store = _store(project)
    projects = (project, *others)
    reaches = tuple(reach(one, tell) for one in projects)
    wanted = _needed(projects, reaches)
    runs = known(project, reaches[0])
    days, limit = _grace(project, now)
    kept, young, leftovers, seen = Sum(), Sum(), list[Leftover](), 0
    for page in store.pages():
        for stored in page:
            if stored.oid in wanted:
                kept = kept.with_(stored)
            elif _is_young(stored, limit):
                young = young.with_(stored)
            else:
                leftovers.append(Leftover(stored, runs.get(stored.oid)))
        seen += len(page)
        tell("Objects of the store", seen, seen)
    leftovers.sort(key=lambda one: (one.run_id is None, -one.stored.size, one.stored.oid))
    return StorePlan(store.url, kept, young, days, tuple(leftovers), _sum(store.litter(limit)), reaches)


def delete_leftovers(
    project: Project,
    plan: StorePlan,
    now: datetime,
    others: Sequence[Project] = (),
    *,
    unknown: bool = False,
    tell: Tell = lambda *_: None,
) -> Deleted:
    """Delete what a plan has found, and what uploads that were never finished left; killed in between, the next finds the rest.

    What changed since the plan was made is judged again, and each object is looked at once more just before it goes.

    Args:
        project: where.
        plan: what was shown to whoever agreed.
        now: the moment to which ages were counted.
        others: as for ``plan_store``.
        unknown: delete also what no purge named.
        tell: is told how many objects of how many are done.

    Raises:
        ArtifactError: the store refuses; what was deleted before is gone.
        GTrackError: as for ``plan_store``; nothing was deleted.
    """
    wanted = [one for one in plan.leftovers if unknown or one.run_id is not None]
    store, limit = _store(project), _grace(project, now)[1]
    litter = _sum(store.litter(limit, sweep_it=True)) if plan.litter.objects else Sum()
    if not wanted:
        return Deleted((), litter=litter)
    projects = (project, *others)
    reaches = tuple(reach(one) for one in projects)
    needs = _needed(projects, reaches) if reaches != plan.reaches else set()
    going = [one for one in wanted if one.stored.oid not in needs]
    deleted: list[Leftover] = []
    for at in range(0, len(going), _BATCH):
        part = going[at : at + _BATCH]
        looks = each(lambda one: store.look(one.stored.oid), part)
        gone = [
            one for one, found in zip(part, looks, strict=True) if found is not None and not _is_young(found, limit)
        ]
        store.delete([one.stored.oid for one in gone])
        deleted += gone
        tell("Objects deleted", at + len(part), len(going))
    return Deleted(tuple(deleted), len(wanted) - len(deleted), litter)


def _store(project: Project) -> Store:
    url = project.config.artifacts_remote
    if url is None:
        raise UsageError(
            "There is no store: artifacts.remote is not set. Large artifacts are on the LFS server of the git remote, and those "
            "delete nothing that a client asks them to; whoever runs one can have it delete what no branch needs."
        )
    return open_store(url)


def _sum(sizes: Sequence[int]) -> Sum:
    return Sum(len(sizes), sum(sizes))


def _needed(projects: Sequence[Project], reaches: Sequence[Reach]) -> set[str]:
    return set[str]().union(*(needed(one, found) for one, found in zip(projects, reaches, strict=True)))


def _grace(project: Project, now: datetime) -> tuple[float, datetime]:
    """Return for how many days an object is left alone, and the moment that it must be older than."""
    days = min(max(project.config.backup_days, _LEAST_DAYS), _LONGEST_DAYS)
    return days, now - timedelta(days=days)


def _is_young(stored: Stored, limit: datetime) -> bool:
    return stored.written is None or stored.written > limit
