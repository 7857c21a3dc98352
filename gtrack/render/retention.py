"""``gtrack gc`` and ``restore``: which runs go and why, what that frees, and which can be brought back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural, size
from gtrack.ops.remove import RemovedRun
from gtrack.render.table import DIM, HEAD, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, iso, printable
from gtrack.store.purge import BACKUPS
from gtrack.store.run_sizes import Bytes

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.retention.apply import Applied
    from gtrack.ops.retention.backups import Expired
    from gtrack.ops.retention.plan import Judged, RetentionPlan
    from gtrack.ops.retention.purge import Purge
    from gtrack.store.purge import Backup

_SHORT = 12
_SHORTER = 8
_MOST_DAYS = 36500.0


def write_plan(
    console: Console, plan: RetentionPlan, now: datetime, limit: int | None, *, purging: bool = False
) -> None:
    """Write which runs would go, what each rule comes to, and what is freed; ages are counted to ``now``.

    Args:
        console: where.
        plan: what the rules come to.
        now: the moment to which ages are counted.
        limit: how many runs are shown at the most; None for all.
        purging: whether those that were removed before are to go for good, too.
    """
    shown = plan.going[:limit]
    if shown:
        write_left_out(
            console, write_table(console, plan_columns(shown, now, terminal=console.is_terminal)), "--json has all"
        )
        if len(shown) < len(plan.going):
            write_line(console, Text(f"{plural(len(plan.going) - len(shown), 'more run')}; -n 0 shows all", DIM))
        write_line(console)
    if plan.rules:
        write_table(console, rule_columns(plan))
        write_line(console)
    for reason, count in plan.spared.items():
        write_line(console, Text(f"kept against a rule: {plural(count, 'run')}, {reason}", DIM))
    for note in plan.notes:
        write_line(console, Text(f"note: {printable(note)}", "yellow"))
    write_line(console, Text(_sum(plan, purging=purging), HEAD if plan.going else ""))


def plan_columns(going: Sequence[Judged], now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of the runs that go."""
    return [
        Column("run", [Cell(printable(one.run.name), HEAD) for one in going], keep=9, least=_SHORT),
        Column("id", [Cell(one.run.short_id if terminal else one.run.id, "yellow") for one in going], keep=5),
        Column("experiment", [Cell(printable(one.run.experiment)) for one in going], keep=7, least=_SHORTER),
        Column("age", [Cell(_age(one.run.ended or one.run.started, now, terminal=terminal)) for one in going], keep=6),
        Column("size", [Cell(_size(one.size.total, terminal=terminal)) for one in going], right=True, keep=6),
        Column("rule", [Cell(printable(one.rule.name), "cyan") for one in going], keep=10, least=_SHORT),
    ]


def rule_columns(plan: RetentionPlan) -> list[Column]:
    """Return the table of the rules: how many runs each takes, and with how many bytes."""
    by_rule: dict[str, list[Judged]] = {}
    for one in plan.going:
        by_rule.setdefault(one.rule.name, []).append(one)
    runs = [len(by_rule.get(rule.name, ())) for rule in plan.rules]
    sums = [sum((one.size for one in by_rule.get(rule.name, ())), Bytes()) for rule in plan.rules]
    kept = [rule.keep for rule in plan.rules]
    return [
        Column("rule", [Cell(printable(rule.name), "cyan") for rule in plan.rules], keep=9, least=_SHORT),
        Column("does", [Cell("keep" if keep else "remove") for keep in kept], keep=5),
        Column(
            "runs", [Cell("" if keep else f"{n:,}") for n, keep in zip(runs, kept, strict=True)], right=True, keep=8
        ),
        _bytes_column("metadata", [one.metadata for one in sums], kept),
        _bytes_column("artifacts", [one.artifacts for one in sums], kept),
        _bytes_column("large files", [one.large for one in sums], kept),
    ]


def _bytes_column(title: str, counts: Sequence[int], kept: Sequence[bool]) -> Column:
    cells = [Cell("" if keep else size(count)) for count, keep in zip(counts, kept, strict=True)]
    return Column(title, cells, right=True, keep=4, least_title=len(title))


def _age(moment: datetime | None, now: datetime, *, terminal: bool) -> str:
    return age(moment, now).removesuffix(" ago") if terminal else iso(moment)


def _size(count: int, *, terminal: bool) -> str:
    return size(count) if terminal else str(count)


def _sum(plan: RetentionPlan, *, purging: bool) -> str:
    if not plan.going and purging:
        return f"Of {plural(plan.runs, 'run')} no further one is to be removed."
    if not plan.going:
        return f"None of {plural(plan.runs, 'run')} is to be removed."
    freed = plan.freed
    parts = [f"{size(freed.metadata)} of metadata", f"{size(freed.artifacts)} of artifacts"]
    parts += [f"{size(freed.large)} of large files"] if freed.large else []
    return f"{len(plan.going):,} of {plural(plan.runs, 'run')}, with {', '.join(parts)} that no other run has"


def write_done(console: Console, applied: Applied, branch: str) -> None:
    """Write what was removed."""
    stayed = f"; {plural(applied.passed_over, 'run')} changed meanwhile and stayed" if applied.passed_over else ""
    if applied.commit is None:
        write_line(console, f"Nothing was removed{stayed}.")
        return
    write_line(
        console,
        f"Removed {plural(len(applied.removed), 'run')} from {printable(branch)} by commit {applied.commit[:10]}{stayed}.",
    )


def write_purge(
    console: Console, purge: Purge | None, branch: str, days: float, seconds: float, *, before: int = 0
) -> None:
    """Write what a purge did, and until when it can be undone; ``before`` is how many of the runs were removed before it."""
    if purge is None:
        write_line(console, f"The history of {printable(branch)} has no removed run: nothing was purged.")
        return
    earlier = f" ({before:,} removed before)" if before else ""
    write_line(
        console,
        f"Purged {plural(len(purge.run_ids), 'run')} from the history of {printable(branch)}{earlier}: "
        f"{plural(purge.commits, 'commit')} written anew in {seconds:.1f} s.",
    )
    if days:
        until = (purge.backup.when + timedelta(days=min(days, _MOST_DAYS))).strftime("%Y-%m-%d")
        write_line(
            console,
            Text(
                f"Until {until} {purge.backup.ref} has them: 'gtrack restore --last' brings back the last removal, "
                "'gtrack restore RUN' one run.",
                DIM,
            ),
        )


def when_bytes_go(kept: Sequence[Backup], days: float, now: datetime) -> str:
    """Return how the bytes of what purges took out of the history go from this clone; empty when no backup keeps any.

    Args:
        kept: the backups of purges.
        days: for how many a backup is kept.
        now: the moment.
    """
    if not kept:
        return ""
    last = max(backup.when for backup in kept) + timedelta(days=min(days, _MOST_DAYS))
    # A backup of a second ago is due in a moment, where none is to be kept.
    due = "next 'gtrack gc --apply'" if last <= now else f"first 'gtrack gc --apply' after {last:%Y-%m-%d}"
    which = "a backup has" if len(kept) == 1 else f"{len(kept)} backups have"
    return f"In this clone {which} the bytes still. They go by the {due}, and the 'git gc' that follows it."


def write_expired(console: Console, expired: Expired) -> None:
    """Write which backups are no more, and which stay and why."""
    if expired.dropped:
        large = f", with {plural(expired.large, 'large file')} ({size(expired.large_bytes)})" if expired.large else ""
        write_line(console, f"Dropped {plural(len(expired.dropped), 'backup')}{large}.")
    for backup, reason in expired.kept:
        write_line(
            console,
            Text(f"The backup {backup.ref.removeprefix(BACKUPS)} stays for now: {printable(reason)}.", "yellow"),
        )


def plan_data(plan: RetentionPlan) -> dict[str, Any]:
    """Return what ``gc --json`` gives of the plan."""
    return {
        "runs": [
            {
                "id": one.run.id,
                "name": one.run.name,
                "experiment": one.run.experiment,
                "ended": iso(one.run.ended or one.run.started) or None,
                "rule": one.rule.name,
                "bytes": _bytes(one.size),
            }
            for one in plan.going
        ],
        "of": plan.runs,
        "rules": [
            {
                "name": rule.name,
                "do": "keep" if rule.keep else "remove",
                "runs": sum(one.rule.name == rule.name for one in plan.going),
            }
            for rule in plan.rules
        ],
        "spared": dict(plan.spared),
        "freed": _bytes(plan.freed),
        "notes": list(plan.notes),
    }


def _bytes(what: Bytes) -> dict[str, int]:
    return {"metadata": what.metadata, "artifacts": what.artifacts, "large": what.large}


def done_data(applied: Applied | None, purge: Purge | None, expired: Expired | None) -> dict[str, Any]:
    """Return what ``gc --json`` gives of what was done."""
    return {
        "removed": [one.run_id for one in applied.removed] if applied else [],
        "commit": applied.commit if applied else None,
        "purged": list(purge.run_ids) if purge else [],
        "backup": purge.backup.ref if purge else None,
        "dropped": [backup.ref for backup in expired.dropped] if expired else [],
    }


def write_removed(console: Console, found: Sequence[RemovedRun], now: datetime) -> None:
    """Write the runs that can be restored, the last removed first."""
    terminal = console.is_terminal
    columns = [
        Column("run", [Cell(printable(one.name), HEAD) for one in found], keep=9, least=_SHORT),
        Column("id", [Cell(one.removed.run_id[: 8 if terminal else None], "yellow") for one in found], keep=8),
        Column("experiment", [Cell(printable(one.removed.experiment)) for one in found], keep=6, least=_SHORTER),
        Column(
            "removed",
            [Cell(age(one.removed.when, now) if terminal else iso(one.removed.when), DIM) for one in found],
            keep=7,
        ),
        Column("by", [Cell(printable(one.removed.who.partition(" <")[0])) for one in found], keep=4, least=_SHORTER),
        Column("as", [Cell(printable(_why(one))) for one in found], keep=5, least=_SHORT, names=False),
    ]
    write_left_out(console, write_table(console, columns), "--json has all")


def _why(one: RemovedRun) -> str:
    return "purged" if one.removed.backup else one.removed.why


def removed_data(found: Sequence[RemovedRun]) -> list[dict[str, Any]]:
    """Return what ``restore --json`` gives of the runs that can be restored."""
    return [
        {
            "id": one.removed.run_id,
            "name": one.name,
            "experiment": one.removed.experiment,
            "removed": iso(one.removed.when),
            "by": one.removed.who or None,
            "as": one.removed.why,
            "backup": one.removed.backup,
        }
        for one in found
    ]
