"""The words of MLflow's functions: what can be honoured is, and what cannot says why."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

import gtrack
from gtrack.errors import InvalidValue, ParamConflict, RunIsActive, RunNotFound
from gtrack.fluent.active import project_here
from gtrack.fluent.sampling import (
    disable_system_metrics_logging,
    enable_system_metrics_logging,
    flush_artifact_async_logging,
    flush_async_logging,
)
from gtrack.fluent.verbs import log_stream
from tests.conftest import Git

Stored = Callable[[str, str], Any]


def test_synchronous_or_not(quiet: Path) -> None:
    with gtrack.start_run() as run:
        gtrack.log_param("a", 1, synchronous=False)
        gtrack.log_params({"b": 2}, synchronous=True)
        gtrack.log_metric("m", 1, step=0, synchronous=False)
        gtrack.log_metrics({"n": 2}, synchronous=False)
        gtrack.set_tag("t", 1, synchronous=False)
        gtrack.set_tags({"u": 2}, synchronous=False)
        flush_async_logging()
        flush_artifact_async_logging()
        now = run.record()
    assert (now.params, now.metrics, now.tags) == ({"a": 1, "b": 2}, {"m": 1, "n": 2}, {"t": "1", "u": "2"})


def test_a_metric_is_no_models(quiet: Path) -> None:
    with gtrack.start_run() as run:
        with pytest.raises(InvalidValue, match="belongs to a run here, not to the model 'm-1'"):
            gtrack.log_metric("m", 1, model_id="m-1")
        with pytest.raises(InvalidValue, match="leave model_id out"):
            gtrack.log_metrics({"m": 1}, model_id="m-1")
    assert gtrack.get_run(run.id).metrics == {}


def test_every_verb_that_takes_the_id_of_a_run(quiet: Path, tmp_path: Path, git: Git) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.txt").write_text("a")
    with gtrack.start_run("over") as run:
        pass
    with gtrack.start_run("active") as other:
        gtrack.log_params({"p": 1}, run_id=run.id)
        gtrack.log_metric("m", 0.5, step=1, run_id=run.id)
        gtrack.log_metrics({"n": 2}, run_id=run.id[:8])
        gtrack.log_artifact(local_path=tmp_path / "tree" / "a.txt", artifact_path="one", run_id=run.id)
        gtrack.log_artifacts(local_dir=tmp_path / "tree", artifact_path="all", run_id=run.id)
        gtrack.log_text("t", "t.txt", run_id=run.id)
        gtrack.log_dict({"d": 1}, "d.json", run_id=run.id)
        gtrack.log_table({"x": [1]}, "x.csv", run_id=run.id)
        log_stream(io.BytesIO(b"s"), "s.bin", run_id=run.id)
        gtrack.log_params({"own": 1}, run_id=other.id)
        assert gtrack.active_run() is other
    done = gtrack.get_run(run.id)
    assert (done.params, done.metrics, done.status) == ({"p": 1}, {"m": 0.5, "n": 2}, gtrack.Status.FINISHED)
    paths = [
        line.split("/artifacts/")[1]
        for line in git("ls-tree", "-r", "--name-only", "gtrack/runs").split("\n")
        if "/artifacts/" in line
    ]
    assert sorted(paths) == ["all/a.txt", "d.json", "one/a.txt", "s.bin", "t.txt", "x.csv"]
    assert gtrack.get_run(other.id).params == {"own": 1}


def test_a_run_that_failed_stays_failed(quiet: Path, stored: Stored) -> None:
    def fails() -> None:
        with gtrack.start_run("failed"):
            raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        fails()
    before = gtrack.get_run("failed")
    gtrack.log_metrics({"late": 1}, run_id=before.id)
    after = gtrack.get_run(before.id)
    assert (after.status, after.ended, after.code, after.metrics) == (
        gtrack.Status.FAILED,
        before.ended,
        before.code,
        {"late": 1},
    )
    assert stored(before.id, "run.yaml")["resumed"][0]["previous_status"] == "failed"


def test_what_cannot_be_logged_late_leaves_the_run_as_it_was(quiet: Path) -> None:
    with gtrack.start_run() as run:
        gtrack.log_param("a", 1)
    with pytest.raises(ParamConflict):
        gtrack.log_params({"a": 2}, run_id=run.id)
    with pytest.raises(InvalidValue):
        gtrack.log_metric("m", "high", run_id=run.id)  # type: ignore[arg-type]
    with pytest.raises(RunNotFound):
        gtrack.log_metric("m", 1, run_id="0" * 32)
    done = gtrack.get_run(run.id)
    assert (done.params, done.metrics, done.live) == ({"a": 1}, {}, False)


_LATE = """
import sys, gtrack
for n in range(5):
    gtrack.log_metrics({f"{sys.argv[2]}{n}": n}, run_id=sys.argv[1])
"""


@pytest.mark.slow
def test_processes_that_log_into_one_run_that_has_ended(quiet: Path) -> None:
    with gtrack.start_run() as run:
        pass
    path = str(Path(gtrack.__file__).parents[1])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _LATE, run.id, name], cwd=quiet, env={**os.environ, "PYTHONPATH": path}, stderr=PIPE
        )
        for name in "abc"
    ]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert (worker.returncode, said) == (0, b"")
    assert gtrack.get_run(run.id).metrics == {f"{name}{n}": n for name in "abc" for n in range(5)}


def test_a_run_that_goes_on_elsewhere(quiet: Path) -> None:
    with gtrack.start_run() as run:
        pass
    project_here().store.edit(run.id, lambda head: head.update(status="running"), "came so")
    with pytest.raises(RunIsActive, match="log into it there"):
        gtrack.log_metrics({"a": 1}, run_id=run.id)
    assert not list((quiet / ".gtrack" / "live").iterdir())


def test_images_of_a_series(quiet: Path) -> None:
    image = np.zeros((2, 2), dtype=np.uint8)
    with gtrack.start_run() as run:
        gtrack.log_image(image, key="sample", step=12)
        gtrack.log_image(image, artifact_file="one.png")
        for words in ({}, {"artifact_file": "a.png", "key": "b"}):
            with pytest.raises(InvalidValue, match="either artifact_file"):
                gtrack.log_image(image, **words)  # type: ignore[arg-type]
    assert gtrack.get_artifact(run.id, "images/sample/000012.png") == gtrack.get_artifact(run.id, "one.png")


@pytest.mark.quick
def test_the_words_of_start_run(quiet: Path) -> None:
    with gtrack.start_run(run_name="a", experiment_id="e", description="why", log_system_metrics=True) as run:
        assert (run.info.run_name, run.info.experiment_id, run.info.status) == ("a", "e", "RUNNING")
        assert (run.info.end_time, run.info.lifecycle_stage) == (None, "active")
        assert run.data.tags["mlflow.note.content"] == "why"
        gtrack.log_params({"opt": {"lr": 0.1}, "n": 5})
        assert run.data.params == {"opt.lr": 0.1, "n": 5}
    assert run.info.status == "FINISHED"
    assert run.info.end_time is not None
    assert run.info == gtrack.get_run(run.id).info
    with gtrack.start_run(run_id=run.info.run_id) as again:
        assert again.info.run_id == run.id


@pytest.mark.quick
def test_mlflows_own_tags(quiet: Path, stored: Stored) -> None:
    with gtrack.start_run("parent") as parent:
        pass
    tags = {"mlflow.runName": "named", "mlflow.note.content": "why", "mlflow.parentRunId": parent.id, "own": "x"}
    with gtrack.start_run(tags=tags) as run:
        assert run.info.run_name == "named"
        gtrack.set_tag("mlflow.runName", "renamed")
        gtrack.set_tags({"mlflow.note.content": "because", "other": "y"})
    head = stored(run.id, "run.yaml")
    assert (head["name"], head["notes"], head["parent"]) == ("renamed", "because", parent.id)
    assert head["tags"] == {"own": "x", "other": "y"}
    with gtrack.start_run() as later:
        gtrack.set_tag("mlflow.parentRunId", parent.id)
    assert gtrack.get_run(later.id).parent == parent.id


def test_sampling_can_be_left_out(repo: Path, stored: Stored) -> None:
    with gtrack.start_run(log_system_metrics=False) as run:
        assert run._sampler is None
    disable_system_metrics_logging()
    with gtrack.start_run() as without:
        assert without._sampler is None
    enable_system_metrics_logging()
    with gtrack.start_run() as sampled:
        assert sampled._sampler is not None
    assert without.record().status is gtrack.Status.FINISHED


def test_a_search_in_mlflows_words(quiet: Path) -> None:
    with gtrack.start_run(experiment="e") as run:
        pass
    frame = gtrack.search_runs(experiment_ids=["e"], run_view_type=1, search_all_experiments=True)
    assert list(frame["run_id"]) == [run.id]
    with pytest.raises(InvalidValue, match="restore_run"):
        gtrack.search_runs(run_view_type=2)


def test_a_run_as_plain_mappings(quiet: Path) -> None:
    with gtrack.start_run("one", tags={"t": "x"}) as run:
        gtrack.log_metric("f1", 0.5)
    plain = gtrack.get_run(run.id).to_dictionary()
    assert plain["info"]["run_name"] == "one"
    assert plain["data"]["metrics"] == {"f1": 0.5}
