"""Charts that are drawn often and differ little: what is always the same is drawn once, and each picture adds the rest.

Drawing axes with their ticks and labels takes tens of milliseconds, a curve on them one. A stamp keeps the drawn axes as pixels
and draws on a copy of them. Its artists are ``animated``, which is how matplotlib leaves them out of the first drawing.

Names of the user's and numbers are written onto the finished pixels: matplotlib takes ten times as long for a text, and warns
where its font lacks a character.
"""

from __future__ import annotations

import functools
import io
import os
import threading
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gtrack.charts.encoding import DPI

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_KEPT = 12


def bare_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of so many inches with axes that fill it but for room for labels: no layout is worked out for it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    left, below, above, right = 0.78 / width, 0.5 / height, 0.36 / height, 0.15 / width
    return figure, figure.add_axes((left, below, 1 - left - right, 1 - below - above))


@dataclass(frozen=True)
class Label:
    """A text on a picture.

    Attributes:
        at: dots from the left and from below, as matplotlib's transforms give them.
        text: one line or several; whatever characters it has.
        anchor: which point of it is there: left, middle or right (``l``, ``m``, ``r``), and ``m`` or ``s`` for its middle or its
            baseline.
        colour: a name or ``#rrggbb``.
        size: points.
        angle: degrees to the left that it is turned, around its right end.
    """

    at: tuple[float, float]
    text: str
    anchor: str = "mm"
    colour: str = "black"
    size: float = 9
    angle: float = 0


def point(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Return where a point of the data is, for a label."""
    across, up = axes.transData.transform((x, y))
    return float(across), float(up)


def corner(axes: Axes, x: float = 0.0, y: float = 1.0) -> tuple[float, float]:
    """Return where a point of the axes is, from 0 to 1 in both directions, for a label."""
    across, up = axes.transAxes.transform((x, y))
    return float(across), float(up)


def heading(axes: Axes, title: str, size: float = 11) -> Label:
    """Return the title above axes, at their left end."""
    x, y = corner(axes)
    return Label((x, y + 8), title, "ls", size=size)


@functools.cache
def _font(size: float) -> Any:
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), round(size * DPI / 72))


def text_width(text: str, size: float) -> float:
    """Return how many inches a line of text is wide."""
    return float(_font(size).getlength(text)) / DPI


def _write(image: Any, labels: Iterable[Label]) -> None:
    from PIL import Image, ImageDraw

    canvas = ImageDraw.Draw(image)
    for label in labels:
        font, x, y = _font(label.size), label.at[0], image.height - label.at[1]
        if not label.angle:
            canvas.text((x, y), label.text, fill=label.colour, font=font, anchor=label.anchor, align="center")
            continue
        width = 2 * round(font.getlength(label.text)) + 2
        mask = Image.new("L", (width, width))
        middle = width // 2
        ImageDraw.Draw(mask).text((middle, middle), label.text, fill=255, font=font, anchor="rm")
        turned = mask.rotate(label.angle, resample=Image.Resampling.BICUBIC)
        image.paste(label.colour, (round(x) - middle, round(y) - middle), turned)


def png_of(figure: Figure) -> bytes:
    """Draw a figure of ``bare_figure`` and return it as a PNG."""
    figure.canvas.draw()
    return _png(figure.canvas, ())


def _png(canvas: Any, labels: Iterable[Label]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    pixels = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    image = pixels.convert("RGB")
    _write(image, labels)
    image.save(out, format="PNG", dpi=(DPI, DPI), compress_level=4)
    return out.getvalue()


class Stamp:
    """Axes that were drawn, and the artists that differ from picture to picture.

    Args:
        figure: of ``bare_figure``; its animated artists are not drawn yet.
        artists: those that a picture sets before it is taken, by what they are.
    """

    def __init__(self, figure: Figure, **artists: Any) -> None:
        self.artists: dict[str, Any] = dict(artists)
        self._figure = figure
        self._canvas = cast("Any", figure.canvas)  # Agg's, which can copy and restore
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def png(self, artists: Iterable[Artist], labels: Iterable[Label] = ()) -> bytes:
        """Return the picture with these artists drawn on the axes, and the labels above all."""
        self._canvas.restore_region(self._background)
        renderer = self._canvas.get_renderer()
        for artist in artists:
            artist.draw(renderer)
        return _png(self._canvas, labels)


class _Kept:
    """The stamps that were made, the one that was used last at the end; one thread at a time draws with them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stamps: dict[Hashable, Stamp] = {}


_kept = _Kept()
os.register_at_fork(after_in_child=_kept.__init__)  # type: ignore[misc]  # another thread of the parent may hold the lock


def stamped(key: Hashable, make: Callable[[], Stamp], draw: Callable[[Stamp], bytes]) -> bytes:
    """Return what ``draw`` makes of the stamp that is kept under a key, made now where there is none."""
    with _kept.lock:
        stamp = _kept.stamps.pop(key, None) or make()
        try:
            png = draw(stamp)
        except BaseException:
            with suppress(KeyError):  # what it was left like is not known
                del _kept.stamps[key]
            raise
        _kept.stamps[key] = stamp
        while len(_kept.stamps) > _MOST_KEPT:
            del _kept.stamps[next(iter(_kept.stamps))]
        return png
