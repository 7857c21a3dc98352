"""Keeps the matplotlib figures of a script: those that it saves, and those of pyplot that are open when it ends.

Nothing is imported that the script does not import, and nothing that goes wrong with a figure reaches the script: it becomes
one notice.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from gtrack.launch.post_import import when_imported
from gtrack.launch.recorder import Recorder

Figure: TypeAlias = Any

_PASSED_ON = frozenset(
    {"dpi", "facecolor", "edgecolor", "bbox_inches", "pad_inches", "bbox_extra_artists", "transparent"}
)
"""What a picture saved as PDF says of its looks, and its PNG follows."""
_WINDOWLESS = frozenset({"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"})
_LONGEST = 80


class FigureHook:
    """Stands behind ``savefig`` and before ``show``.

    Args:
        recorder: where the pictures go.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: WeakKeyDictionary[Figure, str] = WeakKeyDictionary()
        self._names: dict[str, str] = {}
        self._savefig: Callable[..., Any] | None = None
        self._saving = False
        self._said = False

    def install(self) -> None:
        """Wait for the script to import matplotlib."""
        when_imported("matplotlib", _choose_backend)
        when_imported("matplotlib.figure", self._wrap_savefig)
        when_imported("matplotlib.pyplot", self._wrap_show)

    def _wrap_savefig(self, module: ModuleType) -> None:
        original: Callable[..., Any] = module.Figure.savefig
        self._savefig = original

        @wraps(original)
        def savefig(figure: Figure, fname: object, **options: Any) -> Any:
            if self._saving:
                return original(figure, fname, **options)
            self._saving = True
            try:
                result = original(figure, fname, **options)
                self._safely(lambda: self._keep_saved(figure, fname, options))
            finally:
                self._saving = False
            return result

        module.Figure.savefig = savefig

    def _wrap_show(self, module: Any) -> None:
        original: Callable[..., Any] = module.show

        @wraps(original)
        def show(*args: Any, **options: Any) -> Any:
            if str(module.get_backend()).lower() not in _WINDOWLESS:
                # The user closes the windows, and then the figures are gone.
                self._safely(self._keep_open)
            return original(*args, **options)

        module.show = show

    def finish(self) -> None:
        """Keep the figures of pyplot that are still open."""
        self._safely(self._keep_open)

    def _safely(self, keep: Callable[[], None]) -> None:
        if not self._recorder.here:
            return
        try:
            keep()
        except Exception as error:  # noqa: BLE001  # drawing runs any code of the script, and must not end it
            if not self._said:
                self._said = True
                self._recorder.notice(f"A figure could not be kept: {type(error).__name__}: {error}")

    def _keep_saved(self, figure: Figure, fname: object, options: Mapping[str, Any]) -> None:
        if not isinstance(fname, str | os.PathLike):
            return
        path = Path(os.fsdecode(fname)).absolute()
        if not path.suffix:
            path = path.with_name(f"{path.name}.png")
        if path.suffix.lower() == ".png" and options.get("format", "png") == "png" and path.is_file():
            png = path.read_bytes()
        else:
            png = self._drawn(figure, {name: value for name, value in options.items() if name in _PASSED_ON})
        self._keep(figure, png, path.stem, str(path.with_suffix("")))

    def _keep_open(self) -> None:
        pyplot_figures = sys.modules.get("matplotlib._pylab_helpers")
        if pyplot_figures is None:
            return
        for manager in pyplot_figures.Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            if figure not in self._kept and figure.get_axes():
                self._keep(
                    figure, self._drawn(figure, {}), _title(figure) or f"figure_{manager.num}", f"\0{id(figure)}"
                )

    def _drawn(self, figure: Figure, options: Mapping[str, Any]) -> bytes:
        buffer = io.BytesIO()
        saving, self._saving = self._saving, True
        try:
            if self._savefig is not None:
                self._savefig(figure, buffer, format="png", **options)
        finally:
            self._saving = saving
        return buffer.getvalue()

    def _keep(self, figure: Figure, png: bytes, stem: str, source: str) -> None:
        path = f"figures/{self._name(_file_name(stem) or 'figure', source)}.png"
        self._recorder.figure(png, path)
        self._kept[figure] = path

    def _name(self, stem: str, source: str) -> str:
        """Return ``stem``, or ``stem_2`` when another picture has it: the same file saved again keeps its name."""
        for name in _numbered(stem):
            if self._names.setdefault(name.lower(), source) == source:
                return name
        return stem


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}_{number}"
        number += 1


def _title(figure: Figure) -> str:
    title = getattr(figure, "_suptitle", None)
    names = [figure.get_label(), title.get_text() if title is not None else ""]
    names += [axes.get_title() for axes in figure.get_axes()[:1]]
    return next((str(name) for name in names if str(name).strip()), "")


def _file_name(text: str) -> str:
    """Return ``text`` as a file name for every system: letters, digits, ``-``, ``_`` and ``.``, the rest as ``_``."""
    words = "".join(c if c.isalnum() or c in "-." else " " for c in text.replace("_", " ")).split()
    return "_".join(words)[:_LONGEST].strip("._-")


def _choose_backend(module: ModuleType) -> None:
    """Draw into memory where there is no display to open a window on, whatever a matplotlibrc says."""
    headless = sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if headless and not os.environ.get("MPLBACKEND"):
        module.use("agg")
