"""The value of each trial of a study over each parameter, one panel per parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.charts.column import Column, axis_positions, colour_bar, colouring, set_axis, shaded
from gtrack.charts.style import WIDTH, caption, dress, is_wide, log_scale, new_figure, plain
from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

MOST_PANELS = 12
_PER_ROW = 3
_PANEL_HEIGHT, _AROUND = 2.6, 0.6
_SPREAD = 0.35
_MANY = 60


@dataclass(frozen=True)
class Slice:
    """The trials of a study, parameter by parameter.

    Attributes:
        params: one column per parameter; a trial without it is not in its panel.
        value: what the trials came to.
        numbers: the number of each trial; the later, the darker.
        logarithmic: names of the parameters whose axis is logarithmic.
        note: what stands below the chart.
    """

    params: Sequence[Column]
    value: Column
    numbers: Sequence[int]
    logarithmic: frozenset[str] = frozenset()
    note: str = ""


def draw_slice(chart: Slice) -> Figure:
    """Draw the value over each parameter; of more than 12 parameters, the first ones.

    Raises:
        InvalidValue: no trial has a value and a parameter.
    """
    from matplotlib.ticker import MaxNLocator

    params = [column for column in chart.params if _drawn(column, chart.value)]
    if not params:
        raise InvalidValue(f"There is nothing to draw: no trial has a parameter and a finite {chart.value.name}.")
    left_out = len(params) - MOST_PANELS
    params = params[:MOST_PANELS]
    across = min(len(params), _PER_ROW)
    down = math.ceil(len(params) / across)
    figure = new_figure(WIDTH, max(3.2, _AROUND + _PANEL_HEIGHT * down))
    every: list[Axes] = list(figure.subplots(down, across, sharey=True, squeeze=False).flat)
    trials = Column("trial", tuple(map(float, chart.numbers)))
    scale = colouring(trials, dark_is_high=True)
    for axes, column in zip(every, params, strict=False):
        _draw(axes, column, chart, scale)
    for axes in every[::across]:
        axes.set_ylabel(plain(chart.value.name, 40), parse_math=False)
    for axes in every[len(params) :]:
        axes.remove()
    values = chart.value.positions
    if is_wide(values):
        log_scale(every[0], "y", values)
    colour_bar(figure, every[: len(params)], scale, trials)
    figure.axes[-1].yaxis.set_major_locator(MaxNLocator(integer=True))  # there is no half of a trial
    more = f"{left_out} more {'parameter' if left_out == 1 else 'parameters'} not shown." if left_out > 0 else ""
    caption(figure, " ".join(filter(None, [more, chart.note])))
    return figure


def _drawn(column: Column, value: Column) -> list[int]:
    return [at for at, (x, y) in enumerate(zip(column.known, value.known, strict=True)) if x and y]


def _draw(axes: Axes, column: Column, chart: Slice, scale: ScalarMappable) -> None:
    drawn = _drawn(column, chart.value)
    here = column.at(drawn)
    dress(axes, x_label=plain(column.name, 24))
    axes.scatter(
        axis_positions(here, spread=_SPREAD if len(drawn) > 1 else 0.0),
        [chart.value.positions[at] for at in drawn],
        s=16 if len(chart.numbers) > _MANY else 34,
        c=shaded(scale, [chart.numbers[at] for at in drawn]),
        edgecolor="0.25",
        linewidth=0.5,
        alpha=0.85,
        zorder=2,
    )
    set_axis(axes, "x", here, log=column.name in chart.logarithmic)
    if not here.is_category and column.name not in chart.logarithmic:
        axes.locator_params(axis="x", nbins=4)
