"""``gtrack gc --store``: what a store of large artifacts holds that nothing needs, and what of it was deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural, size
from gtrack.ops.retention.store import Sum
from gtrack.render.table import DIM, HEAD, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, iso, printable

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.retention.store import Deleted, Leftover, StorePlan

_SHORT = 12


def write_store(console: Console, plan: StorePlan, now: datetime, limit: int | None) -> None:
    """Write which objects of a store nothing needs, and what there is beside them; ages are counted to ``now``.

    Args:
        console: where.
        plan: what was found.
        now: the moment to which ages are counted.
        limit: how many objects are shown at the most; None for all.
    """
    shown = plan.leftovers[:limit]
    if shown:
        columns = store_columns(shown, now, terminal=console.is_terminal)
        write_left_out(console, write_table(console, columns), "--json has all")
        if len(shown) < len(plan.leftovers):
            count = plural(len(plan.leftovers) - len(shown), "more object")
            write_line(console, Text(f"{count}; -n 0 shows all", DIM))
        write_line(console)
    write_line(console, printable(plan.store))
    write_line(console, f"  {_sum(plan.needed)} needed")
    if plan.young.objects:
        write_line(console, f"  {_sum(plan.young)} younger than {_days(plan.days)}: kept for now")
    if plan.purged:
        write_line(console, Text(f"  {_sum(Sum.of(plan.purged))} of purged runs that nothing needs", HEAD))
    else:
        write_line(console, "  nothing of purged runs that could go")
    if plan.litter.objects:
        litter = f"{plural(plan.litter.objects, 'upload')} ({size(plan.litter.bytes)})"
        write_line(console, f"  {litter} that nobody has finished, begun more than {_days(plan.days)} ago")
    if plan.unknown:
        write_line(console, f"  {_sum(Sum.of(plan.unknown))} that nothing here needs or has named")


def store_columns(leftovers: Sequence[Leftover], now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of the objects that nothing needs."""
    stored = [one.stored for one in leftovers]
    cut = _SHORT if terminal else None
    written = [age(one.written, now).removesuffix(" ago") if terminal else iso(one.written) for one in stored]
    return [
        Column("object", [Cell(one.oid[:cut], HEAD) for one in stored], keep=9),
        Column("size", [Cell(size(one.size) if terminal else str(one.size)) for one in stored], right=True, keep=8),
        Column("age", [Cell(text) for text in written], keep=6),
        Column("run", [Cell((one.run_id or "")[: 8 if terminal else None], "yellow") for one in leftovers], keep=7),
    ]


def _sum(what: Sum) -> str:
    return f"{plural(what.objects, 'object')} ({size(what.bytes)})"


def _days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def write_deleted(console: Console, deleted: Deleted, store: str) -> None:
    """Write what was deleted of a store."""
    stayed = f"; {plural(deleted.stayed, 'object')} needed or renewed meanwhile stayed" if deleted.stayed else ""
    what = _sum(Sum.of(deleted.leftovers)) if deleted.leftovers else "nothing"
    litter = f", and {plural(deleted.litter.objects, 'unfinished upload')}" if deleted.litter.objects else ""
    write_line(console, f"Deleted {what}{litter} from {printable(store)}{stayed}.")


def store_data(plan: StorePlan, deleted: Deleted | None) -> dict[str, Any]:
    """Return what ``gc --store --json`` gives."""
    return {
        "store": plan.store,
        "needed": _data(plan.needed),
        "young": _data(plan.young),
        "days": plan.days,
        "unfinished": _data(plan.litter),
        "unneeded": [
            {
                "sha256": one.stored.oid,
                "bytes": one.stored.size,
                "written": iso(one.stored.written) or None,
                "run": one.run_id,
            }
            for one in plan.leftovers
        ],
        "deleted": [one.stored.oid for one in deleted.leftovers] if deleted else [],
    }


def _data(what: Sum) -> dict[str, int]:
    return {"objects": what.objects, "bytes": what.bytes}
