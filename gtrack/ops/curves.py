"""Choose what a chart of curves shows: the rows of many runs, over steps, time or another metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gtrack.charts.history import Curve, Histories, Panel
from gtrack.errors import UsageError, nearest
from gtrack.ops.compare import names
from gtrack.ops.plot import titles
from gtrack.project import Project
from gtrack.records import Goal, History, Number, Run

STEP, TIME = "step", "time"


def read_histories(project: Project, runs: Sequence[Run]) -> dict[str, History]:
    """Return the rows of each run, by its id."""
    return {run.id: project.history(run.id) for run in runs}


def histories(
    runs: Sequence[Run],
    rows: Mapping[str, History],
    metrics: Sequence[tuple[str, Goal | None]],
    *,
    x: str = STEP,
    smoothing: float = 0.0,
    log_x: bool = False,
    log_y: bool = False,
) -> Histories:
    """Return the curves of metrics.

    Args:
        runs: whose.
        rows: the history of each run, by its id; a run that is missing there has no curve.
        metrics: names with the direction that is better; each becomes a panel.
        x: ``step``, ``time`` (since the start of the run), or a metric such as ``epoch``; rows with the same value of that
            are one point, their mean.
        smoothing: the weight of what came before in a moving average, from 0 (none) to below 1.
        log_x: whether x is on a logarithmic axis.
        log_y: the same for the metrics.

    Raises:
        UsageError: a smoothing out of range, or a metric or x that no run has logged with steps.
    """
    if not 0 <= smoothing < 1:
        raise UsageError(f"--smooth is {smoothing:g}; give a weight from 0 (none) to below 1, e.g. 0.9.")
    found = [rows.get(run.id, History()) for run in runs]
    if x not in {STEP, TIME} and not any(x in history.columns for history in found):
        known = [STEP, TIME, *names(history.columns for history in found)]
        raise UsageError(
            f"None of these runs has logged {x!r} with steps.{nearest(x, known)} x is {STEP}, {TIME} or a metric."
        )
    unit, seconds = _unit(runs, found) if x == TIME else ("", 1.0)
    panels = []
    for metric, _ in metrics:
        curves = [
            Curve(name, _points(run, history, metric, x, seconds))
            for name, run, history in zip(titles(runs), runs, found, strict=True)
        ]
        if not any(curve.points for curve in curves):
            known = names(history.columns for history in found)
            has = f"They have: {', '.join(known[:20])}." if known else "They have none."
            raise UsageError(f"None of these runs has logged {metric!r} with steps.{nearest(metric, known)} {has}")
        panels.append(Panel(metric, curves))
    first = panels[0].curves if panels else []
    order, order_name = _order([[y for _, y in curve.points] for curve in first], metrics[0][1] if metrics else None)
    return Histories(
        panels=panels,
        x_label=f"time since the start ({unit})" if x == TIME else x,
        order=order,
        order_name=order_name,
        smoothing=smoothing,
        log_x=log_x,
        log_y=log_y,
        note=_history_note([curve for panel in panels for curve in panel.curves], len(panels), smoothing),
    )


def _history_note(curves: Sequence[Curve], panels: int, smoothing: float) -> str:
    parts = [f"Moving average, weight {smoothing:g}."] if smoothing else []
    empty = sum(1 for curve in curves if not curve.points)
    if empty and panels == 1:
        parts.append(f"{empty} of {len(curves)} runs {'has' if empty == 1 else 'have'} no value of it.")
    gaps = sum(1 for curve in curves for _, y in curve.points if not math.isfinite(y))
    if gaps:
        parts.append(f"{gaps} {'value is' if gaps == 1 else 'values are'} NaN or infinite, and left out.")
    return " ".join(parts)


def _order(values: Sequence[Sequence[Number]], goal: Goal | None) -> tuple[list[int], str]:
    """Return the runs by their last value, the best first; without a goal, the newest first."""
    indices = list(range(len(values)))
    if goal is None:
        return [at for at in reversed(indices) if values[at]], "newest runs"
    sign = 1 if goal is Goal.MINIMIZE else -1
    last = [next((y for y in reversed(of_run) if math.isfinite(y)), None) for of_run in values]
    known = [(sign * value, at) for at, value in enumerate(last) if value is not None]
    return [at for _, at in sorted(known)], "best runs"


def _points(run: Run, history: History, metric: str, x: str, seconds: float) -> list[tuple[Number, Number]]:
    if x == STEP:
        return history.series(metric)
    values = history.columns.get(metric)
    if values is None:
        return []
    xs = _times(run, history, seconds) if x == TIME else _values_at_steps(history, x)
    points = [(at, y) for at, y in zip(xs, values, strict=True) if at is not None and y is not None]
    return points if x == TIME else _means(points)


def _means(points: Sequence[tuple[Number, Number]]) -> list[tuple[Number, Number]]:
    """Return one point for each x, the mean of its finite values: an epoch of many steps would be an upright line."""
    at: dict[Number, list[Number]] = {}
    for x, y in points:
        at.setdefault(x, []).append(y)
    result: list[tuple[Number, Number]] = []
    for x, ys in at.items():
        finite = [y for y in ys if math.isfinite(y)]
        result.append((x, math.fsum(finite) / len(finite) if finite else math.nan))
    return result


def _times(run: Run, history: History, seconds: float) -> list[float | None]:
    start = _start(run, history)
    return [None if time is None or start is None else (time - start) / seconds for time in history.times]


def _start(run: Run, history: History) -> float | None:
    """Return when a run began: as it says, unless its rows are from another time, as imported ones are."""
    first = min((time for time in history.times if time is not None), default=None)
    if run.started is None or first is None:
        return first
    started = run.started.timestamp()
    return started if started <= first <= started + 86400 else first


def _unit(runs: Sequence[Run], found: Sequence[History]) -> tuple[str, float]:
    longest = 0.0
    for run, history in zip(runs, found, strict=True):
        start = _start(run, history)
        longest = max([longest, *(time - start for time in history.times if time is not None and start is not None)])
    for unit, seconds in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if longest >= 2 * seconds:
            return unit, seconds
    return "seconds", 1.0


def _values_at_steps(history: History, metric: str) -> list[Number | None]:
    """Return the value of a metric in each row: that of its step, wherever in the step it was logged, else the last one."""
    of_step = dict(history.series(metric))
    result: list[Number | None] = []
    last: Number | None = None
    for step in history.steps:
        last = of_step.get(step, last)
        result.append(last)
    return result
