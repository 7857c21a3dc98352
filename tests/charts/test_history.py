"""Curves of many runs."""

from __future__ import annotations

import io
import math
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gtrack.charts import history_chart
from gtrack.charts.history import Curve, Histories, Panel, draw_histories, smoothed, thinned
from gtrack.errors import InvalidValue
from tests.charts.conftest import CheckPicture


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def colours(png: bytes) -> set[tuple[int, ...]]:
    image = opened(png).convert("RGB")
    return {colour for _, colour in image.getcolors(image.width * image.height) or [] if isinstance(colour, tuple)}


@pytest.mark.quick
def test_curves_of_three_runs() -> None:
    png = history_chart({f"run-{n}": [(step, step * n) for step in range(100)] for n in range(3)}, "val/loss")
    assert opened(png).size == (900, 450)
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0, 0x9E, 0x73)} <= colours(png)


def test_the_same_curves_are_the_same_picture() -> None:
    curves: dict[str, list[tuple[int, float]]] = {"a": [(0, 1.0), (1, 0.5)], "b": [(0, 0.9)]}
    assert history_chart(curves, "loss") == history_chart(curves, "loss")
    assert history_chart(curves, "loss") != history_chart(curves, "accuracy")


def test_one_point_and_gaps_are_seen() -> None:
    assert (0, 0x72, 0xB2) in colours(history_chart({"one": [(3, 0.5)]}, "x"))
    points: list[tuple[int, float]] = [(0, 1.0), (1, math.nan), (2, 0.5), (3, math.inf), (4, 0.1), (5, 0.1)]
    assert (0, 0x72, 0xB2) in colours(history_chart({"gaps": points}, "x"))


@pytest.mark.parametrize("name", ["$x^2", "_hidden", "a" * 300, "ü 漢 🙂", "<b>&amp;</b>", ""])
def test_names_are_taken_as_they_are(name: str) -> None:
    assert opened(history_chart({name: [(0, 1)], "other": [(0, 2)]}, name)).size == (900, 450)


def test_many_runs_and_large_numbers() -> None:
    curves: dict[str, list[tuple[int, float]]] = {
        f"a-run-with-a-long-name-that-goes-on-{n}": [(0, n), (10**15, 1e300)] for n in range(60)
    }
    assert opened(history_chart(curves, "x")).size == (900, 450)


@pytest.mark.parametrize("histories", [{}, {"a": []}])
def test_nothing_to_draw(histories: dict[str, list[tuple[int, float]]]) -> None:
    with pytest.raises(InvalidValue, match="nothing to draw for 'loss'"):
        history_chart(histories, "loss")


def test_the_settings_of_the_user_are_left_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    history_chart({"a": [(0, 1)]}, "loss")
    assert dict(mpl.rcParams) == before


def wave(count: int, length: int = 60, name: str = "run") -> Histories:
    curves = [
        Curve(f"{name}-{n}", [(x, math.exp(-x / (n + 5)) + n / 100) for x in range(length)]) for n in range(count)
    ]
    return Histories([Panel("val/loss", curves)], order=list(range(count))[::-1], order_name="best runs")


@pytest.mark.parametrize("count", [1, 2, 12, 20, 200])
@pytest.mark.parametrize(
    "name", ["run", "a-name-of-the-kind-that-sweeps-make-up-with-lr-and-all-that", "$x_{1}^2$ 漢\n\x1b["]
)
def test_any_number_of_runs(check: CheckPicture, count: int, name: str) -> None:
    check(lambda: draw_histories(wave(count, name=name)))


def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_histories(wave(20)))


def test_of_many_runs_the_best_stand_out() -> None:
    figure = draw_histories(wave(200))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [*(f"run-{n}" for n in range(199, 193, -1)), "194 other runs"]
    assert figure.legends[0].get_title().get_text() == "6 best runs of 200"
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert len(colours) == 200
    assert colours[:194] == ["0.45"] * 194


def test_twelve_runs_are_told_apart_without_colours() -> None:
    figure = draw_histories(wave(12, length=10))
    looks = {(str(line.get_linestyle()), str(line.get_marker()), line.get_color()) for line in figure.axes[0].lines}
    assert len(looks) == 12
    assert len({look[:2] for look in looks}) >= 7


def test_panels_share_one_legend(check: CheckPicture) -> None:
    panel = wave(5).panels[0]
    panels = [panel, Panel("loss", panel.curves), Panel("f1", panel.curves)]
    figure = check(lambda: draw_histories(Histories(panels, note="A note.")))
    assert tuple(figure.get_size_inches()) == pytest.approx((9, 8.4))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["val/loss", "loss", "f1"]
    assert len(figure.legends) == 1


@pytest.mark.parametrize(
    "values",
    [[0.0, 0.0], [0.0, 1e-3, 1e-2, 0.0], [-1.0, 0.0, 1000.0], [1.0], [5e-324, 1e300], [math.nan, 0.0], [math.inf]],
)
def test_logarithmic_axes_take_every_number(check: CheckPicture, values: list[float]) -> None:
    points = list(enumerate(values))
    check(lambda: draw_histories(Histories([Panel("loss", [Curve("a", points)])], log_x=True, log_y=True)))


def test_zero_is_on_a_logarithmic_axis(check: CheckPicture) -> None:
    points = [(0, 0.01), (1, 0.0001), (2, 0.0)]
    figure = check(lambda: draw_histories(Histories([Panel("loss", [Curve("a", points)])], log_y=True)))
    low, high = figure.axes[0].get_ylim()
    assert low < 0
    assert high > 0.01
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert {"0", "0.0001", "0.01"} <= set(labels)
    assert not any(label.startswith(("-", "−")) for label in labels)


def test_smoothing() -> None:
    assert smoothed([(0, 1.0), (1, 3.0)], 0.0) == [(0, 1.0), (1, 3.0)]
    assert smoothed([(0, 1.0), (1, 4.0)], 0.5) == [(0, 1.0), (1, 3.0)]
    gap = smoothed([(0, 1.0), (1, math.nan), (2, 4.0)], 0.5)
    assert math.isnan(gap[1][1])
    assert gap[2] == (2, 3.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 0.999))
def test_an_average_stays_between_the_extremes(values: list[float], weight: float) -> None:
    averages = [y for _, y in smoothed(list(enumerate(values)), weight)]
    assert len(averages) == len(values)
    assert all(min(values) - 1e-3 <= y <= max(values) + 1e-3 for y in averages)


def test_a_million_rows_keep_their_peaks() -> None:
    points = [(float(x), 0.0) for x in range(100_000)]
    points[54_321] = (54_321.0, 9.0)
    points[77_777] = (77_777.0, -9.0)
    few = thinned(points)
    assert len(few) <= 2000
    assert {points[54_321], points[77_777]} <= set(few)
    assert few == sorted(few)
