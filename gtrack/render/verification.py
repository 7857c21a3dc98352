"""What verifying found, for people and for programs: grouped by how bad it is and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.ops.findings import Finding, Severity
from gtrack.render.table import DIM, write_line
from gtrack.render.values import plural, printable

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.verify_registry import Verification

_TITLES = {Severity.ERROR: ("Errors", "bold red"), Severity.NOTE: ("Notes", "bold yellow")}
_SHOWN = 20


def write_verification(console: Console, verification: Verification) -> None:
    """Write what was found: errors, notes, and what to do about each kind of them; then one line that sums up."""
    for severity, found in ((Severity.ERROR, verification.errors), (Severity.NOTE, verification.notes)):
        if found:
            title, style = _TITLES[severity]
            write_line(console, Text(f"{title} ({len(found)})", style))
            _write_groups(console, found)
            write_line(console, Text())
    write_line(console, Text(summary(verification), "red" if verification.errors else "green"))


def _write_groups(console: Console, found: Sequence[Finding]) -> None:
    by_remedy: dict[str, list[Finding]] = {}
    for one in found:
        by_remedy.setdefault(one.remedy, []).append(one)
    for remedy, group in by_remedy.items():
        for one in group[:_SHOWN]:
            write_line(console, Text(f"  {printable(one.tag)}: {printable(one.text)}"))
        if len(group) > _SHOWN:
            write_line(console, Text(f"  … and {len(group) - _SHOWN} more like these (--json has all)", DIM))
        write_line(console, Text(f"    → {remedy}", DIM))


def summary(verification: Verification) -> str:
    """Return one line: how much was looked at, and what came of it."""
    of = f"{plural(verification.tags, 'tag')} of {plural(verification.models, 'model')}"
    signed = f", {plural(verification.signatures, 'good signature')}" if verification.signatures else ""
    known = "" if verification.compared is None else f", compared with the {verification.compared} known before"
    errors, notes = len(verification.errors), len(verification.notes)
    told = ", ".join(plural(count, word) for count, word in ((errors, "error"), (notes, "note")) if count)
    return f"{of}{signed}{known}: {told or 'all is as it should be'}"


def verification_data(verification: Verification) -> dict[str, Any]:
    """Return what ``verify --json`` gives."""
    return {
        "tags": verification.tags,
        "models": verification.models,
        "signatures": verification.signatures,
        "compared": verification.compared,
        "errors": [_finding(one) for one in verification.errors],
        "notes": [_finding(one) for one in verification.notes],
    }


def _finding(one: Finding) -> dict[str, str]:
    return {"tag": one.tag, "text": one.text, "remedy": one.remedy}
