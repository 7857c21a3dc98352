"""What is recorded of searches for the best parameters."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the halving search importable
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.tree import DecisionTreeClassifier

from gtrack.fluent.active import last_active_run
from gtrack.integrations.sklearn import autolog
from gtrack.records import Run
from tests.integrations.sklearn.conftest import Data

Runs = Callable[[], list[Run]]
Artifacts = Callable[[Run], dict[str, bytes]]


def test_a_grid(cancer: Data, runs: Runs, artifacts: Artifacts) -> None:
    X, y = cancer
    autolog(max_tuning_runs=2, extra_tags={"team": "x"})
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3]}, cv=2).fit(X, y)
    last = last_active_run()
    parent, *children = runs()
    assert last is not None
    assert last.id == parent.id
    assert parent.tags["estimator_name"] == "GridSearchCV"
    assert parent.params["best_max_depth"] == search.best_params_["max_depth"]
    assert parent.params["estimator"] == "DecisionTreeClassifier(random_state=0)"
    assert "estimator__max_depth" not in parent.params
    assert parent.metrics["best_cv_score"] == search.best_score_
    assert parent.metrics["training_score"] == pytest.approx(search.score(X, y))
    files = artifacts(parent)
    assert {"model/MLmodel", "best_estimator/MLmodel", "cv_results.csv"} < set(files)
    table = pd.read_csv(io.BytesIO(files["cv_results.csv"]))
    assert np.allclose(table["mean_test_score"], search.cv_results_["mean_test_score"])
    assert list(table["param_max_depth"]) == [1, 2, 3]
    assert len(children) == 2
    ranks = [child.metrics["rank_test_score"] for child in children]
    assert ranks == sorted(search.cv_results_["rank_test_score"])[:2]
    for child in children:
        at = list(search.cv_results_["params"]).index({"max_depth": child.params["max_depth"]})
        assert child.parent == parent.id
        assert child.params["random_state"] == 0
        assert child.metrics["mean_test_score"] == search.cv_results_["mean_test_score"][at]
        assert child.metrics["std_test_score"] == search.cv_results_["std_test_score"][at]
        assert not any(name.startswith("split") for name in child.metrics)
        assert child.tags == {**child.tags, "estimator_name": "DecisionTreeClassifier", "team": "x"}


@pytest.mark.parametrize(
    ("search", "count"),
    [
        (RandomizedSearchCV(DecisionTreeClassifier(), {"max_depth": range(1, 9)}, n_iter=3, cv=2, random_state=0), 3),
        (GridSearchCV(LogisticRegression(max_iter=10_000), [{"C": [1.0]}, {"tol": [0.1]}], cv=2, refit=False), 2),
        (
            GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2, scoring=["f1", "accuracy"], refit="f1"),
            2,
        ),
        (HalvingGridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2, min_resources=80, factor=2), 4),
    ],
    ids=["random", "no refit", "several metrics", "halving"],
)
def test_others(search: Any, count: int, cancer: Data, runs: Runs) -> None:
    autolog(log_models=False, max_tuning_runs=None)
    search.fit(*cancer)
    parent, *children = runs()
    assert parent.tags["estimator_name"] == type(search).__name__
    assert len(children) >= min(count, 2)
    assert all(any(name.startswith("mean_test_") for name in child.metrics) for child in children)


def test_none_of_the_children(cancer: Data, runs: Runs) -> None:
    X, y = cancer
    autolog(log_models=False, max_tuning_runs=0)
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, y)
    accuracy_score(y, search.predict(X))
    accuracy_score(y, search.best_estimator_.predict(X))
    (run,) = runs()
    assert {"accuracy_score_X", "accuracy_score-2_X"} < set(run.metrics)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tuning_runs"):
        autolog(max_tuning_runs=-1)
