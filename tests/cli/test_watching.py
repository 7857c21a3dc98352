from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtrack.ops.watch import watch
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.cli.conftest import COMMAND, RunCommand


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    found = Project.open(repo)
    yield found
    found.index.close()
    found.repo.objects.close()


@pytest.fixture
def running(project: Project) -> Iterator[ActiveRun]:
    with ActiveRun.start(project, name="slow-fox-1") as run:
        run.log_params({"epochs": 10, "lr": 0.1})
        for step in range(4):
            run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        yield run


def test_where_a_run_stands(project: Project, running: ActiveRun) -> None:
    running.log_metric("f1", 0.5)
    (standing,) = watch(project)
    assert (standing.run.name, standing.step, standing.total, standing.progress) == ("slow-fox-1", 3, 10, 0.4)
    assert standing.series == {"loss": [1, 1 / 2, 1 / 3, 1 / 4]}
    assert standing.run.metrics == {"loss": 1 / 4, "f1": 0.5}


@pytest.mark.parametrize(
    ("params", "total"),
    [
        ({"epochs": 3}, 3),
        ({"max_steps": 500}, 500),
        ({"epochs": 3, "max_steps": 500}, None),
        ({"epochs": "many"}, None),
        ({"epochs": True}, None),
        ({"epochs": 0}, None),
        ({}, None),
    ],
)
def test_how_many_steps_there_will_be(project: Project, params: dict[str, object], total: int | None) -> None:
    with ActiveRun.start(project) as run:
        run.log_params(params)
        run.log_metrics({"loss": 1}, step=7)
        (standing,) = watch(project)
    assert standing.total == total
    assert standing.progress == (None if total in (None, 3) else 8 / 500)  # beyond the end nothing can be told
    assert watch(project) == []


def test_without_a_terminal_it_is_one_look(gtrack: RunCommand, running: ActiveRun) -> None:
    done = gtrack("watch")
    assert done.code == 0
    head, row, last = done.out.splitlines()
    assert head.split() == ["name", "id", "experiment", "started", "progress", "loss"]
    assert row.startswith(f"slow-fox-1  {running.id[:8]}  default")
    assert re.search(r"████░░░░░░ 4/10, .* left +0\.25  █▃▁▁$", row)
    assert last == "1 running run"


def test_json(gtrack: RunCommand, running: ActiveRun) -> None:
    (found,) = json.loads(gtrack("watch", "--json").out)
    assert (found["name"], found["step"], found["total"], found["progress"]) == ("slow-fox-1", 3, 10, 0.4)
    assert found["metrics"] == {"loss": 0.25}


def test_nothing_runs(gtrack: RunCommand) -> None:
    assert gtrack("watch").out == "No run is running.\n"
    assert json.loads(gtrack("watch", "--json").out) == []


def test_on_a_terminal_it_draws_until_ctrl_c(repo: Path, running: ActiveRun) -> None:
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*COMMAND, "watch", "--interval", "0.1"], cwd=repo, env=env, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = b""
    deadline = time.monotonic() + 60
    logged = False
    while b"0.125" not in seen and time.monotonic() < deadline:
        seen += os.read(leader, 65536)
        if b"4/10" in seen and not logged:
            running.log_metrics({"loss": 0.125}, step=4)
            logged = True
    assert b"5/10" in seen
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    os.close(leader)
