import os
import random

import gtrack as mlflow

mlflow.set_tracking_uri("file:./mlruns")
mlflow.set_experiment("quickstart")

print("tracking at", mlflow.get_tracking_uri())

with mlflow.start_run(run_name="first", description="How it begins.") as run:
    mlflow.log_param("param1", random.randint(0, 100))
    mlflow.log_params({"learning_rate": 0.01, "optimizer": "adam"})
    for epoch in range(3):
        mlflow.log_metric("loss", 1.0 / (epoch + 1), step=epoch)
    mlflow.log_metrics({"accuracy": 0.9, "f1": 0.8})
    mlflow.set_tag("release.version", "2.2.0")
    os.makedirs("outputs", exist_ok=True)
    with open("outputs/test.txt", "w") as file:
        file.write("hello world!")
    mlflow.log_artifacts("outputs")
    mlflow.log_artifact(local_path="outputs/test.txt", artifact_path="again")
    mlflow.log_dict({"k": "v"}, artifact_file="data.json")
    mlflow.log_text("text1", "notes/file.txt")
    print("run_id", run.info.run_id, "in", run.info.experiment_id)
    print("artifacts", mlflow.get_artifact_uri())

finished = mlflow.get_run(run.info.run_id)
assert finished.info.status == "FINISHED", finished.info
assert finished.info.end_time >= finished.info.start_time
assert finished.data.metrics["accuracy"] == 0.9
assert finished.data.params["optimizer"] == "adam"
assert float(finished.data.params["learning_rate"]) == 0.01
assert finished.data.tags["release.version"] == "2.2.0"
assert finished.data.tags["mlflow.runName"] == "first"
assert mlflow.last_active_run().info.run_id == run.info.run_id
assert mlflow.active_run() is None

experiment = mlflow.get_experiment_by_name("quickstart")
runs = mlflow.search_runs(experiment_ids=[experiment.experiment_id], filter_string="metrics.accuracy > 0.5")
print(runs[["run_id", "status", "metrics.accuracy", "params.optimizer"]].to_string())
assert runs.loc[0, "run_id"] == run.info.run_id
