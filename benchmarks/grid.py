"""The tutorial's grid of 27 random forests, measured: ``python -m benchmarks.grid TRACKER MODE DIRECTORY``.

Prints one JSON object: ``seconds`` of the 27 fits with all that is logged, without the imports, and for ``model`` the seconds
of one ``log_model`` of a forest of 100 trees.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from contextlib import nullcontext, redirect_stdout
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.model_selection import train_test_split

NAME = "RandomForestClassifier"
MODES = ("bare", "manual", "autolog", "model")
_GRID = tuple(product([50, 100, 200], [None, 5, 10], [2, 5, 10]))


def tracker(name: str, directory: Path) -> Any:
    """Return the module of a tracker, ready to log into ``directory``."""
    if name == "gtrack":
        os.chdir(directory)
        import gtrack

        return gtrack
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{directory / 'mlflow.db'}")
    mlflow.create_experiment("tutorial", artifact_location=str(directory / "artifacts"))
    return mlflow


def log_model(track: Any, model: RandomForestClassifier) -> None:
    """Log and register a model as a script of this tracker would."""
    if track.__name__ == "mlflow":  # without a format of its own it refuses a forest
        track.sklearn.log_model(
            model, name="random_forest_model", registered_model_name=NAME, serialization_format="cloudpickle"
        )
    else:
        track.sklearn.log_model(model, "random_forest_model", registered_model_name=NAME)


def figure(model: RandomForestClassifier, names: Any) -> Any:
    """Return the bar chart of the tutorial."""
    order = np.argsort(model.feature_importances_)[-10:]
    drawn, axes = plt.subplots(figsize=(8, 5))
    axes.barh(np.asarray(names)[order], model.feature_importances_[order])
    drawn.subplots_adjust(left=0.3)
    return drawn


def grid(track: Any, mode: str) -> float:
    """Return the seconds of the grid."""
    data = load_breast_cancer(as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, random_state=42)  # noqa: N806
    if track is not None:
        track.set_experiment("tutorial")
        if mode == "autolog":
            track.sklearn.autolog()
    start = time.perf_counter()
    for trees, depth, split in _GRID:
        with track.start_run(run_name="RandomForest_Experiment") if track is not None else nullcontext():
            if track is not None:
                track.log_params({"n_estimators": trees, "max_depth": depth, "min_samples_split": split})
            model = RandomForestClassifier(
                n_estimators=trees, max_depth=depth, min_samples_split=split, random_state=42
            ).fit(X_train, y_train)
            predicted = model.predict(X_test)
            scores = {
                score.__name__: score(y_test, predicted)
                for score in (accuracy_score, precision_score, recall_score, f1_score)
            }
            if track is not None:
                track.log_metrics(scores)
                log_model(track, model)
                drawn = figure(model, data.data.columns)
                track.log_figure(drawn, "feature_importances.png")
                plt.close(drawn)
    return time.perf_counter() - start


def one_model(track: Any) -> float:
    """Return the median seconds of logging a forest of 100 trees, the first time apart."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)  # noqa: N806
    model = RandomForestClassifier(n_estimators=100, random_state=42).fit(X, y)
    track.set_experiment("tutorial")
    times = []
    for _ in range(4):
        with track.start_run():
            start = time.perf_counter()
            log_model(track, model)
            times.append(time.perf_counter() - start)
    return median(times[1:])


def main() -> None:
    """Run one mode of one tracker and print what was found as the last line of stdout."""
    name, mode, directory = sys.argv[1:]
    warnings.simplefilter("ignore")
    with redirect_stdout(sys.stderr):
        track = None if mode == "bare" else tracker(name, Path(directory))
        seconds = one_model(track) if mode == "model" else grid(track, mode)
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
