"""One thing against another over many runs, coloured by a third."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtrack.charts.column import Column, axis_positions, colour_bar, colouring, groups, set_axis, shaded
from gtrack.charts.style import COLOURS, MARKERS, caption, dress, legend_beside, new_figure
from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MANY = 60
_SPREAD = 0.35


@dataclass(frozen=True)
class Scatter:
    """A chart of points, one per run.

    Attributes:
        color: what colours the points; a run without it is hollow.
        dark_is_high: whether the largest number of ``color`` is the darkest.
        note: what stands below the chart.
    """

    x: Column
    y: Column
    color: Column | None = None
    dark_is_high: bool = True
    log_x: bool = False
    log_y: bool = False
    note: str = ""

    @property
    def drawn(self) -> list[int]:
        """Indices of the runs that have both an x and a y."""
        return [at for at, (x, y) in enumerate(zip(self.x.known, self.y.known, strict=True)) if x and y]

    @property
    def left_out(self) -> str:
        """How many runs cannot be drawn, as a sentence; empty when all are."""
        missing = len(self.x.values) - len(self.drawn)
        lacking = [one.name for one in (self.x, self.y) if not all(one.known)]
        return (
            f"{missing} {'run' if missing == 1 else 'runs'} without {' or '.join(lacking)} left out." if missing else ""
        )


def draw_scatter(chart: Scatter) -> Figure:
    """Draw one point per run.

    Raises:
        InvalidValue: no run has both an x and a y.
    """
    drawn = chart.drawn
    if not drawn:
        raise InvalidValue(f"There is nothing to draw: no run has both {chart.x.name} and {chart.y.name}.")
    x, y = chart.x.at(drawn), chart.y.at(drawn)
    figure = new_figure()
    axes = figure.add_subplot()
    dress(axes, f"{chart.y.name} over {chart.x.name}", chart.x.name, chart.y.name)
    spread = _SPREAD if len(drawn) > 1 else 0.0
    points = _Points(figure, axes, axis_positions(x, spread=spread), axis_positions(y, spread=spread))
    if chart.color is None:
        points.draw(range(len(drawn)), color=COLOURS[0])
    elif chart.color.is_category:
        _by_category(points, chart.color.at(drawn))
    else:
        _by_number(points, chart.color.at(drawn), dark_is_high=chart.dark_is_high)
    set_axis(axes, "x", x, log=chart.log_x)
    set_axis(axes, "y", y, log=chart.log_y)
    caption(figure, " ".join(filter(None, [chart.left_out, _hollow(chart), chart.note])))
    return figure


def _hollow(chart: Scatter) -> str:
    if chart.color is None or chart.color.is_category or all(chart.color.at(chart.drawn).known):
        return ""
    return f"Hollow: no {chart.color.name}."


@dataclass(frozen=True)
class _Points:
    figure: Figure
    axes: Axes
    x: list[float]
    y: list[float]

    def draw(self, which: Any, **look: Any) -> Any:
        size = 22 if len(self.x) > _MANY else 42
        standard: dict[str, Any] = {"s": size, "edgecolor": "0.25", "linewidth": 0.5, "alpha": 0.85, "zorder": 2}
        return self.axes.scatter([self.x[i] for i in which], [self.y[i] for i in which], **(standard | look))


def _by_category(points: _Points, color: Column) -> None:
    handles, names = [], []
    for number, (name, which) in enumerate(groups(color)):
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        handles.append(points.draw(which, **look))
        names.append(f"{name} ({len(which)})")
    without = _without(points, color)
    if without is not None:
        handles.append(without)
        names.append("none")
    legend_beside(points.figure, handles, names, color.name)


def _by_number(points: _Points, color: Column, *, dark_is_high: bool) -> None:
    known = [at for at, is_known in enumerate(color.known) if is_known]
    scale = colouring(color, dark_is_high=dark_is_high)
    points.draw(known, c=shaded(scale, [color.positions[at] for at in known]))
    if known:
        colour_bar(points.figure, points.axes, scale, color)
    _without(points, color)


def _without(points: _Points, color: Column) -> Any:
    missing = [at for at, is_known in enumerate(color.known) if not is_known]
    return points.draw(missing, facecolor="none", edgecolor="0.45", linewidth=0.9) if missing else None
