"""Charts of models, which are drawn from stamps."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gtrack.charts import stamp as stamps
from gtrack.charts.classification import confusion_png, precision_recall_png, roc_png
from gtrack.charts.importances import MOST_BARS, importances_png
from gtrack.charts.regression import predicted_png, residuals_png
from gtrack.charts.stamp import stamped, text_width

RATES = np.linspace(0, 1, 50).tolist()
NOISE = np.random.default_rng(0).normal(size=300).tolist()

CHARTS: dict[str, Callable[[], bytes]] = {
    "confusion": lambda: confusion_png([[9, 1], [2, 8]], ["no", "yes"], "Confusion"),
    "confusion of one": lambda: confusion_png([[9]], [0], "Confusion"),
    "confusion of many": lambda: confusion_png(np.eye(40).tolist(), list(range(40)), "Confusion"),
    "strange names": lambda: confusion_png(np.eye(12).tolist(), [f"$日本_{n}^ {'x' * n}\n" for n in range(12)], "$x_"),
    "an empty row": lambda: confusion_png([[0, 0], [0.5, 1.5]], ["a", "b"], "Confusion"),
    "roc": lambda: roc_png(RATES, RATES, 0.5, "yes", "ROC"),
    "precision": lambda: precision_recall_png(RATES, RATES[::-1], 0.5, "$日本", "PR"),
    "importances": lambda: importances_png([f"feature {n}" for n in range(40)], NOISE[:40], "Weights"),
    "one importance": lambda: importances_png(["a" * 90], [0.0], "Weights"),
    "residuals": lambda: residuals_png([NOISE, NOISE], [NOISE[::-1], NOISE], "Residuals", ["a", "b"]),
    "predicted": lambda: predicted_png([NOISE], [NOISE[::-1]], "Predicted"),
    "one point": lambda: predicted_png([[1.0]], [[1.0]], "Predicted"),
}


def pixels(png: bytes) -> np.ndarray[Any, Any]:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert image.info["dpi"] == pytest.approx((100, 100), abs=0.1)
    return np.asarray(image.convert("L"))


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_a_picture_that_is_the_same_each_time_and_leaves_the_edge_free(name: str) -> None:
    png = CHARTS[name]()
    assert CHARTS[name]() == png
    shades = pixels(png)
    assert 100 <= shades.shape[0] <= 1100
    assert 300 < shades.shape[1] <= 1500
    edge = np.concatenate([shades[0], shades[-1], shades[:, 0], shades[:, -1]])
    assert (edge == 255).all()
    assert (shades < 128).any()


def test_a_picture_has_nothing_of_the_one_before() -> None:
    first = CHARTS["roc"]()
    roc_png([0, 1], [1, 1], 1.0, "no", "Another")
    assert CHARTS["roc"]() == first
    matrix = CHARTS["confusion"]()
    confusion_png([[1, 99], [99, 1]], ["no", "yes"], "Another, longer title")
    assert CHARTS["confusion"]() == matrix


def test_the_share_of_a_cell_is_its_shade() -> None:
    dark, light = (
        pixels(confusion_png([[100, 0], [0, 100]], ["a", "b"], "")),
        pixels(confusion_png([[0, 100], [100, 0]], ["a", "b"], "")),
    )
    assert dark.shape == light.shape
    assert not (dark == light).all()


def test_only_the_largest_weights_are_drawn() -> None:
    weights = [math.sin(n) for n in range(200)]
    some = sorted(range(200), key=lambda n: -abs(weights[n]))[:MOST_BARS]
    names = [f"f{n:03d}" for n in range(200)]
    all_of_them = pixels(importances_png(names, weights, "W"))
    largest = pixels(importances_png([names[n] for n in some], [weights[n] for n in some], "W"))
    assert all_of_them.shape == largest.shape
    assert (all_of_them[60:] == largest[60:]).all()


def test_threads_draw_at_once() -> None:
    expected = {name: CHARTS[name]() for name in ("confusion", "roc", "importances", "residuals")}
    found: list[tuple[str, bytes]] = []

    def draw() -> None:
        found.extend((name, CHARTS[name]()) for name in expected)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert all(expected[name] == png for name, png in found)


def test_a_stamp_that_fails_is_thrown_away() -> None:
    CHARTS["roc"]()

    def fail(_: object) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stamped("roc", lambda: pytest.fail("it is there"), fail)
    assert "roc" not in stamps._kept.stamps
    assert CHARTS["roc"]()


def test_a_text_has_a_width() -> None:
    assert 0.3 < text_width("feature", 9) < 0.7
