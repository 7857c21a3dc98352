"""Lying bars."""

from __future__ import annotations

import math

import pytest

from gtrack.charts.bars import BarPanel, Bars, draw_bars
from gtrack.errors import InvalidValue
from tests.charts.conftest import CheckPicture


@pytest.mark.parametrize("count", [1, 20, 60])
@pytest.mark.parametrize("panels", [1, 3])
def test_any_number_of_rows(check: CheckPicture, count: int, panels: int) -> None:
    rows = [f"a-long-name-of-a-run-that-a-sweep-made-up-{n}" for n in range(count)]
    values = [n / 10 for n in range(count)]
    check(lambda: draw_bars(Bars(rows, [BarPanel("$f1", values)] * panels, title="A title", note="A note.")))


@pytest.mark.quick
def test_strange_numbers_are_told_apart(check: CheckPicture) -> None:
    values = [1.0, -2.0, 0.0, math.nan, math.inf, None]
    figure = check(
        lambda: draw_bars(Bars(list("abcdef"), [BarPanel("gain", values, [0.1, None, None, None, None, None])]))
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "-2", "0", "nan", "inf", "–"]


def test_the_first_row_is_at_the_top() -> None:
    axes = draw_bars(Bars(["first", "second"], [BarPanel("f1", [1, 2])])).axes[0]
    low, high = axes.get_ylim()
    assert low > high
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]


def test_nothing_to_draw() -> None:
    with pytest.raises(InvalidValue, match="no run has a value"):
        draw_bars(Bars(["a"], [BarPanel("f1", [None])]))


def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_bars(Bars(["a"], [BarPanel("f1", [1], [0.5])])))
