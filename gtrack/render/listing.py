"""``gtrack ls``: one line per run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.compare import ABSENT
from gtrack.ops.listing import ColumnSpec, Listing, column_value
from gtrack.records import Run, Status, is_of_training
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, cut_middle, duration, iso, metric, printable, value

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.compare import Cell as Value

STATUS_STYLES = {
    Status.RUNNING: "bold cyan",
    Status.FINISHED: "green",
    Status.FAILED: "bold red",
    Status.KILLED: "yellow",
}
LIVE_MARK = "●"
DAMAGED_MARK = "!"

_SHORTEST = {"name": 16, "experiment": 12, "notes": 16, "command": 16, "branch": 10, "user": 10, "host": 8}
_SHORTEST_PARAM = 8
_LEAST_TITLE = 16  # "f1_score_X_test": of a shorter one nobody could tell it from "f1_score_X_train"
# The first metric matters more than the age, the first param more than the id; further ones take turns below these.
_KEEP = {"name": 100, "status": 95, "started": 85, "experiment": 82, "id": 78, "duration": 45}
_KEEP_FIRST = {"metrics": 90, "params": 80, "tags": 40}
_KEEP_FURTHER = {"metrics": 77, "params": 76, "tags": 39}


def status_cell(run: Run, *, terminal: bool) -> Cell:
    """Return the status; on a terminal with a mark on what runs, anywhere with one on what is damaged."""
    mark = f"{LIVE_MARK} " if terminal and run.status is Status.RUNNING else ""
    return Cell(f"{mark}{run.status}{DAMAGED_MARK if run.problems else ''}", STATUS_STYLES[run.status])


@dataclass(frozen=True)
class _Style:
    """Where a listing is shown: a terminal gets ages and short ids, a program moments and whole ones."""

    terminal: bool
    now: datetime


def write_listing(console: Console, listing: Listing, now: datetime) -> None:
    """Write the table, and on a terminal a line about what it does not show."""
    style = _Style(console.is_terminal, now)
    columns = listing_columns(listing, now, terminal=console.is_terminal)
    left_out = write_table(console, columns)
    if not style.terminal:
        return
    hint = "choose with --columns" if len(left_out) < len(columns) - 1 else "make the terminal wider"
    write_left_out(console, left_out, hint)
    write_line(console, Text(cut_middle(_summary(listing), console.width), DIM))
    legend = damage_legend(listing)
    if legend:
        write_line(console, Text(legend, DIM))


def damage_legend(listing: Listing) -> str:
    """Return what the mark of damaged runs means; nothing where there are none."""
    damaged = sum(bool(run.problems) for run in listing.runs)
    return f"{damaged} damaged ({DAMAGED_MARK}): 'gtrack show RUN' says how" if damaged else ""


def listing_columns(listing: Listing, now: datetime, *, terminal: bool = False) -> list[Column]:
    """Return the table of a listing: with moments and whole ids, or as it is shown on a terminal."""
    style = _Style(terminal, now)
    return _columns([spec for spec in listing.columns if not _is_idle(spec, listing, style)], listing, style)


def _is_idle(spec: ColumnSpec, listing: Listing, style: _Style) -> bool:
    """Tell whether a column only repeats what the line below the table says once."""
    return (
        style.terminal
        and not listing.chosen
        and spec.path == "experiment"
        and _one_experiment(listing.runs) is not None
    )


def _one_experiment(runs: Sequence[Run]) -> str | None:
    names = {run.experiment for run in runs}
    return names.pop() if len(names) == 1 else None


def _summary(listing: Listing) -> str:
    experiment = _one_experiment(listing.runs)
    count = plural(len(listing.runs), "run")
    said = f"the {listing.which} {count}; -n 0 shows all" if listing.more else count
    if experiment is not None and not listing.chosen:
        said = f"{printable(experiment)}: {said}"
    return said


def _columns(specs: Sequence[ColumnSpec], listing: Listing, style: _Style) -> list[Column]:
    titles = [printable(spec.name) for spec in specs]
    ranks = _ranks(specs, listing)
    columns = []
    for position, spec in enumerate(specs):
        cells = [_cell(run, spec, style) for run in listing.runs]
        title = titles[position] if titles.count(titles[position]) == 1 else printable(spec.path)
        columns.append(
            Column(
                title="started" if spec.path == "started" else title,
                cells=cells,
                right=spec.group == "metrics" or spec.path == "duration" or _all_numbers(spec, listing.runs),
                keep=-position if listing.chosen else _keep(spec, ranks[spec]),
                least=_least(spec, listing.runs),
                least_title=_LEAST_TITLE,
            )
        )
    return columns


def _ranks(specs: Sequence[ColumnSpec], listing: Listing) -> dict[ColumnSpec, int]:
    """Return how much each column matters among those of its group, from 0 for the one that matters most.

    A metric that a run says a goal of comes before those that are only noted; what more runs have before what fewer have; and
    a metric of the training data, as autologging records several of, after those of other data. But the one by which the best
    runs were found, which is the first, stays the first.
    """
    has = {spec: sum(column_value(run, spec) is not ABSENT for run in listing.runs) for spec in specs}
    decides = next((spec for spec in specs if spec.group == "metrics"), None) if listing.which == "best" else None
    sought = {name for run in listing.runs for name, said in run.metric_definitions.items() if said.goal is not None}

    def key(spec: ColumnSpec) -> tuple[str, bool, bool, bool, int]:
        is_sought = spec.group == "metrics" and spec.name in sought
        return spec.group, spec != decides, not is_sought, is_of_training(spec.name), -has[spec]

    ordered = sorted(specs, key=key)
    ranks: dict[ColumnSpec, int] = {}
    for _, group in groupby(ordered, key=lambda spec: spec.group):
        ranks.update((spec, rank) for rank, spec in enumerate(group))
    return ranks


def _keep(spec: ColumnSpec, rank: int) -> int:
    if spec.group == "run":
        return _KEEP[spec.name]
    return _KEEP_FURTHER[spec.group] - 2 * rank if rank else _KEEP_FIRST[spec.group]


def _least(spec: ColumnSpec, runs: Sequence[Run]) -> int | None:
    if spec.group == "run":
        return _SHORTEST.get(spec.name)
    return None if spec.group == "metrics" or _all_numbers(spec, runs) else _SHORTEST_PARAM


def _all_numbers(spec: ColumnSpec, runs: Sequence[Run]) -> bool:
    if spec.group == "run":
        return False
    found = [column_value(run, spec) for run in runs]
    return all(one is ABSENT or (isinstance(one, (int, float)) and not isinstance(one, bool)) for one in found)


def _cell(run: Run, spec: ColumnSpec, style: _Style) -> Cell:
    if spec.group == "run":
        return _field(run, spec.name, style)
    found = column_value(run, spec)
    return Cell(_text(found, spec))


def _text(found: Value, spec: ColumnSpec) -> str:
    if found is ABSENT:
        return ""
    if spec.group == "metrics" and isinstance(found, (int, float)):
        return metric(found)
    return printable(found) if spec.group == "tags" and isinstance(found, str) else value(found)


def _field(run: Run, name: str, style: _Style) -> Cell:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(run, style)
    found = column_value(run, ColumnSpec("run", name))
    if found is None or found is ABSENT:
        return Cell("")
    if style.terminal and name in _IDS:
        return Cell(str(found)[:8])
    return Cell(printable(found) if isinstance(found, str) else value(found))


def _duration(run: Run, style: _Style) -> str:
    """Return how long it took; for what still runs on a terminal, how long it has been running."""
    if run.status is Status.RUNNING and style.terminal and run.started is not None:
        return f"{duration((style.now - run.started).total_seconds())}+"
    return duration(run.duration)


_IDS = ("commit", "head", "parent")
_SPECIAL: Mapping[str, Callable[[Run, _Style], Cell]] = {
    "name": lambda run, _: Cell(printable(run.name), "bold" if run.live else ""),
    "id": lambda run, style: Cell(run.short_id if style.terminal else run.id, "yellow"),
    "status": lambda run, style: status_cell(run, terminal=style.terminal),
    "started": lambda run, style: Cell(age(run.started, style.now) if style.terminal else iso(run.started), DIM),
    "duration": lambda run, style: Cell(_duration(run, style)),
    "command": lambda run, _: Cell(printable(" ".join(run.command))),
}
