"""Runs and tags that are taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

import gtrack
from gtrack.errors import RunIsActive, RunNotFound, UsageError
from gtrack.fluent.removal import delete_run, delete_tag, restore_run
from tests.conftest import Git


def test_a_run_goes_and_its_history_stays(quiet: Path, git: Git) -> None:
    with gtrack.start_run("parent", experiment="e") as parent, gtrack.start_run("child", nested=True) as child:
        gtrack.log_param("a", 1)
    run_commit = git("rev-parse", "gtrack/runs^2")
    delete_run(parent.id)
    assert [run.name for run in gtrack.search_runs(output_format="list")] == ["child"]
    assert git("ls-tree", "-r", "--name-only", "gtrack/runs").count(parent.id) == 0
    assert git("merge-base", "--is-ancestor", run_commit, "gtrack/runs") == ""
    body = git("log", "-1", "--format=%B", "gtrack/runs")
    assert body.splitlines()[0] == "e: parent removed"
    assert f"Run: {parent.id}" in body
    assert gtrack.get_run(child.id).parent == parent.id
    restore_run(parent.id)
    assert gtrack.get_run(parent.id).name == "parent"
    assert git("status", "--porcelain") == ""


def test_any_reference_will_do(quiet: Path) -> None:
    with gtrack.start_run("one"):
        pass
    delete_run("one")
    assert len(gtrack.search_runs()) == 0
    with pytest.raises(RunNotFound):
        delete_run("one")


def test_the_only_run_of_an_experiment(quiet: Path) -> None:
    with gtrack.start_run(experiment="e") as run:
        pass
    delete_run(run.id)
    assert len(gtrack.search_runs(["e"])) == 0
    with gtrack.start_run(experiment="e") as another:
        pass
    assert list(gtrack.search_runs(["e"])["run_id"]) == [another.id]


def test_a_run_that_goes_on(quiet: Path) -> None:
    with gtrack.start_run() as run, pytest.raises(RunIsActive, match="end it before"):
        delete_run(run.id)
    assert gtrack.get_run(run.id).status is gtrack.Status.FINISHED


def test_a_run_deleted_twice_over_comes_back_as_it_was_last(quiet: Path) -> None:
    with gtrack.start_run() as run:
        gtrack.log_metric("n", 1)
    delete_run(run.id)
    restore_run(run.id)
    gtrack.log_metrics({"n": 2}, run_id=run.id)
    delete_run(run.id)
    restore_run(run.id)
    assert gtrack.get_run(run.id).metrics == {"n": 2}


def test_a_tag_goes(quiet: Path) -> None:
    with gtrack.start_run(tags={"a": "1", "b": "2"}) as run:
        delete_tag("a")
        assert run.record().tags == {"b": "2"}
        with pytest.raises(UsageError, match="has no tag 'a'"):
            delete_tag("a")
        gtrack.set_tag("c", 3)
    assert gtrack.get_run(run.id).tags == {"b": "2", "c": "3"}


def test_what_a_deleted_run_was_can_still_be_asked(repo: Path) -> None:
    assert repo.is_dir()
    with gtrack.start_run(run_name="gone") as run:
        pass
    gtrack.delete_run(run.info.run_id)
    assert (run.info.run_id, run.info.run_name, run.info.lifecycle_stage) == (run.id, "gone", "deleted")
    gtrack.restore_run(run.info.run_id)
    assert run.info.lifecycle_stage == "active"
