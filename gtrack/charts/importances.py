"""How much each feature weighs in a model, as a PNG of lying bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from gtrack.charts.stamp import Label, Stamp, bare_figure, corner, heading, point, stamped, text_width
from gtrack.charts.style import COLOURS, dress, number_text, plain

MOST_BARS = 20
_PER_BAR = 0.22
_LONGEST = 32
_SIZE = 8


def importances_png(names: Sequence[str], weights: Sequence[float], title: str) -> bytes:
    """Draw the weights of features, the largest of either sign first; beyond 20 the rest is only counted.

    Args:
        names: of the features.
        weights: of each; finite.
        title: what stands above.
    """
    order = sorted(range(len(weights)), key=lambda at: -abs(weights[at]))[:MOST_BARS]
    rows = [(plain(str(names[at]), _LONGEST), weights[at]) for at in order]
    widest = max((text_width(name, _SIZE) for name, _ in rows), default=1.0)
    room = math.ceil(4 * widest) / 4  # names of about one length share a stamp
    signed = any(weight < 0 for _, weight in rows)
    more = f" ({MOST_BARS} of {len(weights)})" if len(weights) > MOST_BARS else ""
    key = ("importances", len(rows), room, signed)
    return stamped(key, partial(_stamp, len(rows), room, signed=signed), partial(_draw, rows, title + more))


def _stamp(count: int, room: float, *, signed: bool) -> Stamp:
    height, left = max(1.0, _PER_BAR * count + 0.7), 0.25 + room
    width = left + 4.8
    figure, axes = bare_figure(width, height)
    axes.set_position((left / width, 0.12 / height, 4.65 / width, 1 - 0.5 / height))
    dress(axes)
    axes.set_xlim(-1.25 if signed else 0, 1.25)
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_visible(not signed)
    if signed:
        axes.axvline(0, color="0.3", linewidth=0.8)
    bars = axes.hlines(range(count), 0, [0.0] * count, color=COLOURS[0], linewidth=11, capstyle="butt", animated=True)
    return Stamp(figure, bars=bars)


def _draw(rows: Sequence[tuple[str, float]], title: str, stamp: Stamp) -> bytes:
    bars = stamp.artists["bars"]
    axes = bars.axes
    largest = max((abs(weight) for _, weight in rows), default=0.0) or 1.0
    bars.set_segments([[(0, at), (weight / largest, at)] for at, (_, weight) in enumerate(rows)])
    labels = [heading(axes, title)]
    left = corner(axes)[0]
    for at, (name, weight) in enumerate(rows):
        x, y = point(axes, weight / largest, at)
        side = -5 if weight < 0 else 5
        labels.append(Label((x + side, y), number_text(weight), "rm" if weight < 0 else "lm", size=_SIZE))
        labels.append(Label((left - 6, y), name, "rm", size=_SIZE))
    return stamp.png([bars], labels)
