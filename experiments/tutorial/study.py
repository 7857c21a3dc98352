"""An Optuna study of 20 trials, as many at once as there are processors: the study is a run, each trial a child of it."""

from __future__ import annotations

import optuna
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

import gtrack
from gtrack.optuna import GtrackCallback

gtrack.set_experiment("tutorial")

X, y = load_breast_cancer(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    model = RandomForestClassifier(
        n_estimators=trial.suggest_int("n_estimators", 10, 100),
        max_depth=trial.suggest_int("max_depth", 2, 16),
        min_samples_split=trial.suggest_int("min_samples_split", 2, 10),
        random_state=42,
    )
    return cross_val_score(model, X, y, scoring="f1", cv=3).mean()


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=42))
with gtrack.start_run(run_name="study"):
    study.optimize(objective, n_trials=20, n_jobs=-1, callbacks=[GtrackCallback(metric_name="f1")])

print(f"best of 20: f1 {study.best_value:.4f} with {study.best_params}")
