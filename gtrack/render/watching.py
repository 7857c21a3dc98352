"""Running runs as a table that is drawn again and again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gtrack.formats.words import plural
from gtrack.ops.watch import Standing
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, duration, metric, printable, sparkline

if TYPE_CHECKING:
    from rich.console import Console

_BAR = 10
_COURSE = 12


def write_watch(console: Console, standings: Sequence[Standing], now: datetime) -> None:
    """Write where the running runs stand: name, time, progress, and each metric with its course."""
    if not standings:
        write_line(console, "No run is running.")
        return
    left_out = write_table(console, _columns(standings, now))
    write_left_out(console, left_out, "a wider terminal shows them")
    write_line(console, plural(len(standings), "running run"))


def _columns(standings: Sequence[Standing], now: datetime) -> list[Column]:
    runs = [one.run for one in standings]
    columns = [
        Column("name", [Cell(printable(run.name), "bold") for run in runs], keep=9, least=12),
        Column("id", [Cell(run.short_id, DIM) for run in runs], keep=4),
        Column("experiment", [Cell(printable(run.experiment)) for run in runs], keep=2, least=8),
        Column("started", [Cell(age(run.started, now), DIM) for run in runs], keep=5),
        Column("progress", [_progress(one, now) for one in standings], keep=8),
    ]
    for name in dict.fromkeys(name for run in runs for name in run.metrics):
        columns.append(Column(printable(name), [_value(one, name) for one in standings], right=True, keep=7))
        if any(len(one.series.get(name, ())) > 1 for one in standings):
            courses = [Cell(sparkline(one.series.get(name, ()), _COURSE), "cyan") for one in standings]
            columns.append(Column("", courses, keep=6, label=f"course of {printable(name)}"))
    return columns


def _progress(one: Standing, now: datetime) -> Cell:
    if one.step is None:
        return Cell("")
    if one.progress is None or one.total is None:
        return Cell(f"step {one.step:g}")
    full = round(one.progress * _BAR)
    return Cell(f"{'█' * full}{'░' * (_BAR - full)} {one.step + 1:g}/{one.total}{_left(one, now)}")


def _left(one: Standing, now: datetime) -> str:
    """Return how long it will take at the pace so far."""
    if not one.progress or one.run.started is None:
        return ""
    spent = (now - one.run.started).total_seconds()
    return f", {duration(max(spent / one.progress - spent, 0))} left"


def _value(one: Standing, name: str) -> Cell:
    value = one.run.metrics.get(name)
    return Cell("" if value is None else metric(value))


def watch_data(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return the same as plain data."""
    return [
        {
            "id": one.run.id,
            "name": one.run.name,
            "experiment": one.run.experiment,
            "started": one.run.started.isoformat() if one.run.started else None,
            "step": one.step,
            "total": one.total,
            "progress": one.progress,
            "metrics": dict(one.run.metrics),
        }
        for one in standings
    ]
