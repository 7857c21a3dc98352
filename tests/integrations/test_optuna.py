"""Studies of Optuna as runs."""

from __future__ import annotations

import io
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone
from pathlib import Path
from typing import Any, Literal

import optuna
import pytest
import yaml
from PIL import Image

import gtrack
from gtrack.errors import InvalidName, InvalidValue, NoActiveRun, NotARepository, RunNotFound
from gtrack.fluent.active import process, stack_here
from gtrack.optuna import GtrackCallback, track_in_gtrack
from gtrack.records import Goal, Run, Status
from tests.conftest import Git, Once, sample_nothing

Study = optuna.study.Study
Trial = optuna.trial.Trial

pytestmark = pytest.mark.usefixtures("repo")


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    type(process).__init__(process)
    process.exit_watched_by = os.getpid()  # nothing of a test is to happen when pytest ends
    stack_here.set(())
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    for run in list(process.open.values()):
        run.end()
    for project in process.projects.values():
        project.close()
    type(process).__init__(process)
    stack_here.set(())


@pytest.fixture(autouse=True)
def quiet(repo: Path, once: Once) -> Path:
    once(sample_nothing)
    return repo


def a_study(name: str | None = "tuning", direction: Literal["minimize", "maximize"] = "minimize", **more: Any) -> Study:
    return optuna.create_study(
        study_name=name, direction=direction, sampler=optuna.samplers.RandomSampler(seed=0), **more
    )


def square(trial: Trial) -> float:
    x: float = trial.suggest_float("x", -5, 5)
    n = trial.suggest_int("n", 1, 100, log=True)
    trial.suggest_categorical("kind", ["a", "b"])
    return x * x + n / 1000


def trials_of(study_run: Run | str) -> list[Run]:
    parent = study_run if isinstance(study_run, str) else study_run.id
    found = [run for run in gtrack.search_runs(output_format="list") if run.parent == parent]
    found = [run for run in found if "optuna.trial" in run.tags]
    return sorted(found, key=lambda run: int(run.tags["optuna.trial"]))


def is_picture(run: Run, path: str) -> bool:
    return Image.open(io.BytesIO(gtrack.get_artifact(run.id, path))).width >= 900


def pictures(run: Run) -> list[str]:
    return sorted(one.path for one in process.projects[str(Path.cwd())].artifacts(run.id) if one.path.endswith(".png"))


# The callback


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_each_trial_is_a_child_of_the_active_run(n_jobs: int) -> None:
    study = a_study()
    with gtrack.start_run("tuning-run", experiment="grid") as parent:
        study.optimize(square, n_trials=6, n_jobs=n_jobs, callbacks=[GtrackCallback(metric_name="loss")])
    runs = trials_of(parent.id)
    assert [run.name for run in runs] == [f"trial-{n}" for n in range(6)]
    for run, trial in zip(runs, study.trials, strict=True):
        assert (run.parent, run.experiment, run.status) == (parent.id, "grid", Status.FINISHED)
        assert run.params == trial.params
        assert [type(value) for value in run.params.values()] == [float, int, str]
        assert run.metrics == {"loss": trial.value}
        assert run.goal("loss") is Goal.MINIMIZE
        assert run.tags["optuna.study"] == "tuning"
        assert run.tags["optuna.state"] == "COMPLETE"
        assert run.tags["optuna.distribution.n"] == str(trial.distributions["n"])


def test_times_are_those_of_the_trial() -> None:
    study = a_study()
    with gtrack.start_run() as parent:
        study.optimize(square, n_trials=2, callbacks=[GtrackCallback()])
    for run, trial in zip(trials_of(parent.id), study.trials, strict=True):
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        assert run.started == trial.datetime_start.astimezone(timezone.utc)
        assert run.ended == trial.datetime_complete.astimezone(timezone.utc)


@pytest.mark.quick
def test_the_run_of_the_study_says_what_came_out() -> None:
    study = a_study()
    with gtrack.start_run() as parent:
        study.optimize(square, n_trials=8, callbacks=[GtrackCallback(metric_name="loss")])
        assert gtrack.get_run(parent.id).metrics == {}
    run = gtrack.get_run(parent.id)
    assert run.params == {"best": study.best_params}
    assert run.metrics == {"trials": 8, "trials_complete": 8, "best_loss": study.best_value}
    assert run.goal("best_loss") is Goal.MINIMIZE
    best = trials_of(run)[study.best_trial.number]
    assert (run.tags["optuna.best_trial"], run.tags["optuna.best_run"]) == (str(study.best_trial.number), best.id)
    assert run.tags["optuna.direction"] == "minimize"
    assert run.tags["optuna.sampler"] == "RandomSampler"
    names = ["figures/optimization_history.png", "figures/param_importances.png", "figures/slice.png"]
    assert pictures(run) == names
    assert all(is_picture(run, name) for name in names)
    importances = yaml.safe_load(gtrack.get_artifact(run.id, "param_importances.yaml"))["loss"]
    assert set(importances) == {"x", "n", "kind"}
    assert sum(importances.values()) == pytest.approx(1)
    assert run.warnings == ()


def test_a_maximised_metric_has_that_goal() -> None:
    study = a_study(direction="maximize")
    with gtrack.start_run() as parent:
        study.optimize(square, n_trials=3, callbacks=[GtrackCallback(metric_name="gain")])
    assert {run.goal("gain") for run in trials_of(parent.id)} == {Goal.MAXIMIZE}
    assert gtrack.get_run("best:gain").id == gtrack.get_run(parent.id).tags["optuna.best_run"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_without_an_active_run_it_opens_one_for_the_study(n_jobs: int) -> None:
    study = a_study()
    with GtrackCallback(metric_name="loss") as callback:
        study.optimize(square, n_trials=4, n_jobs=n_jobs, callbacks=[callback])
        assert gtrack.active_run() is None
    run = gtrack.get_run("tuning")
    assert (run.status, run.experiment, run.parent) == (Status.FINISHED, "tuning", None)
    assert run.metrics["trials_complete"] == 4
    assert len(trials_of(run)) == 4
    assert run.started is not None
    assert all(one.started is not None and run.started <= one.started for one in trials_of(run))


def test_the_experiment_of_the_study_gets_its_objective(git: Git) -> None:
    with GtrackCallback(metric_name="loss") as callback:
        a_study().optimize(square, n_trials=2, callbacks=[callback])
    text = git("show", "gtrack/runs:experiments/tuning/experiment.yaml")
    assert yaml.safe_load(text)["objective"] == {"metric": "loss", "goal": "minimize"}


def test_what_was_said_of_the_experiment_stays(git: Git) -> None:
    gtrack.set_experiment("tuning", purpose="Why?")
    with GtrackCallback(metric_name="loss") as callback:
        a_study().optimize(square, n_trials=2, callbacks=[callback])
    text = git("show", "gtrack/runs:experiments/tuning/experiment.yaml")
    assert yaml.safe_load(text)["purpose"] == "Why?"
    assert yaml.safe_load(text)["objective"] == {"metric": "loss", "goal": "minimize"}


@pytest.mark.parametrize(("name", "create"), [(None, True), ("tuning", False)])
def test_the_experiment_stays_what_it_was(name: str | None, create: bool) -> None:
    gtrack.set_experiment("mine")
    with GtrackCallback(create_experiment=create) as callback:
        a_study(name).optimize(square, n_trials=2, callbacks=[callback])
    assert {run.experiment for run in gtrack.search_runs(output_format="list")} == {"mine"}


def test_a_callback_made_before_the_run_finds_it_from_the_threads_of_optuna() -> None:
    callback = GtrackCallback()
    with gtrack.start_run("outer"), gtrack.start_run("inner", nested=True) as inner:
        a_study().optimize(square, n_trials=4, n_jobs=2, callbacks=[callback])
    assert len(trials_of(inner.id)) == 4


def test_it_is_not_guessed_which_of_two_runs_is_meant() -> None:
    callback = GtrackCallback()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(gtrack.start_run, "one").result()
        with gtrack.start_run("two"):
            with (
                pytest.warns(UserWarning, match="parent=run"),
                pytest.raises(NoActiveRun, match="it is not clear which"),
            ):
                a_study().optimize(square, n_trials=8, n_jobs=2, callbacks=[callback])
            with pytest.warns(UserWarning, match="trial 0 could not be logged"):  # Optuna drops the error
                a_study().optimize(square, n_trials=1, n_jobs=2, callbacks=[callback])


def test_each_study_has_a_run_of_its_own() -> None:
    callback = GtrackCallback()
    with gtrack.start_run("both") as outer:
        for name in ("one", "two"):
            a_study(name).optimize(square, n_trials=3, callbacks=[callback])
    second = gtrack.get_run("two")
    assert gtrack.get_run("both").tags["optuna.study"] == "one"
    assert (second.parent, second.status) == (outer.id, Status.FINISHED)
    assert [len(trials_of(one)) for one in (second.id, outer.id)] == [3, 3]
    assert second.metrics["trials_complete"] == gtrack.get_run("both").metrics["trials_complete"] == 3


def test_a_second_optimize_goes_on_with_the_run_and_says_the_best_anew() -> None:
    study = a_study()

    def conditional(trial: Trial) -> float:
        if trial.number == 0:
            return float(trial.suggest_float("only_first", 0, 1)) + 10
        return float(trial.suggest_float("x", 0, 1))

    with gtrack.start_run() as parent:
        with GtrackCallback() as callback:
            study.optimize(conditional, n_trials=1, callbacks=[callback])
        assert set(gtrack.get_run(parent.id).flat_params) == {"best.only_first"}
        study.optimize(conditional, n_trials=1, callbacks=[callback])
    run = gtrack.get_run(parent.id)
    assert run.params == {"best": {"x": study.best_params["x"]}}
    assert (run.metrics["trials"], len(trials_of(run))) == (2, 2)


def test_intermediate_values_are_history_and_pruned_trials_are_kept() -> None:
    def objective(trial: Trial) -> float:
        for step in range(4):
            trial.report(10.0 * trial.number - step, step)
            if trial.number == 1 and step == 2:
                raise optuna.TrialPruned
        return 0.5

    study = a_study()
    with gtrack.start_run() as parent:
        study.optimize(objective, n_trials=2, callbacks=[GtrackCallback(metric_name="loss")])
    complete, pruned = trials_of(parent.id)
    frame = gtrack.get_metric_history(complete, "loss")
    assert frame[["step", "value"]].to_numpy().tolist() == [[n, -n] for n in range(4)]
    assert complete.metrics == {"loss": 0.5}
    assert (pruned.status, pruned.tags["optuna.state"]) == (Status.FINISHED, "PRUNED")
    assert pruned.metrics == {"loss": 8.0}
    assert gtrack.get_run(parent.id).metrics["trials_pruned"] == 1


def test_failed_trials_are_kept_those_that_are_caught_and_the_one_that_raises_through() -> None:
    def objective(trial: Trial) -> float:
        x: float = trial.suggest_float("x", 0, 1)
        if trial.number == 1:
            raise ValueError("caught")
        if trial.number == 2:
            return float("nan")
        if trial.number == 3:
            raise KeyError("through")
        return x

    with gtrack.start_run() as parent, pytest.raises(KeyError, match="through"):
        a_study().optimize(objective, n_trials=9, catch=(ValueError,), callbacks=[GtrackCallback()])
    runs = trials_of(parent.id)
    assert [str(run.status) for run in runs] == ["finished", "failed", "failed", "failed"]
    assert [run.tags["optuna.state"] for run in runs] == ["COMPLETE", "FAIL", "FAIL", "FAIL"]
    assert [set(run.params) for run in runs] == [{"x"}] * 4
    assert gtrack.get_run(parent.id).metrics["trials_failed"] == 3


def test_an_exception_fails_the_run_that_the_callback_opened() -> None:
    def objective(trial: Trial) -> float:
        raise KeyError("through")

    def after_one(trial: Trial) -> float:
        return 1.0 if trial.number == 0 else objective(trial)

    with pytest.raises(KeyError, match="through"), GtrackCallback() as callback:
        a_study().optimize(after_one, n_trials=3, callbacks=[callback])
    run = gtrack.get_run("tuning")
    assert run.status is Status.FAILED
    assert [one.status for one in trials_of(run)] == [Status.FINISHED, Status.FAILED]


@pytest.mark.parametrize(("of_study", "of_trial"), [(False, True), (True, False)])
def test_user_attributes_are_tags(of_study: bool, of_trial: bool) -> None:
    def objective(trial: Trial) -> float:
        trial.set_user_attr("seconds", 1.5)
        return 1.0

    study = a_study()
    study.set_user_attr("team", ["a", "b"])
    with gtrack.start_run() as parent:
        callback = GtrackCallback(tag_study_user_attrs=of_study, tag_trial_user_attrs=of_trial)
        study.optimize(objective, n_trials=1, callbacks=[callback])
    (run,) = trials_of(parent.id)
    assert run.tags.get("team") == ("['a', 'b']" if of_study else None)
    assert run.tags.get("seconds") == ("1.5" if of_trial else None)
    assert gtrack.get_run(parent.id).tags.get("team") == ("['a', 'b']" if of_study else None)


def test_the_names_of_mlflows_callback() -> None:
    callback = GtrackCallback(
        tracking_uri=f"file:{Path.cwd()}",
        metric_name="acc",
        mlflow_kwargs={"nested": True, "tags": {"a": 1}, "description": "Why"},
        gtrack_kwargs={"run_name": "try"},
    )

    @callback.track_in_mlflow()
    def objective(trial: Trial) -> float:
        gtrack.log_metric("own", 2)
        return 1.0

    with callback:
        a_study().optimize(objective, n_trials=1, callbacks=[callback])
    (run,) = trials_of(gtrack.get_run("tuning"))
    assert (run.name, run.notes, run.tags["a"], run.metrics) == ("try-0", "Why", "1", {"own": 2, "acc": 1.0})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tracking_uri": "http://localhost:5000"}, InvalidValue, "git repository"),
        ({"tracking_uri": "sqlite:///mlflow.db"}, InvalidValue, "git repository"),
        ({"tracking_uri": "/"}, NotARepository, "not inside a git repository"),
        ({"parent": "no-such-run"}, RunNotFound, "no-such-run"),
        ({"gtrack_kwargs": {"run_nam": "x"}}, InvalidValue, "Did you mean 'run_name'"),
        ({"metric_name": [1]}, InvalidValue, "metric_name is text"),
    ],
)
def test_what_cannot_be_is_said_at_once(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        GtrackCallback(**arguments)


@pytest.mark.parametrize(
    ("name", "error"), [(["a", "b"], InvalidValue), ([], InvalidValue), ("step", InvalidName), ("", InvalidName)]
)
def test_names_of_metrics_that_do_not_fit_the_study(name: Any, error: type[Exception]) -> None:
    with gtrack.start_run(), pytest.raises(error):
        a_study().optimize(square, n_trials=1, callbacks=[GtrackCallback(metric_name=name)])


def test_choices_that_are_no_plain_values_are_texts() -> None:
    def objective(trial: Trial) -> float:
        choices: dict[str, Any] = {"kind": (1, 2), "cls": dict, "flag": True, "none": None}
        for name, choice in choices.items():
            trial.suggest_categorical(name, [choice])
        return 1.0

    with gtrack.start_run() as parent:
        study = a_study()
        with pytest.warns(UserWarning, match="Choices for a categorical distribution"):
            study.optimize(objective, n_trials=2, callbacks=[GtrackCallback()])
    assert trials_of(parent.id)[0].params == {"kind": [1, 2], "cls": "<class 'dict'>", "flag": True, "none": None}


def test_a_study_without_a_complete_trial_says_what_it_can() -> None:
    def objective(trial: Trial) -> float:
        raise optuna.TrialPruned

    with gtrack.start_run() as parent:
        a_study().optimize(objective, n_trials=2, callbacks=[GtrackCallback()])
    run = gtrack.get_run(parent.id)
    assert run.metrics == {"trials": 2, "trials_pruned": 2}
    assert pictures(run) == []


# Several objectives


def test_several_objectives_have_a_front_instead_of_a_best() -> None:
    def objective(trial: Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 2)
        y = trial.suggest_float("y", 0, 2)
        return x + y, x * x + (1 - y) ** 2

    study = optuna.create_study(directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(seed=0))
    with gtrack.start_run() as parent:
        study.optimize(objective, n_trials=10, n_jobs=2, callbacks=[GtrackCallback(metric_name=["cost", "gain"])])
    runs = trials_of(parent.id)
    assert [[run.metrics["cost"], run.metrics["gain"]] for run in runs] == [trial.values for trial in study.trials]
    assert (runs[0].goal("cost"), runs[0].goal("gain")) == (Goal.MINIMIZE, Goal.MAXIMIZE)
    run = gtrack.get_run(parent.id)
    assert run.metrics == {"trials": 10, "trials_complete": 10}
    front = sorted(trial.number for trial in study.best_trials)
    assert sorted(map(int, run.tags["optuna.best_trials"].split(", "))) == front
    header, *rows = gtrack.get_artifact(run.id, "pareto_front.csv").decode().splitlines()
    assert header == "trial,run,cost,gain,params.x,params.y"
    assert [row.split(",")[:2] for row in rows] == [[str(n), runs[n].id] for n in front]
    assert pictures(run) == [
        f"figures/{name}.png"
        for name in ("optimization_history", "param_importances", "pareto_front", "slice_0", "slice_1")
    ]
    assert run.warnings == ()


def test_one_name_is_numbered_over_several_objectives() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    with gtrack.start_run() as parent:
        study.optimize(lambda _: (1.0, 2.0), n_trials=1, callbacks=[GtrackCallback(metric_name="loss")])
    assert trials_of(parent.id)[0].metrics == {"loss_0": 1.0, "loss_1": 2.0}


# The decorator


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_tracked_trials_run_side_by_side_and_have_the_right_parent(n_jobs: int) -> None:
    at_once = 2 if n_jobs == 2 else os.cpu_count() or 1
    together = threading.Barrier(at_once)
    seen: list[tuple[int, str]] = []
    callback = GtrackCallback(metric_name="loss")

    @callback.track_in_gtrack()
    def objective(trial: Trial) -> float:
        run = gtrack.active_run()
        assert run is not None
        together.wait(60)  # it breaks unless all trials of one round are in here at once
        seen.append((trial.number, run.id))
        gtrack.log_metric("own", trial.number)
        with gtrack.start_run("inside", nested=True) as inside:
            assert inside.parent == run.id
        together.wait(60)
        return float(trial.suggest_float("x", 0, 1))

    with gtrack.start_run() as parent:
        a_study().optimize(objective, n_trials=4 * at_once, n_jobs=n_jobs, callbacks=[callback])
    runs = trials_of(parent.id)
    assert [(int(run.tags["optuna.trial"]), run.id) for run in runs] == sorted(seen)
    assert [run.metrics["own"] for run in runs] == list(range(4 * at_once))
    assert all("loss" in run.metrics and "x" in run.params for run in runs)
    assert len(gtrack.search_runs(output_format="list")) == 1 + 2 * 4 * at_once


def test_alone_it_is_enough() -> None:
    @track_in_gtrack(metric_name="loss")
    def objective(trial: Trial) -> float:
        """Say what it does."""
        for step in range(3):
            trial.report(float(step), step)
        trial.set_user_attr("seen", "yes")
        return square(trial)

    assert (objective.__name__, objective.__doc__) == ("objective", "Say what it does.")
    study = a_study()
    with gtrack.start_run() as parent:
        study.optimize(objective, n_trials=3)
    for run, trial in zip(trials_of(parent.id), study.trials, strict=True):
        assert (run.params, run.metrics, run.tags["seen"]) == (trial.params, {"loss": trial.value}, "yes")
        assert trial.datetime_start is not None
        assert run.started == trial.datetime_start.astimezone(timezone.utc)
        assert gtrack.get_metric_history(run, "loss")["value"].tolist() == [0.0, 1.0, 2.0]
        assert run.tags["optuna.distribution.x"] == str(trial.distributions["x"])
    assert gtrack.get_run(parent.id).metrics["best_loss"] == study.best_value


def test_bare_it_is_a_decorator_too() -> None:
    @track_in_gtrack
    def objective(trial: Trial) -> float:
        return 1.0

    with gtrack.start_run() as parent:
        a_study().optimize(objective, n_trials=2)
    assert [run.metrics for run in trials_of(parent.id)] == [{"value": 1.0}] * 2


@pytest.mark.parametrize("with_callback", [False, True])
def test_how_tracked_trials_end(with_callback: bool) -> None:
    callback = GtrackCallback()

    @callback.track_in_gtrack()
    def objective(trial: Trial) -> Any:
        trial.suggest_float("x", 0, 1)
        if trial.number == 0:
            raise optuna.TrialPruned("no use")
        if trial.number == 1:
            raise ValueError("caught")
        if trial.number in {2, 3, 4}:
            return {2: float("nan"), 3: "text", 4: (1.0, 2.0)}[trial.number]
        raise KeyError("through")

    with gtrack.start_run() as parent:
        with pytest.raises(KeyError, match="through"):
            a_study().optimize(
                objective, n_trials=9, catch=(ValueError,), callbacks=[callback] if with_callback else []
            )
        assert gtrack.active_run() is parent
    runs = trials_of(parent.id)
    assert [run.tags["optuna.state"] for run in runs] == ["PRUNED"] + ["FAIL"] * 5
    assert [str(run.status) for run in runs] == ["finished"] + ["failed"] * 5
    assert [set(run.params) for run in runs] == [{"x"}] * 6
    assert gtrack.get_run(parent.id).status is Status.FINISHED


def test_ctrl_c_in_a_tracked_trial() -> None:
    @track_in_gtrack
    def objective(trial: Trial) -> float:
        raise KeyboardInterrupt

    with gtrack.start_run() as parent, pytest.raises(KeyboardInterrupt):
        a_study().optimize(objective, n_trials=2)
    assert [run.status for run in trials_of(parent.id)] == [Status.KILLED]


def test_what_the_objective_logged_under_the_same_names_stays() -> None:
    @track_in_gtrack(metric_name="loss")
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_int("n", 1, 1)
        gtrack.log_params({"x": "mine", "n": 1})
        gtrack.define_metric("loss", "min", "maximize")
        gtrack.set_tag("optuna.distribution.y", "mine")
        for step in range(2):
            gtrack.log_metric("loss", 5.0 + step, step=step)
            trial.report(5.0 + step, step)
        return float(x)

    study = a_study()
    with gtrack.start_run() as parent:
        study.optimize(objective, n_trials=1)
    (run,) = trials_of(parent.id)
    assert run.flat_params == {"x": "mine", "n": 1, "optuna.x": study.best_params["x"]}
    assert gtrack.get_metric_history(run, "loss")["value"].tolist() == [5.0, 6.0]
    assert run.goal("loss") is Goal.MAXIMIZE
    assert run.tags["optuna.distribution.y"] == "mine"


def test_an_objective_that_ends_its_run_itself() -> None:
    @track_in_gtrack
    def objective(trial: Trial) -> float:
        gtrack.end_run()
        return 1.0

    with gtrack.start_run() as parent:
        a_study().optimize(objective, n_trials=2)
    assert [run.status for run in trials_of(parent.id)] == [Status.FINISHED] * 2


def test_a_study_inside_a_trial_has_a_run_inside_it() -> None:
    @track_in_gtrack
    def outer(trial: Trial) -> float:
        inner = a_study("inner")
        inner.optimize(square, n_trials=2, callbacks=[GtrackCallback()])
        return inner.best_value

    with gtrack.start_run() as parent:
        a_study("outer").optimize(outer, n_trials=2)
    for trial in trials_of(parent.id):
        (inner,) = [run for run in gtrack.search_runs(output_format="list") if run.parent == trial.id]
        assert (inner.name, inner.status, len(trials_of(inner))) == ("inner", Status.FINISHED, 2)


def test_studies_of_one_name_in_two_storages_lose_no_trial() -> None:
    with gtrack.start_run() as parent:
        callback = GtrackCallback()
        for _ in range(2):
            a_study().optimize(square, n_trials=2, callbacks=[callback])
    assert [run.tags["optuna.trial"] for run in trials_of(parent.id)] == ["0", "0", "1", "1"]


# Processes


def test_a_callback_that_was_pickled_logs_into_the_same_run() -> None:
    with gtrack.start_run() as parent:
        callback = pickle.loads(pickle.dumps(GtrackCallback(metric_name="loss")))
        a_study().optimize(square, n_trials=2, callbacks=[callback])
    assert len(trials_of(parent.id)) == 2


def script(text: str, *words: str) -> subprocess.Popen[str]:
    begin = "import os, signal, sys, optuna, gtrack\nfrom gtrack.optuna import GtrackCallback, track_in_gtrack\n"
    quiet = "optuna.logging.set_verbosity(optuna.logging.CRITICAL)\n"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", begin + quiet + textwrap.dedent(text), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Half of what a process takes is to load what draws a study and weighs its parameters: forked ones have it already.
LOAD = "import alembic.config, matplotlib.figure, pandas, sklearn.ensemble, sqlalchemy.orm"


@pytest.mark.slow
@pytest.mark.parametrize("tracked", [False, True])
def test_several_processes_with_one_study_have_one_run_and_no_trial_twice(tmp_path: Path, tracked: bool) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    a_study("shared", storage=storage)
    text = f"""
    {LOAD}
    workers = [os.fork()]
    workers += [os.fork()] if workers[0] else []
    if all(workers):
        sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers))

    study = optuna.load_study(study_name="shared", storage=sys.argv[1])
    callback = GtrackCallback(metric_name="loss", parent=sys.argv[2])

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        if trial.number % 5 == 4:
            raise ValueError
        return x

    objective = callback.track_in_gtrack()(objective) if sys.argv[3] == "True" else objective
    study.optimize(objective, n_trials=6, n_jobs=2, catch=(ValueError,), callbacks=[callback])
    """
    with gtrack.start_run("distributed") as parent:
        both = script(text, storage, parent.id, str(tracked))
        _, err = both.communicate(timeout=170)
    assert both.returncode == 0, err
    assert "Traceback" not in err
    runs = trials_of(parent.id)
    assert [int(run.tags["optuna.trial"]) for run in runs] == list(range(12))
    assert len({run.id for run in runs}) == 12
    study = optuna.load_study(study_name="shared", storage=storage)
    run = gtrack.get_run(parent.id)
    assert run.status is Status.FINISHED
    assert run.metrics["best_loss"] == study.best_value
    assert run.metrics["trials_failed"] == 2
    assert run.tags["optuna.best_run"] == runs[study.best_trial.number].id
    assert pictures(run) == [f"figures/{name}.png" for name in ("optimization_history", "param_importances", "slice")]


@pytest.mark.slow
def test_at_the_end_of_the_process_the_study_is_summed_up() -> None:
    """Three processes that end differently, forked from one that has loaded what draws and weighs."""
    text = f"""
    {LOAD}
    for name in ("returns", "exits", "raises"):
        if os.fork() == 0:
            study = optuna.create_study(study_name=name)
            study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=4, n_jobs=2, callbacks=[GtrackCallback()])
            if name == "exits":
                sys.exit(3)
            if name == "raises":
                1 / 0
            break
        print(name, os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
    """
    out, err = script(text).communicate(timeout=170)
    assert out.split() == "returns 0 exits 3 raises 1".split(), err
    assert (err.count("Traceback"), err.count("ZeroDivisionError: ")) == (1, 1)
    for name, status in (("returns", "finished"), ("exits", "failed"), ("raises", "failed")):
        run = gtrack.get_run(name)
        assert (str(run.status), run.metrics["trials_complete"], len(trials_of(run))) == (status, 4, 4)
        assert "figures/param_importances.png" in pictures(run)


@pytest.mark.slow
def test_a_killed_process_keeps_the_trials_that_were_done() -> None:
    text = """
    @track_in_gtrack(metric_name="loss")
    def objective(trial):
        gtrack.log_metric("own", trial.number)
        if trial.number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return trial.suggest_float("x", 0, 1)

    optuna.create_study(study_name="killed").optimize(objective, n_trials=9)
    """
    script(text).communicate(timeout=100)
    gtrack.search_runs()  # finds the dead
    run = gtrack.get_run("killed")
    assert run.status is Status.KILLED
    assert [str(one.status) for one in trials_of(run)] == ["finished"] * 3 + ["killed"]
    assert [one.metrics["own"] for one in trials_of(run)] == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_pool_of_processes_takes_a_tracked_objective(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    (Path.cwd() / "pool.py").write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys, optuna, gtrack
            from gtrack.optuna import GtrackCallback

            def work(storage, callback):
                study = optuna.load_study(study_name="pool", storage=storage)
                objective = callback.track_in_gtrack()(lambda t: t.suggest_float("x", 0, 1))
                study.optimize(objective, n_trials=2, callbacks=[callback])

            if __name__ == "__main__":
                optuna.create_study(study_name="pool", storage=sys.argv[1])
                with gtrack.start_run("pool"):
                    callback = GtrackCallback()
                    for method in ("fork", "spawn"):
                        worker = multiprocessing.get_context(method).Process(target=work, args=(sys.argv[1], callback))
                        worker.start()
                        worker.join()
                        assert worker.exitcode == 0
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "pool.py", storage], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = gtrack.get_run("pool")
    assert [one.tags["optuna.trial"] for one in trials_of(run)] == ["0", "1", "2", "3"]


@pytest.mark.slow
def test_under_gtrack_run_the_launched_run_is_the_studys() -> None:
    (Path.cwd() / "study.py").write_text(
        textwrap.dedent(
            """
            import optuna
            from gtrack.optuna import GtrackCallback
            optuna.create_study().optimize(
                lambda t: t.suggest_float("x", 0, 1), n_trials=3, n_jobs=2, callbacks=[GtrackCallback()]
            )
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "gtrack", "run", "study.py"], capture_output=True, text=True, check=False, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (top,) = [run for run in gtrack.search_runs(output_format="list") if run.parent is None]
    assert (top.metrics["trials_complete"], len(trials_of(top))) == (3, 3)


def example(path: str) -> str:
    """Return the one complete example of a page of the documentation."""
    text = (Path(__file__).parents[2] / "docs" / path).read_text(encoding="utf-8")
    (found,) = re.findall(r"```python\n(# tune\.py\n.*?)```", text, re.DOTALL)
    return str(found)


@pytest.mark.slow
def test_the_example_of_the_documentation(quiet: Path) -> None:
    (quiet / "tune.py").write_text(example("optuna.md"))
    done = subprocess.run([sys.executable, "tune.py"], capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    run = gtrack.get_run("forest")
    assert (run.metrics["trials"], len(trials_of(run))) == (20, 20)
    assert all("accuracy" in one.metrics for one in trials_of(run) if one.tags["optuna.state"] == "COMPLETE")
    assert "figures/slice.png" in pictures(run)
