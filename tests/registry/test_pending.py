"""A run that is to be registered is, by whoever commits it; and a registration that fails costs nobody a run."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gtrack.errors import InvalidName, InvalidPath, UsageError
from gtrack.launch.launch import LaunchRequest, launch
from gtrack.launch.target import Target
from gtrack.project import Project
from gtrack.records import Status
from gtrack.registry.pending import promise, promised
from gtrack.store.live import PROMISES
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.registry.conftest import Train


def begin(project: Project) -> ActiveRun:
    active = ActiveRun.start(project)
    active.log_bytes(b"x", "model/MLmodel")
    return active


def test_it_is_registered_when_the_run_has_ended(project: Project, git: Git) -> None:
    active = begin(project)
    promise(active.live, "churn", "model", reason="nightly")
    promise(active.live, "other/x", "model", bump="minor", version="0.3.0")
    assert project.registry.models() == []
    run = active.end()
    found = {one.name: one for one in project.registry.versions()}
    assert {name: (one.semver, one.run_id, one.reason) for name, one in found.items()} == {
        "churn": ("v1.0.0", run.id, "nightly"),
        "other/x": ("v0.3.0", run.id, None),
    }
    assert found["churn"].commit == project.store.run_commit(run.id)
    assert PROMISES not in git("ls-tree", "-r", "--name-only", "gtrack/runs")
    assert not active.directory.exists()


def test_a_failed_run_is_registered_too(project: Project) -> None:
    active = begin(project)
    promise(active.live, "churn", "model")
    active.end("failed")
    assert project.registry.version("churn@1").run_id == active.id


def test_the_last_word_on_a_name_counts_and_says_so(project: Project) -> None:
    active = begin(project)
    active.log_bytes(b"y", "better")
    promise(active.live, "churn", "model")
    promise(active.live, "churn", "model")
    with pytest.warns(UserWarning, match="now it will be by 'better': a run is one version of a model"):
        promise(active.live, "churn", "better")
    active.end()
    assert [one.artifact for one in project.registry.versions("churn")] == ["better"]


def test_what_cannot_be_is_refused_at_once(project: Project) -> None:
    live = begin(project).live
    with pytest.raises(InvalidName):
        promise(live, "a b", "model")
    with pytest.raises(InvalidName):
        promise(live, "a", "model", version="v1")
    with pytest.raises(InvalidPath):
        promise(live, "a", "../model")
    with pytest.raises(UsageError):
        promise(live, "a", "model", bump="huge")
    assert promised(live) == []


def test_lines_that_are_damaged_are_passed_over(project: Project) -> None:
    live = begin(project).live
    promise(live, "churn", "model")
    good = (live.path / PROMISES).read_bytes()
    (live.path / PROMISES).write_bytes(
        b'{"name": "a b", "artifact": "m"}\n[]\n{"x": 1}\n\xff\n' + good + b'{"name": "x", "art'
    )
    assert [one.name for one in promised(live)] == ["churn"]


def test_a_failure_is_a_warning_with_the_command_that_repeats_it(project: Project, git: Git) -> None:
    active = begin(project)
    promise(active.live, "churn", "nothing here")
    promise(active.live, "other", "model")
    with pytest.warns(UserWarning, match="gtrack register") as caught:
        run = active.end()
    (said,) = [str(one.message) for one in caught]
    assert said.startswith(
        f"gtrack: Run {run.name} is kept, but not registered as churn: Run {run.short_id} has no artifact"
    )
    assert said.endswith(f"gtrack register {run.short_id} --model churn --artifact 'nothing here'")
    assert project.store.run(run.id).status is Status.FINISHED
    assert not active.directory.exists()
    assert [one.name for one in project.registry.models()] == ["other"]


def test_a_failure_where_warnings_are_errors_leaves_the_run_committed(project: Project) -> None:
    active = begin(project)
    promise(active.live, "churn", "nothing")
    with pytest.raises(UserWarning):
        active.end()
    assert project.store.run(active.id).status is Status.FINISHED
    assert not active.directory.exists()
    assert project.recover() == []


def test_a_repository_that_takes_no_tags_keeps_the_run(project: Project, git: Git) -> None:
    git("tag", "churn@v1.0.0")
    active = begin(project)
    promise(active.live, "churn", "model")
    with pytest.warns(UserWarning, match=r"git tag -d 'churn@v1\.0\.0'"):
        active.end()
    assert project.store.run(active.id).status is Status.FINISHED


_DIES = """
import os, signal
from gtrack.project import Project
from gtrack.registry.pending import promise
from gtrack.writer import ActiveRun

active = ActiveRun.start(Project.open("."), name="dies")
active.log_bytes(b"x", "model/MLmodel")
promise(active.live, "churn", "model")
promise(active.live, "bad", "nothing")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_dead_run_is_registered_when_it_is_recovered(project: Project) -> None:
    subprocess.run([sys.executable, "-c", _DIES], check=False)
    (found,) = project.recover()
    assert (found.error, found.run.status) == (None, Status.KILLED)
    assert project.registry.version("churn@1").run_id == found.run.id
    assert [text.split(":")[0] for text in found.unkept] == ["Run dies is kept, but not registered as bad"]


def test_a_process_that_died_between_the_commit_and_the_tag(project: Project) -> None:
    active = begin(project)
    promise(active.live, "churn", "model")
    run = active.live.finish(Status.FINISHED, None, 0, {})
    project.store.commit(active.live, run)
    active.live.release()
    (found,) = project.recover()
    assert (found.error, found.unkept) == (None, ())
    assert project.registry.version("churn@1").commit == project.store.run_commit(run.id)
    assert not active.directory.exists()


@pytest.mark.slow
def test_under_gtrack_run_the_launcher_registers_and_tells(project: Project, repo: Path) -> None:
    script = """
    import gtrack
    from gtrack.registry.pending import promise

    gtrack.log_text("x", "model/MLmodel")
    promise(gtrack.active_run().live, "churn", "model")
    promise(gtrack.active_run().live, "bad", "nothing")
    """
    (repo / "train.py").write_text(textwrap.dedent(script))
    result = launch(project, LaunchRequest(Target(script="train.py"), repo))
    assert result.exit_code == 0
    assert project.registry.version("churn@1").run_id == result.run.id
    assert [notice.split(":")[0] for notice in result.notices] == [
        f"Run {result.run.name} is kept, but not registered as bad"
    ]


def test_a_resumed_run_stays_the_version_that_it_was(project: Project, train: Train) -> None:
    run = train()
    first = project.registry.register("churn", run.id)
    again = ActiveRun.resume(project, run.id)
    promise(again.live, "churn", "model")
    again.end()
    assert project.registry.versions("churn") == [first]


def test_a_resumed_run_with_another_model_says_that_it_is_not_registered(project: Project, train: Train) -> None:
    run = train()
    first = project.registry.register("churn", run.id)
    again = ActiveRun.resume(project, run.id)
    again.log_bytes(b"other weights", "model/model.bin")
    promise(again.live, "churn", "model")
    with pytest.warns(UserWarning, match="is kept, but not registered as churn: .* was changed since"):
        again.end()
    assert project.registry.versions("churn") == [first]
