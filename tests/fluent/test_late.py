"""What is written into a run that has ended, or ends at that moment, is kept or refused, and changes nothing else of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.errors import RunEnded
from gtrack.fluent.registry import register_run
from gtrack.ops.edit import edit_tags
from gtrack.project import Project
from gtrack.records import Input, Status
from gtrack.registry.pending import promise
from gtrack.store import reopen
from gtrack.writer import ActiveRun

KILLED = """
import os, signal, sys, gtrack
from gtrack.fluent.late import writing
with writing(sys.argv[1]) as run:
    run.log_metrics({"late": 1})
    os.kill(os.getpid(), signal.SIGKILL)
"""

JOINED = """
import sys
from pathlib import Path
from gtrack.errors import GTrackError
from gtrack.writer import ActiveRun
run = ActiveRun.join(Path(sys.argv[1]))
print("ready", flush=True)
step = 0
try:
    while step < 1_000_000:
        run.log_metrics({"loss": float(step)}, step=step)
        step += 1
except GTrackError:
    pass
print(step)
"""

REOPENED = """
import os, signal, sys, gtrack
from pathlib import Path
from gtrack.fluent.late import writing

def kill(self, target, rename=Path.rename):
    rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)

Path.rename = kill  # how a live directory comes to be
with writing(sys.argv[1]):
    raise AssertionError("not killed")
"""


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_a_run_that_is_reopened_by_a_process_that_is_killed_stays_as_it_had_ended(repo: Path, status: str) -> None:
    run = gtrack.start_run()
    gtrack.log_param("lr", 0.1)
    gtrack.log_metric("plain", 3)
    gtrack.log_metric("loss", 0.5, step=1)
    gtrack.end_run(status)
    before = gtrack.get_run(run.id)
    done = subprocess.run([sys.executable, "-c", KILLED, run.id], cwd=repo, check=False)
    assert done.returncode == -signal.SIGKILL
    project = Project.open(repo)
    [found] = project.recover()
    assert found.error is None
    after = project.store.run(run.id)
    project.close()
    assert (after.status, after.ended, after.code) == (before.status, before.ended, before.code)
    assert after.params == before.params
    assert after.metrics == {**before.metrics, "late": 1}


@pytest.mark.quick
def test_a_run_that_is_killed_in_the_instant_that_it_is_reopened_loses_nothing(repo: Path) -> None:
    run = gtrack.start_run(tags={"team": "a"})
    gtrack.log_param("lr", 0.1)
    gtrack.log_metric("loss", 0.5, step=1)
    gtrack.end_run("failed")
    before = gtrack.get_run(run.id)
    done = subprocess.run([sys.executable, "-c", REOPENED, run.id], cwd=repo, check=False)
    assert done.returncode == -signal.SIGKILL
    project = Project.open(repo)
    assert [found.error for found in project.recover()] == [None]
    after, head = project.store.run(run.id), project.store.head(run.id)
    project.close()
    assert [one["previous_status"] for one in head["resumed"]] == ["failed"]
    assert (after.status, after.ended, after.exit_code) == (before.status, before.ended, None)
    assert (after.params, after.metrics, after.tags, after.code) == (
        before.params,
        before.metrics,
        before.tags,
        before.code,
    )


def test_what_is_committed_while_a_run_is_reopened_is_not_lost(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Project.open(repo)) as project:
        owner = ActiveRun.start(project)
        owner.log_metrics({"loss": 1.0}, step=1)
        run = owner.end()
        take = reopen._files
        seen: list[str] = []

        def overtaken(*args: Any) -> Any:
            taken = take(*args)
            if not seen:  # the live directory is not there yet, so this goes to the branch
                seen.append("once")
                edit_tags(project, project.store.run(run.id), {"late": "yes"})
            return taken

        monkeypatch.setattr(reopen, "_files", overtaken)
        again = ActiveRun.resume(project, run.id)
        again.log_metrics({"loss": 2.0}, step=2)
        again.end()
        after = project.store.run(run.id)
        assert (after.tags, after.metrics) == ({"late": "yes"}, {"loss": 2.0})


def define_and_log(run: ActiveRun) -> None:
    run.define_metric("b")
    run.log_metrics({"b": 2.0}, step=2)


WRITES: dict[str, Callable[[ActiveRun], None]] = {
    "row": lambda run: run.log_metrics({"loss": 2.0}, step=2),
    "rows": lambda run: run.log_rows([(2, 1.0, {"loss": 2.0})]),
    "row of a defined metric": define_and_log,
    "metric without a step": lambda run: run.log_metrics({"plain": 2.0}),
    "parameter": lambda run: run.log_params({"q": 1}),
    "tag": lambda run: run.set_tags({"t": "1"}),
    "notes": lambda run: run.set_notes("late"),
    "input": lambda run: run.log_input(Input("data", "sha256:1", "file")),
    "artifact": lambda run: run.log_bytes(b"x", "x.bin"),
    "registration": lambda run: promise(run.live, "churn", "model"),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_another_writer_logs_after_the_last_look_of_the_owner_is_refused(repo: Path, write: str) -> None:
    with closing(Project.open(repo)) as project:
        owner = ActiveRun.start(project)
        other = ActiveRun.join(owner.directory)
        other.log_metrics({"loss": 1.0}, step=1)
        project.commit(owner.live, owner.live.finish(Status.FINISHED, None, None, None))
        with pytest.raises(RunEnded, match="was ended by the process that owns it"):
            WRITES[write](other)
        owner.live.remove()
        with pytest.raises(RunEnded, match="was ended by the process that owns it"):
            WRITES[write](other)
        assert project.store.run(owner.id).metrics == {"loss": 1.0}


@pytest.mark.parametrize("write", WRITES)
def test_what_another_writer_logs_before_that_is_kept(repo: Path, write: str) -> None:
    with closing(Project.open(repo)) as project:
        owner = ActiveRun.start(project)
        other = ActiveRun.join(owner.directory)
        owner.log_bytes(b"weights", "model/weights.bin")
        WRITES[write](other)
        owner.end()
        registered = project.registry.versions()
        run = project.store.run(owner.id)
        inputs = project.file(owner.id, "inputs.yaml")
        others = [one for one in project.artifacts(run.id) if one.path != "model/weights.bin"]
        assert any((run.metrics, run.params, run.tags, run.notes, inputs, registered, others))


def test_a_model_that_is_registered_while_its_run_ends_is_registered(repo: Path) -> None:
    with closing(Project.open(repo)) as project:
        run = ActiveRun.start(project)
        run.log_bytes(b"weights", "model/weights.bin")
        running = run.record()
        ended = run.live.finish(Status.FINISHED, None, None, None)
        thread = threading.Thread(target=register_run, args=(project, running, "model", "churn"))
        thread.start()
        project.commit(run.live, ended)
        run.live.remove()
        thread.join()
        assert [(one.name, one.run_id) for one in project.registry.versions()] == [("churn", run.id)]


def test_tags_that_are_set_while_a_run_ends_are_kept(repo: Path) -> None:
    with closing(Project.open(repo)) as project:
        owner = ActiveRun.start(project)
        running = owner.record()
        run = owner.live.finish(Status.FINISHED, None, None, None)
        thread = threading.Thread(target=edit_tags, args=(project, running, {"quality": "good"}))
        thread.start()
        project.commit(owner.live, run)
        owner.live.remove()
        thread.join()
        assert project.store.run(owner.id).tags == {"quality": "good"}


@pytest.mark.slow
def test_every_row_that_a_joined_process_was_not_refused_is_kept(repo: Path) -> None:
    for _ in range(3):
        run = gtrack.start_run()
        with subprocess.Popen(
            [sys.executable, "-c", JOINED, str(run.directory)], cwd=repo, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            while (run.live.read("history.yaml") or b"").count(b"\n") < 2:  # so that the first one was accepted
                os.sched_yield()
            gtrack.end_run()
            accepted = int(process.stdout.read())
        assert accepted > 0
        project = Project.open(repo)
        kept = len(project.store.history(run.id))
        project.close()
        assert kept >= accepted
