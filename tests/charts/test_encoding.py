"""Figures and images to bytes."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from gtrack.charts import figure_to_bytes, figure_to_png, image_to_png
from gtrack.errors import InvalidValue


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    image.load()
    return image


def figure() -> Figure:
    drawn = Figure(figsize=(4, 3))
    drawn.add_subplot().plot([1, 2, 3])
    return drawn


# --- figures ---------------------------------------------------------------------------------------------------------


def test_a_matplotlib_figure_in_its_size() -> None:
    assert opened(figure_to_png(figure())).size == (400, 300)
    assert opened(figure_to_png(figure(), dpi=50)).size == (200, 150)


def test_the_figure_stays_as_it_was() -> None:
    drawn = figure()
    canvas = FigureCanvasSVG(drawn)
    dpi = drawn.dpi
    assert opened(figure_to_png(drawn, dpi=37)).size == (148, 111)
    assert drawn.canvas is canvas
    assert drawn.dpi == dpi


def test_the_savefig_of_the_figure_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: pytest.fail("gtrack run watches savefig"))
    assert opened(figure_to_png(figure())).size == (400, 300)


def test_pyplot_is_neither_loaded_nor_asked() -> None:
    program = (
        "import sys\n"
        "from matplotlib.figure import Figure\n"
        "from gtrack.charts import figure_to_png, history_chart\n"
        "figure_to_png(Figure()); history_chart({'a': [(0, 1)]}, 'loss')\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_leads_to_a_figure() -> None:
    class Display:
        def __init__(self) -> None:
            self.figure_ = figure()

    drawn = figure()
    assert opened(figure_to_png(drawn.axes[0])).size == (400, 300)
    assert opened(figure_to_png(Display())).size == (400, 300)
    assert opened(figure_to_png(Figure(figsize=(4, 3)).subfigures())).size == (400, 300)


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".jpg", b"\xff\xd8"), (".PNG", b"\x89PNG")],
)
def test_the_suffix_says_the_format(suffix: str, start: bytes) -> None:
    data, path = figure_to_bytes(figure(), f"figures/a{suffix}")
    assert data.startswith(start)
    assert path == f"figures/a{suffix}"


def test_without_a_suffix_it_is_a_png() -> None:
    data, path = figure_to_bytes(figure(), "figures/v1.2/roc")
    assert data.startswith(b"\x89PNG")
    assert path == "figures/v1.2/roc.png"


class WithSavefig:
    def savefig(self, out: io.BytesIO, **options: Any) -> None:
        out.write(f"{options['format']} at {options['dpi']}".encode())


class WithToImage:
    def to_image(self, **options: str) -> bytes:
        return options["format"].encode()

    def write_html(self, out: io.StringIO) -> None:
        out.write("<p>ü</p>")


class WithWriteImage:
    def write_image(self, out: io.BytesIO, **options: str) -> None:
        out.write(options["format"].encode())


class WithHtmlOnly:
    def write_html(self, out: io.StringIO) -> None:
        out.write("<p>ü</p>")


class WithoutKaleido(WithHtmlOnly):
    def to_image(self, **options: str) -> bytes:
        raise ValueError("Image export requires the kaleido package")


HTML = "<p>ü</p>".encode()


@pytest.mark.parametrize(
    ("drawn", "path", "expected"),
    [
        (WithSavefig(), "a.svg", (b"svg at 100", "a.svg")),
        (WithSavefig(), "a", (b"png at 100", "a.png")),
        (WithToImage(), "a.webp", (b"webp", "a.webp")),
        (WithToImage(), "a.html", (HTML, "a.html")),
        (WithWriteImage(), "a.png", (b"png", "a.png")),
        (WithHtmlOnly(), "a.html", (HTML, "a.html")),
        (WithHtmlOnly(), "a", (HTML, "a.html")),
        (WithHtmlOnly(), "b/a.png", (HTML, "b/a.html")),
        (WithoutKaleido(), "b/a.png", (HTML, "b/a.html")),
    ],
)
def test_figures_of_other_libraries(drawn: object, path: str, expected: tuple[bytes, str]) -> None:
    assert figure_to_bytes(drawn, path) == expected


@pytest.mark.parametrize(
    ("drawn", "path", "message"),
    [
        (figure(), "a.html", r"Figure cannot be written as HTML: give 'a\.html' the suffix \.png"),
        (figure(), "a.xyz", r"Figure cannot be written as xyz: Format 'xyz' is not supported"),
        (object(), "a.png", "object is no figure"),
        (object(), "a", "object is no figure"),
        ([1, 2], "a.html", "list cannot be written as HTML"),
        (None, "a.png", "NoneType is no figure"),
    ],
)
def test_what_is_no_figure_is_refused(drawn: object, path: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        figure_to_bytes(drawn, path)


def test_a_figure_that_cannot_be_drawn_says_why() -> None:
    drawn = figure()
    drawn.axes[0].set_title("$\\nonsense{$")
    with pytest.raises(InvalidValue, match="cannot be written as png"):
        figure_to_png(drawn)
    with pytest.raises(InvalidValue, match="kaleido"):
        figure_to_png(WithoutKaleido())


# --- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "mode"), [((4, 6), "L"), ((4, 6, 1), "L"), ((4, 6, 3), "RGB"), ((4, 6, 4), "RGBA"), ((3, 3, 3), "RGB")]
)
def test_arrays_keep_every_pixel(shape: tuple[int, ...], mode: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = opened(image_to_png(array))
    assert image.mode == mode
    assert np.array_equal(np.asarray(image), array.reshape(shape[:2]) if shape[2:] == (1,) else array)


@given(st.integers(0, 255), st.sampled_from(["f2", "f4", "f8"]))
def test_floats_are_the_nearest_of_256(level: int, kind: str) -> None:
    image = opened(image_to_png(np.full((2, 2), level / 255, dtype=kind)))
    assert image.getpixel((0, 0)) == level


def test_booleans_are_black_and_white() -> None:
    image = opened(image_to_png(np.array([[True, False]])))
    assert [image.getpixel((0, 0)), image.getpixel((1, 0))] == [255, 0]


def test_layouts_and_other_arrays() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)

    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return array

    expected = image_to_png(array)
    assert image_to_png(np.asfortranarray(array)) == expected
    assert image_to_png(Tensor()) == expected
    assert opened(image_to_png(array[::-1, ::2])).size == (2, 2)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "CMYK", "YCbCr", "HSV", "LAB"])
def test_pil_images_of_every_mode(mode: str) -> None:
    assert opened(image_to_png(Image.new(mode, (5, 3)))).size == (5, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(3), r"shape \(3,\) is no image"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\) is no image"),
        (np.zeros((1, 2, 2, 3)), "is no image"),
        (np.zeros((3, 20, 30)), r"channels first: give array\.transpose\(1, 2, 0\)"),
        (np.zeros((0, 4)), "no pixels"),
        (np.zeros((2, 2), dtype=int), "int64 has no known range"),
        (np.array([["a"]]), "has no known range"),
        (np.array([[0.0, 1.5]]), "from 0 to 1, and this one has 0 to 1.5"),
        (np.array([[-0.5, 1]]), "has -0.5 to 1"),
        (np.array([[0.5, math.nan]]), "NaN among them"),
        (Image.new("F", (2, 2)), "mode F has no known range"),
        (Image.new("I", (2, 2), 2**16), "mode I has no known range"),
        ([[0, 1]], "list is no image"),
        (None, "NoneType is no image"),
        ("a.png", "str is no image"),
    ],
)
def test_what_is_no_image_is_refused(image: object, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        image_to_png(image)
