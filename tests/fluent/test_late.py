"""What is written into a run that has ended, or ends at that moment, is kept or refused, and changes nothing else of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import gtrack
from gtrack.project import Project

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
step = 0
print("ready", flush=True)
try:
    while True:
        run.log_metrics({"loss": float(step)}, step=step)
        step += 1
except GTrackError:
    print(step)
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


@pytest.mark.slow
def test_every_row_that_a_joined_process_was_not_refused_is_kept(repo: Path) -> None:
    for _ in range(3):
        run = gtrack.start_run()
        with subprocess.Popen(
            [sys.executable, "-c", JOINED, str(run.directory)], cwd=repo, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            while not (run.directory / "history.yaml").exists():
                os.sched_yield()
            gtrack.end_run()
            accepted = int(process.stdout.read())
        assert accepted > 0
        project = Project.open(repo)
        kept = len(project.store.history(run.id))
        project.close()
        assert kept >= accepted
