"""One thing that is known of every run, as positions on an axis and as colours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from gtrack.charts.style import finite, is_wide, linear_part, log_scale, number_text, plain, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

OTHERS = 6
"""So many values of a category have a look of their own; the rarer ones share one."""
_MOST_TICKS = 30
_TICK_CHARACTERS = 90
_FEW_NUMBERS = 8
_DAY = 86400.0


@dataclass(frozen=True)
class Column:
    """A parameter or metric over some runs.

    Attributes:
        name: what it is called.
        values: one per run: a number, a text (then all that are there are texts: a category), None where there is none.
        is_time: whether the numbers are seconds since the epoch.
    """

    name: str
    values: tuple[float | str | None, ...]
    is_time: bool = False

    @cached_property
    def is_category(self) -> bool:
        """Whether the values are names and not numbers."""
        return any(isinstance(value, str) for value in self.values)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The names that occur, numbers among them by size, then the others by name; empty for numbers."""
        return tuple(sorted({value for value in self.values if isinstance(value, str)}, key=_natural))

    @cached_property
    def positions(self) -> tuple[float, ...]:
        """Where each run stands on an axis: the number, or the index of its category; NaN where there is no value."""
        index = {name: float(at) for at, name in enumerate(self.categories)}
        return tuple(
            math.nan if value is None else index[value] if isinstance(value, str) else float(value)
            for value in self.values
        )

    @cached_property
    def known(self) -> tuple[bool, ...]:
        """Whether each run has a value that can be drawn."""
        return tuple(math.isfinite(position) for position in self.positions)

    def at(self, indices: Sequence[int]) -> Column:
        """Return the same for some of the runs."""
        return Column(self.name, tuple(self.values[i] for i in indices), self.is_time)


def _natural(name: str) -> tuple[int, float, str]:
    try:
        number = float(name)
    except ValueError:
        return 1, 0.0, name
    return (1, 0.0, name) if math.isnan(number) else (0, number, name)


def set_axis(axes: Axes, axis: Literal["x", "y"], column: Column, *, log: bool) -> None:
    """Give an axis the scale and the ticks that a column needs."""
    mine = axes.xaxis if axis == "x" else axes.yaxis
    if column.is_category:
        names = column.categories
        every = math.ceil(len(names) / _MOST_TICKS)
        shown = [plain(name, 18) for name in names[::every]]
        mine.set_ticks(range(0, len(names), every), shown, parse_math=False)
        set_limits = axes.set_xlim if axis == "x" else axes.set_ylim
        set_limits(-0.6, len(names) - 0.4)
        if axis == "x" and sum(map(len, shown)) > _TICK_CHARACTERS:
            axes.tick_params(axis="x", labelrotation=45, labelsize="small")
            for label in axes.get_xticklabels():
                label.set(horizontalalignment="right", rotation_mode="anchor")
    elif column.is_time:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        mine.set_major_locator(locator)
        mine.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    elif log:
        log_scale(axes, axis, column.positions)


def axis_positions(column: Column, *, spread: float = 0.0) -> list[float]:
    """Return where the runs stand on an axis that ``set_axis`` made.

    Args:
        column: the values.
        spread: by how much runs of one category are moved apart, so that each is seen; always the same way.
    """
    if column.is_time:
        return [position / _DAY for position in column.positions]
    if not column.is_category:
        return list(column.positions)
    seen: Counter[float] = Counter()
    moved = []
    for position in column.positions:
        seen[position] += 1
        moved.append(position + spread * ((seen[position] - 1) * 0.618034 % 1 - 0.5))
    return moved


def groups(column: Column) -> list[tuple[str, list[int]]]:
    """Return the categories, the most frequent ones by name, with the runs of each; the rest and the missing ones last."""
    counts = Counter(value for value in column.values if isinstance(value, str))
    most = OTHERS if len(counts) <= OTHERS + 1 else OTHERS - 1
    frequent = [name for name, _ in counts.most_common(OTHERS + 1 if len(counts) == OTHERS + 1 else most)]
    chosen = [name for name in column.categories if name in frequent]
    found = [(name, [at for at, value in enumerate(column.values) if value == name]) for name in chosen]
    rest = [at for at, value in enumerate(column.values) if value is not None and value not in chosen]
    if rest:
        found.append((f"{len(counts) - len(chosen)} other values", rest))
    return found


def colouring(column: Column, *, dark_is_high: bool) -> ScalarMappable:
    """Return what gives numbers a colour: logarithmic when they span three orders of magnitude."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize, SymLogNorm

    numbers = finite(column.positions) or [0.0]
    low, high = min(numbers), max(numbers)
    norm: Any = Normalize(low, high)
    if low == high:  # in the middle of a scale
        half = abs(low) / 2 or 1.0
        norm = Normalize(low - half, high + half)
    elif is_wide(numbers):
        linear = linear_part(numbers)
        norm = SymLogNorm(linear, linscale=0.5, vmin=low, vmax=high) if linear else LogNorm(low, high)
    return ScalarMappable(norm, shades(dark_is_high=dark_is_high))


def colour_bar(figure: Figure, axes: Axes | Sequence[Axes], scale: ScalarMappable, column: Column) -> None:
    """Draw the scale of colours to the right of the axes, with a tick for each number where there are few."""
    bar = figure.colorbar(scale, ax=axes, pad=0.02, fraction=0.05)
    bar.set_label(plain(column.name, 50), parse_math=False)
    distinct = sorted(set(finite(column.positions)))
    if len(distinct) == 1 or (len(distinct) <= _FEW_NUMBERS and all(number.is_integer() for number in distinct)):
        bar.set_ticks(distinct, labels=[number_text(number) for number in distinct])
        bar.minorticks_off()


def shaded(scale: ScalarMappable, numbers: Sequence[float]) -> list[tuple[float, ...]]:
    """Return the colour of each number."""
    import numpy as np

    return [tuple(map(float, colour)) for colour in scale.to_rgba(np.asarray(numbers, dtype=float))]
