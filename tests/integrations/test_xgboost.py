"""Autologging of XGBoost, with XGBoost itself."""

from __future__ import annotations

import copy
import inspect
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from PIL import Image
from xgboost import train as imported_before  # noqa: F401 - used by its name in this module, which is what is tested

import gtrack
from gtrack.errors import NotARepository
from gtrack.fluent.models import get_model_info, load_model
from gtrack.integrations import patching
from gtrack.integrations.nesting import inside
from gtrack.integrations.xgboost import _autologging
from gtrack.records import Status
from gtrack.xgboost import autolog
from tests.integrations.conftest import Tracked

ORIGINAL = (xgboost.train,)  # in a tuple, as a name of a module would be given the wrapper too
PARAMS = {"max_depth": 2, "objective": "binary:logistic", "eval_metric": ["error", "logloss"], "nthread": 1}

generator = np.random.default_rng(0)
X = generator.random((120, 4))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)


@pytest.fixture(autouse=True)
def switched_off() -> Iterator[None]:
    yield
    autolog(disable=True)


def matrices(**more: Any) -> tuple[xgboost.DMatrix, xgboost.DMatrix]:
    return xgboost.DMatrix(X[:90], Y[:90], **more), xgboost.DMatrix(X[90:], Y[90:], **more)


def a_training(rounds: int = 4, **more: Any) -> xgboost.Booster:
    train, valid = matrices()
    return xgboost.train(PARAMS, train, rounds, evals=[(train, "train"), (valid, "valid")], verbose_eval=False, **more)


@pytest.mark.quick
def test_a_training_is_recorded(tracked: Tracked) -> None:
    autolog(importance_types=["weight", "gain"], extra_tags={"team": "churn"})
    result: dict[str, Any] = {}
    booster = a_training(evals_result=result)
    run = tracked.only()
    assert run.status is Status.FINISHED
    assert not run.live
    assert run.params == {**PARAMS, "num_boost_round": 4}
    assert run.tags == {"team": "churn"}
    assert not run.warnings
    for data, metrics in result.items():
        for metric, values in metrics.items():
            assert tracked.curve(run, f"{data}-{metric}") == list(enumerate(values))
    assert "best_iteration" not in run.metrics
    assert [(one.name, one.rows, one.columns) for one in run.inputs] == [("train", 90, 4), ("valid", 30, 4)]
    expected = {f"feature_importance_{kind}.{suffix}" for kind in ("weight", "gain") for suffix in ("json", "png")}
    assert expected < tracked.artifacts(run)
    gains = json.loads(gtrack.get_artifact(run.id, "feature_importance_gain.json"))
    assert gains == pytest.approx(booster.get_score(importance_type="gain"))
    assert list(gains.values()) == sorted(gains.values(), reverse=True)
    assert Image.open(io.BytesIO(gtrack.get_artifact(run.id, "feature_importance_gain.png"))).width > 400
    loaded = load_model(f"runs:/{run.id}/model")
    assert loaded.save_raw() == booster.save_raw()


def test_early_stopping_tells_the_best_iteration(tracked: Tracked) -> None:
    autolog(log_models=False, log_datasets=False)
    booster = a_training(200, early_stopping_rounds=3)
    run = tracked.only()
    assert run.params["early_stopping_rounds"] == 3
    assert run.metrics["best_iteration"] == booster.best_iteration
    assert run.metrics["stopped_iteration"] == booster.num_boosted_rounds() - 1 > booster.best_iteration
    assert run.metrics["best_score"] == run.metrics["best_valid-logloss"] == pytest.approx(booster.best_score)
    assert len(tracked.curve(run, "valid-logloss")) == booster.num_boosted_rounds()
    assert not any(path.startswith("model/") for path in tracked.artifacts(run))
    assert not run.inputs


def test_nothing_changes_for_the_script(tracked: Tracked) -> None:
    before = a_training()
    autolog()
    mine: list[xgboost.callback.TrainingCallback] = []
    after = a_training(callbacks=mine)
    assert mine == []
    assert after.save_raw() == before.save_raw()
    assert after.attributes() == before.attributes()
    assert inspect.signature(xgboost.train) == inspect.signature(ORIGINAL[0])
    assert xgboost.train.__doc__ == ORIGINAL[0].__doc__
    assert (xgboost.train.__name__, xgboost.train.__module__) == ("train", "xgboost.training")
    assert pickle.loads(pickle.dumps(xgboost.train)) is xgboost.train
    assert copy.deepcopy(xgboost.train) is copy.copy(xgboost.train) is xgboost.train


def test_an_estimator_is_recorded_once_without_what_is_not_set(tracked: Tracked) -> None:
    plain = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(X, Y)
    autolog()
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1)
    model.fit(X, Y, eval_set=[(X, Y)], verbose=False)
    run = tracked.only()
    assert run.params == {"n_jobs": 1, "max_depth": 2, "objective": "binary:logistic", "num_boost_round": 3}
    assert [step for step, _ in tracked.curve(run, "validation_0-logloss")] == [0, 1, 2]
    assert (model.predict_proba(X) == plain.predict_proba(X)).all()
    assert model.get_params() == xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).get_params()
    assert pickle.loads(pickle.dumps(model)).predict(X).tolist() == model.predict(X).tolist()


def test_a_function_that_was_imported_before_is_recorded_and_put_back(tracked: Tracked) -> None:
    module = sys.modules[__name__]
    autolog(log_models=False)
    autolog(log_models=False)
    module.imported_before(PARAMS, matrices()[0], 2)
    assert len(tracked.runs()) == 1
    held = xgboost.train
    autolog(disable=True)
    autolog(disable=True)
    assert xgboost.train is module.imported_before is xgboost.sklearn.train is xgboost.training.train is ORIGINAL[0]
    held(PARAMS, matrices()[0], 2)
    assert len(tracked.runs()) == 1
    autolog(log_models=False)
    xgboost.train(PARAMS, matrices()[0], 2)
    assert len(tracked.runs()) == 2


def test_signature_and_example_go_with_the_model(tracked: Tracked) -> None:
    autolog(log_input_examples=True)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).mask(X > 0.95)
    xgboost.train(PARAMS, xgboost.DMatrix(frame, Y), 2)
    run = tracked.only()
    assert not run.warnings
    info = get_model_info(f"runs:/{run.id}/model")
    assert info.signature is not None
    assert [column.name for column in info.signature.inputs] == ["a", "b", "c", "d"]
    assert info.signature.outputs
    assert "model/input_example.json" in tracked.artifacts(run)


def test_a_training_of_pairs_and_functions(tracked: Tracked) -> None:
    def half(predicted: Any, data: Any) -> tuple[str, float]:
        return "half", 0.5

    autolog(log_models=False, importance_types=())
    pairs = [("max_depth", 2), ("eval_metric", "error"), ("eval_metric", "auc")]
    train, _ = matrices()
    xgboost.train(pairs, train, 2, evals=[(train, "train")], custom_metric=half, verbose_eval=False)
    run = tracked.only()
    assert run.params == {
        "max_depth": 2,
        "eval_metric": ["error", "auc"],
        "num_boost_round": 2,
        "custom_metric": "half",
    }
    assert run.metrics["train-half"] == 0.5
    assert not [path for path in tracked.artifacts(run) if path.startswith("feature_importance")]


def test_a_linear_booster_and_one_without_a_split(tracked: Tracked) -> None:
    autolog()
    classes = generator.integers(0, 3, 120)
    xgboost.train(
        {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(X, classes), 2
    )
    xgboost.train({"max_depth": 2}, xgboost.DMatrix(X, np.zeros(120)), 2)
    linear, constant = tracked.runs()
    assert set(json.loads(gtrack.get_artifact(linear.id, "feature_importance_weight.json"))) == {"f0", "f1", "f2", "f3"}
    assert not linear.warnings
    assert not constant.warnings
    assert "feature_importance_weight.json" not in tracked.artifacts(constant)
    assert "model/MLmodel" in tracked.artifacts(constant)


# Which run


def test_the_active_run_is_used_and_a_second_training_is_its_child(tracked: Tracked) -> None:
    autolog(log_datasets=False)
    with gtrack.start_run("mine") as mine:
        a_training(2)
        assert gtrack.active_run() is mine
        a_training(3)
        assert gtrack.active_run() is mine
        gtrack.log_metric("f1", 0.5)
    parent, child = tracked.runs()
    assert (parent.id, parent.params["num_boost_round"], parent.metrics["f1"]) == (mine.id, 2, 0.5)
    assert (child.parent, child.params["num_boost_round"]) == (mine.id, 3)
    assert "model/MLmodel" in tracked.artifacts(parent) & tracked.artifacts(child)


def test_a_run_that_a_verb_opened_stays_open(tracked: Tracked) -> None:
    autolog(log_models=False)
    gtrack.log_param("data", "a")
    a_training(2)
    gtrack.log_metric("f1", 0.5)
    (run,) = tracked.runs()
    assert (run.live, run.params["data"], run.params["num_boost_round"], run.metrics["f1"]) == (True, "a", 2, 0.5)


def test_the_users_own_parameter_keeps_its_value(tracked: Tracked) -> None:
    autolog(log_models=False)
    with gtrack.start_run():
        gtrack.log_param("max_depth", "two")
        with pytest.warns(UserWarning, match=r"xgboost.train: not recorded: the parameter max_depth .*'two'") as told:
            a_training(2)
    assert len(told) == 1
    run = tracked.only()
    assert (run.params["max_depth"], run.params["num_boost_round"]) == ("two", 2)
    assert "max_depth" in run.warnings[0]


def test_exclusive_leaves_the_users_run_alone(tracked: Tracked) -> None:
    autolog(exclusive=True, log_models=False)
    with gtrack.start_run("mine"):
        a_training(2)
    a_training(2)
    mine, own = tracked.runs()
    assert (mine.params, own.params["num_boost_round"]) == ({}, 2)


def test_what_is_part_of_something_bigger_is_not_recorded(tracked: Tracked) -> None:
    autolog()
    with inside():
        a_training(2)
    assert tracked.runs() == []


def test_threads_have_runs_of_their_own(tracked: Tracked) -> None:
    autolog(log_models=False)
    barrier = threading.Barrier(3)

    def work(rounds: int) -> None:
        barrier.wait()
        a_training(rounds)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, [2, 3, 4]))
    assert {run.params["num_boost_round"] for run in tracked.runs()} == {2, 3, 4}
    assert all(len(tracked.curve(run, "valid-error")) == run.params["num_boost_round"] for run in tracked.runs())


def is_recording(_: int) -> bool:
    return _autologging.settings is not None


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_worker_process_does_not_record(method: str) -> None:
    # It does not train: XGBoost's own threads do not survive a fork.
    autolog()
    assert is_recording(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.map(is_recording, [0]) == [False]


# What goes wrong


def test_the_error_of_a_training_goes_on_unchanged(tracked: Tracked) -> None:
    autolog()
    error = RuntimeError("no more")

    class Stops(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # XGBoost is read without types
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            raise error

    with pytest.raises(RuntimeError) as raised:
        a_training(callbacks=[Stops()])
    assert raised.value is error
    run = tracked.only()
    assert (run.status, run.live) == (Status.FAILED, False)
    assert len(tracked.curve(run, "valid-error")) == 1
    assert gtrack.active_run() is None


def test_a_callback_that_stops_the_training_does(tracked: Tracked) -> None:
    autolog(log_models=False)

    class Stops(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # XGBoost is read without types
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return epoch == 1

    assert a_training(5, callbacks=[Stops()]).num_boosted_rounds() == 2
    assert [step for step, _ in tracked.curve(tracked.only(), "valid-error")] == [0, 1]


def test_a_call_that_xgboost_refuses_is_refused_alike(tracked: Tracked) -> None:
    def refused() -> str:
        with pytest.raises(TypeError) as raised:
            xgboost.train(PARAMS, nonsense=1)
        return str(raised.value)

    before = refused()
    autolog()
    assert refused() == before
    assert tracked.runs() == []


def test_without_a_repository_there_is_one_warning_and_a_model(tmp_path: Path, tracked: Tracked) -> None:
    autolog()
    os.chdir(tmp_path)
    with pytest.warns(UserWarning, match=r"xgboost.train: not recorded: this training .*git repository") as told:
        assert a_training(2).num_boosted_rounds() == 2
    assert len(told) == 1
    autolog(silent=True)
    assert a_training(2).num_boosted_rounds() == 2
    with pytest.raises(NotARepository):
        gtrack.search_runs()


def test_what_cannot_be_recorded_is_one_warning_and_the_rest_is_there(tracked: Tracked) -> None:
    autolog(importance_types=["weight", "nonsense"])
    with pytest.warns(UserWarning, match="not recorded: the feature importance nonsense") as told:
        a_training(2)
    assert len(told) == 1
    run = tracked.only()
    assert {"feature_importance_weight.json", "model/MLmodel"} <= tracked.artifacts(run)
    assert run.status is Status.FINISHED


def test_a_wrapped_method_is_pickled_as_itself() -> None:
    undo = patching.replace_method(
        xgboost.DMatrix, "num_row", lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs) + 1
    )
    try:
        assert matrices()[0].num_row() == 91
        assert pickle.loads(pickle.dumps(xgboost.DMatrix)) is xgboost.DMatrix
    finally:
        undo()
    assert matrices()[0].num_row() == 90


@pytest.mark.slow
def test_a_library_that_is_imported_later_is_recorded(tracked: Tracked) -> None:
    script = textwrap.dedent("""
        import sys
        import gtrack.xgboost
        assert not {"xgboost", "numpy"} & set(sys.modules)
        gtrack.xgboost.autolog()
        assert not {"xgboost", "numpy"} & set(sys.modules)
        import numpy
        from xgboost import DMatrix, train
        train({"max_depth": 2}, DMatrix(numpy.eye(8), numpy.arange(8)), 3)
    """)
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=tracked.root)
    assert tracked.only().params == {"max_depth": 2, "num_boost_round": 3}


def test_a_model_that_the_script_logs_takes_the_place_of_the_automatic_one(tracked: Tracked) -> None:
    autolog()
    with gtrack.start_run() as run:
        booster = a_training(2)
        gtrack.xgboost.log_model(booster, "model", metadata={"mine": True})
    assert get_model_info(f"runs:/{run.id}/model").metadata == {"mine": True}
    assert not tracked.only().warnings
