"""What is asked of every picture."""

from __future__ import annotations

import io
import math
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import combinations

import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from gtrack.charts.style import picture

CheckPicture = Callable[[Callable[[], Figure]], Figure]


@pytest.fixture
def check() -> CheckPicture:
    """Return a function that draws a figure and asks of it what every chart must be; it returns the figure."""
    return check_picture


def check_picture(draw: Callable[[], Figure]) -> Figure:
    figure = draw()
    data = picture(figure)
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    assert image.size == tuple(math.floor(length * 100 + 1e-6) for length in figure.get_size_inches())
    assert image.width >= 900
    _check_layout(figure)
    return figure


@pytest.fixture
def check_same() -> CheckPicture:
    """Return a function that draws a figure twice, as PNG and SVG, and asks that it is the same; it returns the first."""
    return check_same_bytes


def check_same_bytes(draw: Callable[[], Figure]) -> Figure:
    figure = draw()
    assert picture(figure) == picture(draw())
    svg = picture(draw(), "svg")
    assert picture(draw(), "svg") == svg
    assert ET.fromstring(svg).tag.endswith("svg")
    return figure


def _check_layout(figure: Figure) -> None:
    """Nothing leaves the page, and neither a legend nor other axes cover data."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        legends = [_scaled(legend.get_window_extent(), 100 / figure.dpi) for legend in figure.legends]
    page = Bbox.from_bounds(0, 0, *(length * 100 for length in figure.get_size_inches()))
    scale = 100 / figure.dpi
    boxes = [_scaled(axes.get_window_extent(), scale) for axes in figure.axes]
    assert all(axes.get_legend() is None for axes in figure.axes)
    assert all(_inside(box, page) for box in (*boxes, *legends))
    assert max(box.width for box in boxes) > 200
    assert not any(_overlap(one, other) for one, other in combinations([*boxes, *legends], 2))


def _scaled(box: Bbox, scale: float) -> Bbox:
    return Bbox.from_extents(box.x0 * scale, box.y0 * scale, box.x1 * scale, box.y1 * scale)


def _inside(box: Bbox, page: Bbox) -> bool:
    return bool(box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1)


def _overlap(one: Bbox, other: Bbox) -> bool:
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    upwards = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(across > 1 and upwards > 1)
