import gtrack as mlflow

experiment_id = mlflow.create_experiment("tuning", tags={"purpose": "depths"})
best = None

with mlflow.start_run(run_name="parent", experiment_id=experiment_id) as parent:
    mlflow.log_param("strategy", "grid")
    for depth in (2, 4, 8):
        with mlflow.start_run(run_name=f"depth_{depth}", nested=True) as child:
            mlflow.log_param("max_depth", depth)
            score = 1 - abs(depth - 4) / 10
            mlflow.log_metric("f1", score)
            if best is None or score > best[0]:
                best = (score, child.info.run_id)
        assert mlflow.active_run().info.run_id == parent.info.run_id
    mlflow.log_metric("best_f1", best[0])
    mlflow.set_tag("best_run", best[1])

children = mlflow.search_runs(
    experiment_names=["tuning"],
    filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
    order_by=["metrics.f1 DESC"],
)
assert list(children["params.max_depth"]) == [4, 2, 8], children
assert children.iloc[0].run_id == best[1]
assert mlflow.get_parent_run(best[1]).info.run_id == parent.info.run_id
assert mlflow.get_parent_run(parent.info.run_id) is None

mlflow.delete_run(children.iloc[-1].run_id)
print(len(mlflow.search_runs(experiment_names=["tuning"])), "runs are left")
print([e.name for e in mlflow.search_experiments(filter_string="tags.purpose = 'depths'")])
