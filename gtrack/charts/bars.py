"""Bars: a metric of each run or each group of runs, and the importance of parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.charts.style import COLOURS, WIDTH, caption, dress, finite, new_figure, number_text, plain
from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PER_BAR, _AROUND = 0.23, 1.1


@dataclass(frozen=True)
class BarPanel:
    """One metric over all rows.

    Attributes:
        title: what is measured.
        values: one per row; None or NaN where there is none.
        errors: the standard deviation of each, where there is one; empty when of none.
    """

    title: str
    values: Sequence[float | None]
    errors: Sequence[float | None] = ()


@dataclass(frozen=True)
class Bars:
    """Lying bars, the first row at the top; every panel has the same rows.

    Attributes:
        rows: what each row is called.
        title: what stands above all; empty when the panels say enough.
        note: what stands below the chart.
    """

    rows: Sequence[str]
    panels: Sequence[BarPanel]
    title: str = ""
    note: str = ""


def draw_bars(chart: Bars) -> Figure:
    """Draw bars; the chart is as high as its rows need.

    Raises:
        InvalidValue: there is nothing to draw.
    """
    if not any(value is not None for panel in chart.panels for value in panel.values):
        what = ", ".join(repr(panel.title) for panel in chart.panels)
        raise InvalidValue(f"There is nothing to draw for {what}: no run has a value of it.")
    count = len(chart.panels)
    extra = 0.3 * (bool(chart.title) + bool(chart.note))
    figure = new_figure(max(WIDTH, 2.6 * count + 2), max(2.0, _AROUND + extra + _PER_BAR * len(chart.rows)))
    every: list[Axes] = list(figure.subplots(1, count, sharey=True, squeeze=False)[0])
    for number, (axes, panel) in enumerate(zip(every, chart.panels, strict=True)):
        title = panel.title if count == 1 else plain(panel.title, 28)
        _draw_panel(axes, panel, title, COLOURS[number % len(COLOURS)])
    longest = 40 if count == 1 else 26
    every[0].set_yticks(range(len(chart.rows)), [plain(row, longest) for row in chart.rows], parse_math=False)
    every[0].set_ylim(len(chart.rows) - 0.4, -0.6)
    if chart.title:
        figure.suptitle(plain(chart.title, 100), x=0.01, ha="left", fontsize="large", parse_math=False)
    caption(figure, chart.note)
    return figure


def _draw_panel(axes: Axes, panel: BarPanel, title: str, colour: str) -> None:
    rows = range(len(panel.values))
    numbers = [math.nan if value is None else float(value) for value in panel.values]
    widths = [number if math.isfinite(number) else 0.0 for number in numbers]
    errors = list(panel.errors) or [None] * len(numbers)
    dress(axes, title)
    axes.barh(rows, widths, height=0.72, color=colour, zorder=2)
    for row, (width, error) in enumerate(zip(widths, errors, strict=True)):
        if error:
            axes.errorbar(width, row, xerr=error, color="black", linewidth=1, capsize=2.5, zorder=3)
    _write_values(axes, panel, numbers, widths, errors)
    axes.axvline(0, color="0.3", linewidth=0.8, zorder=3)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)


def _write_values(
    axes: Axes, panel: BarPanel, numbers: list[float], widths: list[float], errors: Sequence[float | None]
) -> None:
    ends = [(width - (error or 0), width + (error or 0)) for width, error in zip(widths, errors, strict=True)]
    low, high = min(0.0, *(a for a, _ in ends)), max(0.0, *(b for _, b in ends))
    span = (high - low) or 1.0
    negative = any(width < 0 for width in widths)
    # Room for the numbers, which stand at the ends of the bars.
    axes.set_xlim(low - (0.25 * span if negative else 0), high + 0.25 * span)
    for row, (number, (start, end)) in enumerate(zip(numbers, ends, strict=True)):
        text = "–" if panel.values[row] is None else number_text(number)
        left = number < 0 and math.isfinite(number)
        place, side = (start - 0.01 * span, "right") if left else (max(end, 0.0) + 0.01 * span, "left")
        axes.text(place, row, text, ha=side, va="center", fontsize="small", zorder=4)


def span_of(values: Sequence[float | None]) -> float:
    """Return the largest size among values, for bars of text; 1 when there is none."""
    return max((abs(value) for value in finite(value for value in values if value is not None)), default=0.0) or 1.0
