"""Autologging of LightGBM, with LightGBM itself."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import gtrack
from gtrack.fluent.models import get_model_info, load_model
from gtrack.lightgbm import autolog
from gtrack.records import Status
from tests.integrations.conftest import Tracked

ORIGINAL = (lightgbm.train,)  # in a tuple, as a name of a module would be given the wrapper too
PARAMS = {"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1, "metric": ["binary_logloss", "auc"]}

generator = np.random.default_rng(0)
X = generator.random((150, 4))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)


@pytest.fixture(autouse=True)
def switched_off() -> Iterator[None]:
    yield
    autolog(disable=True)


def a_training(rounds: int = 4, params: Any = None, **more: Any) -> lightgbm.Booster:
    train = lightgbm.Dataset(X[:120], Y[:120])
    valid = lightgbm.Dataset(X[120:], Y[120:], reference=train)
    return lightgbm.train({**PARAMS, **(params or {})}, train, rounds, [train, valid], ["train", "valid"], **more)


@pytest.mark.quick
def test_a_training_is_recorded(tracked: Tracked) -> None:
    autolog(extra_tags={"team": "churn"})
    result: dict[str, Any] = {}
    booster = a_training(callbacks=[lightgbm.record_evaluation(result)])
    run = tracked.only()
    assert (run.status, run.live, run.tags) == (Status.FINISHED, False, {"team": "churn"})
    assert not run.warnings
    assert run.params == {**PARAMS, "num_boost_round": 4}
    for data, metrics in result.items():
        for metric, values in metrics.items():
            assert tracked.curve(run, f"{data}-{metric}") == list(enumerate(values))
    assert "best_iteration" not in run.metrics
    assert [(one.name, one.rows, one.columns) for one in run.inputs] == [("train", 120, 4), ("valid", 30, 4)]
    for kind in ("split", "gain"):
        assert Image.open(io.BytesIO(gtrack.get_artifact(run.id, f"feature_importance_{kind}.png"))).width > 400
    splits = json.loads(gtrack.get_artifact(run.id, "feature_importance_split.json"))
    assert splits == dict(zip(booster.feature_name(), booster.feature_importance().tolist(), strict=True))
    loaded = load_model(f"runs:/{run.id}/model")
    assert (loaded.predict(X) == booster.predict(X)).all()
    signature = get_model_info(f"runs:/{run.id}/model").signature
    assert signature is not None
    assert signature.inputs
    assert signature.outputs


def test_early_stopping_tells_the_best_iteration(tracked: Tracked) -> None:
    autolog(log_models=False)
    stop = lightgbm.early_stopping(3, first_metric_only=True, verbose=False)
    mine = [stop]
    booster = a_training(200, {"learning_rate": 0.8}, callbacks=mine)
    assert mine == [stop]
    run = tracked.only()
    assert run.metrics["best_iteration"] == booster.best_iteration < 200
    assert run.metrics["stopped_iteration"] > booster.best_iteration - 1
    assert run.metrics["best_valid-auc"] == booster.best_score["valid"]["auc"]
    assert not any(path.startswith("model/") for path in tracked.artifacts(run))


def test_nothing_changes_for_the_script(tracked: Tracked) -> None:
    before = a_training()
    autolog()
    after = a_training()
    assert after.model_to_string() == before.model_to_string()
    assert after.best_iteration == before.best_iteration
    assert pickle.loads(pickle.dumps(lightgbm.train)) is lightgbm.train is not ORIGINAL[0]
    autolog(disable=True)
    assert lightgbm.train is lightgbm.sklearn.train is lightgbm.engine.train is ORIGINAL[0]


def test_an_estimator_is_recorded_once(tracked: Tracked) -> None:
    autolog()
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1, n_jobs=1).fit(frame, Y)
    run = tracked.only()
    assert (run.params["num_boost_round"], run.params["num_leaves"], run.params["objective"]) == (3, 4, "binary")
    assert set(json.loads(gtrack.get_artifact(run.id, "feature_importance_gain.json"))) == {"a", "b", "c", "d"}
    booster = load_model(f"runs:/{run.id}/model")
    assert (booster.predict(frame) == model.predict_proba(frame)[:, 1]).all()
    assert not run.warnings


def test_the_active_run_is_used_and_a_second_training_is_its_child(tracked: Tracked) -> None:
    autolog(log_models=False)
    with gtrack.start_run("mine") as mine:
        a_training(2)
        a_training(3)
    parent, child = tracked.runs()
    assert (parent.id, parent.params["num_boost_round"]) == (mine.id, 2)
    assert (child.parent, child.params["num_boost_round"]) == (mine.id, 3)


def test_a_data_set_that_lightgbm_has_dropped_is_a_note(tracked: Tracked) -> None:
    train = lightgbm.Dataset(X, Y).construct()
    autolog()
    lightgbm.train(PARAMS, train, 2)
    run = tracked.only()
    assert not run.inputs
    assert run.warnings == ("The data set 'train' is not recorded: it is gone, or has over 20,000,000 values.",)
    assert "model/MLmodel" in tracked.artifacts(run)


def test_a_data_set_from_a_file(tracked: Tracked, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    np.savetxt(path, np.column_stack([Y, X]), delimiter=",")
    autolog()
    lightgbm.train(PARAMS, lightgbm.Dataset(str(path)), 2)
    run = tracked.only()
    assert [(one.name, one.kind, one.columns) for one in run.inputs] == [("train", "file", 5)]
    assert not run.warnings


def test_the_error_of_a_training_goes_on_unchanged(tracked: Tracked) -> None:
    autolog()
    error = KeyboardInterrupt()

    def stops(env: Any) -> None:
        raise error

    with pytest.raises(KeyboardInterrupt) as raised:
        a_training(callbacks=[stops])
    assert raised.value is error
    run = tracked.only()
    assert (run.status, run.live) == (Status.KILLED, False)
    assert len(tracked.curve(run, "valid-auc")) == 1


def test_a_function_as_objective_goes_by_its_name(tracked: Tracked) -> None:
    def squares(predicted: Any, data: lightgbm.Dataset) -> tuple[Any, Any]:
        return predicted - data.get_label(), np.ones_like(predicted)

    def half(predicted: Any, data: Any) -> tuple[str, float, bool]:
        return "half", 0.5, True

    autolog(log_models=False)
    a_training(2, {"objective": squares, "metric": "None"}, feval=half)
    run = tracked.only()
    assert (run.params["objective"], run.params["feval"]) == ("squares", "half")
    assert run.metrics["valid-half"] == 0.5


def test_both_libraries_are_switched_apart(tracked: Tracked) -> None:
    from gtrack.xgboost import autolog as autolog_xgboost

    autolog(log_models=False)
    autolog_xgboost(disable=True)
    a_training(2)
    assert len(tracked.runs()) == 1


@pytest.mark.slow
def test_a_library_that_is_imported_later_is_recorded(tracked: Tracked) -> None:
    script = textwrap.dedent("""
        import sys
        import gtrack.lightgbm
        gtrack.lightgbm.autolog()
        assert not {"lightgbm", "numpy"} & set(sys.modules)
        import numpy
        from lightgbm import Dataset, train
        train({"verbose": -1}, Dataset(numpy.eye(40), numpy.arange(40)), 3)
    """)
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=tracked.root)
    assert tracked.only().params == {"verbose": -1, "num_boost_round": 3}


def test_a_model_that_the_script_logs_takes_the_place_of_the_automatic_one(tracked: Tracked) -> None:
    autolog()
    with gtrack.start_run() as run:
        booster = a_training(2)
        gtrack.lightgbm.log_model(booster, "model", metadata={"mine": True})
    assert get_model_info(f"runs:/{run.id}/model").metadata == {"mine": True}
    assert not tracked.only().warnings
