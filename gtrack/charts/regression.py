"""What a regressor does: its residuals, and what it predicts beside what is true, each as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gtrack.charts.stamp import bare_figure, png_of
from gtrack.charts.style import COLOURS, MARKERS, dress, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 2000
"""More than so many rows are drawn as every second, third … of them."""


def residuals_png(
    true: Sequence[Sequence[float]], predicted: Sequence[Sequence[float]], title: str, names: Sequence[str] = ()
) -> bytes:
    """Draw what is true less what was predicted, over what was predicted.

    Args:
        true: outputs × rows.
        predicted: likewise.
        title: what stands above.
        names: of the outputs, where there are several.
    """
    figure, axes = bare_figure(5.2, 4.2)
    dress(axes, title, "predicted", "true − predicted")
    axes.axhline(0, color="0.3", linewidth=1)
    differences = [[t - p for t, p in zip(*pair, strict=True)] for pair in zip(true, predicted, strict=True)]
    _points(axes, predicted, differences, names)
    return png_of(figure)


def predicted_png(
    true: Sequence[Sequence[float]], predicted: Sequence[Sequence[float]], title: str, names: Sequence[str] = ()
) -> bytes:
    """Draw what was predicted over what is true; see ``residuals_png``."""
    figure, axes = bare_figure(5.2, 4.2)
    dress(axes, title, "true", "predicted")
    known = finite(number for values in (*true, *predicted) for number in values) or [0.0]
    axes.plot([min(known), max(known)], [min(known), max(known)], color="0.5", linestyle="--", linewidth=1)
    _points(axes, true, predicted, names)
    return png_of(figure)


def _points(axes: Axes, x: Sequence[Sequence[float]], y: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    for at, (across, up) in enumerate(zip(x, y, strict=True)):
        step = -(-len(across) // MOST_POINTS) or 1
        axes.plot(
            across[::step],
            up[::step],
            MARKERS[at % len(MARKERS)],
            color=COLOURS[at % len(COLOURS)],
            markersize=3.5,
            markeredgewidth=0,
            alpha=0.5,
            label=names[at] if names else None,
        )
    if len(names) > 1:
        axes.legend(loc="best", fontsize="small", frameon=False)
