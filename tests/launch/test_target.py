from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtrack.errors import UsageError
from gtrack.launch.target import Target
from gtrack.project import Project


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    for name in ("train.py", "experiments/forest/train.py", "experiments/forest/deep/more.py", "pkg/__main__.py"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x = 1\n")
    (repo / "notebook.ipynb").write_text("{}")
    (repo / "run.sh").write_text("#!/bin/sh\n")
    (repo / "train").write_text("#!/usr/bin/env python3\nx = 1\n")
    project = Project.open(repo)
    project.repo.run("add", "-A")
    yield project
    project.repo.objects.close()


@pytest.mark.parametrize(
    "target",
    [
        Target(script="train.py"),
        Target(script="./experiments/forest/train.py"),
        Target(script="train"),
        Target(module="pkg"),
        Target(module="pkg.sub.train"),
        Target(command=["git", "status"]),
        Target(command=["/bin/sh", "-c", "true"]),
    ],
)
def test_what_can_be_run(project: Project, repo: Path, target: Target) -> None:
    target.check(repo, project)
    assert target.name in " ".join(target.spelled())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target(script="tran.py"), "There is no script tran.py. Did you mean train.py?"),
        (
            Target(script="forest/train.py"),
            "There is no script forest/train.py. Did you mean experiments/forest/train.py?",
        ),
        (Target(script="src/more.py"), "There is no script src/more.py. Did you mean experiments/forest/deep/more.py?"),
        (Target(script="zzzzzzzz.py"), "There is no script zzzzzzzz.py."),
        (
            Target(script="experiments"),
            "experiments is a directory. Name a script in it, or run a package with -m package.",
        ),
        (Target(script="notebook.ipynb"), "notebook.ipynb is a notebook. Export it as a script"),
        (Target(script="run.sh"), "run.sh is no Python script. To run it as a command: gtrack run -- ./run.sh"),
        (Target(module="train.py"), "-m takes the dotted name of a module"),
        (Target(module="pkg/train"), "-m takes the dotted name of a module"),
        (Target(command=["no-such-program"]), "There is no program 'no-such-program' on the PATH."),
        (Target(command=["train.py"]), "on the PATH. To run the script: gtrack run train.py"),
        (
            Target(command=["./train.py"]),
            "./train.py is not executable. If it is a Python script: gtrack run ./train.py",
        ),
        (Target(command=["./nothing"]), "There is no program ./nothing."),
    ],
)
def test_what_cannot_be_run(project: Project, repo: Path, target: Target, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        target.check(repo, project)


def test_the_command_line_as_it_is_without_gtrack() -> None:
    assert Target(script="a.py", args=["--x", "1"]).spelled() == ["python", "a.py", "--x", "1"]
    assert Target(module="a.b", args=["y"]).spelled() == ["python", "-m", "a.b", "y"]
    assert Target(command=["make", "all"]).spelled() == ["make", "all"]


def test_the_experiment_is_the_directory_that_it_is_in(project: Project, repo: Path) -> None:
    assert Target(script="experiments/forest/train.py").experiment(project, repo) == "forest"
    assert Target(script="deep/more.py").experiment(project, repo / "experiments" / "forest") == "forest"
    assert Target(script=str(repo / "experiments/forest/train.py")).experiment(project, Path("/")) == "forest"
    assert Target(module="experiments.forest.train").experiment(project, repo) == "forest"
    assert Target(script="train.py").experiment(project, repo) is None
    assert Target(script="experiments/one.py").experiment(project, repo) is None
    assert Target(script="/etc/x/y.py").experiment(project, repo) is None
    assert Target(command=["make"]).experiment(project, repo) is None


def test_sources(project: Project, repo: Path) -> None:
    assert list(Target(script="train.py").sources(repo)) == [b"x = 1\n"]
    assert list(Target(module="pkg").sources(repo)) == [b"x = 1\n"]
    assert list(Target(command=["python", "train.py", "no.py", "x"]).sources(repo)) == [b"x = 1\n"]
