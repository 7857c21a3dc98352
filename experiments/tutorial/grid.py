"""A grid of 27 random forests: each is a run with parameters, metrics, a figure and a registered model."""

from __future__ import annotations

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.model_selection import train_test_split

import gtrack

gtrack.set_experiment("tutorial")
gtrack.sklearn.autolog()

data = load_breast_cancer(as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.25, random_state=42)


def train(n_estimators: int, max_depth: int | None, min_samples_split: int) -> None:
    with gtrack.start_run(run_name="RandomForest_Experiment"):
        gtrack.log_params(
            {"n_estimators": n_estimators, "max_depth": max_depth, "min_samples_split": min_samples_split}
        )
        model = RandomForestClassifier(
            n_estimators=n_estimators, max_depth=max_depth, min_samples_split=min_samples_split, random_state=42
        )
        model.fit(X_train, y_train)

        predicted = model.predict(X_test)
        gtrack.log_metrics(
            {
                "accuracy": accuracy_score(y_test, predicted),
                "precision": precision_score(y_test, predicted),
                "recall": recall_score(y_test, predicted),
                "f1": f1_score(y_test, predicted),
            }
        )
        gtrack.sklearn.log_model(model, "random_forest_model", registered_model_name="RandomForestClassifier")

        order = np.argsort(model.feature_importances_)[-10:]
        figure, axes = plt.subplots(figsize=(8, 5))
        axes.barh(data.data.columns[order], model.feature_importances_[order])
        axes.set_xlabel("importance (mean decrease in impurity)")
        figure.subplots_adjust(left=0.3)
        gtrack.log_figure(figure, "feature_importances.png")
        plt.close(figure)


for combination in product([50, 100, 200], [None, 5, 10], [2, 5, 10]):
    train(*combination)

runs = gtrack.search_runs(experiment_names=["tutorial"], order_by=["metrics.f1 DESC"])
print(runs[["run_id", "params.n_estimators", "params.max_depth", "params.min_samples_split", "metrics.f1"]].head())
