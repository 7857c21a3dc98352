"""Which curves a chart shows."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import pytest

from gtrack.charts.history import Histories
from gtrack.errors import UsageError
from gtrack.ops.curves import histories, read_histories
from gtrack.project import Project
from gtrack.records import Goal, History, Run, Status
from gtrack.writer import ActiveRun
from tests.ops.conftest import OpenProject

START = datetime(2026, 3, 1, tzinfo=timezone.utc)


def run(number: int, name: str = "") -> Run:
    return Run(f"{number:032x}", name or f"run-{number}", "e", Status.FINISHED, started=START)


def chart(*rows: History, metric: str = "loss", goal: Goal | None = None, **options: Any) -> Histories:
    runs = [run(number) for number in range(len(rows))]
    return histories(runs, {one.id: of for one, of in zip(runs, rows, strict=True)}, [(metric, goal)], **options)


def rows(*values: float | None, times: float = 1.0, **columns: list[float | None]) -> History:
    count = range(len(values))
    return History(list(count), [START.timestamp() + times * n for n in count], {"loss": values, **columns})


def points(drawn: Histories, at: int = 0) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in drawn.panels[0].curves[at].points]


def test_over_steps() -> None:
    assert points(chart(rows(3, None, 1))) == [(0, 3), (2, 1)]


@pytest.mark.parametrize(("every", "unit"), [(1, "seconds"), (60, "minutes"), (3600, "hours"), (86400, "days")])
def test_over_time(every: int, unit: str) -> None:
    drawn = chart(rows(3, 2, 1, times=every), x="time")
    assert drawn.x_label == f"time since the start ({unit})"
    assert points(drawn)[-1] == (2, 1)


def test_over_an_epoch_rows_are_their_mean() -> None:
    epochs = rows(4, 2, math.nan, 1, None, epoch=[0, None, None, None, 1])
    assert points(chart(epochs, x="epoch")) == [(0, 7 / 3)]
    beside = History([0, 0, 1, 1], [None] * 4, {"loss": [4, None, 2, None], "epoch": [None, 0, None, 1]})
    assert points(chart(beside, x="epoch")) == [(0, 4), (1, 2)]


def test_the_best_come_first() -> None:
    three = [rows(1, 3), rows(9, 1), rows(0, math.nan), rows()]
    assert chart(*three, goal=Goal.MINIMIZE).order == [2, 1, 0]
    assert chart(*three, goal=Goal.MAXIMIZE).order == [0, 1, 2]
    assert (chart(*three).order, chart(*three).order_name) == ([2, 1, 0], "newest runs")


def test_what_is_not_there_is_said() -> None:
    assert chart(rows(1.0, math.inf, math.nan), rows()).note == (
        "1 of 2 runs has no value of it. 2 values are NaN or infinite, and left out."
    )
    assert chart(rows(1.0), smoothing=0.5).note == "Moving average, weight 0.5."


def test_runs_of_one_name_have_their_id_too() -> None:
    runs = [run(1, "same"), run(2, "same"), run(3, "other")]
    drawn = histories(runs, {runs[0].id: rows(1)}, [("loss", None)])
    assert drawn.names == ["same 00000000", "same 00000000", "other"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothing": 1.0}, "--smooth is 1; give a weight from 0"),
        ({"smoothing": math.nan}, "--smooth is nan"),
        ({"x": "epochs"}, "logged 'epochs' with steps. Did you mean 'epoch'"),
        ({"metric": "los"}, "logged 'los' with steps. Did you mean 'loss'.* They have: loss, epoch"),
    ],
)
def test_wrong_usage(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        chart(rows(1, 2, epoch=[0, 1]), **options)


def test_histories_are_read_also_of_live_runs(project: Project, open_project: OpenProject) -> None:
    live = ActiveRun.start(open_project(), name="live", experiment="e")
    live.log_metrics({"loss": 0.5}, step=7)
    found = read_histories(project, [project.resolve("live")])
    assert [history.series("loss") for history in found.values()] == [[(7, 0.5)]]
    live.end("finished")
