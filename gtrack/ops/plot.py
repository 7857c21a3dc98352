"""Choose what a chart shows: runs, and of each what is known of them, as the plain data that ``charts`` draws."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from gtrack.charts.bars import BarPanel, Bars
from gtrack.charts.column import Column
from gtrack.charts.grid import Grid
from gtrack.charts.parallel import Parallel
from gtrack.charts.scatter import Scatter
from gtrack.errors import GTrackError, UsageError, nearest
from gtrack.ops.compare import ABSENT, Cell, names
from gtrack.ops.importance import Importance, importance
from gtrack.ops.listing import ColumnSpec, all_columns, column_value, list_runs
from gtrack.ops.search import Choice, find_runs
from gtrack.project import Project
from gtrack.records import Experiment, Goal, Run

MOST_AXES = 12
"""Parallel coordinates have so many parameters at the most, unless more are asked for."""
MOST_BARS = 50

_MOMENTS = {"started", "ended"}


def chosen_runs(
    project: Project,
    refs: Sequence[str],
    experiment: str | None = None,
    where: str | None = None,
    tell: Callable[[str], object] | None = None,
) -> list[Run]:
    """Return the runs that a chart is to show.

    Args:
        project: where.
        refs: references to runs, one each; a run that is named twice comes once.
        experiment: all runs of this experiment, when there are no references.
        where: only the runs that this filter takes.
        tell: is told what a person should hear about a reference, such as that a name is several runs'.

    Returns:
        The runs in the order of ``refs``; else all of ``experiment``, or all there are, the oldest first.

    Raises:
        RunNotFound: a reference names none.
        GTrackError: there is no run at all.
        UsageError: references together with ``experiment`` or ``where``, or a filter that is wrong.
    """
    if refs and (experiment is not None or where is not None):
        raise UsageError("Name runs, or choose them with --experiment and --where; not both.")
    if not refs:
        choice = Choice(where or "", None if experiment is None else (experiment,))
        runs = find_runs(project, choice)[::-1]
        if not runs:
            raise GTrackError("No run fulfils that filter." if where else _no_runs(project, experiment))
        return runs
    found: dict[str, Run] = {}
    for ref in refs:
        run = project.resolve(ref)
        if tell is not None and project.references.said:
            tell(project.references.said)
        found.setdefault(run.id, run)
    return list(found.values())


def _no_runs(project: Project, experiment: str | None) -> str:
    if experiment is None:
        return "No runs yet. 'gtrack run SCRIPT.py' makes one."
    known = list(project.store.branch().experiment_trees())
    hint = nearest(experiment, known) or f" Experiments: {', '.join(known) or 'none yet'}."
    return f"There is no run of the experiment {experiment!r}.{hint}"


def titles(runs: Sequence[Run]) -> list[str]:
    """Return what to call each run: its name, with digits of its id where several have that name."""
    counts = Counter(run.name for run in runs)
    return [run.name if counts[run.name] == 1 else f"{run.name} {run.short_id}" for run in runs]


# Columns


def column(runs: Sequence[Run], ref: str) -> Column:
    """Return what ``ref`` names of each run: ``params.lr``, ``metrics.f1``, ``lr``, ``duration``, ``started``.

    Raises:
        UsageError: nothing of that name is known of any run, or several things are.
    """
    return _column(runs, _spec(runs, ref))


def _spec(runs: Sequence[Run], ref: str) -> ColumnSpec:
    found = [one for one in all_columns(runs) if one.path == ref]
    if not found:
        if "," in ref or not ref.strip():
            raise UsageError(
                f"None of these runs has {ref!r}: name one parameter or metric, e.g. params.lr or metrics.f1."
            )
        found = list(list_runs(runs, columns=ref).columns)
    if len(found) != 1:
        several = ", ".join(one.path for one in found[:5])
        raise UsageError(f"{ref!r} is {len(found)} columns ({several}): name one.")
    return found[0]


def _column(runs: Sequence[Run], spec: ColumnSpec) -> Column:
    cells = [column_value(run, spec) for run in runs]
    name = spec.name if spec.group != "run" else spec.path
    if spec.group == "run" and spec.name in _MOMENTS:
        seconds = tuple(_seconds(cell) for cell in cells)
        return Column(name, seconds, is_time=True)
    if all(cell is ABSENT or _is_number(cell) for cell in cells):
        return Column(name, tuple(_number(cell) for cell in cells))
    absent = None if spec.group == "run" else ABSENT
    return Column(name, tuple(None if cell is absent or cell is ABSENT else _text(cell) for cell in cells))


def _seconds(cell: Cell) -> float | None:
    return datetime.fromisoformat(cell.replace("Z", "+00:00")).timestamp() if isinstance(cell, str) else None


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _number(cell: Cell) -> float | None:
    if not isinstance(cell, int | float):
        return None
    try:
        number = float(cell)
    except OverflowError:  # an int beyond the range of float64
        return None
    return number if math.isfinite(number) else None


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return "null" if cell is None else json.dumps(cell, ensure_ascii=False, default=str)


def params_of(runs: Sequence[Run], refs: Sequence[str] = ()) -> list[Column]:
    """Return the parameters that vary over ``runs``, or those that ``refs`` name."""
    if refs:
        return [column(runs, ref) for ref in refs]
    columns = [_column(runs, spec) for spec in all_columns(runs) if spec.group == "params"]
    return [one for one in columns if len(set(one.values)) > 1]


# Metrics


def chosen_metric(project: Project, runs: Sequence[Run], metric: str | None) -> tuple[str, Goal | None]:
    """Return the metric that a chart is about, and which direction of it is better, where somebody said.

    Args:
        project: where.
        runs: the runs of the chart.
        metric: its name, also with ``metrics.`` before it; None for the objective of the experiment, or the only one.

    Raises:
        UsageError: no run has it, or none is named and there is no objective.
    """
    objective = _objective(project, runs)
    known = names(run.metrics for run in runs)
    if metric is None:
        metric = objective[0] if objective else known[0] if len(known) == 1 else None
    if metric is None:
        raise UsageError(f"Say which metric with --metric. {_has_metrics(known)}")
    if metric not in known:
        metric = metric.removeprefix("metrics.")
    if metric not in known:
        raise UsageError(f"None of these runs has a metric {metric!r}.{nearest(metric, known)} {_has_metrics(known)}")
    if objective is not None and objective[0] == metric:
        return objective
    return metric, _goal(runs, metric)


def _has_metrics(known: Sequence[str]) -> str:
    return f"They have: {', '.join(known[:20])}{' …' if len(known) > 20 else ''}." if known else "They have no metrics."


def _objective(project: Project, runs: Sequence[Run]) -> tuple[str, Goal] | None:
    """Return the objective of the experiment that all runs belong to."""
    experiments = {run.experiment for run in runs}
    found: Experiment | None = project.store.experiment(experiments.pop()) if len(experiments) == 1 else None
    return found.objective if found is not None else None


def _goal(runs: Sequence[Run], metric: str) -> Goal | None:
    return next((goal for run in runs if metric in run.metrics and (goal := run.goal(metric)) is not None), None)


# Charts


def scatter(
    project: Project,
    runs: Sequence[Run],
    x: str,
    y: str,
    color: str | None = None,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> Scatter:
    """Return one thing against another, coloured by a third.

    Raises:
        UsageError: one of them is known of no run.
    """
    colour = None if color is None else column(runs, color)
    goal = None
    if color is not None and (spec := _spec(runs, color)).group == "metrics":
        goal = chosen_metric(project, runs, spec.name)[1]
    dark_is_high = goal is not Goal.MINIMIZE
    return Scatter(column(runs, x), column(runs, y), colour, dark_is_high=dark_is_high, log_x=log_x, log_y=log_y)


def parallel(project: Project, runs: Sequence[Run], metric: str | None, params: Sequence[str] = ()) -> Parallel:
    """Return parallel coordinates of the parameters that vary, or of ``params``, to a metric.

    Raises:
        UsageError: no such metric or parameter.
        GTrackError: no parameter varies.
    """
    name, goal = chosen_metric(project, runs, metric)
    columns = params_of(runs, params)
    if not columns:
        raise GTrackError("No parameter varies among these runs: name some with --param.")
    note = ""
    if not params and len(columns) > MOST_AXES:
        left_out = ", ".join(one.name for one in columns[MOST_AXES:])
        note, columns = f"Left out, for want of room: {left_out}.", columns[:MOST_AXES]
    return Parallel(columns, _metric_column(runs, name), goal, note)


def grid(project: Project, runs: Sequence[Run], x: str, y: str, metric: str | None) -> Grid:
    """Return a heat map of a metric over two parameters.

    Raises:
        UsageError: no such metric or parameter.
    """
    name, goal = chosen_metric(project, runs, metric)
    return Grid(column(runs, x), column(runs, y), _metric_column(runs, name), goal)


def _metric_column(runs: Sequence[Run], metric: str) -> Column:
    return _column(runs, ColumnSpec("metrics", metric))


def importance_of(project: Project, runs: Sequence[Run], metric: str | None, params: Sequence[str] = ()) -> Importance:
    """Return which of the parameters that vary, or of ``params``, moved a metric.

    Raises:
        UsageError: no such metric or parameter.
        GTrackError: too few runs to say anything.
    """
    name, _ = chosen_metric(project, runs, metric)
    return importance(params_of(runs, params), _metric_column(runs, name))


def importance_bars(found: Importance) -> Bars:
    """Return an importance as bars, with what it is worth in the title."""
    means, errors = ([round(number, 3) + 0.0 for number in numbers] for numbers in (found.means, found.errors))
    parts = [] if found.says_something else ["With so low an R² the bars are mostly chance."]
    if found.left_out:
        parts.append(f"Left out, as different in nearly every run: {', '.join(found.left_out)}.")
    return Bars(
        rows=found.params,
        panels=[BarPanel("by how much R² falls when its values are shuffled", means, errors)],
        title=f"What moved {found.metric}: a forest over {found.runs} runs, cross-validated R² = {found.r2:.2f}",
        note=" ".join(parts),
    )


def bars(
    project: Project,
    runs: Sequence[Run],
    metrics: Sequence[str],
    by: str | None = None,
    count: int | None = None,
) -> Bars:
    """Return metrics of each run as bars, the best first where the first metric has a goal.

    Args:
        project: where.
        runs: the runs.
        metrics: their names; the objective of the experiment when empty. Each becomes a panel.
        by: a parameter: then a bar is the mean of all runs with one value of it, with the standard deviation.
        count: how many bars at the most; 50 when None, all when 0.

    Raises:
        UsageError: no such metric or parameter.
    """
    chosen = [chosen_metric(project, runs, metric) for metric in (metrics or (None,))]
    columns = [_metric_column(runs, metric) for metric, _ in chosen]
    most = MOST_BARS if count is None else count or len(runs)
    if by is not None:
        return _grouped_bars(column(runs, by), columns, most)
    goal = chosen[0][1]
    order = _best_first(columns[0], goal)
    called = titles(runs)
    left_out = len(order) - most
    which = "best" if goal is not None else "first"
    return Bars(
        rows=[called[at] for at in order[:most]],
        panels=[BarPanel(one.name, [_known(one, at, runs) for at in order[:most]]) for one in columns],
        note=f"The {which} {most} of {len(order)} runs; -n 0 shows all." if left_out > 0 else "",
    )


def _best_first(metric: Column, goal: Goal | None) -> list[int]:
    """Return the runs by a metric, those without it last; as they come without a goal."""
    order = list(range(len(metric.values)))
    if goal is None:
        return order
    sign = 1 if goal is Goal.MINIMIZE else -1
    return sorted(order, key=lambda at: sign * metric.positions[at] if metric.known[at] else math.inf)


def _known(one: Column, at: int, runs: Sequence[Run]) -> float | None:
    """Return a metric of a run, also one that is not finite, which is told apart from one that is not there."""
    if one.name in runs[at].metrics and one.values[at] is None:
        number = runs[at].metrics[one.name]
        return number if isinstance(number, float) else math.inf
    return one.positions[at] if one.known[at] else None


def _grouped_bars(by: Column, columns: Sequence[Column], most: int) -> Bars:
    members: dict[float | str | None, list[int]] = {}
    for at, value in enumerate(by.values):
        members.setdefault(value, []).append(at)
    groups = sorted(members.items(), key=lambda item: by.positions[item[1][0]] if by.known[item[1][0]] else math.inf)
    shown = groups[:most]
    panels = []
    for one in columns:
        values = [[one.positions[at] for at in which if one.known[at]] for _, which in shown]
        means = [statistics.fmean(of_group) if of_group else None for of_group in values]
        errors = [statistics.stdev(of_group) if len(of_group) > 1 else None for of_group in values]
        panels.append(BarPanel(f"mean {one.name}", means, errors))
    note = "Whiskers are one standard deviation; n is the number of runs."
    if len(groups) > most:
        note += f" The first {most} of {len(groups)} values; -n 0 shows all."
    rows = [f"{by.name} = {_shown(value)}  (n={len(which)})" for value, which in shown]
    return Bars(rows=rows, panels=panels, note=note)


def _shown(value: float | str | None) -> str:
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else value
