"""The frozen values, and what they say of themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta, timezone

import pytest

from gtrack.records import (
    Goal,
    History,
    MetricDefinition,
    Run,
    Status,
    Summary,
    flatten,
    usual_goal,
)

RUN = Run(id="6f1c2a9be0d24c51a5b7c0f3d2e4a6b8", name="calm-otter-12", experiment="churn", status=Status.FINISHED)


def test_a_run_prints_on_one_short_line() -> None:
    assert repr(RUN) == str(RUN) == "<Run calm-otter-12 6f1c2a9b of churn, finished>"


def test_a_run_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        RUN.name = "x"  # type: ignore[misc]


def test_words_print_as_they_are_written() -> None:
    assert f"{Status.KILLED} {Goal.MINIMIZE} {Summary.LAST}" == "killed minimize last"
    assert Status("failed") is Status.FAILED
    assert str.__eq__(Status.FAILED, "failed")


def test_duration() -> None:
    started = datetime(2026, 1, 1, tzinfo=timezone.utc)
    ended = started + timedelta(seconds=1.5)
    assert Run("", "", "", Status.FINISHED, started=started, ended=ended).duration == 1.5
    assert Run("", "", "", Status.RUNNING, started=started).duration is None
    assert RUN.duration is None


def test_flat_params() -> None:
    params = {"a": 1, "opt": {"lr": 0.1, "sched": {"x": [1]}, "none": {}}, "dotted.name": "v"}
    assert dict(flatten(params)) == {  # type: ignore[arg-type]
        "a": 1,
        "opt.lr": 0.1,
        "opt.sched.x": [1],
        "opt.none": {},
        "dotted.name": "v",
    }
    assert Run("", "", "", Status.RUNNING, params={"o": {"lr": 1}}).flat_params == {"o.lr": 1}


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        ("loss", Goal.MINIMIZE),
        ("val/loss", Goal.MINIMIZE),
        ("test_RMSE", Goal.MINIMIZE),
        ("val/roc_auc", Goal.MAXIMIZE),
        ("F1", Goal.MAXIMIZE),
        ("accuracy_score", Goal.MAXIMIZE),
        ("floss", None),
        ("epochs", None),
        ("", None),
    ],
)
def test_the_usual_goal(metric: str, goal: Goal | None) -> None:
    assert usual_goal(metric) is goal


def test_a_definition_decides_over_the_usual_goal() -> None:
    run = Run(
        "",
        "",
        "",
        Status.RUNNING,
        metric_definitions={"loss": MetricDefinition(goal=Goal.MAXIMIZE), "f1": MetricDefinition(Summary.MIN)},
    )
    assert (run.goal("loss"), run.goal("f1"), run.goal("other")) == (Goal.MAXIMIZE, Goal.MAXIMIZE, None)


def test_a_series_leaves_gaps_out() -> None:
    history = History(steps=[0, 1, 2], times=[None] * 3, columns={"a": [1.0, None, 0]})
    assert history.series("a") == [(0, 1.0), (2, 0)]
    assert history.series("b") == []
    assert len(history) == 3
