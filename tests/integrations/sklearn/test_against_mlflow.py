"""The names and values that MLflow's own autologging records of the same fits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gtrack.integrations.sklearn import autolog
from gtrack.records import Run

Runs = Callable[[], list[Run]]

FITS: dict[str, tuple[Any, Any, Any]] = {
    "two classes": (RandomForestClassifier(5, max_depth=2, random_state=0), load_breast_cancer, accuracy_score),
    "three classes": (make_pipeline(StandardScaler(), LogisticRegression(C=0.01)), load_iris, accuracy_score),
    "numbers": (Ridge(alpha=0.5), load_diabetes, mean_squared_error),
    "a grid": (GridSearchCV(LogisticRegression(), {"C": [0.001, 0.1]}, cv=2), load_iris, accuracy_score),
}

# MLflow's needs a process of its own: its wrappers go around the same methods, and it watches imports.
_MLFLOW = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import mlflow
from tests.integrations.sklearn.test_against_mlflow import FITS
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
print(json.dumps(found))
"""


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
