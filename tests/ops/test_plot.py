"""Which runs and which of their values a chart shows."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from gtrack.errors import GTrackError, RunNotFound, UsageError
from gtrack.ops.plot import (
    bars,
    chosen_metric,
    chosen_runs,
    column,
    grid,
    importance_bars,
    importance_of,
    parallel,
    scatter,
)
from gtrack.project import Project
from gtrack.records import Goal, Run, Status
from gtrack.writer import ActiveRun
from tests.ops.conftest import MakeRun, OpenProject


def run(number: int, **fields: object) -> Run:
    known = {"id": f"{number:032x}", "name": f"run-{number}", "experiment": "e", "status": Status.FINISHED}
    return Run(**{**known, **fields})  # type: ignore[arg-type]


RUNS = [
    run(
        n,
        params={"optimizer": {"lr": 0.1 * n}, "depth": None if n == 2 else n, "on": n > 1},
        metrics={"f1": n / 10, "loss": n},
    )
    for n in range(1, 5)
]


def test_runs_by_reference_by_experiment_and_all(
    project: Project, make_run: MakeRun, open_project: OpenProject
) -> None:
    make_run("first")
    make_run("second", experiment="other")
    live = ActiveRun.start(open_project(), name="live", experiment="other")
    assert [one.name for one in chosen_runs(project, [])] == ["first", "second", "live"]
    assert [one.name for one in chosen_runs(project, [], "other")] == ["second", "live"]
    assert [one.name for one in chosen_runs(project, ["live", "first", "last"])] == ["live", "first"]
    live.end("finished")


def test_of_several_runs_of_a_name_it_is_said_which(project: Project, make_run: MakeRun) -> None:
    make_run("same")
    newest = make_run("same")
    heard: list[str] = []
    assert chosen_runs(project, ["same"], tell=heard.append)[0].id == newest.id
    assert heard == [f"2 runs are called same; this is the newest, {newest.short_id}."]


def test_no_runs(project: Project, make_run: MakeRun) -> None:
    with pytest.raises(GTrackError, match="No runs yet"):
        chosen_runs(project, [])
    make_run("first")
    with pytest.raises(GTrackError, match=r"no run of the experiment 'forrest'. Did you mean 'forest'\?"):
        chosen_runs(project, [], "forrest")
    with pytest.raises(RunNotFound):
        chosen_runs(project, ["nope"])


def test_runs_that_a_filter_takes_the_oldest_first(project: Project, make_run: MakeRun) -> None:
    made = [make_run(name, metrics={"f1": f1}) for name, f1 in (("a", 0.1), ("b", 0.8), ("c", 0.9))]
    assert [run.id for run in chosen_runs(project, [], None, "metrics.f1 > 0.5")] == [run.id for run in made[1:]]
    assert [run.name for run in chosen_runs(project, [], "forest", "metrics.f1 < 0.5")] == ["a"]
    with pytest.raises(GTrackError, match="No run fulfils that filter"):
        chosen_runs(project, [], None, "metrics.f1 > 1")


def test_wrong_choices_of_runs(project: Project) -> None:
    with pytest.raises(UsageError, match="not both"):
        chosen_runs(project, ["last"], None, "metrics.f1 > 0")
    with pytest.raises(UsageError, match="not both"):
        chosen_runs(project, ["last"], "e")


def test_columns_by_any_of_their_names() -> None:
    for ref in ("lr", "optimizer.lr", "params.optimizer.lr"):
        assert column(RUNS, ref).values == (0.1, 0.2, 0.1 * 3, 0.4)
    assert column(RUNS, "metrics.f1").name == "f1"


def test_none_is_a_value_and_a_missing_param_is_not() -> None:
    runs = [*RUNS, run(9)]
    assert column(runs, "depth").values == ("1", "null", "3", "4", None)
    assert column(runs, "on").values == ("false", "true", "true", "true", None)
    assert column(runs, "parent").values == (None,) * 5


def test_strange_numbers_are_no_place_on_an_axis() -> None:
    runs = [run(n, metrics={"f1": value}) for n, value in enumerate([math.nan, math.inf, 10**400, 2])]
    assert column(runs, "f1").values == (None, None, None, 2.0)


def test_started_is_a_time() -> None:
    started = datetime(2026, 3, 1, tzinfo=timezone.utc)
    found = column([run(1, started=started), run(2)], "started")
    assert (found.values, found.is_time) == ((started.timestamp(), None), True)


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("dept", "Did you mean 'depth'"),
        ("params.*", r"3 columns \(params.optimizer.lr"),
        ("a,b", "name one parameter"),
        ("", "name one"),
    ],
)
def test_what_is_no_column(ref: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        column(RUNS, ref)


def test_the_metric_is_the_objective_or_the_only_one(project: Project, make_run: MakeRun) -> None:
    make_run("first", metrics={"f1": 0.5})
    runs = project.store.runs()
    assert chosen_metric(project, runs, None) == ("f1", Goal.MAXIMIZE)
    assert chosen_metric(project, RUNS, "metrics.loss") == ("loss", Goal.MINIMIZE)
    with pytest.raises(UsageError, match=r"Say which metric with --metric. They have: f1, loss."):
        chosen_metric(project, RUNS, None)
    with pytest.raises(UsageError, match="no metrics"):
        chosen_metric(project, [run(1)], None)
    with pytest.raises(UsageError, match="Did you mean 'loss'"):
        chosen_metric(project, RUNS, "los")


def test_scatter_knows_which_end_of_a_metric_is_good(project: Project) -> None:
    assert scatter(project, RUNS, "lr", "f1", "loss").dark_is_high is False
    assert scatter(project, RUNS, "lr", "f1", "f1").dark_is_high is True
    assert scatter(project, RUNS, "lr", "f1", "depth").dark_is_high is True


def test_parallel_takes_what_varies(project: Project) -> None:
    same = [replace(one, params={**one.params, "seed": 1}) for one in RUNS]
    assert [one.name for one in parallel(project, same, "f1").columns] == ["optimizer.lr", "depth", "on"]
    assert [one.name for one in parallel(project, same, "f1", ["seed"]).columns] == ["seed"]
    with pytest.raises(GTrackError, match="No parameter varies"):
        parallel(project, same[:1], "f1")


def test_parallel_says_for_which_parameters_there_is_no_room(project: Project) -> None:
    runs = [run(n, params={f"p{k}": n * k for k in range(1, 15)}, metrics={"f1": n}) for n in range(3)]
    chart = parallel(project, runs, "f1")
    assert (len(chart.columns), chart.note) == (12, "Left out, for want of room: p13, p14.")


def test_grid(project: Project) -> None:
    chart = grid(project, RUNS, "lr", "on", "loss")
    assert (chart.x.name, chart.y.name, chart.metric.values, chart.goal) == (
        "optimizer.lr",
        "on",
        (1, 2, 3, 4),
        Goal.MINIMIZE,
    )


def test_bars_the_best_first(project: Project) -> None:
    broken = run(8, metrics={"f1": math.inf})
    chart = bars(project, [*RUNS, broken, run(9)], ["f1", "loss"], count=5)
    assert chart.rows == ["run-4", "run-3", "run-2", "run-1", "run-8"]
    assert chart.panels[0].values == [0.4, 0.3, 0.2, 0.1, math.inf]
    assert chart.panels[1].values == [4, 3, 2, 1, None]
    assert chart.note == "The best 5 of 6 runs; -n 0 shows all."
    assert len(bars(project, [run(n, metrics={"f1": n}) for n in range(60)], [], count=0).rows) == 60


def test_bars_by_a_parameter_are_means(project: Project) -> None:
    chart = bars(project, [*RUNS, run(9)], ["f1"], by="on")
    assert chart.rows == ["on = false  (n=1)", "on = true  (n=3)", "on = none  (n=1)"]
    assert chart.panels[0].values == [0.1, pytest.approx(0.3), None]
    assert chart.panels[0].errors == [None, pytest.approx(0.1), None]


def test_importance_bars_say_what_they_are_worth(project: Project) -> None:
    runs = [run(n, params={"lr": n * 7 % 30, "out": f"/{n}"}, metrics={"f1": n * 7 % 30}) for n in range(30)]
    chart = importance_bars(importance_of(project, runs, None))
    assert chart.rows == ("lr",)
    assert chart.title.startswith("What moved f1: a forest over 30 runs, cross-validated R² = 0.9")
    assert chart.note == "Left out, as different in nearly every run: out."
