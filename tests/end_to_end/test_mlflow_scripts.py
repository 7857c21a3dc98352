"""Scripts in the manner of this field's tutorials, with ``import gtrack as mlflow`` for ``import mlflow``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Git
from tests.end_to_end.command import Workplace

_SCRIPTS = Path(__file__).parent / "scripts"


def run(work: Workplace, script: str) -> str:
    """Run a script in the repository, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(_SCRIPTS / script)],
        cwd=work.root,
        env=work.env,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_quickstart(work: Workplace) -> None:
    said = run(work, "mlflow_quickstart.py")
    done = work.run()
    assert f"run_id {done.id} in quickstart" in said
    assert f"tracking at gtrack://{work.root}" in said
    assert (done.name, done.experiment, done.notes) == ("first", "quickstart", "How it begins.")
    assert done.params["optimizer"] == "adam"
    assert work.series(done, "loss") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert sorted(work.artifacts(done)) == ["again/test.txt", "data.json", "notes/file.txt", "test.txt"]
    assert not (work.root / "mlruns").exists()
    assert work.live() == []


@pytest.mark.slow
def test_nested_runs(work: Workplace, git: Git) -> None:
    said = run(work, "mlflow_nested.py")
    assert said == "3 runs are left\n['tuning']\n"
    parent, *children = work.runs()
    assert [child.parent for child in children] == [parent.id] * 2
    assert parent.tags["best_run"] == children[1].id
    assert git("log", "--format=%s", "--first-parent", "gtrack/runs").splitlines() == [
        "tuning: depth_8 removed",
        "tuning: parent finished",
        "tuning: depth_8 finished",
        "tuning: depth_4 finished",
        "tuning: depth_2 finished",
        "tuning: created",
    ]


@pytest.mark.slow
def test_the_client(work: Workplace, git: Git) -> None:
    said = run(work, "mlflow_client.py").splitlines()
    assert said == [
        *(
            f"run {n}: FINISHED {{'p': '{n}'}} {{'m': {3.0 * n}, 'final': {n}}} {{'engineering': 'ML Platform', 't': 'tag'}}"
            for n in range(3)
        ),
        "in production: 1",
        "3 runs are left",
    ]
    assert git("tag").splitlines() == ["chosen#production#1", "chosen@v1.0.0"]
    first = next(done for done in work.runs() if done.name == "run 0")
    assert (first.tags["reviewed"], first.metrics["late"]) == ("yes", 1.5)
    assert git("status", "--porcelain") == ""
