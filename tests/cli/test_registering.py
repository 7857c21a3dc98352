"""``gtrack register``, ``promote`` and ``models``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    opened = Project.open(repo)
    yield opened
    opened.close()


@pytest.fixture
def trained(project: Project) -> None:
    for number in (1, 2):
        run = ActiveRun.start(project, name=f"forest-{number}")
        run.log_metrics({"training_f1": 1.0, "f1": number / 10})
        run.log_bytes(b"flavors: {}\n", "model/MLmodel")
        run.end()


@pytest.mark.usefixtures("trained")
def test_a_model_from_its_run_to_production(gtrack: RunCommand) -> None:
    assert "No models yet" in gtrack("models").err
    for number in (1, 2):
        done = gtrack("register", f"forest-{number}", "--model", "churn", "--reason", "it is better")
        assert f"forest-{number} is version {number} of churn (tag churn@v{number}.0.0)" in done.err
    assert "churn v1 is in production" in gtrack("promote", "churn@1", "production").err
    assert "churn v2 is in production" in gtrack("promote", "churn", "Production").err
    assert gtrack("ls", "--where", "stage = 'production'", "--columns", "name").out == "name\nforest-2\n"
    assert gtrack("show", "churn#production", "--json").code == 0

    listed = gtrack("models").out.splitlines()
    assert "production v2" in listed[1]
    assert "v2 f1 0.2" in listed[1]
    assert "| churn |" in gtrack("models", "--markdown").out
    [model] = json.loads(gtrack("models", "--json").out)
    assert model["stages"] == {"production": [2]}
    assert [version["reason"] for version in model["versions"]] == ["it is better"] * 2
    back = json.loads(gtrack("promote", "churn@v1", "production", "--reason", "rollback", "--json").out)
    assert (back["model"], back["version"], back["stages"]) == ("churn", 1, ["production"])


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["register", "forest-1", "--model", "a b"], 2, "'a b' cannot name a model"),
        (["register", "forest-1", "--model", "m", "--artifact", "modle"], 1, "Did you mean 'model'?"),
        (["register", "forest-3", "--model", "m"], 1, "No run 'forest-3'"),
        (["register", "forest-1", "--model", "m", "--bump", "huge"], 2, "bump is major, minor or patch"),
        (["promote", "churn", "production"], 1, "churn"),
        (["models", "--json", "--markdown"], 2, "exclude each other"),
    ],
)
def test_what_is_wrong_is_told(gtrack: RunCommand, words: list[str], code: int, said: str) -> None:
    done = gtrack(*words)
    assert done.code == code
    assert said in done.err


@pytest.mark.usefixtures("trained")
def test_a_tag_that_makes_no_sense_is_told_and_stops_nothing(gtrack: RunCommand, project: Project) -> None:
    gtrack("register", "forest-1", "--model", "churn")
    project.repo.run("tag", "churn#production#7")
    done = gtrack("models")
    assert done.code == 0
    assert "The tag churn#production#7 is passed over" in done.err
    assert "churn" in done.out
