"""What could go wrong, and must not reach the script."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from gtrack.fluent.active import active_run, last_active_run, start_run
from gtrack.fluent.lingering import settle
from gtrack.fluent.removal import delete_run
from gtrack.integrations.sklearn import autolog
from gtrack.project import Project
from gtrack.records import Run, Status

Runs = Callable[[], list[Run]]
Artifacts = Callable[[Run], dict[str, bytes]]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.arange(60) % 2


def test_a_fit_that_raises_fails_its_run_with_the_very_exception(runs: Runs) -> None:
    def raised() -> ValueError:
        with pytest.raises(ValueError, match="inconsistent") as caught:
            LogisticRegression().fit(X, Y[:10])
        return caught.value

    tail = traceback.extract_tb(raised().__traceback__)[-1]
    autolog()
    assert traceback.extract_tb(raised().__traceback__)[-1] == tail
    (run,) = runs()
    assert run.status is Status.FAILED
    assert run.params["C"] == 1.0
    assert active_run() is None


def test_a_fit_that_raises_leaves_the_users_run_open() -> None:
    autolog()
    with start_run() as active:
        with pytest.raises(ValueError, match="inconsistent"):
            LogisticRegression().fit(X, Y[:10])
        LogisticRegression().fit(X, Y)
    assert active.record().status is Status.FINISHED


class NoParams(LogisticRegression):  # type: ignore[misc]
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        if deep:
            raise RuntimeError("no parameters today")
        return dict(super().get_params(deep=False))


def test_an_estimator_whose_parameters_cannot_be_asked() -> None:
    autolog(log_models=False)
    with start_run() as active, pytest.warns(UserWarning, match="no parameters today") as caught:
        NoParams().fit(X, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    run = active.record()
    assert run.tags["estimator_name"] == "NoParams"
    assert "training_score" in run.metrics
    assert "the parameters (RuntimeError: no parameters today)" in run.warnings[0]


def test_silent_says_nothing_but_notes_it() -> None:
    autolog(log_models=False, silent=True)
    with start_run() as active, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NoParams().fit(X, Y)
    assert caught == []
    assert "no parameters today" in active.record().warnings[0]


def test_a_warning_that_is_an_error_does_not_end_the_fit(capsys: pytest.CaptureFixture[str]) -> None:
    autolog(log_models=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert NoParams().fit(X, Y).coef_.shape == (1, 3)
    assert "no parameters today" in capsys.readouterr().err


def test_outside_a_repository_the_fit_goes_on(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    autolog()
    with pytest.warns(UserWarning, match="not recorded: anything .*not inside a git repository"):
        assert LogisticRegression().fit(X, Y).classes_.tolist() == [0, 1]


class Unpicklable(LogisticRegression):  # type: ignore[misc]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Unpicklable:
        super().fit(X, y, sample_weight)
        self.lock = threading.Lock()
        return self


def test_a_class_of_the_users_is_recorded_by_the_fit_that_it_inherits(runs: Runs) -> None:
    autolog()
    Unpicklable().fit(X, Y)
    (run,) = runs()
    assert run.tags["estimator_class"] == f"{__name__}.Unpicklable"


def test_a_model_that_cannot_be_written_is_all_that_is_lost() -> None:
    autolog()
    model = LogisticRegression()
    model.lock = threading.Lock()
    with start_run() as active, pytest.warns(UserWarning, match="the model"):
        model.fit(X, Y)
    assert "training_score" in active.record().metrics


class OwnFit(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> OwnFit:
        self.inner_ = DecisionTreeClassifier().fit(X, y)
        return self


CASES: dict[str, tuple[Any, Any, Any]] = {
    "sparse": (LogisticRegression(), csr_matrix(np.abs(X)), Y),
    "sparse counts": (MultinomialNB(), csr_matrix(np.abs(X)), Y),
    "missing": (HistGradientBoostingClassifier(max_iter=2), np.where(X > 1, np.nan, X), Y),
    "categories": (
        HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype"),
        pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(np.where(Y, "x", "y"))}),
        Y,
    ),
    "labels of text": (LogisticRegression(), X, np.where(Y, "malignant", "gutartig")),
    "a categorical target": (LogisticRegression(), X, pd.Series(Y, name="kind").astype("category")),
    "lists": (LogisticRegression(), X.tolist(), Y.tolist()),
    "booleans": (LogisticRegression(), X, Y.astype(bool)),
    "a target of one column": (DecisionTreeClassifier(), X, pd.DataFrame({"y": Y})),
    "one class": (DecisionTreeClassifier(), X, np.zeros(60)),
    "one class in a forest": (RandomForestClassifier(2), X, np.zeros(60, int)),
    "five classes": (DecisionTreeClassifier(max_depth=1), X, np.arange(60) % 5),
    "outputs of several classes": (DecisionTreeClassifier(), X, np.stack([Y, np.arange(60) % 3], axis=1)),
    "several labels": (KNeighborsClassifier(), X, np.stack([Y, 1 - Y], axis=1)),
    "a model per output": (MultiOutputClassifier(DecisionTreeClassifier()), X, np.stack([Y, 1 - Y], axis=1)),
    "numbers": (DecisionTreeRegressor(), X, X[:, :2]),
    "a column of numbers": (LinearRegression(), X, X[:, :1]),
    "in place": (LinearRegression(copy_X=False), X.copy(), X[:, 0] * 1000),
    "very wide": (LogisticRegression(), RNG.normal(size=(60, 3000)), Y),
    "a kernel": (SVC(), X, Y),
    "one row": (DecisionTreeClassifier(), X[:1], Y[:1]),
    "one row and a number": (DecisionTreeRegressor(), X[:1], X[:1, 0]),
}


@pytest.mark.parametrize("case", CASES)
def test_data_of_every_kind_leaves_nothing_out_and_says_nothing(case: str, runs: Runs) -> None:
    model, data, target = CASES[case]
    autolog()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        model.fit(data, target)
    (run,) = runs()
    assert run.inputs[0].rows == len(target)
    assert run.params


def test_weights_count_in_the_metrics(runs: Runs) -> None:
    weight = np.where(Y, 5.0, 1.0)
    autolog()
    model = LogisticRegression().fit(X, Y, sample_weight=weight)
    LogisticRegression().fit(X, Y, weight)
    for run in runs():
        expected = accuracy_score(Y, model.predict(X), sample_weight=weight)
        assert run.metrics["training_accuracy_score"] == pytest.approx(expected)
        assert run.metrics["training_score"] == run.metrics["training_accuracy_score"]


def test_arguments_by_name(runs: Runs) -> None:
    autolog(log_models=False)
    LogisticRegression().fit(y=Y, X=X)
    MultiOutputClassifier(DecisionTreeClassifier()).fit(X=X, Y=np.stack([Y, Y], axis=1))
    first, second = runs()
    assert "training_score" in first.metrics
    assert second.inputs[1].columns == 2


def test_partial_fit_is_left_alone(runs: Runs) -> None:
    autolog()
    SGDClassifier().partial_fit(X, Y, classes=[0, 1])
    OwnFit().fit(X, Y)
    assert [run.tags["estimator_name"] for run in runs()] == ["DecisionTreeClassifier"]


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_fits_in_workers_inside_a_fit_are_part_of_it(backend: str, runs: Runs) -> None:
    autolog(log_models=False)
    with joblib.parallel_backend(backend, n_jobs=2):
        BaggingClassifier(LogisticRegression(), n_estimators=4, n_jobs=2).fit(X, Y)
    assert [run.tags["estimator_name"] for run in runs()] == ["BaggingClassifier"]


def test_two_threads_with_runs_of_their_own(runs: Runs) -> None:
    autolog(log_models=False)
    ready = threading.Barrier(2)

    def train(depth: int) -> float:
        with start_run(run_name=f"depth {depth}"):
            ready.wait()
            model = RandomForestClassifier(5, max_depth=depth).fit(X, Y)
            return float(accuracy_score(Y, model.predict(X)))

    with ThreadPoolExecutor(2) as pool:
        values = list(pool.map(train, (1, 2)))
    for run in runs():
        depth = int(run.name[-1])
        assert run.params["max_depth"] == depth
        assert run.metrics["accuracy_score_X"] == values[depth - 1]


def test_threads_without_a_run_open_their_own(runs: Runs) -> None:
    autolog(log_models=False)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda depth: RandomForestClassifier(2, max_depth=depth).fit(X, Y), (1, 2, 3)))
    assert sorted(run.params["max_depth"] for run in runs()) == [1, 2, 3]  # type: ignore[type-var]


def test_a_run_that_was_removed_meanwhile_is_one_warning() -> None:
    autolog(log_models=False)
    model = LogisticRegression().fit(X, Y)
    run = last_active_run()
    assert run is not None
    settle()
    delete_run(run.id)
    with pytest.warns(UserWarning, match="accuracy_score: not recorded: the metric"):
        assert accuracy_score(Y, model.predict(X)) > 0


_WORKERS = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore")
import gtrack, gtrack.sklearn
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

gtrack.sklearn.autolog(log_models=False)
X, y = load_iris(return_X_y=True)

def fit(depth):
    DecisionTreeClassifier(max_depth=depth).fit(X, y)

def fit_in_a_run(depth):
    with gtrack.start_run(run_name="of a worker"):
        fit(depth)

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        pool.map(fit, [1, 2])
        pool.map(fit_in_a_run, [3])
    fit(4)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_record_only_into_runs_of_their_own(method: str, repo: Path) -> None:
    (repo / "work.py").write_text(_WORKERS)
    done = subprocess.run([sys.executable, "work.py", method], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    project = Project.open(repo)
    found = {(run.name == "of a worker", run.params.get("max_depth")) for run in project.store.runs()}
    project.close()
    assert found == {(True, 3), (False, 4)}
