"""What a forest says about parameters, and when it says nothing."""

from __future__ import annotations

import random

import pytest

from gtrack.charts.column import Column
from gtrack.errors import GTrackError
from gtrack.ops.importance import importance


def columns(count: int) -> tuple[list[Column], Column]:
    chance = random.Random(7)
    lr = [chance.uniform(0, 1) for _ in range(count)]
    kind = [chance.choice(["adam", "sgd"]) for _ in range(count)]
    noise = [chance.random() for _ in range(count)]
    f1 = [x + (0.3 if name == "adam" else 0.0) for x, name in zip(lr, kind, strict=True)]
    params = [
        Column("noise", tuple(noise)),
        Column("kind", tuple(kind)),
        Column("lr", tuple(lr)),
        Column("same", (1.0,) * count),
    ]
    return params, Column("f1", tuple(f1))


def test_what_moved_the_metric_comes_first() -> None:
    params, metric = columns(60)
    found = importance(params, metric)
    assert found.params == ("lr", "kind", "noise")
    assert found.means[0] > found.means[1] > 0.05 > found.means[2]
    assert found.r2 > 0.8
    assert found.says_something
    assert importance(params, metric) == found


def test_chance_explains_nothing() -> None:
    params, _ = columns(60)
    chance = random.Random(3)
    found = importance(params, Column("noise2", tuple(chance.random() for _ in range(60))))
    assert found.r2 < 0.1
    assert not found.says_something


def test_missing_values_huge_numbers_and_names_of_runs() -> None:
    params, metric = columns(40)
    lr = Column("lr", (None, *params[2].values[1:]))
    huge = Column("huge", tuple(1e300 if n % 2 else -1e300 for n in range(40)))
    path = Column("path", tuple(f"/out/{n}" for n in range(40)))
    large = Column("f1", tuple((value if isinstance(value, float) else 0.0) * 1e200 for value in metric.values))
    found = importance([lr, huge, path], large)
    assert set(found.params) == {"lr", "huge"}
    assert found.left_out == ("path",)
    assert found.r2 > 0.3


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (0, "No parameter varies"),
        (1, "No parameter"),
        (11, "11 runs with f1 are too few to say which of 3 parameters moved it: that takes 12"),
    ],
)
def test_too_few_runs_are_refused(count: int, message: str) -> None:
    with pytest.raises(GTrackError, match=message):
        importance(*columns(count))


def test_more_parameters_need_more_runs() -> None:
    params, metric = columns(20)
    many = [Column(f"p{n}", params[0].values) for n in range(11)]
    with pytest.raises(GTrackError, match="that takes 22 at least"):
        importance(many, metric)


def test_a_metric_that_nothing_moved_is_refused() -> None:
    with pytest.raises(GTrackError, match=r"f1 is 0\.5 in all 20 runs"):
        importance(columns(20)[0], Column("f1", (0.5,) * 20))
