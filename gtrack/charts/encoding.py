"""Figures and images of users to bytes."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gtrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

DPI = 100
"""Dots per inch of figures, unless asked otherwise."""

_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_NEAREST_PNG_MODE = {"I": "I;16", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}
_HTML = frozenset({".html", ".htm"})
_RASTER = frozenset({"png", "jpg", "jpeg", "tif", "tiff", "webp"})


def figure_to_bytes(figure: object, path: str, dpi: int = DPI) -> tuple[bytes, str]:
    """Return a figure in the format that the suffix of ``path`` names, and the path that it is to be kept under.

    The path is the one given, but for two cases. It has no suffix: then the best that the figure can do is chosen and its
    suffix added. It names an image and the figure can only be written as HTML (plotly without kaleido): then ``.html``
    takes the place of its suffix, as a figure in another format is better than none at the end of a long run.

    Args:
        figure: a matplotlib Figure, or what leads to one (Axes, a scikit-learn display, a seaborn grid), or any object
            with ``savefig``, ``to_image``, ``write_image`` or ``write_html``. It is left open and unchanged.
        path: what the artifact is called.
        dpi: dots per inch.

    Raises:
        InvalidValue: it is no figure, or cannot be written in that format.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _HTML:
        return _html(figure, path), path
    wanted, named = (suffix, path) if suffix else (".png", f"{path}.png")
    try:
        return _image(figure, wanted, dpi), named
    except InvalidValue:
        if not hasattr(figure, "write_html"):
            raise
    return _html(figure, path), str(PurePosixPath(path).with_suffix(".html"))


def figure_to_png(figure: object, dpi: int = DPI) -> bytes:
    """Return a figure as a PNG; see ``figure_to_bytes``.

    Raises:
        InvalidValue: it is no figure, or none that can be an image here.
    """
    return _image(figure, ".png", dpi)


def _image(figure: object, suffix: str, dpi: int) -> bytes:
    kind = suffix.removeprefix(".")
    write = _image_writer(figure, kind, dpi)
    out = io.BytesIO()
    try:
        write(out)
    except Exception as error:  # every plotting library has errors of its own, and plotly's are bare ValueErrors
        raise InvalidValue(f"The {type(figure).__name__} cannot be written as {kind}: {error}") from error
    return out.getvalue()


def _image_writer(figure: Any, kind: str, dpi: int) -> Callable[[io.BytesIO], object]:
    drawn = _matplotlib_figure(figure)
    if drawn is not None:
        # Not figure.savefig: `gtrack run` watches that one to keep what a script saves, and would keep this too.
        # A backend given here is used for this drawing alone, and the figure gets its own canvas back.
        backend = "agg" if kind in _RASTER else None
        return lambda out: drawn.canvas.print_figure(out, format=kind, dpi=dpi, backend=backend)
    if hasattr(figure, "savefig"):
        return lambda out: figure.savefig(out, format=kind, dpi=dpi)
    if hasattr(figure, "to_image"):
        return lambda out: out.write(figure.to_image(format=kind))
    if hasattr(figure, "write_image"):
        return lambda out: figure.write_image(out, format=kind)
    raise InvalidValue(
        f"A {type(figure).__name__} is no figure: gtrack can write a matplotlib figure and anything with savefig, to_image, "
        "write_image or write_html."
    )


def _matplotlib_figure(figure: object) -> Figure | None:
    module = sys.modules.get("matplotlib.figure")
    if module is None:
        return None
    for candidate in (figure, getattr(figure, "figure", None), getattr(figure, "figure_", None)):
        if isinstance(candidate, module.FigureBase):
            root: Figure = candidate.get_figure(root=True) if _is_sub_figure(candidate) else candidate
            return root
    return None


def _is_sub_figure(figure: object) -> bool:
    return not hasattr(figure, "set_dpi")


def _html(figure: object, path: str) -> bytes:
    write = getattr(figure, "write_html", None)
    if write is None:
        kind = type(figure).__name__
        raise InvalidValue(f"A {kind} cannot be written as HTML: give {path!r} the suffix .png or .svg.")
    out = io.StringIO()
    write(out)
    return out.getvalue().encode()


def image_to_png(image: object) -> bytes:
    """Return an image as a PNG.

    Args:
        image: a PIL image; or an array (numpy, or what numpy can see as one) of H×W, H×W×1, H×W×3 (RGB) or H×W×4 (RGBA),
            of uint8, of bool, or of floats from 0 to 1.

    Raises:
        InvalidValue: another shape, type or range.
    """
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(image, pil.Image):
        return _pil_png(image)
    if not hasattr(image, "__array__"):
        kind = type(image).__name__
        raise InvalidValue(f"{kind} is no image: give a PIL image or an array of H×W, H×W×1, H×W×3 or H×W×4.")
    import numpy as np
    from PIL import Image

    pixels = _pixels(np.asarray(image))
    return _pil_png(Image.fromarray(pixels))


def _pil_png(image: Any) -> bytes:
    if image.mode == "F" or (image.mode == "I" and not 0 <= image.getextrema()[0] <= image.getextrema()[1] < 2**16):
        raise InvalidValue(f"A PIL image of mode {image.mode} has no known range: give an array of floats from 0 to 1.")
    if image.mode not in _PNG_MODES:
        image = image.convert(_NEAREST_PNG_MODE.get(image.mode, "RGB"))
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def _pixels(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return uint8 pixels, H×W or H×W×3 or H×W×4."""
    import numpy as np

    _check_shape(array.shape)
    flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if flat.dtype == np.bool_:
        return np.where(flat, np.uint8(255), np.uint8(0))
    if flat.dtype == np.uint8:
        return np.ascontiguousarray(flat)
    if flat.dtype.kind != "f":
        kind = str(flat.dtype)
        raise InvalidValue(
            f"An image of {kind} has no known range: give uint8 (0 to 255), bool, or floats from 0 to 1."
        )
    low, high = float(flat.min()), float(flat.max())
    if math.isnan(low) or low < 0 or high > 1:
        found = "NaN among them" if math.isnan(low) else f"{low:g} to {high:g}"
        raise InvalidValue(
            f"An image of floats must be from 0 to 1, and this one has {found}: scale it, or give uint8."
        )
    scaled: np.ndarray[Any, Any] = np.rint(flat.astype(np.float64) * 255).astype(np.uint8)
    return scaled


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) == 3 and shape[0] in {1, 3, 4} and shape[2] not in {1, 3, 4}:
        raise InvalidValue(f"An image of shape {shape} has its channels first: give array.transpose(1, 2, 0).")
    if len(shape) not in {2, 3} or (len(shape) == 3 and shape[2] not in {1, 3, 4}):
        raise InvalidValue(f"An array of shape {shape} is no image: it must be H×W, H×W×1, H×W×3 or H×W×4.")
    if 0 in shape:
        raise InvalidValue(f"An image of shape {shape} has no pixels.")
