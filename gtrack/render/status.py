"""``gtrack status``: where things stand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.status import StatusReport
from gtrack.render.listing import STATUS_STYLES, status_cell
from gtrack.render.table import DIM, HEAD, Cell, Column, write_line, write_table
from gtrack.render.values import age, printable

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.git.worktree import WorktreeState
    from gtrack.ops.sharing.waiting import Waiting

_SHORT = 12
_MANY = 10
_LABEL = 12
_LONGEST = 300


def write_status(console: Console, status: StatusReport, now: datetime) -> None:
    """Write where things stand; ages are counted to ``now``."""
    for label, text in _facts(status):
        write_line(console, Text.assemble((label.ljust(_LABEL), DIM), text))
    if status.worktree is not None:
        _write_changes(console, status.worktree)
    if status.live:
        write_line(console)
        write_line(console, Text("Live runs", HEAD))
        columns = [
            Column("", [Cell(printable(run.name), HEAD) for run in status.live], keep=3, least=_SHORT),
            Column("", [Cell(run.short_id, "yellow") for run in status.live], keep=2),
            Column("", [status_cell(run, terminal=console.is_terminal) for run in status.live], keep=1),
            Column("", [Cell(printable(run.experiment)) for run in status.live], least=_SHORT),
            Column("", [Cell(age(run.started, now), DIM) for run in status.live]),
        ]
        write_table(console, columns, head=False, indent=2)


def _facts(status: StatusReport) -> Iterator[tuple[str, Text]]:
    yield "repository", Text(printable(status.root))
    worktree = status.worktree
    if worktree is None:
        yield "", Text("bare: runs can be read here, not made", "yellow")
    else:
        head = worktree.head[:10] if worktree.head else "no commit yet"
        yield "branch", Text(f"{printable(worktree.branch)} ({head})" if worktree.branch else f"detached at {head}")
    yield "runs", _counts(status)
    if status.waiting is not None and status.has_runs_branch:
        yield from _sharing(status.waiting)
    yield "experiment", Text.assemble(printable(status.experiment), ("  when a run names none", DIM))
    if worktree is not None:
        yield "a run now", Text(_recorded(worktree))
    if not status.initialised and worktree is not None:
        yield "", Text("no .gtrack/config.yaml: the defaults count; 'gtrack init' writes one", DIM)


def _counts(status: StatusReport) -> Text:
    if not status.has_runs_branch:
        return Text(f"none yet; the first run makes the branch {printable(status.runs_branch)}")
    line = Text(f"{sum(status.counts.values())} on {printable(status.runs_branch)}: ")
    for number, (name, count) in enumerate(status.counts.items()):
        known = next((style for one, style in STATUS_STYLES.items() if one.value == name), "")
        line.append(", " if number else "")
        line.append(f"{count} {printable(name) or 'damaged'}", known)
    return line


def _sharing(waiting: Waiting) -> Iterator[tuple[str, Text]]:
    remote = printable(waiting.remote)
    parts = [f"{plural(waiting.new, 'run')} not on {remote}"] if waiting.new else []
    parts += [f"{plural(waiting.changed, 'run')} changed here"] if waiting.changed else []
    parts += [f"{plural(waiting.removed, 'run')} removed here"] if waiting.removed else []
    failure = waiting.failure
    if parts:
        yield "sharing", Text.assemble((", ".join(parts), "yellow"), ("  'gtrack push' publishes that", DIM))
    elif failure is None:
        yield "sharing", Text(f"nothing waits to be pushed to {remote}")
    if failure is not None:
        said = printable(failure.message)
        said = f"{said[:_LONGEST]}…" if len(said) > _LONGEST else said
        yield (
            "" if parts else "sharing",
            Text(f"the last push after a run failed, {failure.when:%Y-%m-%d %H:%M} UTC: {said}", "yellow"),
        )


def _recorded(worktree: WorktreeState) -> str:
    if not worktree.dirty:
        return (
            f"records commit {worktree.head[:10]}" if worktree.head else "records no code: there is nothing in here yet"
        )
    on = f"commit {worktree.head[:10]}" if worktree.head else "no commit"
    parts = []
    if worktree.changed:
        parts.append(plural(len(worktree.changed), "changed file"))
    if worktree.untracked:
        parts.append(plural(len(worktree.untracked), "untracked file"))
    return f"records a snapshot on top of {on}: {', '.join(parts)}"


def _write_changes(console: Console, worktree: WorktreeState) -> None:
    entries = [("M", path) for path in worktree.changed] + [("?", path) for path in worktree.untracked]
    shown = entries[:_MANY] if console.is_terminal and len(entries) > _MANY + 1 else entries
    if shown:
        write_line(console)
        marks = Column("", [Cell(mark, "yellow") for mark, _ in shown], keep=1)
        write_table(
            console,
            [marks, Column("", [Cell(printable(path)) for _, path in shown], least=_SHORT)],
            head=False,
            indent=2,
        )
    if len(shown) < len(entries):
        write_line(console, Text(f"  … and {len(entries) - len(shown)} more", DIM))
