"""Parallel coordinates: an upright axis per parameter, a line per run, coloured by the objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.charts.column import Column, colour_bar, colouring, shaded
from gtrack.charts.style import (
    HEIGHT,
    WIDTH,
    bend,
    caption,
    finite,
    is_wide,
    linear_part,
    new_figure,
    number_text,
    plain,
)
from gtrack.errors import InvalidValue
from gtrack.records import Goal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_OF_AXIS = 1.15
_MISSING = -0.14
_MOST_TICKS = 9
_SPREAD = 0.03
_FEW_VALUES, _APART = 6, 0.08
_FEW, _MANY = 30, 120


@dataclass(frozen=True)
class Parallel:
    """A chart of lines through parameters that end in the objective.

    Attributes:
        columns: the parameters, in order.
        objective: what the lines are coloured by; runs without it are not drawn.
        goal: which direction of it is better: the best lines are the darkest, and on top.
        note: what stands below the chart.
    """

    columns: Sequence[Column]
    objective: Column
    goal: Goal | None = None
    note: str = ""

    @property
    def drawn(self) -> list[int]:
        """Indices of the runs that have the objective, the best last."""
        known = [at for at, is_known in enumerate(self.objective.known) if is_known]
        return sorted(known, key=lambda at: self.objective.positions[at], reverse=self.goal is Goal.MINIMIZE)

    @property
    def axes(self) -> list[Column]:
        """The parameters that any drawn run has, and the objective as the last, of the drawn runs."""
        drawn = self.drawn
        columns = [column.at(drawn) for column in self.columns]
        return [*(column for column in columns if any(column.known)), self.objective.at(drawn)]

    @property
    def left_out(self) -> str:
        """How many runs cannot be drawn, as a sentence; empty when all are."""
        missing = len(self.objective.values) - len(self.drawn)
        return f"{_runs(missing)} without {self.objective.name} left out." if missing else ""


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


@dataclass(frozen=True)
class Scale:
    """How the values of a column stand on an axis from 0 to 1.

    Attributes:
        places: one per run; None where it has no value.
        ticks: places and their texts.
    """

    places: tuple[float | None, ...]
    ticks: tuple[tuple[float, str], ...]


def scale_of(column: Column) -> Scale:
    """Return the places of a column's values: logarithmic when they span three orders of magnitude."""
    numbers = finite(column.positions)
    if column.is_category:
        most = len(column.categories) - 1
        every = math.ceil(len(column.categories) / _MOST_TICKS)
        named = list(enumerate(column.categories))[::every]
        ticks = tuple((at / most if most else 0.5, name) for at, name in named)
        return Scale(tuple(_place(position, 0, most) for position in column.positions), ticks)
    linear = linear_part(numbers) if is_wide(numbers) else 0.0
    bent = [bend(position, linear) if math.isfinite(position) else math.nan for position in column.positions]
    ends = bend(min(numbers), linear), bend(max(numbers), linear)
    places = tuple(_place(position, *ends) for position in bent)
    return Scale(places, tuple(_number_ticks(numbers, linear)))


def _place(position: float, low: float, high: float) -> float | None:
    if not math.isfinite(position):
        return None
    # Halved, so that the span of two numbers near the ends of float64 stays finite.
    return (position / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5


def _number_ticks(numbers: Sequence[float], linear: float | None) -> list[tuple[float, str]]:
    """Return a tick for each value when there are few, else the ends and round numbers between them."""
    low, high = min(numbers), max(numbers)
    distinct = sorted(set(numbers))
    if len(distinct) > _FEW_VALUES:
        distinct = sorted({low, *_round_numbers(low, high, linear), high})
    ticks: list[tuple[float, str]] = []
    for number in distinct:
        place = _place(bend(number, linear), bend(low, linear), bend(high, linear)) or 0.0
        if ticks and place - ticks[-1][0] <= _APART:
            if number != high:
                continue
            ticks = [tick for tick in ticks if place - tick[0] > _APART]
        ticks.append((place, number_text(number)))
    return ticks


def _round_numbers(low: float, high: float, linear: float | None) -> list[float]:
    from matplotlib.ticker import LogLocator, MaxNLocator

    locator = MaxNLocator(4) if linear == 0.0 else LogLocator(numticks=6)
    return [float(tick) for tick in locator.tick_values(linear or low, high) if low < tick < high]


def draw_parallel(chart: Parallel) -> Figure:
    """Draw one line per run.

    Raises:
        InvalidValue: no run has the objective, or there is no parameter.
    """
    if not chart.drawn:
        raise InvalidValue(f"There is nothing to draw: no run has a finite {chart.objective.name}.")
    columns = chart.axes
    if len(columns) < 2:
        raise InvalidValue("There is nothing to draw: parallel coordinates need at least one parameter.")
    figure = new_figure(max(WIDTH, _WIDTH_OF_AXIS * len(columns) + 1), HEIGHT)
    axes = figure.add_subplot()
    scales = [scale_of(column) for column in columns]
    _draw_lines(figure, axes, chart, columns, scales)
    missing = any(place is None for scale in scales for place in scale.places)
    for at, scale in enumerate(scales):
        _draw_axis(axes, at, scale, missing=missing)
    _label(axes, columns)
    axes.set_xlim(-0.35, len(columns) - 0.9)
    axes.set_ylim(_MISSING - 0.05 if missing else -0.06, 1.06)
    title = f"{_runs(len(chart.drawn))} to {plain(chart.objective.name, 60)}"
    axes.set_title(title, loc="left", fontsize="large", pad=24, parse_math=False)
    caption(figure, " ".join(filter(None, [chart.left_out, chart.note])))
    return figure


def _draw_lines(figure: Figure, axes: Axes, chart: Parallel, columns: list[Column], scales: list[Scale]) -> None:
    from matplotlib.collections import LineCollection

    objective = columns[-1]
    count = len(objective.values)
    colours = colouring(objective, dark_is_high=chart.goal is not Goal.MINIMIZE)
    pairs = list(zip(columns, scales, strict=True))
    lines = [[(x, _line_place(scale, column, run)) for x, (column, scale) in enumerate(pairs)] for run in range(count)]
    alpha = 0.9 if count <= _FEW else 0.7 if count <= _MANY else 0.55
    width = 1.6 if count <= _FEW else 1.0
    axes.add_collection(
        LineCollection(lines, colors=shaded(colours, objective.positions), linewidths=width, alpha=alpha, zorder=2)
    )
    colour_bar(figure, axes, colours, objective)


def _line_place(scale: Scale, column: Column, run: int) -> float:
    """Return where a line crosses an axis; lines through one category are moved apart a little, always the same way."""
    place = scale.places[run]
    if place is None:
        return _MISSING
    return place + _SPREAD * (run * 0.618034 % 1 - 0.5) if column.is_category else place


def _draw_axis(axes: Axes, at: int, scale: Scale, *, missing: bool) -> None:
    axes.plot([at, at], [0, 1], color="0.2", linewidth=1, zorder=3)
    ticks = list(scale.ticks)
    if missing and any(place is None for place in scale.places):
        ticks.append((_MISSING, "none"))
    for place, text in ticks:
        axes.plot([at - 0.02, at], [place, place], color="0.2", linewidth=1, zorder=3)
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}
        label = axes.text(
            at - 0.035, place, plain(text, 14), ha="right", va="center", fontsize="small", zorder=4, bbox=box
        )
        label.set_parse_math(False)


def _label(axes: Axes, columns: Sequence[Column]) -> None:
    axes.xaxis.tick_top()
    long = 100 // len(columns)
    names = [plain(column.name, max(long, 12)) for column in columns]
    axes.set_xticks(range(len(columns)), names, parse_math=False)
    if sum(map(len, names)) > 90:
        axes.tick_params(axis="x", labelrotation=20)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="left", rotation_mode="anchor")
    axes.get_xticklabels()[-1].set_fontweight("bold")
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
