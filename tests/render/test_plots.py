"""Charts in a terminal."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from gtrack.charts.bars import BarPanel, Bars
from gtrack.charts.column import Column
from gtrack.charts.grid import Grid
from gtrack.charts.history import Curve, Histories, Panel
from gtrack.charts.parallel import Parallel
from gtrack.charts.scatter import Scatter
from gtrack.errors import GTrackError
from gtrack.records import Goal
from gtrack.render.canvas import Axis
from gtrack.render.plots import write_bars, write_grid, write_histories, write_parallel, write_scatter
from tests.render.conftest import CheckGolden, Draw, golden_name

if TYPE_CHECKING:
    from rich.console import Console

NAME = "a-long-name-of-a-run-that-a-sweep-made-up-漢字\x1b[31m"


def curves(count: int) -> Histories:
    panel = [Curve(f"{NAME}-{n}", [(x, math.exp(-x / (n + 5))) for x in range(50)]) for n in range(count)]
    return Histories([Panel("val/loss\x1b", panel)], order=list(range(count)), order_name="best runs", note="A note.")


LR = Column("optimizer.lr", tuple(10.0 ** (-5 + n % 40 / 10) for n in range(60)))
F1 = Column("f1", tuple(None if n % 13 == 5 else 0.5 + n % 7 / 20 for n in range(60)))
KIND = Column("kind", tuple(("adam", "sgd", NAME)[n % 3] for n in range(60)))
DECAY = Column("decay", tuple(None if n % 5 == 1 else (0.0, 1e-6, 1e-2)[n % 3] for n in range(60)))
STARTED = Column("started", tuple(1.77e9 + n for n in range(60)), is_time=True)

CHARTS: dict[str, Callable[[Console], None]] = {
    "history": lambda console: write_histories(console, curves(3)),
    "history-many": lambda console: write_histories(console, curves(200)),
    "scatter": lambda console: write_scatter(console, Scatter(LR, F1, KIND, log_x=True)),
    "scatter-number": lambda console: write_scatter(console, Scatter(KIND, F1, DECAY)),
    "scatter-time": lambda console: write_scatter(console, Scatter(STARTED, F1)),
    "parallel": lambda console: write_parallel(console, Parallel([LR, KIND, DECAY], F1, Goal.MAXIMIZE)),
    "grid": lambda console: write_grid(console, Grid(LR, KIND, F1, Goal.MAXIMIZE)),
    "bars": lambda console: write_bars(
        console, Bars([NAME, "b", "c"], [BarPanel("gain", [1.5, -0.5, None], [0.1, None, None])], "A title", "A note.")
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_eighty_columns_without_colours(draw: Draw, golden: CheckGolden, name: str) -> None:
    text = draw(CHARTS[name], 80)
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    golden(golden_name(f"plot-{name}", 80), text)


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("width", [20, 40, None])
def test_any_width(draw: Draw, name: str, width: int | None) -> None:
    assert draw(CHARTS[name], width).strip()


def test_a_letter_is_on_every_curve(draw: Draw) -> None:
    canvas = [line for line in draw(CHARTS["history"], 80).splitlines() if "│" in line or "┤" in line]
    assert all(any(letter in line for line in canvas) for letter in "ABC")


@pytest.mark.parametrize(
    "values", [[0.0], [0.0, 1e-3, 1.0], [-5.0, 0.0, 1e6], [5e-324, 1e300], [math.nan], [-1e308, 1e308]]
)
@pytest.mark.parametrize("log", [False, True])
def test_every_number_has_a_place_on_an_axis(values: list[float], log: bool) -> None:
    axis = Axis(values, log=log)
    assert all(0 <= axis.place(value) <= 1 for value in values if math.isfinite(value))
    assert 1 <= len(axis.ticks) <= 14
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value, _ in axis.ticks)


def test_round_numbers_on_an_axis() -> None:
    assert [text for _, text in Axis([0.0, 300.0]).ticks] == ["0", "100", "200", "300"]
    assert [text for _, text in Axis([1e-5, 0.1], log=True).ticks] == ["1e-05", "0.0001", "0.001", "0.01", "0.1"]
    assert [text for _, text in Axis([0.0, 1e-6, 1e-2], log=True).ticks][:2] == ["0", "1e-06"]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name == "plotille":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "plotille", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(GTrackError, match=r"pip install 'gtrack\[terminal\]'"):
        draw(CHARTS["history"], 80)
    assert draw(CHARTS["bars"], 80)
    assert draw(CHARTS["grid"], 80)
