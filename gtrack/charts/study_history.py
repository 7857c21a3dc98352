"""The course of a study: the value of each trial, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.charts.style import (
    BACKGROUND,
    COLOURS,
    HEIGHT,
    WIDTH,
    caption,
    dress,
    finite,
    is_wide,
    legend_beside,
    log_scale,
    new_figure,
)
from gtrack.errors import InvalidValue
from gtrack.records import Goal

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_HEIGHT = 2.8
_MANY = 60


@dataclass(frozen=True)
class Objective:
    """One objective of a study over its trials; a value that is not finite is not drawn.

    Attributes:
        title: what is measured.
        goal: which direction is better.
        complete: number and value of the trials that came to their end.
        pruned: number and last value of those that were given up.
    """

    title: str
    goal: Goal
    complete: Sequence[tuple[int, float]]
    pruned: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class StudyHistory:
    """The objectives of a study, one panel each.

    Attributes:
        title: what stands above all; empty when the panels say enough.
        note: what stands below the chart.
    """

    objectives: Sequence[Objective]
    title: str = ""
    note: str = ""


def best_so_far(points: Sequence[tuple[int, float]], goal: Goal) -> list[tuple[int, float]]:
    """Return the best value up to each trial, in the order of their numbers."""
    better = min if goal is Goal.MINIMIZE else max
    best: list[tuple[int, float]] = []
    for number, value in sorted(points):
        if math.isfinite(value):
            best.append((number, better(value, best[-1][1]) if best else value))
    return best


def draw_study_history(chart: StudyHistory) -> Figure:
    """Draw the value of each trial as a point, and the best so far as a line of steps.

    Raises:
        InvalidValue: no trial has a finite value.
    """
    from matplotlib.ticker import MaxNLocator

    if not any(finite(value for _, value in (*one.complete, *one.pruned)) for one in chart.objectives):
        what = ", ".join(repr(one.title) for one in chart.objectives)
        raise InvalidValue(f"There is nothing to draw for {what}: no trial has a finite value of it.")
    count = len(chart.objectives)
    figure = new_figure(WIDTH, max(HEIGHT, _PANEL_HEIGHT * count))
    every: list[Axes] = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    handles: dict[str, Artist] = {}
    for axes, one in zip(every, chart.objectives, strict=True):
        handles |= _draw(axes, one)
    every[-1].set_xlabel("trial", parse_math=False)
    every[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_beside(figure, list(handles.values()), list(handles))
    if chart.title:
        figure.suptitle(chart.title, x=0.01, ha="left", fontsize="large", parse_math=False)
    caption(figure, chart.note)
    return figure


def _draw(axes: Axes, one: Objective) -> dict[str, Artist]:
    dress(axes, one.title)
    drawn: dict[str, Artist] = {}
    size = 16 if len(one.complete) + len(one.pruned) > _MANY else 34
    complete = [point for point in one.complete if math.isfinite(point[1])]
    pruned = [point for point in one.pruned if math.isfinite(point[1])]
    if pruned:
        x, y = zip(*pruned, strict=True)
        drawn["pruned"] = axes.scatter(x, y, s=size, marker="x", color=BACKGROUND, linewidth=1, zorder=2)
    if complete:
        x, y = zip(*complete, strict=True)
        drawn["complete"] = axes.scatter(x, y, s=size, color=COLOURS[0], edgecolor="0.25", linewidth=0.5, zorder=3)
        x, y = zip(*best_so_far(complete, one.goal), strict=True)
        (drawn["best so far"],) = axes.step(x, y, where="post", color=COLOURS[1], linewidth=1.6, zorder=2.5)
    values = [value for _, value in (*complete, *pruned)]
    if is_wide(values):
        log_scale(axes, "y", values)
    return drawn
