"""``gtrack models history``: the audit trail of a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.git.signing import Signature, SignatureState
from gtrack.ops.model_history import Entry
from gtrack.registry.ledger import Event
from gtrack.registry.tag_names import Action
from gtrack.render.models import when, who
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import iso, printable

if TYPE_CHECKING:
    from rich.console import Console

_SHORTEST = 12
_SHORTEST_REASON = 16
_TONES = {
    Action.REGISTER: "cyan",
    Action.ASSIGN: "green",
    Action.UNASSIGN: "yellow",
    Action.DEREGISTER: "red",
    Action.DEPRECATE: "yellow",
}


def write_history(console: Console, entries: Sequence[Entry], now: datetime, *, more: bool = False) -> None:
    """Write the trail.

    Args:
        console: where.
        entries: in their order.
        now: ages are counted to it.
        more: whether there are others that are not shown.
    """
    left_out = write_table(console, history_columns(entries, now, terminal=console.is_terminal))
    if console.is_terminal:
        write_left_out(console, left_out, "make the terminal wider")
        if more:
            write_line(console, Text(f"the newest {len(entries)}; -n 0 shows all", DIM))


def history_columns(entries: Sequence[Entry], now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of the trail; columns of which no entry has anything are not among them."""
    events = [one.event for one in entries]
    columns = [
        Column("when", [Cell(when(one.time, now, terminal=terminal), DIM) for one in events], keep=9),
        Column("who", [Cell(who(one.user, terminal=terminal)) for one in events], keep=8, least=8),
        Column("what", [Cell(what(one), _TONES.get(one.action, "")) for one in events], keep=10, least=24),
        Column(
            "why", [Cell(printable(one.reason or "")) for one in events], keep=7, least=_SHORTEST_REASON, names=False
        ),
        Column(
            "approved",
            [Cell(", ".join(who(person, terminal=terminal) for person in one.approved)) for one in entries],
            keep=4,
            least=_SHORTEST,
            names=False,
        ),
        Column(
            "forced",
            [Cell(printable(one.forced), "bold yellow") for one in entries],
            keep=5,
            least=_SHORTEST,
            names=False,
        ),
        Column("signature", [signature_cell(one.signature) for one in entries], keep=6, least=_SHORTEST, names=False),
        Column("tag", [Cell(printable(one.tag), DIM) for one in events], keep=1),
    ]
    return [column for column in columns if any(cell.text for cell in column.cells)]


def what(event: Event) -> str:
    """Return what was done in a few words: ``registered v3``, ``production: v2 → v3``."""
    number = f"v{event.version}" if event.version is not None else ""
    semver = f" ({event.semver})" if event.semver and event.semver != f"{number}.0.0" else ""
    if event.action is Action.ASSIGN:
        return f"{printable(event.stage or '')}: {_entered(event, number)}"
    if event.action is Action.UNASSIGN:
        return f"{printable(event.stage or '')}: {number} left"
    said = {
        Action.REGISTER: f"registered {number}{semver}",
        Action.DEREGISTER: f"took back {number}{semver}",
        Action.DEPRECATE: "deprecated",
    }
    return said.get(event.action, "announced")


def _entered(event: Event, number: str) -> str:
    if event.before is None:
        return f"{number} entered"
    return f"v{event.before} → {number}" if event.before != event.version else f"{number} again"


def signature_cell(signature: Signature) -> Cell:
    """Return whether a signature holds, and whose it is."""
    signer = printable(signature.signer or signature.key)
    if signature.state is SignatureState.GOOD:
        return Cell(f"verified: {signer}" if signer else "verified", "green")
    if signature.state is SignatureState.BAD:
        return Cell("bad", "bold red")
    return Cell("not verified", "yellow") if signature.state is SignatureState.UNKNOWN else Cell("")


def signature_text(signature: Signature) -> str:
    """Return what became of verifying a signature, with what git said where it does not hold."""
    cell = signature_cell(signature).text
    key = f" ({printable(signature.key)})" if signature.signer and signature.key and cell else ""
    said = printable(" ".join(signature.text.split())) if signature.state is not SignatureState.GOOD else ""
    return f"{cell}{key}{f': {said}' if said and cell else ''}"


def history_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what ``models history --csv`` gives."""
    return [
        {
            "time": iso(one.event.time) or None,
            "user": one.event.user,
            "action": one.event.action.value,
            "version": one.event.version,
            "semver": one.event.semver,
            "stage": one.event.stage,
            "before": one.event.before,
            "reason": one.event.reason,
            "approved_by": ", ".join(one.approved),
            "forced": one.forced or None,
            "signature": one.signature.state.value,
            "signer": one.signature.signer or None,
            "tag": one.event.tag,
        }
        for one in entries
    ]


def history_data(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what ``models history --json`` gives."""
    return [
        {
            **{key: value for key, value in row.items() if key != "signer"},
            "approved_by": list(one.approved),
            "signature": signature_data(one.signature),
            "commit": one.event.commit,
        }
        for one, row in zip(entries, history_rows(entries), strict=True)
    ]


def signature_data(signature: Signature) -> dict[str, Any]:
    """Return what JSON gives of a signature."""
    return {
        "state": signature.state.value,
        "signer": signature.signer or None,
        "key": signature.key or None,
        "text": signature.text or None,
    }
