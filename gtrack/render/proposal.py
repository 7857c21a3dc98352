"""What is proposed in `.gtrack/stages.yaml`, how it was judged, and what was made of it."""

from __future__ import annotations

import html
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.stages_file import Wanted
from gtrack.formats.words import plural
from gtrack.ops.compare_versions import title
from gtrack.ops.proposals.apply import Applied
from gtrack.ops.proposals.check import Check, Finding
from gtrack.ops.proposals.proposal import Proposal
from gtrack.ops.proposals.proposed import PATH
from gtrack.ops.proposals.standing import Standing
from gtrack.records import ModelVersion
from gtrack.registry.policy import Verdict
from gtrack.render.comparison import metric_columns
from gtrack.render.markdown import columns_markdown, escape
from gtrack.render.model_versions import version_comparison_markdown
from gtrack.render.table import DIM, HEAD, Cell, Column, write_line, write_table
from gtrack.render.values import metric, printable

if TYPE_CHECKING:
    from rich.console import Console

MARK = "<!-- gtrack promote --check -->"
"""The first line of the comment, by which it is found again."""
_GOOD, _BAD = "green", "red"
_MOST_CHARACTERS = 60_000
"""GitHub takes comments of 65,536 characters."""
_MOST_METRICS = 50


def entry_text(entry: Wanted, version: ModelVersion | None) -> str:
    """Return what an entry asks for: ``churn v5 to production``."""
    if entry.version is None:
        return f"nothing of {entry.model} in {entry.stage}"
    return f"{entry.model} {_number(entry, version)} to {entry.stage}"


def _number(entry: Wanted, version: ModelVersion | None) -> str:
    return f"v{version.version}" if version is not None else str(entry.version)


def _now(finding: Finding) -> str:
    return f"v{finding.current.version} is there now" if finding.current is not None else "nothing is there now"


def _sign(finding: Finding) -> str:
    return "✓" if finding.may else "✗"


def summary(check: Check) -> str:
    """Return what came of a check, in one sentence."""
    count = len(check.findings)
    failed = sum(not one.may for one in check.findings)
    if not count:
        return "No promotion is proposed."
    if not failed:
        return f"{plural(count, 'proposed promotion')}: all conditions are met."
    return f"{failed} of {plural(count, 'proposed promotion')} {'is' if failed == 1 else 'are'} not to be merged."


def _judged(check: Check) -> str:
    where = f"{printable(check.base)} ({check.judged_by[:8]})" if check.base is not None else check.judged_by[:8]
    return f"Judged by the settings of {where}."


def write_check(console: Console, check: Check) -> None:
    """Write what a branch proposes, and how it was judged."""
    for finding in check.findings:
        style = _GOOD if finding.may else _BAD
        head = f"{_sign(finding)} {entry_text(finding.entry, finding.version)}"
        write_line(console, Text.assemble((printable(head), f"{HEAD} {style}"), (f"  {_now(finding)}", DIM)))
        for text, tone in _lines(finding):
            write_line(console, Text(f"  {printable(text)}", tone))
        columns = _metrics(finding)
        if columns:
            write_line(console)
            write_table(console, columns)
        write_line(console)
    for note in check.notes:
        write_line(console, Text(printable(note), "yellow"))
    write_line(console, Text(summary(check), _GOOD if check.may else _BAD))
    if check.findings:
        write_line(console, Text(_judged(check), DIM))


def _lines(finding: Finding) -> list[tuple[str, str]]:
    lines = [(f"proposed by {finding.author}", DIM)]
    if finding.entry.reason:
        lines.append((finding.entry.reason, ""))
    if finding.already:
        lines.append(("It is so already.", ""))
    if finding.problem:
        lines.append((finding.problem, _BAD))
    return lines + [(str(one), _GOOD if one.met else _BAD) for one in finding.verdicts]


def _metrics(finding: Finding) -> list[Column]:
    """Return the table of metrics: of the candidate against what is there, or its own where nothing is."""
    if finding.comparison is not None:
        rows = finding.comparison.comparison.metrics
        return metric_columns([printable(title(one)) for one in finding.comparison.versions], rows) if rows else []
    if finding.run is None or finding.version is None or not finding.run.metrics:
        return []
    names, values = zip(*finding.run.metrics.items(), strict=True)
    return [
        Column("Metrics", [Cell(f"  {printable(name)}") for name in names]),
        Column(printable(title(finding.version)), [Cell(metric(value)) for value in values], right=True),
    ]


def check_markdown(check: Check, now: datetime) -> str:
    """Return the comment for a pull request as GitHub-flavoured Markdown; nothing when nothing is proposed and nothing to say.

    Args:
        check: how it was judged.
        now: ages are counted to it.
    """
    if not check.findings and not check.notes:
        return ""
    parts = [MARK, f"## {'✓' if check.may else '✗'} {escape(summary(check))}"]
    parts += [_finding_markdown(one) for one in check.findings]
    parts += [f"> {escape(note)}" for note in check.notes]
    if check.findings:
        parts.append(f"<sub>{escape(_judged(check))}</sub>")
    size = sum(map(len, parts))
    for finding in check.findings:
        details = _details(finding, now)
        if details and size + len(details) < _MOST_CHARACTERS:
            size += len(details)
            parts.append(details)
    return "\n\n".join(parts) + "\n"


def _finding_markdown(finding: Finding) -> str:
    head = f"### {_sign(finding)} {escape(entry_text(finding.entry, finding.version))}"
    parts = [f"{head}\n\n{_now(finding)}, proposed by {escape(finding.author)}"]
    if finding.entry.reason:
        parts.append(f"> {escape(' '.join(finding.entry.reason.split()))}")
    if finding.already:
        parts.append("It is so already.")
    if finding.problem:
        parts.append(f"**{escape(finding.problem)}**")
    if finding.verdicts:
        parts.append("\n".join(f"- {escape(str(one))}" for one in finding.verdicts))
    columns = _metrics(finding)
    if columns:
        shown = [replace(one, cells=one.cells[:_MOST_METRICS]) for one in columns]
        parts.append(columns_markdown(shown).rstrip("\n"))
        more = len(columns[0].cells) - _MOST_METRICS
        parts += [f"… and {plural(more, 'further metric')}"] if more > 0 else []
    return "\n\n".join(parts)


def _details(finding: Finding, now: datetime) -> str:
    """Return all that differs between the two versions, folded away."""
    if finding.comparison is None:
        return ""
    names = " and ".join(title(one) for one in finding.comparison.versions)
    table = version_comparison_markdown(finding.comparison, now).rstrip("\n")
    return (
        f"<details><summary>All that differs between {html.escape(printable(names))}</summary>\n\n{table}\n\n</details>"
    )


def verdict_data(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return conditions as data."""
    return [{"condition": one.condition, "met": one.met, "found": one.found} for one in verdicts]


def check_data(check: Check) -> dict[str, Any]:
    """Return what ``promote --check --json`` gives."""
    return {
        "may": check.may,
        "base": check.base,
        "judged_by": check.judged_by,
        "notes": list(check.notes),
        "proposals": [_finding_data(one) for one in check.findings],
    }


def _entry_data(entry: Wanted, version: ModelVersion | None) -> dict[str, Any]:
    return {
        "model": entry.model,
        "stage": entry.stage,
        "version": version.version if version is not None else None,
        "wanted": entry.version,
        "reason": entry.reason,
    }


def _finding_data(finding: Finding) -> dict[str, Any]:
    return {
        **_entry_data(finding.entry, finding.version),
        "current": finding.current.version if finding.current is not None else None,
        "author": finding.author,
        "may": finding.may,
        "already": finding.already,
        "problem": finding.problem or None,
        "conditions": verdict_data(finding.verdicts),
        "metrics": _metric_data(finding),
    }


def _metric_data(finding: Finding) -> dict[str, Any]:
    if finding.comparison is None:
        values = finding.run.metrics if finding.run is not None else {}
        return {name: {"candidate": value, "current": None} for name, value in values.items()}
    found = {}
    for row in finding.comparison.comparison.metrics:
        change = row.changes[1]
        found[row.name] = {
            "candidate": row.values[1],
            "current": row.values[0],
            "delta": change.delta if change is not None else None,
            "relative": change.relative if change is not None else None,
            "better": change.better if change is not None else None,
        }
    return found


def proposal_data(proposal: Proposal) -> dict[str, Any]:
    """Return what ``promote --propose --json`` gives."""
    return {
        **_entry_data(proposal.entry, proposal.version),
        "current": proposal.current.version if proposal.current is not None else None,
        "path": PATH,
        "changed": proposal.changed,
        "conditions": verdict_data(proposal.verdicts),
    }


def proposal_commands(proposal: Proposal) -> list[str]:
    """Return the git commands that make a pull request of a proposal."""
    entry, version = proposal.entry, proposal.version
    says = entry_text(entry, version)
    subject = f"Promote {says}" if version is not None else f"Empty {entry.stage} of {entry.model}"
    words = [entry.stage, entry.model, *([f"v{version.version}"] if version is not None else [])]
    branch = "/".join(["promote", "-".join(words).replace("/", "-").replace(":", "-")])
    tag = f" {shlex.quote(f'refs/tags/{version.tag}')}" if version is not None else ""
    return [
        f"git switch -c {shlex.quote(branch)}",
        f"git add {PATH}",
        f"git commit -m {shlex.quote(subject)}",
        f"git push -u origin HEAD{tag}",
    ]


def applied_text(applied: Applied, *, dry_run: bool, remote: str | None) -> tuple[str, str]:
    """Return what became of an entry, and in which style it is told."""
    entry, says = applied.entry, entry_text(applied.entry, applied.version)
    if applied.problem:
        return f"✗ {says}: {applied.problem}", _BAD
    if applied.standing is Standing.DONE:
        return f"  {says}: it is so already", DIM
    if applied.standing is Standing.OVERTAKEN:
        now = f"v{applied.version.version} is" if applied.version is not None else "nothing is"
        wanted = entry.version or "nothing"
        return (
            f"  {entry.model} {wanted} was in {entry.stage} since this was merged; {now} there now and stays",
            "yellow",
        )
    tags = ", ".join(applied.tags)
    if dry_run:
        return f"  {says}: would make {tags}", ""
    return f"✓ {says}: {tags}{f', pushed to {remote}' if remote else ''}", _GOOD


def applied_data(applied: Sequence[Applied], *, dry_run: bool) -> dict[str, Any]:
    """Return what ``promote --apply --json`` gives."""
    return {
        "dry_run": dry_run,
        "proposals": [
            {
                **_entry_data(one.entry, one.version),
                "standing": str(one.standing),
                "tags": list(one.tags),
                "problem": one.problem or None,
                "conditions": verdict_data(one.verdicts),
                "renumbered": [vars(again) for again in one.renumbered],
            }
            for one in applied
        ],
    }
