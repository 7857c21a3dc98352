"""A heat map: the mean of a metric for each pair of values of two parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gtrack.charts.column import Column, colour_bar, colouring, shaded
from gtrack.charts.style import WIDTH, caption, dress, finite, is_wide, new_figure, number_text, plain
from gtrack.errors import InvalidValue
from gtrack.records import Goal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_VALUES = 12
"""A parameter with more values than these stands in ranges, or as its most frequent values."""
_RANGES = 8


@dataclass(frozen=True)
class Grid:
    """A heat map.

    Attributes:
        x: the parameter whose values are the columns.
        y: the parameter whose values are the rows.
        metric: whose mean the cells hold.
        goal: which direction is better: the best cell is the darkest.
        note: what stands below the chart.
    """

    x: Column
    y: Column
    metric: Column
    goal: Goal | None = None
    note: str = ""


@dataclass(frozen=True)
class Cells:
    """A heat map in numbers.

    Attributes:
        x_labels: of the columns, from left to right.
        y_labels: of the rows, from top to bottom.
        means: by row and column; None where no run is.
        counts: how many runs each mean is of.
        left_out: how many runs are in no cell.
    """

    x_labels: tuple[str, ...]
    y_labels: tuple[str, ...]
    means: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]
    left_out: int


def cells_of(chart: Grid) -> Cells:
    """Sort runs into the cells of a heat map; numbers with many values into ranges.

    Raises:
        InvalidValue: no run has all three.
    """
    (x_labels, x_places), (y_labels, y_places) = places_of(chart.x), places_of(chart.y)
    found: dict[tuple[int, int], list[float]] = {}
    for x, y, value in zip(x_places, y_places, chart.metric.positions, strict=True):
        if x is not None and y is not None and math.isfinite(value):
            found.setdefault((y, x), []).append(value)
    if not found:
        raise InvalidValue(
            f"There is nothing to draw: no run has {chart.x.name}, {chart.y.name} and a finite {chart.metric.name}."
        )
    rows, columns = range(len(y_labels) - 1, -1, -1), range(len(x_labels))
    means = tuple(tuple(_mean(found.get((y, x), [])) for x in columns) for y in rows)
    counts = tuple(tuple(len(found.get((y, x), [])) for x in columns) for y in rows)
    inside = sum(map(len, found.values()))
    return Cells(tuple(x_labels), tuple(y_labels[y] for y in rows), means, counts, len(chart.x.values) - inside)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(value / len(values) for value in values) if values else None


def places_of(column: Column) -> tuple[list[str], list[int | None]]:
    """Return the labels of the classes that a column falls into, in order, and the class of each run."""
    if column.is_category:
        return _frequent(column)
    distinct = sorted(set(finite(column.positions)))
    if len(distinct) <= MOST_VALUES:
        index = {value: at for at, value in enumerate(distinct)}
        return [number_text(value) for value in distinct], [index.get(position) for position in column.positions]
    return _ranges(column, distinct)


def _frequent(column: Column) -> tuple[list[str], list[int | None]]:
    names = list(column.categories)
    if len(names) > MOST_VALUES:
        counts = {name: column.values.count(name) for name in names}
        frequent = sorted(names, key=lambda name: -counts[name])[: MOST_VALUES - 1]
        names = [name for name in names if name in frequent]
        others = len(counts) - len(names)
        index = {name: at for at, name in enumerate(names)}
        places = [None if value is None else index.get(str(value), len(names)) for value in column.values]
        return [*names, f"{others} others"], places
    index = {name: at for at, name in enumerate(names)}
    return names, [None if value is None else index[str(value)] for value in column.values]


def _ranges(column: Column, distinct: list[float]) -> tuple[list[str], list[int | None]]:
    log = is_wide(distinct)
    low, high = (math.log10(distinct[0]), math.log10(distinct[-1])) if log else (distinct[0], distinct[-1])
    edges = [low + (high - low) * part / _RANGES for part in range(_RANGES + 1)]
    labels = [f"{_edge(start, log=log)}–{_edge(end, log=log)}" for start, end in pairwise(edges)]
    places: list[int | None] = []
    for position in column.positions:
        if not math.isfinite(position):
            places.append(None)
            continue
        number = math.log10(position) if log else position
        places.append(min(int((number - low) / (high - low) * _RANGES), _RANGES - 1))
    return labels, places


def _edge(number: float, *, log: bool) -> str:
    return f"{10**number:.1e}".replace("e-0", "e-").replace("e+0", "e") if log else number_text(float(f"{number:.3g}"))


def draw_grid(chart: Grid) -> Figure:
    """Draw a heat map with its numbers in it.

    Raises:
        InvalidValue: no run has all three.
    """
    cells = cells_of(chart)
    figure = new_figure(max(WIDTH, 1.5 + 0.72 * len(cells.x_labels)), max(3.0, 1.5 + 0.42 * len(cells.y_labels)))
    axes = figure.add_subplot()
    means = Column(chart.metric.name, tuple(mean for row in cells.means for mean in row))
    colours = colouring(means, dark_is_high=chart.goal is not Goal.MINIMIZE)
    numbers = [[math.nan if mean is None else mean for mean in row] for row in cells.means]
    norm: Any = colours.norm
    axes.imshow(numbers, cmap=colours.cmap, norm=norm, aspect="auto")
    dress(axes, f"mean {chart.metric.name}", chart.x.name, chart.y.name)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_facecolor("0.96")
    _label(axes, cells)
    for y, row in enumerate(cells.means):
        for x, mean in enumerate(row):
            if mean is not None:
                _write(axes, x, y, mean, cells.counts[y][x], shaded(colours, [mean])[0])
    colour_bar(figure, axes, colours, means)
    caption(figure, " ".join(filter(None, [grid_note(chart, cells), chart.note])))
    return figure


def grid_note(chart: Grid, cells: Cells) -> str:
    """Return how the heat map is to be read."""
    parts = []
    if any(count > 1 for row in cells.counts for count in row):
        parts.append("×n: the mean of n runs.")
    if cells.left_out:
        lacking = [one.name for one in (chart.x, chart.y, chart.metric) if not all(one.known)]
        runs = "run" if cells.left_out == 1 else "runs"
        parts.append(f"{cells.left_out} {runs} without {' or '.join(lacking)} left out.")
    return " ".join(parts)


def _label(axes: Axes, cells: Cells) -> None:
    axes.set_xticks(range(len(cells.x_labels)), [plain(name, 20) for name in cells.x_labels], parse_math=False)
    axes.set_yticks(range(len(cells.y_labels)), [plain(name, 24) for name in cells.y_labels], parse_math=False)
    axes.tick_params(length=0)
    if max(map(len, cells.x_labels)) * len(cells.x_labels) > 80:
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")


def _write(axes: Axes, x: int, y: int, mean: float, count: int, colour: tuple[float, ...]) -> None:
    red, green, blue = colour[:3]
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
    text = number_text(mean) if count == 1 else f"{number_text(mean)}  ×{count}"
    axes.text(x, y, text, ha="center", va="center", color=ink, fontsize="small")
