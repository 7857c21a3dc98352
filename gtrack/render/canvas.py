"""Curves and points in a terminal: dots of braille from plotille, with axes, ticks and letters around them.

plotille draws lines on a canvas that is an object of its own, needs nothing else, and is pure Python; what it offers as a
whole figure puts a number at every line, so the axes are made here. A letter on each curve tells it apart without colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from gtrack.charts.style import bend, finite, linear_part, number_text
from gtrack.errors import GTrackError
from gtrack.render.table import write_line
from gtrack.render.values import cut

if TYPE_CHECKING:
    from rich.console import Console

COLOURS: tuple[int | None, ...] = (32, 166, 36, 175, None, 74, 214)
"""The colours of ``charts.style`` as the nearest of a terminal's 256; its black is the terminal's own colour."""
GREY = 245
WIDTH, HEIGHT = 80, 18

_ACROSS, _UP = 2, 4
_LEAST_COLUMNS = 20
_LETTERS_EVERY, _PHASES = 24, 6


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        points: x and y; where one is not finite, a line is broken.
        color: one of the terminal's 256, or its own when None.
        line: whether the points are joined.
        letter: what marks them: every point when they are not joined, else some along the line.
    """

    points: Sequence[tuple[float, float]]
    color: int | None = None
    line: bool = True
    letter: str = ""


class Axis:
    """Numbers along one side, on a scale from 0 to 1.

    Args:
        numbers: what is to fit.
        log: whether the scale is logarithmic; zero and negative numbers get a linear piece.
        ticks: positions with texts, instead of round numbers.
    """

    def __init__(
        self, numbers: Sequence[float], *, log: bool = False, ticks: Sequence[tuple[float, str]] | None = None
    ) -> None:
        known = finite(numbers) or [0.0]
        self._threshold = linear_part(known) if log else 0.0
        self._low, self._high = bend(min(known), self._threshold), bend(max(known), self._threshold)
        if self._low == self._high:
            margin = abs(self._low) * 0.1 or 1.0
            self._low, self._high = self._low - margin, self._high + margin
        self.ticks = [(value, number_text(value)) for value in self._round(known)] if ticks is None else list(ticks)

    def place(self, number: float) -> float:
        """Return where a number stands, from 0 to 1."""
        # Halved, so that the span of two numbers near the ends of float64 stays finite.
        return (bend(number, self._threshold) / 2 - self._low / 2) / (self._high / 2 - self._low / 2)

    def _round(self, known: Sequence[float]) -> list[float]:
        low, high = min(known), max(known)
        if low == high:
            return [low]
        sizes = [abs(number) for number in known if number]
        if self._threshold == 0.0 or (low > 0 and high / low < 100):
            return _round_numbers(low, high)
        first, last = math.ceil(math.log10(self._threshold or low) - 1e-9), math.floor(math.log10(max(sizes)) + 1e-9)
        decades = [10.0**power for power in range(first, last + 1, max(1, -(-(last - first) // 5)))]
        both = [*(-decade for decade in reversed(decades)), 0.0, *decades]
        return [number for number in both if low <= number <= high]


def _round_numbers(low: float, high: float) -> list[float]:
    rough = high / 4 - low / 4
    if not rough > 1e-300:
        return [low, high]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.999)
    first = math.ceil(low / step)
    return [
        number
        for n in range(first, first + 8)
        if (number := round(n * step, 12 - math.floor(math.log10(step)))) <= high
    ]


def draw(console: Console, series: Sequence[Series], x: Axis, y: Axis, *, x_label: str, y_label: str) -> None:
    """Draw series, the first ones behind the later ones.

    Raises:
        GTrackError: plotille is not installed.
    """
    plotille = _plotille()
    margin = max((cell_len(text) for _, text in y.ticks), default=0)
    width = console.width if console.is_terminal else WIDTH
    columns = max(width - margin - 3, _LEAST_COLUMNS)
    canvas = plotille.Canvas(columns, HEIGHT, 0, 0, columns * _ACROSS, HEIGHT * _UP, mode="byte", full_reset=True)
    for one in series:
        _draw(canvas, [_dot(point, x, y, columns) for point in one.points], one, _colour(console, one))
    labels = {_row(y.place(value)): text for value, text in y.ticks}
    if y_label:
        write_line(console, Text(cut(y_label, width), "bold"))
    for row, line in enumerate(str(canvas.plot()).split("\n")):
        text = labels.get(row, "")
        left = f"{' ' * (margin - cell_len(text))}{text} {'┤' if text else '│'}"
        write_line(console, Text(left, "dim") + Text.from_ansi(line))
    _write_x_axis(console, x, margin, columns, x_label)


def _plotille() -> Any:
    try:
        import plotille
    except ModuleNotFoundError:
        raise GTrackError(
            "--show draws curves and points with plotille, which is not installed: pip install 'gtrack[terminal]'. "
            "-o FILE.png needs nothing more."
        ) from None
    return plotille


def _colour(console: Console, series: Series) -> int | None:
    return series.color if console.color_system is not None and not console.no_color else None


def _dot(point: tuple[float, float], x: Axis, y: Axis, columns: int) -> tuple[float, float] | None:
    if not (math.isfinite(point[0]) and math.isfinite(point[1])):
        return None
    return x.place(point[0]) * (columns * _ACROSS - 1), y.place(point[1]) * (HEIGHT * _UP - 1)


def _row(place: float) -> int:
    return HEIGHT - 1 - int(place * (HEIGHT * _UP - 1)) // _UP


def _draw(canvas: Any, dots: Sequence[tuple[float, float] | None], series: Series, colour: int | None) -> None:
    if not series.line:
        for dot in dots:
            if dot is not None and series.letter:
                canvas.text(*dot, series.letter, color=colour)
            elif dot is not None:
                canvas.point(*dot, color=colour)
        return
    before = None
    for dot in dots:
        if dot is not None and before is not None:
            canvas.line(*before, *dot, color=colour)
        elif dot is not None:
            canvas.point(*dot, color=colour)
        before = dot
    known = [dot for dot in dots if dot is not None]
    if series.letter and known:
        for dot in _spots(known, series.letter):
            canvas.text(*dot, series.letter, color=colour)


def _spots(dots: Sequence[tuple[float, float]], letter: str) -> list[tuple[float, float]]:
    """Return dots of a line as far apart as words are, for each letter others, so that none hides another."""
    phase = ord(letter) % _PHASES * (_LETTERS_EVERY // _PHASES)
    goal = dots[-1][0] - phase * _ACROSS
    spots = []
    for dot in reversed(dots):
        if dot[0] <= goal:
            spots.append(dot)
            goal = dot[0] - _LETTERS_EVERY * _ACROSS
    return spots or [dots[0]]


def _write_x_axis(console: Console, axis: Axis, margin: int, columns: int, label: str) -> None:
    line, below = ["─"] * columns, [" "] * columns
    free = 0
    for value, text in axis.ticks:
        at = round(axis.place(value) * (columns - 1))
        start = min(max(at - cell_len(text) // 2, 0), columns - cell_len(text))
        line[at] = "┬"
        if start >= free:
            below[start : start + len(text)] = text
            free = start + len(text) + 1
    write_line(console, Text(f"{' ' * (margin + 1)}└{''.join(line)}", "dim"))
    write_line(console, Text(f"{' ' * (margin + 2)}{''.join(below).rstrip()}", "dim"))
    if not label:
        return
    name = cut(label, columns)
    write_line(console, f"{' ' * (margin + 2 + max(columns - cell_len(name), 0) // 2)}{name}")
