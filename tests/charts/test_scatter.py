"""Points of many runs."""

from __future__ import annotations

import pytest

from gtrack.charts.column import Column
from gtrack.charts.scatter import Scatter, draw_scatter
from gtrack.errors import InvalidValue
from tests.charts.conftest import CheckPicture


def columns(count: int) -> tuple[Column, Column, Column]:
    lr = Column("optimizer.lr", tuple(10.0 ** (-5 + n % 50 / 10) for n in range(count)))
    f1 = Column("f1", tuple(None if n % 13 == 5 else 0.5 + n % 7 / 20 for n in range(count)))
    kind = Column(
        "a name $^$ that is long enough to be cut " * 2, tuple("abcdefghij"[n % 10] * 40 for n in range(count))
    )
    return lr, f1, kind


@pytest.mark.parametrize("count", [1, 2, 20, 200])
@pytest.mark.parametrize("color", [None, "number", "category", "missing"])
def test_any_number_of_runs_coloured_by_anything(check: CheckPicture, count: int, color: str | None) -> None:
    lr, f1, kind = columns(count)
    missing = Column("decay", tuple(None if n % 2 else float(n) for n in range(count)))
    chosen = {None: None, "number": lr, "category": kind, "missing": missing}[color]
    check(lambda: draw_scatter(Scatter(lr, f1, chosen, log_x=True)))


@pytest.mark.parametrize("axis", ["x", "y"])
def test_categories_are_names_on_an_axis(check: CheckPicture, axis: str) -> None:
    _, f1, kind = columns(60)
    figure = check(lambda: draw_scatter(Scatter(kind, f1) if axis == "x" else Scatter(f1, kind)))
    labels = figure.axes[0].get_xticklabels() if axis == "x" else figure.axes[0].get_yticklabels()
    assert [label.get_text()[0] for label in labels] == list("abcdefghij")


@pytest.mark.quick
def test_times_are_dates(check: CheckPicture) -> None:
    started = Column("started", tuple(1.77e9 + n * 86400 for n in range(20)), is_time=True)
    figure = check(lambda: draw_scatter(Scatter(started, columns(20)[1])))
    assert "2026" in figure.axes[0].xaxis.get_major_formatter().get_offset()


def test_zeros_keep_their_place_on_a_logarithmic_axis(check: CheckPicture) -> None:
    decay = Column("decay", (0.0, 1e-6, 1e-2))
    figure = check(lambda: draw_scatter(Scatter(decay, Column("f1", (0.1, 0.2, 0.3)), log_x=True)))
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert {"0", "1e-06", "0.01"} <= set(labels)


def test_what_is_left_out_is_said() -> None:
    lr, f1, _ = columns(20)
    chart = Scatter(lr, f1, Column("decay", (None, *[1.0] * 19)))
    assert chart.left_out == "2 runs without f1 left out."
    figure = draw_scatter(chart)
    assert figure.get_supxlabel() == "2 runs without f1 left out. Hollow: no decay."


def test_nothing_to_draw() -> None:
    with pytest.raises(InvalidValue, match="no run has both lr and f1"):
        draw_scatter(Scatter(Column("lr", (None, 1.0)), Column("f1", (0.5, None))))


def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_scatter(Scatter(*columns(20))))
