"""The command line on a real repository with real runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gtrack.cli.app import main
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Once

COMMAND = (sys.executable, "-m", "gtrack")


DYING = """
import os, signal, gtrack
gtrack.start_run(run_name="doomed")
gtrack.log_metric("loss", 0.5, step=1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


RunCommand = Callable[..., Done]


@pytest.fixture
def gtrack(repo: Path, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Return a function that runs a command line in the repository, in this process."""
    assert Path.cwd() == repo

    def run(*args: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(args))
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Done(end.value.code, out, err)

    return run


def make(repo: Path, name: str, trees: int, *, status: str = "finished", experiment: str = "forest") -> Run:
    project = Project.open(repo)
    run = ActiveRun.start(project, name=name, experiment=experiment)
    run.log_params({"n_estimators": trees, "criterion": "gini", "optimizer": {"lr": 0.1}})
    for step in range(3):
        run.log_metrics({"f1": trees / 1000 + step / 10}, step=step)
    run.log_bytes(f"{trees} trees\n".encode(), "notes/trees.txt")
    run.log_bytes(b"\x00\x01", "model.bin")
    run.append_output(f"fitting {trees}\n10%\r100%\n\x1b[32mdone\x1b[0m\x1b]0;owned\x07\n".encode())
    done = run.end(status)
    project.repo.objects.close()
    return done


@pytest.fixture
def runs(once: Once) -> list[Run]:
    """Return three runs, the newest last; the code changed before the last one."""
    return once(three_runs)


def three_runs(repo: Path) -> list[Run]:
    made = [make(repo, "first", 100), make(repo, "second", 200)]
    (repo / "train.py").write_text("x = 1\n")
    return [*made, make(repo, "third", 50, status="failed")]


def die(repo: Path) -> None:
    """Leave the live directory of a run behind whose process was killed."""
    done = subprocess.run([sys.executable, "-c", DYING], cwd=repo, check=False)
    assert done.returncode == -signal.SIGKILL
