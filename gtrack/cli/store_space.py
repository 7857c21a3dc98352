"""``gtrack gc --store``: find what nothing needs of the store of large artifacts, and delete it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer
from rich.console import Console

from gtrack.cli.session import note, now, out, write
from gtrack.errors import UsageError
from gtrack.formats.words import plural, size
from gtrack.ops.retention.store import Deleted, StorePlan, Sum, delete_leftovers, plan_store
from gtrack.project import Project
from gtrack.render.data import to_json
from gtrack.render.progress import ProgressStages
from gtrack.render.store import store_data, write_deleted, write_store
from gtrack.render.values import printable
from gtrack.store.purge import backups


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        apply: to delete.
        unknown: also what no purge here has named.
        others: working copies of other projects that use the store.
        yes: without asking.
        limit: how many objects are shown; None for all.
        json: for a program.
    """

    apply: bool
    unknown: bool
    others: Sequence[str]
    yes: bool
    limit: int | None
    json: bool


def free_store(project: Project, wish: Wish) -> None:
    """Show what nothing needs of the store, and delete it where that was asked for."""
    moment, console = now(), out()
    others = [Project.open(path) for path in wish.others]
    stages = ProgressStages(Console(stderr=True))
    try:
        plan = plan_store(project, moment, others, stages.tell)
        stages.close()
        if not wish.json:
            write_store(console, plan, moment, wish.limit)
        deleted = None
        if wish.apply:
            _ask(plan, wish)
            deleted = delete_leftovers(project, plan, moment, others, unknown=wish.unknown, tell=stages.tell)
            stages.close()
    finally:
        stages.close()
        for one in others:
            one.close()
    if wish.json:
        write(to_json(store_data(plan, deleted)))
        return
    if deleted is not None:
        write_deleted(console, deleted, plan.store)
    _tell(project, plan, wish, deleted)


def _ask(plan: StorePlan, wish: Wish) -> None:
    """Ask whether to delete, and end when the answer is no."""
    going = plan.leftovers if wish.unknown else plan.purged
    if wish.yes or not going:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "What is deleted of a store cannot be brought back. Where nobody can be asked, --apply takes --yes as well."
        )
    what = f"{plural(len(going), 'object')} ({size(Sum.of(going).bytes)})"
    whose = f" ({len(plan.unknown):,} of them may be another project's)" if wish.unknown and plan.unknown else ""
    typer.confirm(f"Delete {what}{whose} from {printable(plan.store)} for good?", err=True, abort=True)


def _tell(project: Project, plan: StorePlan, wish: Wish, deleted: Deleted | None) -> None:
    if (plan.purged or plan.litter.objects) and deleted is None:
        note("Nothing was deleted. 'gtrack gc --store --apply' does it, for good.")
    if plan.unknown and not wish.unknown:
        note(
            "What no purge here has named is another project's, or of a run that an older gtrack purged, or was sent for a "
            "branch that never came. Where no other project uses the store, --unknown deletes it as well."
        )
    kept = backups(project.repo)
    if kept:
        need = "a backup still needs" if len(kept) == 1 else f"{len(kept)} backups still need"
        note(f"In this clone {need} what was purged. 'gtrack gc --apply' drops a backup when its time is over.")
