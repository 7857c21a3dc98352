"""``gtrack audit``: who did what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.checks.audit import Deed
from gtrack.render.models import who
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import iso, printable

if TYPE_CHECKING:
    from rich.console import Console

_TONES = {
    "created": "green",
    "restored": "green",
    "removed": "red",
    "purged": "bold red",
    "merged": "cyan",
    "registered": "cyan",
    "promoted": "green",
    "demoted": "yellow",
    "withdrawn": "red",
    "deprecated": "yellow",
}
_SOURCE = 10
_WIDE = 100
_ID = 8


def write_audit(console: Console, deeds: Sequence[Deed], zone: tzinfo | None = None, *, more: bool = False) -> None:
    """Write what was done, a line each.

    Args:
        console: where.
        deeds: in their order.
        zone: the time zone in which times are shown; that of this machine when None. A pipe gets UTC.
        more: whether there are others that are not shown.
    """
    if not deeds:
        write_line(console, "Nothing was done, as far as that is known here.")
        return
    narrow = console.is_terminal and console.width < _WIDE
    left_out = write_table(console, audit_columns(deeds, zone, terminal=console.is_terminal, narrow=narrow))
    if console.is_terminal:
        write_left_out(console, left_out, "make the terminal wider")
        if more:
            write_line(console, Text(f"the newest {len(deeds)}; -n 0 shows all", DIM))


def audit_columns(deeds: Sequence[Deed], zone: tzinfo | None, *, terminal: bool, narrow: bool = False) -> list[Column]:
    """Return the table of what was done; a narrow one has the year of the newest above its dates."""
    year = deeds[0].when.astimezone(zone).year if narrow and deeds else None
    return [
        Column(
            "when" if year is None else str(year),
            [Cell(_when(one.when, zone, terminal=terminal, year=year), DIM) for one in deeds],
            keep=9,
        ),
        Column("who", [Cell(who(one.who, terminal=terminal)) for one in deeds], keep=8, least=8),
        Column("did", [Cell(one.action, _TONES.get(one.action, "")) for one in deeds], keep=10),
        Column("run", [Cell(_runs(one, terminal=terminal)) for one in deeds], keep=7, least=18 if narrow else 12),
        Column("what", [Cell(printable(one.what)) for one in deeds], keep=6, least=28, names=False),
        Column("experiment", [Cell(printable(one.experiment)) for one in deeds], keep=3, least=10),
        Column(
            "commit/tag",
            [Cell(one.source if one.model or not terminal else one.source[:_SOURCE], "yellow") for one in deeds],
            keep=2,
            least=_SOURCE,
        ),
    ]


def _when(when: datetime, zone: tzinfo | None, *, terminal: bool, year: int | None = None) -> str:
    if not terminal:
        return iso(when)
    local = when.astimezone(zone)
    if year is None:
        return local.strftime("%Y-%m-%d %H:%M")
    return local.strftime("%m-%d %H:%M" if local.year == year else "%Y-%m-%d")


def _runs(deed: Deed, *, terminal: bool) -> str:
    if len(deed.runs) > 1:
        return plural(len(deed.runs), "run")
    return "".join(printable(one.name) or (one.id[:_ID] if terminal else one.id) for one in deed.runs)


def audit_data(deeds: Sequence[Deed]) -> list[dict[str, Any]]:
    """Return what ``audit --json`` gives."""
    return [
        {
            "when": iso(one.when),
            "who": one.who,
            "action": one.action,
            "what": one.what,
            "lost": list(one.lost),
            "runs": [{"id": run.id, "name": run.name, "experiment": run.experiment} for run in one.runs],
            "experiment": one.experiment or None,
            "model": one.model,
            "tag" if one.model else "commit": one.source,
        }
        for one in deeds
    ]
