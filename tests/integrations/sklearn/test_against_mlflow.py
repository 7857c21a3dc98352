"""The names and values that MLflow's own autologging records of the same fits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.random_projection import GaussianRandomProjection
from sklearn.utils import all_estimators

from gtrack.integrations.sklearn import autolog
from gtrack.integrations.sklearn.estimators import is_recorded
from gtrack.records import Run

Runs = Callable[[], list[Run]]

FITS: dict[str, tuple[Any, Any, Any]] = {
    "two classes": (RandomForestClassifier(5, max_depth=2, random_state=0), load_breast_cancer, accuracy_score),
    "three classes": (make_pipeline(StandardScaler(), LogisticRegression(C=0.01)), load_iris, accuracy_score),
    "numbers": (Ridge(alpha=0.5), load_diabetes, mean_squared_error),
    "a grid": (GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1]}, cv=2), load_iris, accuracy_score),
}

# Of what transforms alone: with no run around it, is there one afterwards?
TRANSFORMS: dict[str, Any] = {
    "a scaler": StandardScaler(),
    "an encoder": OneHotEncoder(),
    "an imputer": SimpleImputer(),
    "a selector": SelectKBest(k=2),
    "columns": ColumnTransformer([("a", StandardScaler(), [0, 1])]),
    "a union": FeatureUnion([("a", StandardScaler()), ("b", PCA(2))]),
    "components": PCA(2, random_state=0),
    "a projection": GaussianRandomProjection(2, random_state=0),
    "a kernel": Nystroem(n_components=3, random_state=0),
    "a pipeline of them": make_pipeline(StandardScaler(), PCA(2, random_state=0)),
}
ONLY_PREPARES = {"a scaler", "an encoder", "an imputer", "a selector", "columns"}

# MLflow's needs a process of its own: its wrappers go around the same methods, and it watches imports.
_MLFLOW = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import mlflow
from mlflow.sklearn import _gen_estimators_to_patch
from tests.integrations.sklearn.test_against_mlflow import FITS, TRANSFORMS, recorded
mlflow.set_tracking_uri(sys.argv[1])
mlflow.sklearn.autolog(log_models=False)
import sklearn.metrics
found = {}
for name, (model, load, metric) in FITS.items():
    X, y = load(return_X_y=True)
    with mlflow.start_run() as run:
        model.fit(X, y)
    getattr(sklearn.metrics, metric.__name__)(y, model.predict(X))
    model.score(X, y)
    getattr(sklearn.metrics, metric.__name__)(y, model.predict(X))
    data = mlflow.MlflowClient().get_run(run.info.run_id).data
    found[name] = {
        "metrics": data.metrics,
        "params": data.params,
        "tags": {key: value for key, value in data.tags.items() if not key.startswith("mlflow.")},
        "artifacts": [one.path for one in mlflow.MlflowClient().list_artifacts(run.info.run_id)],
    }
X, y = FITS["three classes"][1](return_X_y=True)
for name, model in TRANSFORMS.items():
    before = mlflow.last_active_run()
    model.fit_transform(X, y)
    run = mlflow.last_active_run()
    if run.info.run_id == before.info.run_id:
        found[name] = None
    else:
        found[name] = {"metrics": run.data.metrics, "params": sorted(run.data.params), "tags": run.data.tags}
found["classes"] = [sorted(f"{one.__module__}.{one.__name__}" for one in _gen_estimators_to_patch()), recorded()]
print(json.dumps(found))
"""


def recorded() -> list[str]:
    """The classes of scikit-learn whose fits are recorded."""
    classes = {one for _, one in all_estimators() if is_recorded(object.__new__(one), "fit")}
    return sorted(f"{one.__module__}.{one.__name__}" for one in classes)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("mlflow")
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", _MLFLOW, f"sqlite:///{place}/mlflow.db"],
        cwd=place,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(place),
            "PYTHONPATH": str(root),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MPLBACKEND": "agg",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_the_same_is_recorded(
    name: str, theirs: dict[str, Any], runs: Runs, artifacts: Callable[[Run], dict[str, bytes]]
) -> None:
    model, load, metric = FITS[name]
    X, y = load(return_X_y=True)
    autolog(log_models=False)
    model.fit(X, y)
    metric(y, model.predict(X))
    model.score(X, y)
    metric(y, model.predict(X))
    run = next(one for one in runs() if one.parent is None)
    expected = theirs[name]
    assert run.metrics == pytest.approx(expected["metrics"], rel=1e-9)
    assert set(run.params) == set(expected["params"])
    short = {key: str(value) for key, value in run.params.items() if not isinstance(value, list)}
    assert {key: " ".join(expected["params"][key].split()) for key in short} == short
    assert expected["tags"].items() <= run.tags.items()
    assert set(expected["artifacts"]) <= set(artifacts(run))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_transforms_is_recorded_where_mlflow_does(name: str, theirs: dict[str, Any], runs: Runs) -> None:
    X, y = load_iris(return_X_y=True)
    autolog(log_models=False)
    TRANSFORMS[name].fit_transform(X, y)
    expected, found = theirs[name], runs()
    assert (expected is None) is (name in ONLY_PREPARES)
    assert len(found) == (0 if expected is None else 1)
    for run in found:
        assert sorted(run.params) == expected["params"]
        assert {key: run.metrics.get(key) for key in expected["metrics"]} == pytest.approx(expected["metrics"])
        assert {key: run.tags[key] for key in ("estimator_name", "estimator_class")}.items() <= expected["tags"].items()


@pytest.mark.slow
def test_the_same_classes_are_recorded(theirs: dict[str, Any]) -> None:
    mlflows, ours = theirs["classes"]
    assert ours == mlflows
    assert "sklearn.decomposition._pca.PCA" in ours
    assert "sklearn.preprocessing._data.StandardScaler" not in ours
