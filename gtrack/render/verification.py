"""What verifying found, for people and for programs: grouped by how bad it is and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.checks.findings import Severity
from gtrack.render.table import DIM, write_line
from gtrack.render.values import printable

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.checks.faults import Fault
    from gtrack.ops.checks.findings import Finding
    from gtrack.ops.checks.verify_registry import Verification
    from gtrack.ops.checks.verify_runs import RunVerification

_TITLES = {Severity.ERROR: ("Errors", "bold red"), Severity.NOTE: ("Notes", "bold yellow")}
_SHOWN = 20


@dataclass(frozen=True)
class _Line:
    """What is written of a finding."""

    about: str
    text: str
    remedy: str


def write_verification(console: Console, verification: Verification) -> None:
    """Write what was found in the registry: errors, notes, and what to do; then one line that sums up."""
    errors, notes = ([_of_tag(one) for one in found] for found in (verification.errors, verification.notes))
    _write(console, errors, notes, summary(verification))


def write_run_verification(console: Console, verification: RunVerification) -> None:
    """Write what was found in the runs, as ``write_verification`` does."""
    errors, notes = ([_of_run(one) for one in found] for found in (verification.errors, verification.notes))
    _write(console, errors, notes, run_summary(verification))


def _write(console: Console, errors: Sequence[_Line], notes: Sequence[_Line], summed: str) -> None:
    for severity, found in ((Severity.ERROR, errors), (Severity.NOTE, notes)):
        if found:
            title, style = _TITLES[severity]
            write_line(console, Text(f"{title} ({len(found)})", style))
            _write_groups(console, found)
            write_line(console, Text())
    write_line(console, Text(summed, "red" if errors else "green"))


def _of_tag(one: Finding) -> _Line:
    return _Line(one.tag, one.text, one.remedy)


def _of_run(one: Fault) -> _Line:
    return _Line(one.about, one.text, one.remedy)


def _write_groups(console: Console, found: Sequence[_Line]) -> None:
    by_remedy: dict[str, list[_Line]] = {}
    for one in found:
        by_remedy.setdefault(one.remedy, []).append(one)
    for remedy, group in by_remedy.items():
        for one in group[:_SHOWN]:
            write_line(console, Text(f"  {printable(one.about)}: {printable(one.text)}"))
        if len(group) > _SHOWN:
            write_line(console, Text(f"  … and {len(group) - _SHOWN} more like these (--json has all)", DIM))
        write_line(console, Text(f"    → {remedy}", DIM))


def summary(verification: Verification) -> str:
    """Return one line: how much of the registry was looked at, and what came of it."""
    of = f"{plural(verification.tags, 'tag')} of {plural(verification.models, 'model')}"
    signed = f", {plural(verification.signatures, 'good signature')}" if verification.signatures else ""
    known = "" if verification.compared is None else f", compared with the {verification.compared} known before"
    return f"{of}{signed}{known}: {_told(len(verification.errors), len(verification.notes))}"


def run_summary(verification: RunVerification) -> str:
    """Return one line: how many runs were looked at, and what came of it."""
    commits = (
        "" if verification.commits is None else f", {plural(verification.commits, 'commit')} of {verification.branch}"
    )
    large = f", {plural(verification.large, 'large artifact')}" if verification.large else ""
    told = _told(len(verification.errors), len(verification.notes))
    return f"{plural(verification.runs, 'run')}{printable(commits)}{large}: {told}"


def _told(errors: int, notes: int) -> str:
    told = ", ".join(plural(count, word) for count, word in ((errors, "error"), (notes, "note")) if count)
    return told or "all is as it should be"


def verification_data(verification: Verification) -> dict[str, Any]:
    """Return what ``verify --registry --json`` gives, and ``verify --json`` under ``registry``."""
    return {
        "tags": verification.tags,
        "models": verification.models,
        "signatures": verification.signatures,
        "compared": verification.compared,
        "errors": [_finding(one) for one in verification.errors],
        "notes": [_finding(one) for one in verification.notes],
    }


def run_verification_data(verification: RunVerification) -> dict[str, Any]:
    """Return what ``verify --json`` gives of runs."""
    return {
        "branch": verification.branch,
        "runs": verification.runs,
        "commits": verification.commits,
        "large": verification.large,
        "errors": [_fault(one) for one in verification.errors],
        "notes": [_fault(one) for one in verification.notes],
    }


def _finding(one: Finding) -> dict[str, str]:
    return {"tag": one.tag, "text": one.text, "remedy": one.remedy}


def _fault(one: Fault) -> dict[str, str]:
    found = {"about": one.about, "text": one.text, "remedy": one.remedy}
    by = {"commit": one.commit, "who": one.who, "when": one.when}
    return {**found, **{key: value for key, value in by.items() if value is not None}}
