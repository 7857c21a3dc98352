"""Heat maps."""

from __future__ import annotations

import pytest

from gtrack.charts.column import Column
from gtrack.charts.grid import Grid, cells_of, draw_grid, places_of
from gtrack.errors import InvalidValue
from gtrack.records import Goal
from tests.charts.conftest import CheckPicture


def chart(count: int) -> Grid:
    lr = Column("lr", tuple(10.0 ** (-5 + n % 50 / 10) for n in range(count)))
    kind = Column("$kind", tuple(f"a-long-name-of-a-category-{n % 20}" for n in range(count)))
    return Grid(lr, kind, Column("f1", tuple(n / count for n in range(count))), Goal.MAXIMIZE)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 20, 200])
def test_any_number_of_runs(check: CheckPicture, count: int) -> None:
    check(lambda: draw_grid(chart(count)))


def test_cells_are_means() -> None:
    x, y = Column("x", (1.0, 1.0, 2.0, 2.0, None)), Column("y", ("a", "a", "a", "b", "b"))
    cells = cells_of(Grid(x, y, Column("f1", (1.0, 3.0, 5.0, 7.0, 9.0))))
    assert (cells.x_labels, cells.y_labels) == (("1", "2"), ("b", "a"))
    assert cells.means == ((None, 7.0), (2.0, 5.0))
    assert cells.counts == ((0, 1), (2, 1))
    assert cells.left_out == 1


def test_many_numbers_stand_in_ranges() -> None:
    labels, places = places_of(Column("n", tuple(float(n) for n in range(81))))
    assert labels[:2] == ["0–10", "10–20"]
    assert (places[0], places[10], places[80]) == (0, 1, 7)
    labels, places = places_of(Column("lr", tuple(10.0**-n for n in range(16))))
    assert labels[-1] == "1.3e-2–1.0e0"
    assert set(places) == set(range(8))


def test_many_names_keep_the_frequent_ones() -> None:
    values = (*("z",) * 3, *(str(n) for n in range(20)))
    labels, places = places_of(Column("k", values))
    assert len(labels) == 12
    assert labels[-2:] == ["z", "10 others"]
    assert places[0] == 10


def test_numbers_are_read_on_dark_and_light_cells() -> None:
    x, y = Column("x", (0.0, 1.0)), Column("y", ("a", "a"))
    figure = draw_grid(Grid(x, y, Column("f1", (0.0, 1.0))))
    assert [(text.get_text(), text.get_color()) for text in figure.axes[0].texts] == [("0", "black"), ("1", "white")]


def test_nothing_to_draw() -> None:
    with pytest.raises(InvalidValue, match="no run has x, y and a finite f1"):
        cells_of(Grid(Column("x", (1.0,)), Column("y", (None,)), Column("f1", (1.0,))))


@pytest.mark.slow
def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_grid(chart(20)))
