from __future__ import annotations

import pytest

from gtrack.errors import UsageError
from gtrack.ops.listing import column_value, list_runs, newest_runs
from gtrack.project import Project
from gtrack.records import Run, Status
from gtrack.writer import ActiveRun
from tests.ops.conftest import MakeRun, OpenProject


def run(number: int, **fields: object) -> Run:
    known = {"id": f"{number:032x}", "name": f"run-{number}", "experiment": "e", "status": Status.FINISHED}
    return Run(**{**known, **fields})  # type: ignore[arg-type]


def columns(runs: list[Run], chosen: str | None = None) -> list[str]:
    return [column.path for column in list_runs(runs, columns=chosen).columns]


RUNS = [
    run(3, params={"optimizer": {"lr": 0.1}, "seed": 0}, metrics={"f1": 1}, tags={"team": "vision"}),
    run(2, params={"optimizer": {"lr": 0.2}, "seed": 0}, metrics={"loss": 2}),
    run(1, experiment="other", params={"depth": 3}),
]


def test_params_that_differ_and_all_metrics_are_shown() -> None:
    usual = ["name", "id", "experiment", "status", "started", "duration"]
    assert columns(RUNS) == [*usual, "params.optimizer.lr", "metrics.f1", "metrics.loss"]


def test_a_param_that_only_some_runs_of_an_experiment_have_is_shown() -> None:
    assert "params.seed" in columns([run(1, params={"seed": 0}), run(2)])


def test_a_param_that_other_experiments_do_not_have_is_no_difference() -> None:
    assert "params.seed" not in columns([run(1, params={"seed": 0}), run(2, experiment="other")])


def test_an_int_and_a_float_differ() -> None:
    assert "params.max_features" in columns([run(1, params={"max_features": 1}), run(2, params={"max_features": 1.0})])


@pytest.mark.parametrize(
    ("chosen", "paths"),
    [
        ("name", ["name"]),
        (" name , metrics.f1 ,", ["name", "metrics.f1"]),
        ("params.*", ["params.optimizer.lr", "params.seed", "params.depth"]),
        ("*.f1,f1", ["metrics.f1"]),
        ("loss,depth,team", ["metrics.loss", "params.depth", "tags.team"]),
        ("lr", ["params.optimizer.lr"]),
        ("params.optimizer.*,id", ["params.optimizer.lr", "id"]),
        ("nothing*,id", ["id"]),
    ],
)
def test_columns(chosen: str, paths: list[str]) -> None:
    assert columns(RUNS, chosen) == paths


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no.* column 'sead'|column 'sead'.*Did you mean 'seed'"):
        list_runs(RUNS, columns="sead")


@pytest.mark.parametrize("chosen", ["", " , ", "nothing.*"])
def test_no_column_at_all_is_an_error(chosen: str) -> None:
    with pytest.raises(UsageError, match="at least one column"):
        list_runs(RUNS, columns=chosen)


def test_without_runs_no_column_is_wrong() -> None:
    assert list_runs([], columns="metrics.f1").runs == ()


def test_a_limit_says_that_there_are_more() -> None:
    assert list_runs(RUNS, limit=2).more
    assert not list_runs(RUNS, limit=3).more
    assert list_runs(RUNS, limit=2).runs == tuple(RUNS[:2])


def test_every_column_has_a_value_for_every_run() -> None:
    listing = list_runs(RUNS, columns="*,params.*,metrics.*,tags.*")
    values = {column.path: column_value(RUNS[0], column) for column in listing.columns}
    assert values["status"] == "finished"
    assert values["params.optimizer.lr"] == 0.1
    assert values["tags.team"] == "vision"
    assert len(values) == 17 + 3 + 2 + 1


def test_live_and_committed_runs_newest_first(open_project: OpenProject, project: Project, make_run: MakeRun) -> None:
    old, failed = make_run("old"), make_run("bad", status="failed")
    live = ActiveRun.start(open_project(), name="live", experiment="other")
    assert [one.name for one in newest_runs(project)] == ["live", "bad", "old"]
    assert [one.name for one in newest_runs(project, 2)] == ["live", "bad"]
    assert [one.name for one in newest_runs(project, 1, "forest")] == ["bad"]
    assert [one.id for one in newest_runs(project, status=Status.FAILED)] == [failed.id]
    assert [one.name for one in newest_runs(project, status=Status.RUNNING)] == ["live"]
    live.end()
    assert [one.name for one in newest_runs(project, 5, "forest", Status.FINISHED)] == [old.name]


def test_a_run_that_is_resumed_is_listed_once(open_project: OpenProject, project: Project, make_run: MakeRun) -> None:
    run_id = make_run("again").id
    resumed = ActiveRun.resume(open_project(), run_id)
    assert [(one.id, one.live) for one in newest_runs(project)] == [(run_id, True)]
    resumed.end()
    assert [(one.id, one.live) for one in newest_runs(project)] == [(run_id, False)]
