from __future__ import annotations

import pytest

from gtrack.errors import QueryError, RunNotFound
from gtrack.formats.run_dir import encode_experiment
from gtrack.ops.experiments import list_experiments
from gtrack.ops.search import Choice, best_runs, find_runs
from gtrack.project import Project
from gtrack.records import TRIAL_STATE, Experiment, Goal
from gtrack.store.live import EXPERIMENT_NEWS
from gtrack.writer import ActiveRun
from tests.ops.conftest import MakeRun

pytestmark = pytest.mark.filterwarnings("ignore:gtrack. metric:UserWarning")  # nan and inf are logged on purpose


@pytest.fixture
def four(make_run: MakeRun) -> None:
    make_run("a", params={"lr": 0.1, "depth": 2}, metrics={"f1": 0.5, "loss": 3})
    make_run("b", params={"lr": 0.2, "depth": 2}, metrics={"f1": 0.9, "loss": 1})
    make_run(
        "c", params={"lr": 0.3, "depth": "none"}, metrics={"f1": float("nan"), "val/loss, all": 1}, status="failed"
    )
    make_run("d", experiment="other", params={"lr": 0.4}, metrics={"f1": 0.7})


def names(project: Project, where: str = "", *order: str, **choice: tuple[str, ...]) -> str:
    return "".join(run.name for run in find_runs(project, Choice(where, **choice), order))


@pytest.mark.usefixtures("four")
def test_which_runs_and_in_which_order(project: Project) -> None:
    assert names(project) == "dcba"
    assert names(project, "metrics.f1 > 0.6") == "db"
    assert names(project, "params.depth = 2", "params.lr") == "ab"
    assert names(project, "", "-metrics.f1")[:3] == "bda"
    assert names(project, "", "metrics.f1 DESC")[:3] == "bda"
    assert names(project, "", "-f1")[:3] == "bda"
    assert names(project, "", "+lr") == "abcd"
    assert names(project, "", "experiment,-lr") == "cbad"
    assert names(project, "", "-metrics.`val/loss, all`,lr") == "cabd"
    assert names(project, "", "experiment", "-lr") == "cbad"
    assert names(project, "  ") == "dcba"
    assert names(project, "", experiments=("forest",)) == "cba"
    assert names(project, "metrics.f1 > 0", experiments=("forest", "other"), statuses=("finished",)) == "dba"
    assert names(project, experiments=()) == ""
    assert [run.name for run in find_runs(project, Choice(), ["-lr"], 2)] == ["d", "c"]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("where", "order", "message"),
    [
        ("metrics.los > 1", "", "Did you mean"),
        ("metrics.f1 >", "", "Expected"),
        ("", "metrics.f1 SIDEWAYS", "Expected"),
        ("", "lrr", "lrr"),
        ("'; DROP TABLE runs; --", "", "never closed"),
        ("1; DROP TABLE runs; --", "", "Expected"),
    ],
)
def test_what_is_wrong_is_said(project: Project, where: str, order: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        names(project, where, order)
    assert names(project) == "dcba"


def test_what_failed_or_was_pruned_is_the_best_only_where_it_is_asked_for(project: Project) -> None:
    for name, f1, status, tags in (
        ("good", 0.8, "finished", {}),
        ("failed", 0.9, "failed", {}),
        ("killed", 0.95, "killed", {}),
        ("pruned", 0.99, "finished", {TRIAL_STATE: "PRUNED"}),
    ):
        active = ActiveRun.start(project, name=name, tags=tags)
        active.log_metrics({"f1": f1})
        active.end(status)
    assert [run.name for run in best_runs(project, "f1", count=None)] == ["good"]
    assert project.resolve("best:f1").name == "good"
    assert [run.name for run in best_runs(project, "f1", Choice(statuses=("failed", "killed")), count=None)] == [
        "killed",
        "failed",
    ]
    assert best_runs(project, "f1", Choice("status != 'running'"))[0].name == "pruned"
    active = ActiveRun.start(project)
    active.log_metrics({"other": 1})
    active.end("failed")
    with pytest.raises(RunNotFound, match="No run that finished has the metric 'other'"):
        best_runs(project, "other")
    with pytest.raises(RunNotFound, match="No run that finished has the metric 'other'"):
        project.resolve("best:other")


@pytest.mark.usefixtures("four")
def test_the_best(project: Project) -> None:
    def best(metric: str, choice: Choice | None = None, goal: Goal | None = None) -> str:
        return "".join(run.name for run in best_runs(project, metric, choice, goal=goal, count=None))

    assert best("f1") == "bda"
    assert best("loss") == "ba"
    assert best("loss", goal=Goal.MAXIMIZE) == "ab"
    assert best("f1", Choice(experiments=("other",))) == "d"
    assert best("f1", Choice("params.lr < 0.15")) == "a"
    assert [run.name for run in best_runs(project, "f1")] == ["b"]
    assert best_runs(project, "f1", count=0) == []


@pytest.mark.usefixtures("four")
def test_no_best_run(project: Project) -> None:
    with pytest.raises(RunNotFound, match=r"No run has the metric 'los'. Did you mean 'loss'\?"):
        best_runs(project, "los")
    with pytest.raises(RunNotFound, match="No such run that finished has the metric 'loss'"):
        best_runs(project, "loss", Choice(experiments=("other",)))


def with_objective(project: Project, name: str, metric: str, goal: Goal, value: float) -> None:
    active = ActiveRun.start(project, name=f"{name}-{value}", experiment=name)
    active.log_metrics({metric: value})
    live = project.live.find(active.id)
    assert live is not None
    experiment = Experiment(name, purpose="to see", objective=(metric, goal))
    live.write(EXPERIMENT_NEWS, encode_experiment(experiment))
    active.end()


def test_the_objective_of_an_experiment_says_what_is_better(project: Project) -> None:
    for value in (0.1, 0.9):
        with_objective(project, "odd", "score", Goal.MINIMIZE, value)
    assert best_runs(project, "score")[0].metrics["score"] == 0.9
    assert best_runs(project, "score", Choice(experiments=("odd",)))[0].metrics["score"] == 0.1


def test_experiments(project: Project, make_run: MakeRun) -> None:
    assert list_experiments(project) == []
    make_run("a", experiment="first", metrics={"f1": 1})
    for value in (0.1, 0.9):
        with_objective(project, "odd", "score", Goal.MINIMIZE, value)
    make_run("b", experiment="first", status="failed")
    live = ActiveRun.start(project, name="c", experiment="live")
    found = list_experiments(project)
    assert [one.experiment.name for one in found] == ["live", "first", "odd"]
    assert [one.runs for one in found] == [1, 2, 2]
    assert [dict(one.statuses) for one in found] == [{"running": 1}, {"finished": 1, "failed": 1}, {"finished": 2}]
    assert found[2].experiment.purpose == "to see"
    assert found[2].best is not None
    assert found[2].best.name == "odd-0.1"
    assert found[1].best is None
    assert all(one.last is not None for one in found)
    live.end()
