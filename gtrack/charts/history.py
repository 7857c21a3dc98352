"""Metrics over the steps, one panel per metric, one curve per run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtrack.charts.style import (
    BACKGROUND,
    COLOURS,
    HEIGHT,
    LINES,
    MARKERS,
    WIDTH,
    caption,
    dress,
    legend_beside,
    log_scale,
    new_figure,
    picture,
    plain,
)
from gtrack.errors import InvalidValue
from gtrack.records import Number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 12
"""Up to so many curves, each has a look of its own; of more, the best few do and the others are grey."""
SHOWN_OF_MANY = 6

_FEW_POINTS = 40
_MOST_POINTS = 2000
_PANEL_HEIGHT = 2.8


@dataclass(frozen=True)
class Curve:
    """One run's course of a metric: ``(x, value)`` in the order of logging; a value that is not finite is a gap."""

    name: str
    points: Sequence[tuple[Number, Number]]


@dataclass(frozen=True)
class Panel:
    """The curves of one metric; every panel of a chart has the same runs in the same order."""

    title: str
    curves: Sequence[Curve]


@dataclass(frozen=True)
class Histories:
    """A chart of curves.

    Attributes:
        panels: one per metric.
        x_label: what x is, with its unit.
        order: indices of the runs, the most interesting first: those stand out when there are too many runs for a look
            each; as they come, when empty.
        order_name: what the first of ``order`` are, in the plural: ``best runs``.
        smoothing: the weight of what came before in a moving average, from 0 (none) to below 1.
        note: what stands below the chart.
    """

    panels: Sequence[Panel]
    x_label: str = "step"
    order: Sequence[int] = ()
    order_name: str = "first runs"
    smoothing: float = 0.0
    log_x: bool = False
    log_y: bool = False
    note: str = ""

    @property
    def names(self) -> list[str]:
        """What the runs are called."""
        return [curve.name for curve in self.panels[0].curves] if self.panels else []

    @property
    def shown(self) -> list[int]:
        """Indices of the runs that have a look of their own, in the order of the legend."""
        everything = range(len(self.names))
        if len(self.names) <= MOST_CURVES:
            return list(everything)
        return list(self.order or everything)[:SHOWN_OF_MANY]

    @property
    def legend_title(self) -> str:
        """What the legend lists, when it does not list all."""
        return f"{len(self.shown)} {self.order_name} of {len(self.names)}" if len(self.names) > MOST_CURVES else ""


def history_chart(histories: Mapping[str, Sequence[tuple[Number, Number]]], title: str) -> bytes:
    """Draw one metric of some runs over the steps, as a PNG 900 pixels wide; see ``draw_histories``.

    Args:
        histories: name of the run to its ``(step, value)`` pairs in the order of logging.
        title: what stands above, usually the name of the metric.

    Raises:
        InvalidValue: there is nothing to draw.
    """
    curves = [Curve(name, points) for name, points in histories.items()]
    return picture(draw_histories(Histories([Panel(title, curves)])))


def draw_histories(chart: Histories) -> Figure:
    """Draw curves.

    Every curve has a colour, a line style and, when it has few points, a marker of its own. The legend stands beside the
    curves. Of more than 12 runs a few stand out, named in the legend, and the others stand behind them in grey.

    Raises:
        InvalidValue: there is nothing to draw.
    """
    if not any(curve.points for panel in chart.panels for curve in panel.curves):
        what = ", ".join(repr(panel.title) for panel in chart.panels)
        raise InvalidValue(f"There is nothing to draw for {what}: no run has a value of it.")
    count = len(chart.panels)
    figure = new_figure(WIDTH, max(HEIGHT, _PANEL_HEIGHT * count))
    every: list[Axes] = list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    for axes, panel in zip(every, chart.panels, strict=True):
        _draw_panel(axes, panel, chart)
    every[-1].set_xlabel(chart.x_label, parse_math=False)
    if len(chart.names) > 1:
        _add_legend(figure, every[0], chart)
    elif chart.names:
        every[0].set_title(plain(chart.names[0]), loc="right", fontsize="small", color="0.35", parse_math=False)
    caption(figure, chart.note)
    return figure


def _draw_panel(axes: Axes, panel: Panel, chart: Histories) -> None:
    shown = chart.shown
    many = len(panel.curves) > len(shown)
    raw = [clean(curve.points) for curve in panel.curves]
    alpha = min(max(10 / len(raw), 0.13), 0.5)
    dress(axes, panel.title)
    for at, points in enumerate(raw):
        if at not in shown:
            smooth = thinned(smoothed(points, chart.smoothing))
            axes.plot(*_columns(smooth), color=BACKGROUND, linewidth=0.8, alpha=alpha, zorder=1.5, **_dot(smooth))
    for rank, at in enumerate(shown):
        look = _look(rank)
        if chart.smoothing and not many:
            axes.plot(*_columns(thinned(raw[at])), color=look["color"], alpha=0.25, linewidth=0.8)
        points = thinned(smoothed(raw[at], chart.smoothing))
        look |= {"marker": MARKERS[rank % len(MARKERS)]} if len(points) <= _FEW_POINTS else {}
        axes.plot(*_columns(points), label=f"run {rank}", zorder=2.5 - rank / 100, **look)
    if chart.log_x:
        log_scale(axes, "x", [x for points in raw for x, _ in points])
    if chart.log_y:
        log_scale(axes, "y", [y for points in raw for _, y in points])


def _look(rank: int) -> dict[str, Any]:
    # The styles move on with every curve and once more with every round of colours: 42 pairs before one comes again.
    style = LINES[(rank + rank // len(COLOURS)) % len(LINES)]
    width = 2.2 if style == ":" else 1.6  # dots of the width of a line look thinner than it
    return {"color": COLOURS[rank % len(COLOURS)], "linestyle": style, "linewidth": width, "markersize": 4}


def _dot(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the look of a curve of one point, which is no line and would not be seen."""
    return {"marker": ".", "markersize": 4} if len(points) < 2 else {}


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _add_legend(figure: Figure, axes: Axes, chart: Histories) -> None:
    from matplotlib.lines import Line2D

    lines = {str(line.get_label()): line for line in axes.lines}
    handles = [lines[f"run {rank}"] for rank in range(len(chart.shown))]
    names = [chart.names[at] for at in chart.shown]
    others = len(chart.names) - len(names)
    if others:
        handles.append(Line2D([], [], color=BACKGROUND, linewidth=1.2, alpha=0.6))
        names.append(f"{others} other runs")
    legend_beside(figure, handles, names, chart.legend_title)


def clean(points: Sequence[tuple[Number, Number]]) -> list[tuple[float, float]]:
    """Return points as floats, with NaN for every value that is not finite."""
    return [(_float(x), y if math.isfinite(y := _float(value)) else math.nan) for x, value in points]


def _float(number: Number) -> float:
    try:
        return float(number)
    except OverflowError:  # an int beyond the range of float64
        return math.nan


def smoothed(points: Sequence[tuple[float, float]], weight: float) -> list[tuple[float, float]]:
    """Return a moving average: each value weighs ``weight`` times as much as the one after it; gaps stay gaps.

    The average is divided by the sum of its weights, so that it begins at the first value and not near zero.
    """
    if not weight:
        return list(points)
    result = []
    total = weights = 0.0
    for x, y in points:
        if not math.isnan(y):
            total, weights = total * weight + y, weights * weight + 1
        result.append((x, y if math.isnan(y) else total / weights))
    return result


def thinned(points: Sequence[tuple[float, float]], most: int = _MOST_POINTS) -> list[tuple[float, float]]:
    """Return at most ``most`` points that look the same: the lowest and the highest of each of many short stretches."""
    if len(points) <= most:
        return list(points)
    buckets = most // 2
    kept: list[tuple[float, float]] = []
    for bucket in range(buckets):
        start, end = (len(points) * (bucket + more) // buckets for more in (0, 1))
        known = [at for at in range(start, end) if not math.isnan(points[at][1])] or [start]
        low = min(known, key=lambda at: points[at][1])
        high = max(known, key=lambda at: points[at][1])
        kept += [points[at] for at in sorted({low, high})]
    return kept
