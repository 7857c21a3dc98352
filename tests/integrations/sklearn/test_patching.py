"""Wrappers around scikit-learn's methods: where they are, what they leave as it was, and that they go without a trace."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import subprocess
import sys
from typing import Any

import joblib
import pytest
import sklearn
import wrapt
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from gtrack.integrations.sklearn import autolog
from gtrack.integrations.sklearn.autolog import _patches
from tests.integrations.sklearn.conftest import Data

METHODS = ("fit", "fit_transform", "fit_predict", "predict", "predict_proba", "score")


def definitions() -> dict[tuple[type, str], Any]:
    """Every method of every estimator, by the class that defines it."""
    found = {}
    for _, estimator in all_estimators():
        for method in METHODS:
            owner = next((one for one in estimator.__mro__ if method in one.__dict__), None)
            if owner is not None:
                found[owner, method] = owner.__dict__[method]
    return found


@pytest.mark.quick
def test_every_estimator_is_covered_and_put_back_as_it_was() -> None:
    before = definitions()
    assert len(before) > 300
    autolog()
    bare = [key for key, method in definitions().items() if not isinstance(method, wrapt.FunctionWrapper)]
    assert bare == []
    autolog()
    assert not any(isinstance(method.__wrapped__, wrapt.FunctionWrapper) for method in definitions().values())
    autolog(disable=True)
    after = definitions()
    assert all(after[key] is before[key] for key in before)
    assert _patches._placed == []
    assert not isinstance(joblib.Parallel.__call__, wrapt.FunctionWrapper)


@pytest.mark.parametrize("kind", [RandomForestClassifier, LogisticRegression, Pipeline, StandardScaler])
def test_signatures_and_names_stay(kind: type[Any]) -> None:
    def seen() -> list[Any]:
        methods = [getattr(kind, name) for name in ("fit", "fit_transform", "predict", "score") if hasattr(kind, name)]
        return [
            (
                inspect.signature(one),
                one.__name__,
                one.__qualname__,
                one.__module__,
                one.__doc__,
                inspect.isfunction(one),
            )
            for one in methods
        ]

    bare = seen()
    autolog()
    assert seen() == bare


def test_what_is_not_available_stays_unavailable() -> None:
    autolog()
    pipeline = make_pipeline(StandardScaler())
    assert not hasattr(pipeline, "predict")
    assert hasattr(make_pipeline(LogisticRegression()), "predict_proba")


def test_pickles_clones_and_copies(cancer: Data) -> None:
    X, y = cancer
    model = LogisticRegression(max_iter=10_000, C=0.5)
    bare = pickle.dumps(model)
    autolog(log_models=False)
    assert pickle.dumps(model) == bare
    assert clone(model).get_params() == model.get_params()
    for bound in (
        pickle.loads(pickle.dumps(model.fit)),
        pickle.loads(importlib.import_module("cloudpickle").dumps(model.fit)),
        copy.copy(model.fit),
    ):
        assert bound.__self__.C == 0.5
    assert copy.deepcopy(model.fit).__self__ is not model
    assert pickle.loads(pickle.dumps(LogisticRegression.fit)) == LogisticRegression.fit
    assert model.fit(X, y) is model
    loaded = pickle.loads(pickle.dumps(model))
    assert (loaded.predict(X) == model.predict(X)).all()
    assert set(vars(model)) == set(vars(clone(model))) | {name for name in vars(model) if name.endswith("_")}


def test_results_are_the_same(cancer: Data) -> None:
    bare = RandomForestClassifier(5, random_state=3).fit(*cancer).predict_proba(cancer[0])
    autolog(log_models=False)
    assert (RandomForestClassifier(5, random_state=3).fit(*cancer).predict_proba(cancer[0]) == bare).all()


def test_metadata_routing_works(cancer: Data) -> None:
    X, y = cancer
    autolog(log_models=False)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression(max_iter=10_000).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        make_pipeline(scaler, model).fit(X, y, sample_weight=y + 1)

        class Own(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
            def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Own:
                return self

        assert Own().set_fit_request(sample_weight=True).get_metadata_routing().fit.requests == {"sample_weight": True}


_LAZY = """
import sys
import gtrack.sklearn
gtrack.sklearn.autolog()
assert not [name for name in sys.modules if name.split(".")[0] in {"sklearn", "numpy", "scipy", "pandas", "matplotlib", "joblib"}]
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
import sklearn.metrics
assert "sklearn.neural_network" not in sys.modules and "sklearn.cluster" not in sys.modules
X, y = load_iris(return_X_y=True)
model = DecisionTreeClassifier(max_depth=2).fit(X, y)
sklearn.metrics.accuracy_score(y, model.predict(X))
import gtrack
print(sorted(gtrack.last_active_run().metrics))
"""


@pytest.mark.slow
def test_switched_on_before_sklearn_is_imported_it_imports_nothing() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", _LAZY], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "accuracy_score_X" in done.stdout
    assert "training_score" in done.stdout
