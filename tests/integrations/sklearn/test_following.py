"""Metrics that a script computes after the fit."""

from __future__ import annotations

import gc
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    get_scorer,
    mean_squared_error,
    r2_score,
    roc_auc_score,
    silhouette_score,
)
from sklearn.model_selection import cross_val_predict, cross_val_score, cross_validate, learning_curve

from gtrack.fluent.active import last_active_run, start_run
from gtrack.integrations.sklearn import autolog
from gtrack.integrations.sklearn.following import following
from gtrack.records import Run
from tests.integrations.sklearn.conftest import Data

Runs = Callable[[], list[Run]]
Artifacts = Callable[[Run], dict[str, bytes]]


def model_of(data: Data) -> LogisticRegression:
    return LogisticRegression(max_iter=10_000).fit(*data)


def later(run: Run) -> dict[str, float]:
    return {name: value for name, value in run.metrics.items() if not name.startswith("training_")}


def test_functions_imported_before_are_recorded_by_the_name_of_the_data(
    cancer: Data, runs: Runs, artifacts: Artifacts
) -> None:
    X_test, y_test = cancer
    X_train, y_train = X_test[:150], y_test[:150]
    autolog()
    model = model_of((X_train, y_train))
    y_pred = model.predict(X_test)
    accuracy = accuracy_score(y_test, y_pred)
    again = accuracy_score(y_true=y_train, y_pred=model.predict(X_train))
    f1 = f1_score(y_test, y_pred, average="macro")
    area = roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
    score = model.score(X_test, y_test)
    (run,) = runs()
    assert later(run) == {
        "accuracy_score_X_test": accuracy,
        "accuracy_score-2_X_train": again,
        "f1_score_X_test": f1,
        "roc_auc_score_X_test": area,
        "LogisticRegression_score_X_test": score,
    }
    info = json.loads(artifacts(run)["metric_info.json"])
    assert info["accuracy_score_X_test"] == "accuracy_score(y_true=y_test, y_pred=y_pred)"
    assert info["f1_score_X_test"] == "f1_score(y_true=y_test, y_pred=y_pred, average='macro')"
    assert info["LogisticRegression_score_X_test"] == "LogisticRegression.score(X=X_test, y=y_test)"
    assert [one.name for one in run.inputs] == ["train", "train_target", "X_test", "X_train"]


def test_they_go_into_the_run_of_the_model(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    models = [model_of((X[:n], y[:n])) for n in (120, 160)]
    with start_run(run_name="block"):
        third = model_of(cancer)
    for model in (*models, third):
        accuracy_score(y, model.predict(X))
        model.score(X, y)
    found = runs()
    assert [list(later(run)) for run in found] == [["accuracy_score_X", "LogisticRegression_score_X"]] * 3
    assert [run.status.value for run in found] == ["finished"] * 3


def test_late_metrics_change_neither_the_end_nor_how_it_ended(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    with start_run() as active:
        model = model_of(cancer)
        active.end("failed")
    before = runs()[0]
    accuracy_score(y, model.predict(X))
    after = runs()[0]
    assert (after.ended, after.status, after.id) == (before.ended, before.status, before.id)
    assert later(after)


def test_nothing_is_committed_again_for_each_metric(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    with start_run():
        model = model_of(cancer)
    for _ in range(20):
        accuracy_score(y, model.predict(X))
    assert len(list(Path(".gtrack/live").glob("*/run.yaml"))) == 1
    (run,) = runs()
    assert len(later(run)) == 20


def test_a_run_that_lingers_is_told_as_it_ended(cancer: Data) -> None:
    autolog(log_models=False)
    model_of(cancer)
    run = last_active_run()
    assert run is not None
    assert run.status.value == "finished"


def test_the_outermost_name_counts(cancer: Data, runs: Runs) -> None:
    holdout, target = cancer

    def evaluate(model: LogisticRegression, X: object, y: object) -> float:
        return float(accuracy_score(y, model.predict(X)))

    autolog(log_models=False)
    model = model_of(cancer)
    evaluate(model, holdout, target)
    accuracy_score(target[:10], model.predict(holdout[:10]))
    holdout = holdout.copy()
    evaluate(model, holdout, target)
    (run,) = runs()
    assert list(later(run)) == [
        "accuracy_score_holdout",
        "accuracy_score-2_unknown_dataset",
        "accuracy_score-3_holdout-2",
    ]


def test_what_is_part_of_something_else_is_not_recorded(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    model = model_of(cancer)
    cross_val_score(model, X, y, cv=2)
    cross_validate(model, X, y, cv=2, scoring=["accuracy", "f1"], n_jobs=2)
    cross_val_predict(model, X, y, cv=2)
    learning_curve(model, X, y, cv=2, train_sizes=[0.5, 1.0])
    permutation_importance(model, X[:20], y[:20], n_repeats=1)
    (run,) = runs()
    assert later(run) == {}


def test_a_scorer_that_the_script_asks_is_recorded(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    model = model_of(cancer)
    value = get_scorer("f1")(model, X, y)
    (run,) = runs()
    assert later(run) == {"f1_score_X": value}


def test_what_is_no_number_or_of_no_model_is_left_alone(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    model = model_of(cancer)
    predicted = model.predict(X)
    assert confusion_matrix(y, predicted).shape == (2, 2)
    assert "precision" in classification_report(y, predicted)
    accuracy_score(y, predicted.copy())
    accuracy_score(y[:50], predicted[:50])
    accuracy_score(y, y)
    (run,) = runs()
    assert later(run) == {}


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2), {}), (([1], [1]), {"nonsense": 1}), (([1, 2], [1]), {}), ((None, None), {})]
)
def test_odd_arguments_give_the_same_error_as_without(args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    def outcome() -> tuple[type, str]:
        with pytest.raises((TypeError, ValueError)) as caught:
            accuracy_score(*args, **kwargs)
        return caught.type, str(caught.value)

    bare = outcome()
    autolog()
    assert outcome() == bare


def test_a_metric_function_stays_what_it_was() -> None:
    before = accuracy_score, pickle.dumps(accuracy_score), accuracy_score.__wrapped__, repr(accuracy_score)
    autolog()
    assert (accuracy_score, pickle.dumps(accuracy_score), accuracy_score.__wrapped__, repr(accuracy_score)) == before
    held = [cell.cell_contents for cell in accuracy_score.__closure__]
    assert not any(one is accuracy_score.__wrapped__ for one in held)
    autolog(disable=True)
    held = [cell.cell_contents for cell in accuracy_score.__closure__]
    assert any(one is accuracy_score.__wrapped__ for one in held)


def test_regressors_and_clusterers_are_followed_too(diabetes: Data, runs: Runs) -> None:
    X, y = diabetes
    autolog(log_models=False)
    mean_squared_error(y, Ridge().fit(X, y).predict(X))
    means = KMeans(2, n_init=1, random_state=0).fit(X)
    silhouette_score(X, means.labels_)
    ridge, clusters = runs()
    assert list(later(ridge)) == ["mean_squared_error_X"]
    assert list(later(clusters)) == ["silhouette_score_X"]


def test_nothing_is_kept_alive(cancer: Data) -> None:
    X, _ = cancer
    autolog(log_models=False)
    model = model_of(cancer)
    predicted = model.predict(X)
    assert following.has_predictions
    assert following._models
    del model, predicted
    gc.collect()
    assert (following._predictions, following._models) == ({}, {})


def test_metrics_of_models_that_are_gone_are_all_kept(diabetes: Data, runs: Runs) -> None:
    X, y = diabetes
    autolog(log_models=False)
    with start_run():
        for _ in range(3):
            Ridge().fit(X, y).score(X, y)
        for _ in range(2):
            mean_squared_error(y, Ridge().fit(X, y).predict(X))
            gc.collect()
    [run] = runs()
    assert list(later(run)) == [
        "Ridge_score_X",
        "Ridge_score-2_X",
        "Ridge_score-3_X",
        "mean_squared_error_X",
        "mean_squared_error-2_X",
    ]


def test_a_metric_that_is_no_number_at_all_is_recorded_as_that(diabetes: Data, runs: Runs) -> None:
    X, y = diabetes
    autolog(log_models=False)
    model = Ridge().fit(X, y)
    with pytest.warns(UserWarning, match="is nan|not well-defined"):
        r2_score(y[:1], model.predict(X[:1]))
    [run] = runs()
    assert [str(value) for value in later(run).values()] == ["nan"]


@pytest.mark.quick
def test_a_forest_in_a_loop_over_thresholds(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False)
    model = RandomForestClassifier(3, random_state=0).fit(X, y)
    probabilities = model.predict_proba(X)[:, 1]
    for threshold in np.linspace(0.1, 0.9, 5):
        f1_score(y, probabilities > threshold)
    (run,) = runs()
    assert later(run) == {}


def test_looking_for_names_leaves_the_variables_of_a_function_alone(cancer: Data) -> None:
    X, y = cancer
    autolog(log_models=False)
    model = model_of(cancer)
    mine = locals()
    accuracy_score(y, model.predict(X))
    assert mine["X"] is X
    assert X.shape == (200, 30)
