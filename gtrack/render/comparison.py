"""``gtrack diff``: runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.code import CodeChange, FileChange
from gtrack.ops.compare import ABSENT, Change, Comparison, InputRow, MetricRow, Row, same
from gtrack.ops.compare import Cell as CellValue
from gtrack.records import Run, Value
from gtrack.render.listing import status_cell
from gtrack.render.table import DIM, HEAD, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, cut_middle, duration, iso, metric, printable, relative, signed, value

if TYPE_CHECKING:
    from rich.console import Console

BETTER, WORSE = "▲", "▼"
_GOOD, _BAD, _OTHER = "green", "red", "cyan"
_DIGEST = 19
_BAR = 30
_SHORT = 12
_WIDEST_TITLE = 24
_MANY_FILES = 30

RowT = TypeVar("RowT", Row, MetricRow, InputRow)


def run_titles(runs: Sequence[Run]) -> list[str]:
    """Return what the runs are called side by side: their names, or short ids where two share a name."""
    names = [run.name for run in runs]
    return [printable(run.name) if names.count(run.name) == 1 else run.short_id for run in runs]


def write_comparison(
    console: Console, comparison: Comparison, code: Sequence[CodeChange], now: datetime, *, everything: bool = False
) -> None:
    """Write what differs between runs.

    Args:
        console: where.
        comparison: the runs.
        code: how the code of each but the first differs from the first's.
        now: ages are counted to it.
        everything: also what is the same.
    """
    titles = [
        cut_middle(title, _WIDEST_TITLE) if console.is_terminal else title for title in run_titles(comparison.runs)
    ]
    _write_runs(console, comparison.runs, now)
    sections = _Sections(console, everything=everything)
    sections.write("parameter", comparison.params, lambda rows: _value_columns("Parameters", titles, rows, value))
    sections.write("metric", comparison.metrics, lambda rows: metric_columns(titles, rows))
    sections.write("input", comparison.inputs, lambda rows: _input_columns(titles, rows, whole=not console.is_terminal))
    sections.write("tag", comparison.tags, lambda rows: _value_columns("Tags", titles, rows, text))
    sections.write(
        "environment fact", comparison.environment, lambda rows: _value_columns("Environment", titles, rows, text)
    )
    sections.write("package", comparison.packages, lambda rows: _value_columns("Packages", titles, rows, text))
    for title, change in zip(titles[1:], code, strict=True):
        _write_code(console, titles[0], title, change)
    if console.is_terminal:
        _write_legend(console, comparison, code, sections.same)


@dataclass
class _Sections:
    """Writes one table per kind of thing and keeps count of what is the same and not shown."""

    console: Console
    everything: bool
    same: list[str] = field(default_factory=list)

    def write(self, noun: str, rows: Sequence[RowT], columns: Callable[[Sequence[RowT]], list[Column]]) -> None:
        shown = [row for row in rows if self.everything or row.differs]
        if len(shown) < len(rows):
            self.same.append(plural(len(rows) - len(shown), noun))
        if shown:
            write_line(self.console)
            left_out = write_table(self.console, columns(shown))
            if self.console.is_terminal:
                write_left_out(self.console, left_out, "make the terminal wider")


def _write_runs(console: Console, runs: Sequence[Run], now: datetime) -> None:
    terminal = console.is_terminal
    columns = [
        Column("", [Cell(printable(run.name), HEAD) for run in runs], keep=5, least=_SHORT),
        Column("", [Cell(run.short_id if terminal else run.id, "yellow") for run in runs], keep=4),
        Column("", [status_cell(run, terminal=terminal) for run in runs], keep=3),
        Column("", [Cell(printable(run.experiment)) for run in runs], keep=0, least=_SHORT),
        Column("", [Cell(age(run.started, now) if terminal else iso(run.started), DIM) for run in runs], keep=2),
        Column("", [Cell(duration(run.duration)) for run in runs], right=True, keep=1),
    ]
    write_table(console, columns, head=False)


def _names(title: str, names: Sequence[str]) -> Column:
    return Column(title, [Cell(f"  {printable(name)}") for name in names], keep=1000, least=_SHORT + 2)


def _value_columns(
    title: str, titles: Sequence[str], rows: Sequence[Row], tell: Callable[[Value], str]
) -> list[Column]:
    columns = [_names(title, [row.name for row in rows])]
    for i, name in enumerate(titles):
        cells = [Cell(tell_cell(row.values[i], tell), _style(row, i)) for row in rows]
        columns.append(Column(name, cells, keep=-i, least=_SHORT, names=False))
    return columns


def tell_cell(found: CellValue, tell: Callable[[Value], str]) -> str:
    """Return what a run has as text; nothing when it has no such thing."""
    return "" if found is ABSENT else tell(found)


def text(found: Value) -> str:
    """Return a value of which everybody knows that it is text, a version say, without quotes."""
    return printable(found) if isinstance(found, str) else value(found)


def _style(row: Row, i: int) -> str:
    """Mark what is not as in the first run."""
    return _OTHER if i and row.differs and not same(row.values[i], row.values[0]) else ""


def _input_columns(titles: Sequence[str], rows: Sequence[InputRow], *, whole: bool) -> list[Column]:
    columns = [_names("Inputs", [row.name for row in rows])]
    for i, name in enumerate(titles):
        cells = []
        for row in rows:
            given = row.values[i]
            digest = "" if given is None else printable(given.digest if whole else given.digest[:_DIGEST])
            differs = given is not None and (row.values[0] is None or given.digest != row.values[0].digest)
            cells.append(Cell(digest, _OTHER if differs else ""))
        columns.append(Column(name, cells, keep=-i, least=_SHORT, names=False))
    return columns


def metric_columns(titles: Sequence[str], rows: Sequence[MetricRow]) -> list[Column]:
    """Return the table of metrics of runs that are called ``titles``; of two, with what changed."""
    columns = [_names("Metrics", [row.name for row in rows])]
    two = len(titles) == 2
    for i, name in enumerate(titles):
        cells = [_metric_cell(row, i, marked=not two) for row in rows]
        columns.append(Column(name, cells, right=True, keep=-i))
    if two and any(row.changes[1] is not None for row in rows):
        changes = [row.changes[1] for row in rows]
        columns += [
            Column("change", [_change_cell(change, _delta) for change in changes], right=True, keep=-2),
            Column("relative", [_change_cell(change, _ratio) for change in changes], right=True, keep=-3),
            Column("", [_change_cell(change, sign) for change in changes], keep=-2),
        ]
    return columns


def sign(change: Change | None) -> str:
    """Return ``▲`` for a change to the better and ``▼`` for one to the worse."""
    if change is None or change.better is None:
        return ""
    return BETTER if change.better else WORSE


def change_texts(change: Change | None) -> tuple[str, str, str]:
    """Return the difference, the relative change and the sign of a change; empty texts for none."""
    return ("", "", "") if change is None else (_delta(change), _ratio(change), sign(change))


def _delta(change: Change) -> str:
    return signed(change.delta) if change.delta else "="


def _ratio(change: Change) -> str:
    return relative(change.relative) if change.relative else ""


def _metric_cell(row: MetricRow, i: int, *, marked: bool) -> Cell:
    number = row.values[i]
    if number is None:
        return Cell("")
    text = metric(number)
    if not marked:
        return Cell(text)
    # In a matrix every number has room for a mark, so that the numbers stand below each other.
    best = "bold " if i in row.best else ""
    return Cell(f"{text} {sign(row.changes[i]) or ' '}", best + _tone(row.changes[i]))


def _change_cell(change: Change | None, tell: Callable[[Change], str]) -> Cell:
    return Cell("") if change is None else Cell(tell(change), _tone(change))


def _tone(change: Change | None) -> str:
    if change is None or change.better is None:
        return ""
    return _GOOD if change.better else _BAD


def _write_code(console: Console, base: str, title: str, change: CodeChange) -> None:
    if not change.differs:
        return
    write_line(console)
    commits = printable(f"{(change.base or 'none')[:10]} → {(change.commit or 'none')[:10]}")
    write_line(console, Text.assemble(("Code", HEAD), f"  {commits}  ", (f"{base} → {title}", DIM)))
    if change.problem:
        write_line(console, Text(f"  cannot be compared: {printable(change.problem)}", "yellow"))
        return
    many = console.is_terminal and len(change.files) > _MANY_FILES + 1
    files = change.files[:_MANY_FILES] if many else change.files
    columns = [
        Column("", [Cell(f"  {_path(file)}") for file in files], keep=2, least=_SHORT + 2),
        Column(
            "",
            [Cell("binary" if file.added is None else f"+{file.added}", _GOOD) for file in files],
            right=True,
            keep=1,
        ),
        Column(
            "", [Cell("" if file.removed is None else f"-{file.removed}", _BAD) for file in files], right=True, keep=1
        ),
    ]
    write_table(console, columns, head=False)
    added, removed = (
        sum(counts) for counts in zip(*((f.added or 0, f.removed or 0) for f in change.files), strict=True)
    )
    more = f"{len(change.files) - len(files)} of them not shown, " if many else ""
    total = f"  {plural(len(change.files), 'file')}, {more}+{added} -{removed}; --code shows the patch"
    if console.is_terminal:
        write_line(console, Text(total, DIM))


def _path(file: FileChange) -> str:
    return printable(file.path if file.old_path is None else f"{file.old_path} → {file.path}")


def _write_legend(console: Console, comparison: Comparison, code: Sequence[CodeChange], same: Sequence[str]) -> None:
    notes = []
    if any(change is not None and change.better is not None for row in comparison.metrics for change in row.changes):
        notes.append(f"{BETTER} better, {WORSE} worse than {run_titles(comparison.runs)[0]}")
    alike = [*same, *(["code"] if not any(change.differs for change in code) else [])]
    if alike:
        notes.append(f"the same: {', '.join(alike)}" + (" (--all shows them)" if same else ""))
    if comparison.without_environment:
        notes.append(f"no environment is known of {', '.join(run_titles(comparison.without_environment))}")
    if notes:
        write_line(console)
    for note in notes:
        write_line(console, Text(note, DIM))
