"""What all charts share: size, colours, legends, scales.

Colours are never the only thing that tells two things apart: curves differ in their line style and points in their marker
too, and a scale of colours grows darker in one direction, so that a chart can be read in black and white.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gtrack.charts.encoding import DPI

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

Picture: TypeAlias = Literal["png", "svg"]

WIDTH, HEIGHT = 9.0, 4.5
"""Inches: 900 by 450 dots, which a page 80 columns wide shows without scaling."""

# Okabe and Ito's palette, which people with any colour vision tell apart, without its yellow, too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (9, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BACKGROUND = "0.45"
"""The grey of what stands behind; it is transparent too, so that where much is, it is darker."""

_LONGEST_NAME = 32
_WIDE_RANGE = 1000.0
_SMALLEST_PART = 1e-9
_NEARLY_INFINITE = 1e250


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """Return an empty figure of so many inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def picture(figure: Figure, kind: Picture = "png") -> bytes:
    """Return a chart as PNG or SVG; the same chart is the same bytes."""
    import matplotlib as mpl

    out = io.BytesIO()
    backend, metadata = ("agg", {}) if kind == "png" else ("svg", {"Date": None})
    # A box stands for what the font does not have. Ids in an SVG are random unless they are salted.
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "gtrack"}):
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)  # ticks beyond all of float64
        figure.canvas.print_figure(out, format=kind, dpi=DPI, backend=backend, metadata=metadata)
    return out.getvalue()


def plain(text: str, length: int = _LONGEST_NAME) -> str:
    """Return a text of the user's on one line, its middle left out where it is too long.

    Names of related runs begin alike, and end in what tells them apart.
    """
    line = "".join(character if character.isprintable() else " " for character in text)
    half = length // 2
    return line if len(line) <= length else f"{line[: half - 1]}…{line[-half:]}"


def dress(axes: Axes, title: str = "", x_label: str = "", y_label: str = "") -> None:
    """Give axes their title and labels, as they are (a ``$`` is no formula), and a quiet grid."""
    axes.set_title(plain(title, 100), loc="left", fontsize="large", parse_math=False)
    axes.set_xlabel(plain(x_label, 80), parse_math=False)
    axes.set_ylabel(plain(y_label, 50), parse_math=False)
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def caption(figure: Figure, text: str) -> None:
    """Write a small line below the charts: what is left out, and how to read it."""
    if text:
        figure.supxlabel(plain(text, 130), x=0.01, ha="left", fontsize="small", color="0.35", parse_math=False)


def legend_beside(figure: Figure, handles: Sequence[Artist], names: Sequence[str], title: str = "") -> Legend:
    """Put a legend to the right of the axes, where it covers nothing."""
    legend = figure.legend(
        handles,
        [f"entry {number}" for number in range(len(handles))],
        loc="outside right upper",
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        frameon=False,
        handlelength=3,
        labelspacing=0.3,
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        # Set here, as a label would be left out when it begins with "_", and be read as a formula when it holds "$".
        text.set_parse_math(False)
        text.set_text(plain(name))
    if title:
        legend.set_title(plain(title, 40))
        legend.get_title().set_parse_math(False)
    return legend


def number_text(number: float) -> str:
    """Return a number with four significant digits, for a tick or a bar; an integer of up to seven as it is."""
    return f"{number:.0f}" if abs(number) < 1e7 and float(number).is_integer() else f"{number:.4g}"


def finite(numbers: Iterable[float]) -> list[float]:
    """Return the numbers that are neither NaN nor infinite."""
    return [number for number in numbers if math.isfinite(number)]


def is_wide(numbers: Iterable[float]) -> bool:
    """Tell whether numbers, none of them negative, span so much that only a logarithmic scale shows them all."""
    known = finite(numbers)
    positive = [number for number in known if number > 0]
    return bool(positive) and min(known) >= 0 and max(positive) / min(positive) >= _WIDE_RANGE


def linear_part(numbers: Iterable[float]) -> float | None:
    """Return below which size numbers on a logarithmic axis stand on a linear piece of it.

    Returns:
        None when all numbers are positive, and the axis needs no such piece; 0 when none but zero is there, and no
        logarithm helps.
    """
    known = finite(numbers)
    if known and min(known) > 0:
        return None
    sizes = [abs(number) for number in known if number]
    return max(min(sizes), max(sizes) * _SMALLEST_PART) if sizes else 0.0


def bend(number: float, linear: float | None) -> float:
    """Return where a number stands on a logarithmic axis, in decades; see ``linear_part`` for ``linear``."""
    if linear is None:
        return math.log10(number)
    if not linear:
        return number
    if abs(number) <= linear:
        return number / linear / 2
    return math.copysign(0.5 + math.log10(abs(number) / linear), number)


def log_scale(axes: Axes, axis: Literal["x", "y"], numbers: Iterable[float]) -> None:
    """Make an axis logarithmic; zero and negative numbers keep their place on a linear piece in its middle."""
    from matplotlib.ticker import FuncFormatter

    known = finite(numbers)
    threshold = linear_part(known)
    if any(
        number and not 1 / _NEARLY_INFINITE < abs(number) < _NEARLY_INFINITE for number in known
    ):  # a margin around it would be no number
        (axes.set_xmargin if axis == "x" else axes.set_ymargin)(0.0)
    set_scale = axes.set_xscale if axis == "x" else axes.set_yscale
    if threshold is None:
        set_scale("log")
    elif threshold > 0:
        set_scale("symlog", linthresh=threshold, linscale=0.5)
        where = axes.axvline if axis == "x" else axes.axhline
        where(0, color="0.6", linewidth=0.8, zorder=0.5)
        if min(known) >= 0:
            axes.autoscale_view()
            (axes.set_xlim if axis == "x" else axes.set_ylim)(-threshold / 2)
    if threshold != 0.0:
        mine = axes.xaxis if axis == "x" else axes.yaxis
        mine.set_major_formatter(FuncFormatter(lambda number, _: number_text(number)))
        mine.set_minor_formatter(FuncFormatter(_minor_text(known)))


def _minor_text(numbers: Sequence[float]) -> Callable[[float, int], str]:
    """Return what labels the ticks between the powers of ten: the more, the fewer powers there are."""
    sizes = [abs(number) for number in numbers if number]
    decades = math.log10(max(sizes) / min(sizes)) if sizes else 0.0
    shown = {1, 2, 5} if decades < 2.5 else {1}
    if 0 < decades < 0.6:
        shown = set(range(1, 10))

    def text(number: float, _: int) -> str:
        first = round(abs(number) / 10 ** math.floor(math.log10(abs(number)))) if number else 0
        return number_text(float(f"{number:.6g}")) if first in shown else ""

    return text


def shades(*, dark_is_high: bool) -> LinearSegmentedColormap:
    """Return a scale from light to dark that is one also in grey, without the end too pale for a line on white."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    ends = (0.88, 0.0) if dark_is_high else (0.0, 0.88)
    cividis = mpl.colormaps["cividis"]
    colours = [cividis(ends[0] + (ends[1] - ends[0]) * part / 255) for part in range(256)]
    return LinearSegmentedColormap.from_list("gtrack", colours)
