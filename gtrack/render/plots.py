"""Charts as text: what ``charts`` draws as a picture, for a terminal of 80 columns, with or without colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from gtrack.charts.bars import BarPanel, Bars, span_of
from gtrack.charts.column import Column as ChartColumn
from gtrack.charts.column import groups
from gtrack.charts.grid import Grid, cells_of, grid_note
from gtrack.charts.history import Histories, Panel, clean, smoothed, thinned
from gtrack.charts.parallel import Parallel, scale_of
from gtrack.charts.scatter import Scatter
from gtrack.charts.style import number_text
from gtrack.records import Goal
from gtrack.render.canvas import COLOURS, GREY, WIDTH, Axis, Series, draw
from gtrack.render.table import DIM, Cell, Column, write_line, write_table
from gtrack.render.values import cut, cut_middle, printable

if TYPE_CHECKING:
    from rich.console import Console

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHADES = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_CLASSES = 5
_TICKS = 8
_BEST = 5
_NAME_WIDTH = 32
_LEAST_BAR = 12


def write_histories(console: Console, chart: Histories) -> None:
    """Draw curves, one panel after the other, and below them what each letter is."""
    for panel in chart.panels:
        _write_panel(console, chart, panel)
    for rank, at in enumerate(chart.shown):
        ends = [_last(panel, at) for panel in chart.panels]
        room = max(_width(console) - 4 - sum(len(end) + 2 for end in ends), 10)
        name = cut_middle(printable(chart.names[at]), room)
        _write_entry(console, rank, "  ".join([name, *ends]))
    others = len(chart.names) - len(chart.shown)
    if others:
        write_line(console, Text(f"  The letters are {chart.legend_title}; {others} others are dots.", DIM))
    _write_note(console, chart.note)


def _write_panel(console: Console, chart: Histories, panel: Panel) -> None:
    curves = [thinned(smoothed(clean(curve.points), chart.smoothing)) for curve in panel.curves]
    shown = chart.shown
    series = [Series(points, GREY, line=False) for at, points in enumerate(curves) if at not in shown]
    for rank, at in reversed(list(enumerate(shown))):
        series.append(Series(curves[at], COLOURS[rank % len(COLOURS)], letter=_LETTERS[rank]))
    known = [(x, y) for points in curves for x, y in points if math.isfinite(x) and math.isfinite(y)]
    x, y = Axis([x for x, _ in known], log=chart.log_x), Axis([y for _, y in known], log=chart.log_y)
    draw(console, series, x, y, x_label=printable(chart.x_label), y_label=printable(panel.title))


def _last(panel: Panel, at: int) -> str:
    known = [y for _, y in clean(panel.curves[at].points) if math.isfinite(y)]
    return number_text(known[-1]) if known else "–"


def _write_entry(console: Console, rank: int, text: str) -> None:
    colour = COLOURS[rank % len(COLOURS)]
    write_line(console, Text(f"  {_LETTERS[rank]} ", "" if colour is None else f"color({colour})") + Text(text))


def _write_note(console: Console, note: str) -> None:
    if note:
        write_line(console, Text(printable(note), DIM))


def _width(console: Console) -> int:
    return console.width if console.is_terminal else WIDTH


def write_scatter(console: Console, chart: Scatter) -> None:
    """Draw a point per run: a letter says which category it is of, a digit from 1 to 5 how large its number is."""
    drawn = chart.drawn
    x, y = chart.x.at(drawn), chart.y.at(drawn)
    points = list(zip(x.positions, y.positions, strict=True))
    series, legend = _coloured(points, None if chart.color is None else chart.color.at(drawn))
    draw(
        console,
        series,
        _axis(x, log=chart.log_x),
        _axis(y, log=chart.log_y),
        x_label=printable(x.name),
        y_label=printable(y.name),
    )
    if chart.color is not None:
        write_line(console, Text(f"  {cut(printable(chart.color.name), _width(console) - 2)}", "bold"))
    for letter, colour, text in legend:
        style = "" if colour is None else f"color({colour})"
        write_line(console, Text(f"  {letter} ", style) + Text(cut_middle(printable(text), _width(console) - 4)))
    _write_note(console, " ".join(filter(None, [chart.left_out, chart.note])))


def _axis(column: ChartColumn, *, log: bool) -> Axis:
    if column.is_category:
        every = math.ceil(len(column.categories) / _TICKS)
        ticks = [(float(at), cut(printable(name), 14)) for at, name in enumerate(column.categories)]
        return Axis(column.positions, ticks=ticks[::every])
    if column.is_time:
        low, high = min(column.positions), max(column.positions)
        moments = [low, high] if high > low else [low]
        days = [datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M") for moment in moments]
        return Axis(column.positions, ticks=list(zip(moments, days, strict=True)))
    return Axis(column.positions, log=log)


def _coloured(
    points: Sequence[tuple[float, float]], color: ChartColumn | None
) -> tuple[list[Series], list[tuple[str, int | None, str]]]:
    if color is None:
        return [Series(points, COLOURS[0], line=False, letter="•")], []
    sorted_runs = groups(color) if color.is_category else _classes(color)
    series, legend = [], []
    for rank, (name, which) in enumerate(sorted_runs):
        letter = _LETTERS[rank] if color.is_category else str(rank + 1)
        colour = COLOURS[rank % len(COLOURS)]
        series.append(Series([points[at] for at in which], colour, line=False, letter=letter))
        legend.append((letter, colour, f"{name} ({len(which)})"))
    missing = [at for at, known in enumerate(color.known) if not known]
    if missing:
        series.append(Series([points[at] for at in missing], GREY, line=False, letter="·"))
        legend.append(("·", GREY, f"none ({len(missing)})"))
    return series, legend


def _classes(column: ChartColumn) -> list[tuple[str, list[int]]]:
    """Return runs in classes of about as many each, by their number; equal numbers are always in one class."""
    order = sorted((at for at, known in enumerate(column.known) if known), key=lambda at: column.positions[at])
    by_number: dict[float, int] = {}
    for rank, at in enumerate(order):
        by_number.setdefault(column.positions[at], rank * _CLASSES // len(order))
    members: dict[int, list[int]] = {}
    for at in order:
        members.setdefault(by_number[column.positions[at]], []).append(at)
    found = []
    for which in members.values():
        low, high = (number_text(column.positions[at]) for at in (which[0], which[-1]))
        found.append((low if low == high else f"{low} to {high}", which))
    return found


def write_parallel(console: Console, chart: Parallel) -> None:
    """Draw the best runs as lines through the parameters and all others as dots, and below them the best in numbers."""
    columns = chart.axes
    scales = [scale_of(column) for column in columns]
    count = len(columns[-1].values)
    lines = [
        [
            (float(at), -0.15 if scale.places[run] is None else scale.places[run] or 0.0)
            for at, scale in enumerate(scales)
        ]
        for run in range(count)
    ]
    best = list(range(count))[::-1][:_BEST]
    series = [Series(lines[run], GREY, line=False) for run in range(count) if run not in best]
    series += [
        Series(lines[run], COLOURS[rank], letter=_LETTERS[rank]) for rank, run in reversed(list(enumerate(best)))
    ]
    room = max(_width(console) // len(columns) - 1, 4)
    ticks = [(float(at), cut(printable(column.name), room)) for at, column in enumerate(columns)]
    any_missing = any(place is None for scale in scales for place in scale.places)
    y = Axis([-0.15 if any_missing else 0.0, 1.0], ticks=[(0.0, "low"), (1.0, "high")])
    if any_missing:
        y.ticks.append((-0.15, "none"))
    draw(console, series, Axis([0.0, float(len(columns) - 1)], ticks=ticks), y, x_label="", y_label="")
    which = "best" if chart.goal is not None else "highest"
    write_line(console, Text(f"The {len(best)} {which} of {count} runs:", DIM))
    cells = [Column("", [Cell(_LETTERS[rank]) for rank in range(len(best))], keep=2)]
    for column in [columns[-1], *columns[:-1]]:
        texts = [Cell(_value(column.values[run])) for run in best]
        title = cut_middle(printable(column.name), 20)
        cells.append(Column(title, texts, right=not column.is_category, keep=1, least=8))
    left_out = write_table(console, cells)
    if left_out:
        write_line(console, Text(f"{len(left_out)} columns not shown", DIM))
    _write_note(console, " ".join(filter(None, [chart.left_out, chart.note])))


def _value(value: float | str | None) -> str:
    return "–" if value is None else number_text(value) if isinstance(value, float) else printable(value)


def write_grid(console: Console, chart: Grid) -> None:
    """Write a heat map as a table; the block before a mean is high where the metric is."""
    cells = cells_of(chart)
    known = [mean for row in cells.means for mean in row if mean is not None]
    low, high = min(known), max(known)
    best = None if chart.goal is None else low if chart.goal is Goal.MINIMIZE else high
    rows = [Cell(cut_middle(printable(name), 24)) for name in cells.y_labels]
    columns = [Column(cut_middle(printable(chart.y.name), 24), rows, right=True, keep=1)]
    for at, label in enumerate(cells.x_labels):
        texts = []
        for means, counts in zip(cells.means, cells.counts, strict=True):
            mean = means[at]
            text = (
                ""
                if mean is None
                else f"{_shade(mean, low, high)} {mean:.3g}" + (f"×{counts[at]}" if counts[at] > 1 else "")
            )
            texts.append(Cell(text or "·", "bold" if mean is not None and mean == best else ""))
        columns.append(Column(printable(label), texts, right=True, label=printable(label)))
    title = f"mean {chart.metric.name}: {chart.y.name} down, {chart.x.name} across"
    write_line(console, Text(cut(printable(title), _width(console)), "bold"))
    left_out = write_table(console, columns)
    if left_out:
        write_line(console, Text(f"{len(left_out)} columns not shown; make the terminal wider, or use -o.", DIM))
    _write_note(console, " ".join(filter(None, [grid_note(chart, cells), chart.note])))


def _shade(mean: float, low: float, high: float) -> str:
    part = (mean - low) / (high - low) if high > low else 0.5
    return _SHADES[min(int(part * len(_SHADES)), len(_SHADES) - 1)]


def write_bars(console: Console, chart: Bars) -> None:
    """Write lying bars, one panel after the other."""
    if chart.title:
        write_line(console, Text(printable(chart.title), "bold"))
    width = _width(console)
    names = [cut_middle(printable(row), _NAME_WIDTH) for row in chart.rows]
    longest = max(map(cell_len, names), default=0)
    for number, panel in enumerate(chart.panels):
        if number:
            write_line(console)
        write_line(console, Text(cut(printable(panel.title), width), "bold"))
        texts = _bar_texts(panel)
        room = max(width - longest - max(map(len, texts), default=0) - 4, _LEAST_BAR)
        colour = COLOURS[number % len(COLOURS)]
        for name, value, text in zip(names, panel.values, texts, strict=True):
            line = Text(f"{name}{' ' * (longest - cell_len(name))}  ")
            line.append(_bar(value, panel, room), "" if colour is None else f"color({colour})")
            line.append(f"  {text}")
            line.rstrip()
            write_line(console, line)
    _write_note(console, chart.note)


def _bar_texts(panel: BarPanel) -> list[str]:
    errors = list(panel.errors) or [None] * len(panel.values)
    texts = []
    for value, error in zip(panel.values, errors, strict=True):
        text = "–" if value is None else number_text(value)
        texts.append(f"{text} ±{error:.2g}" if error else text)
    longest = max(map(len, texts), default=0)
    return [text.ljust(longest) if errors else text for text in texts]


def _bar(value: float | None, panel: BarPanel, room: int) -> str:
    """Return a bar of ``room`` characters; where any value is negative, zero stands in the middle."""
    length = 0.0 if value is None or not math.isfinite(value) else value / span_of(panel.values)
    if all(one is None or not one < 0 for one in panel.values):
        return _block(length, room)
    half = (room - 1) // 2
    if length < 0:
        return ("█" * round(-length * half)).rjust(half) + "│" + " " * half
    return " " * half + "│" + _block(length, half)


def _block(length: float, room: int) -> str:
    eighths = round(length * room * 8)
    full, rest = divmod(eighths, 8)
    return f"{'█' * full}{_EIGHTHS[rest] if rest else ''}".ljust(room)
