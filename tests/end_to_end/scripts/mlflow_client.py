import time

import gtrack as mlflow
from gtrack.entities import Metric, Param, RunStatus, RunTag, ViewType
from gtrack.exceptions import MlflowException
from gtrack.tracking import MlflowClient


def show(run):
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    print(f"{run.info.run_name}: {run.info.status} {run.data.params} {run.data.metrics} {tags}")


client = MlflowClient()
try:
    experiment_id = client.create_experiment("by client")
except MlflowException:
    experiment_id = client.get_experiment_by_name("by client").experiment_id

ids = []
for number in range(3):
    run = client.create_run(experiment_id, tags={"engineering": "ML Platform"}, run_name=f"run {number}")
    ids.append(run.info.run_id)
    now = int(time.time() * 1000)
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(key="m", value=float(step * number), timestamp=now, step=step) for step in range(4)],
        params=[Param("p", str(number))],
        tags=[RunTag("t", "tag")],
    )
    client.log_metric(run.info.run_id, "final", number)
    client.log_text(run.info.run_id, "report", "report.txt")
    client.set_terminated(run.info.run_id, status=RunStatus.to_string(RunStatus.FINISHED))
    show(client.get_run(run.info.run_id))

found = client.search_runs(
    [experiment_id],
    filter_string="params.p != '0' and tags.t = 'tag'",
    run_view_type=ViewType.ACTIVE_ONLY,
    max_results=1,
    order_by=["metrics.final DESC"],
)
assert [run.info.run_id for run in found] == [ids[2]]
more = client.search_runs(
    [experiment_id],
    "params.p != '0' and tags.t = 'tag'",
    max_results=1,
    order_by=["metrics.final DESC"],
    page_token=found.token,
)
assert [run.info.run_id for run in more] == [ids[1]]

history = client.get_metric_history(ids[2], "m")
assert [(metric.step, metric.value) for metric in history] == [(0, 0.0), (1, 2.0), (2, 4.0), (3, 6.0)]
assert [file.path for file in client.list_artifacts(ids[0])] == ["report.txt"]
with open(client.download_artifacts(ids[0], "report.txt")) as file:
    assert file.read() == "report"

client.set_tag(ids[0], "reviewed", "yes")
client.log_metric(ids[0], "late", 1.5)
assert client.get_run(ids[0]).data.metrics["late"] == 1.5

client.create_registered_model("chosen")
client.log_text(ids[2], "x", "unused.txt")
with mlflow.start_run(run_id=client.create_run(experiment_id).info.run_id) as active:
    mlflow.log_text("flavors: {}\n", "model/MLmodel")
version = client.create_model_version("chosen", f"{active.info.artifact_uri}/model", active.info.run_id)
client.transition_model_version_stage("chosen", version.version, "Production")
print("in production:", client.get_latest_versions("chosen", stages=["Production"])[0].version)

client.delete_run(ids[1])
print(len(client.search_runs([experiment_id])), "runs are left")
