"""Register the model of the best run, move it to Production and load it from there; run grid.py first."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

import gtrack

NAME = "RandomForestClassifier"

best = gtrack.search_runs(
    experiment_names=["tutorial"],
    filter_string="attributes.run_name = 'RandomForest_Experiment' and attributes.status = 'FINISHED'",
    order_by=["metrics.f1 DESC"],
    max_results=1,
    output_format="list",
)[0]
version = gtrack.register_model(f"runs:/{best.id}/random_forest_model", NAME)
gtrack.transition_model_version_stage(NAME, version.version, "Production", archive_existing_versions=True)

model = gtrack.load_model(f"models:/{NAME}/Production")
data = load_breast_cancer(as_frame=True)
_, X_test, _, y_test = train_test_split(data.data, data.target, test_size=0.25, random_state=42)
print(f"{NAME} version {version.version} in production: f1 {f1_score(y_test, model.predict(X_test)):.4f}")
