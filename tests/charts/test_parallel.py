"""Lines through parameters."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from gtrack.charts.column import Column
from gtrack.charts.parallel import Parallel, draw_parallel, scale_of
from gtrack.errors import InvalidValue
from gtrack.records import Goal
from tests.charts.conftest import CheckPicture


def chart(count: int, wide: int = 0, goal: Goal | None = Goal.MAXIMIZE) -> Parallel:
    columns = [
        Column("lr", tuple(10.0 ** (-5 + n % 40 / 10) for n in range(count))),
        Column("optimizer", tuple(("adam", "sgd", "$_")[n % 3] for n in range(count))),
        Column("decay", tuple(None if n % 5 == 1 else (0.0, 1e-6, 1e-2)[n % 3] for n in range(count))),
        *(
            Column(f"a.long.name.of.a.parameter.{k}", tuple(float(n * k % 11) for n in range(count)))
            for k in range(wide)
        ),
    ]
    return Parallel(columns, Column("f1", tuple(None if n % 17 == 9 else n / count for n in range(count))), goal)


@pytest.mark.parametrize("count", [1, 2, 20, 200])
@pytest.mark.parametrize("wide", [0, 10])
def test_any_number_of_runs(check: CheckPicture, count: int, wide: int) -> None:
    check(lambda: draw_parallel(chart(count, wide)))


@pytest.mark.quick
@pytest.mark.parametrize(("goal", "last"), [(Goal.MAXIMIZE, 19), (Goal.MINIMIZE, 0), (None, 19)])
def test_the_best_line_is_on_top_and_the_darkest(goal: Goal | None, last: int) -> None:
    drawn = chart(20, goal=goal)
    assert drawn.drawn[-1] == last
    lines = next(one for one in draw_parallel(drawn).axes[0].collections if isinstance(one, LineCollection))
    sums = np.asarray(lines.get_colors())[:, :3].sum(axis=1).tolist()
    assert min(sums) == sums[-1]


def test_scales() -> None:
    wide = scale_of(Column("lr", (1e-4, 1e-2, 1.0, None)))
    assert wide.places[1] == pytest.approx(0.5)
    assert (wide.places[0], *wide.places[2:]) == (0.0, 1.0, None)
    zero = scale_of(Column("decay", (0.0, 1e-6, 1e-2)))
    assert zero.places[1] == pytest.approx(0.5 / 4.5)
    assert [text for _, text in zero.ticks] == ["0", "1e-06", "0.01"]
    assert scale_of(Column("depth", (3.0, 3.0))).places == (0.5, 0.5)
    names = scale_of(Column("kind", ("b", "a")))
    assert names.ticks == ((0.0, "a"), (1.0, "b"))
    many = scale_of(Column("n", tuple(float(n) for n in range(1000))))
    assert [text for _, text in many.ticks] == ["0", "250", "500", "750", "999"]


def test_nothing_to_draw() -> None:
    with pytest.raises(InvalidValue, match="no run has a finite f1"):
        draw_parallel(Parallel([Column("lr", (1.0,))], Column("f1", (None,))))
    with pytest.raises(InvalidValue, match="at least one parameter"):
        draw_parallel(Parallel([Column("lr", (None,))], Column("f1", (0.5,))))


def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_parallel(chart(20)))
