"""A parent run with nested children: the folds of a cross-validation, one after the other and then in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold

import gtrack

gtrack.set_experiment("tutorial")

X, y = load_breast_cancer(return_X_y=True)
folds = list(StratifiedKFold(n_splits=5, shuffle=True, random_state=42).split(X, y))


def train(number: int) -> float:
    rows, held_out = folds[number]
    with gtrack.start_run(run_name=f"fold_{number}", nested=True):
        gtrack.log_params({"fold": number, "n_estimators": 50})
        model = RandomForestClassifier(n_estimators=50, random_state=42).fit(X[rows], y[rows])
        f1 = f1_score(y[held_out], model.predict(X[held_out]))
        gtrack.log_metric("f1", f1)
    return f1


with gtrack.start_run(run_name="cross_validation"):
    scores = [train(number) for number in range(5)]
    gtrack.log_metrics({"f1": np.mean(scores), "f1_std": np.std(scores)})

with gtrack.start_run(run_name="cross_validation_in_threads"), ThreadPoolExecutor(2) as threads:
    scores = list(threads.map(gtrack.propagate(train), range(5)))
    gtrack.log_metrics({"f1": np.mean(scores), "f1_std": np.std(scores)})
