"""``gtrack plot`` on a real repository."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.cli.conftest import COMMAND, RunCommand
from tests.conftest import Once

PNG = b"\x89PNG"
KINDS = {
    "history": ["-m", "loss"],
    "scatter": ["params.lr", "metrics.f1"],
    "parallel": ["-m", "f1"],
    "importance": ["-m", "f1"],
    "grid": ["lr", "depth", "-m", "f1"],
    "bars": ["-m", "f1"],
}


@pytest.fixture
def sweep(once: Once) -> list[Run]:
    """Return fourteen runs of one experiment."""
    return once(fourteen_runs)


def fourteen_runs(repo: Path) -> list[Run]:
    runs = []
    for number in range(14):
        project = Project.open(repo)
        run = ActiveRun.start(project, name=f"trial-{number}", experiment="sweep")
        run.log_params({"lr": 10.0 ** -(number % 5), "depth": number % 3})
        for step in range(3):
            run.log_metrics({"loss": 1 / (step + 1 + number), "f1": number % 5 / 10, "epoch": step // 2}, step=step)
        runs.append(run.end("finished"))
        project.repo.objects.close()
    return runs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("sweep")
def test_every_kind_as_a_picture_and_in_the_terminal(gtrack: RunCommand, repo: Path, kind: str) -> None:
    done = gtrack("plot", kind, *KINDS[kind], "-e", "sweep", "-o", "pictures/a.png", "--show")
    assert done.code == 0
    assert len(done.out.splitlines()) > 3
    assert "\x1b" not in done.out
    assert done.err.splitlines()[0] == "pictures/a.png written."
    assert (repo / "pictures/a.png").read_bytes().startswith(PNG)
    assert gtrack("plot", kind, *KINDS[kind], "-o", "a.svg").out == ""
    assert (repo / "a.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.quick
@pytest.mark.usefixtures("sweep")
def test_runs_by_reference(gtrack: RunCommand) -> None:
    out = gtrack("plot", "bars", "trial-3", "trial-4", "-m", "f1", "--show").out.splitlines()
    assert [line.split()[0] for line in out] == ["f1", "trial-4", "trial-3"]
    drawn = gtrack(
        "plot", "history", "trial-3", "-m", "loss", "--x", "epoch", "--smooth", "0.5", "--log-y", "--show"
    ).out
    assert "A trial-3" in drawn


@pytest.mark.usefixtures("sweep")
def test_importance_prints_what_it_is_worth(gtrack: RunCommand) -> None:
    done = gtrack("plot", "importance", "-m", "f1", "--show")
    assert "Cross-validated R² over 14 runs: " in done.err
    refused = gtrack("plot", "importance", "trial-1", "trial-2", "-m", "f1", "--show")
    assert (refused.code, refused.out) == (1, "")
    assert "2 runs with f1 are too few to say which of 2 parameters moved it" in refused.err


@pytest.mark.usefixtures("sweep")
def test_a_png_to_a_pipe(repo: Path) -> None:
    command = [*COMMAND, "plot", "scatter", "lr", "f1", "--color", "depth", "--log-x", "-o", "-"]
    done = subprocess.run(command, cwd=repo, capture_output=True, check=True)
    assert done.stdout.startswith(PNG)
    assert done.stderr == b""


@pytest.mark.usefixtures("sweep")
def test_no_png_to_a_terminal(repo: Path) -> None:
    master, slave = pty.openpty()
    try:
        command = [*COMMAND, "plot", "bars", "-m", "f1", "-o", "-"]
        done = subprocess.run(command, cwd=repo, stdout=slave, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(slave)
        os.close(master)
    assert done.returncode == 2
    assert b"which a terminal cannot show" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["bars"], "Say where the picture goes: -o FILE.png"),
        (["bars", "-o", "a.jpg"], "'a.jpg' must end in .png or .svg."),
        (["bars", "-o", "-", "--show"], "both write to stdout"),
        (["bars", "-o", "a.png", "--where", "metrics.f1 >"], "Expected a number"),
        (["bars", "last", "-e", "sweep", "-o", "a.png"], "not both"),
        (["bars", "-m", "los", "-o", "a.png"], "Did you mean 'loss'?"),
        (["history", "-m", "loss", "--smooth", "1", "-o", "a.png"], "--smooth is 1"),
        (["scatter", "lr", "-o", "a.png"], "Missing argument"),
        (["scatter", "lr", "nope", "-o", "a.png"], "None of these runs has a column 'nope'"),
        (["pie"], "No such command 'pie'"),
    ],
)
@pytest.mark.usefixtures("sweep")
def test_wrong_usage(gtrack: RunCommand, repo: Path, args: list[str], message: str) -> None:
    done = gtrack("plot", *args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (repo / "a.png").exists()


def test_without_runs(gtrack: RunCommand) -> None:
    done = gtrack("plot", "bars", "--show")
    assert (done.code, done.out) == (1, "")
    assert "No runs yet" in done.err
