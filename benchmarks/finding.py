"""The measured process for questions over many runs: ``python -m benchmarks.finding TASK DIRECTORY`` prints one JSON object.

Each task is a process of its own, as in ``benchmarks.work``; MLflow answers from its sqlite store.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from benchmarks.generate import EXPERIMENT, metrics, parameters
from gtrack.project import Project
from gtrack.store.merge.merge import merge as merge_branches

WHERE = "metrics.`val/accuracy` > 0.5 and params.bootstrap = 'True'"
ORDER = "metrics.accuracy DESC"
FIRST = 100
FRAME = 1000
_REPEATS = 9
_WORKERS = 2


def _seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def _times(task: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of the first call and the median of the others."""
    first = _seconds(task)
    return {"first": first, "seconds": statistics.median(_seconds(task) for _ in range(_REPEATS))}


def build(directory: Path) -> dict[str, float]:
    """Build the index from nothing; the memory is that of this process and of those that help it."""
    seconds = _seconds(lambda: Project.open(directory).index.refresh(rebuild=True))
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"seconds": seconds, "megabytes": (own + _WORKERS * child) / 1024}


def update(directory: Path) -> dict[str, float]:
    """Bring the index up to date with one new run, each time in a project that was opened anew."""
    import gtrack

    os.chdir(directory)
    times = []
    for _ in range(5):
        with gtrack.start_run(experiment=EXPERIMENT):
            gtrack.log_params(parameters(random.Random()))
            gtrack.log_metrics(metrics(random.Random()))
        index = Project.open(directory).index
        times.append(_seconds(index.refresh))
    return {"seconds": statistics.median(times)}


def find(directory: Path) -> dict[str, float]:
    """Filter, order and take the first hundred, as records."""
    import gtrack

    os.chdir(directory)
    return _times(lambda: gtrack.search_runs(None, WHERE, [ORDER], FIRST, output_format="list"))


def order(directory: Path) -> dict[str, float]:
    """Order all runs and take the first hundred, as records."""
    import gtrack

    os.chdir(directory)
    return _times(lambda: gtrack.search_runs(None, "", [ORDER], FIRST, output_format="list"))


def frame(directory: Path) -> dict[str, float]:
    """Put a thousand runs into a DataFrame."""
    import gtrack

    os.chdir(directory)
    return _times(lambda: gtrack.search_runs(max_results=FRAME))


def histories(directory: Path) -> dict[str, float]:
    """Put the histories of all runs, one metric of each, into a DataFrame."""
    import gtrack

    os.chdir(directory)
    runs = gtrack.search_runs(output_format="list")
    return _times(lambda: gtrack.histories(runs, ["loss"]))


def merge(directory: Path) -> dict[str, float]:
    """Merge the runs branch of the remote, as it was fetched, with that of this clone: the figure is of one merge."""
    project = Project.open(directory)
    theirs = project.repo.resolve("refs/remotes/origin/gtrack/runs")
    if theirs is None:
        raise SystemExit("nothing was fetched")
    merging = partial(merge_branches, project.repo, project.store.tip(), theirs, project.identity(), source="origin")
    return {"seconds": _seconds(merging)}


def large(directory: Path) -> dict[str, float]:
    """Log a file that becomes a Git LFS object, and end the run; both are timed, what comes before is not."""
    import gtrack

    os.chdir(directory)
    gtrack.start_run()

    def task() -> None:
        gtrack.log_artifact(os.environ["SOURCE"])
        gtrack.end_run()

    return {"seconds": _seconds(task)}


def _mlflow(directory: Path) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{directory / 'mlflow.db'}")


def mlflow_fill(directory: Path) -> dict[str, float]:
    """Log runs to MLflow: the same parameters and metrics, without the histories."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    _mlflow(directory)
    client, chance = MlflowClient(), random.Random(0)
    experiment = client.create_experiment(EXPERIMENT)
    for number in range(int(os.environ["RUNS"])):
        run = client.create_run(experiment, start_time=number * 60_000, tags={"team": chance.choice(["red", "blue"])})
        row = [Metric(name, value, number, 0) for name, value in metrics(chance).items()]
        given = [Param(name, str(value)) for name, value in parameters(chance).items()]
        client.log_batch(run.info.run_id, metrics=row, params=given)
        client.set_terminated(run.info.run_id)
    return {}


def mlflow_find(directory: Path) -> dict[str, float]:
    """Ask MLflow what ``find`` asks."""
    import mlflow

    _mlflow(directory)
    return _times(
        lambda: mlflow.search_runs(None, WHERE, order_by=[ORDER], max_results=FIRST, search_all_experiments=True)
    )


def mlflow_order(directory: Path) -> dict[str, float]:
    """Ask MLflow what ``order`` asks."""
    import mlflow

    _mlflow(directory)
    return _times(lambda: mlflow.search_runs(order_by=[ORDER], max_results=FIRST, search_all_experiments=True))


def mlflow_frame(directory: Path) -> dict[str, float]:
    """Put a thousand runs of MLflow into a DataFrame."""
    import mlflow

    _mlflow(directory)
    return _times(lambda: mlflow.search_runs(max_results=FRAME, search_all_experiments=True))


TASKS: dict[str, Callable[[Path], dict[str, float]]] = {
    "build": build,
    "update": update,
    "find": find,
    "order": order,
    "frame": frame,
    "histories": histories,
    "merge": merge,
    "large": large,
    "mlflow_fill": mlflow_fill,
    "mlflow_find": mlflow_find,
    "mlflow_order": mlflow_order,
    "mlflow_frame": mlflow_frame,
}


def main() -> None:
    """Do one task and print what was found as the last line of stdout."""
    task, directory = sys.argv[1:]
    with redirect_stdout(sys.stderr):
        found = TASKS[task](Path(directory))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
