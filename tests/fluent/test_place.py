"""Which repository is meant, by path or URI, and what is said of runs in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.errors import InvalidPath, InvalidValue, NotARepository
from gtrack.fluent.place import (
    get_artifact_uri,
    get_parent_run,
    get_registry_uri,
    get_tracking_uri,
    git_repo,
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)
from tests.conftest import run_git


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A second repository, with a blank in its path."""
    place = tmp_path / "the other"
    gtrack.init(place)
    (place / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0}\n")
    return place


@pytest.mark.parametrize(
    "uri",
    [
        "{other}",
        "{other}/deep/not/there",
        "file:{other}/mlruns",
        "file://{encoded}",
        "file://localhost{encoded}/mlruns",
        "gtrack:{encoded}",
        "gtrack://{encoded}",
        "FILE:{encoded}",
        "../the other/mlruns",
        "file:../the%20other",
    ],
)
def test_the_repository_of_a_uri(quiet: Path, other: Path, uri: str) -> None:
    assert not is_tracking_uri_set()
    set_tracking_uri(uri.format(other=other, encoded=str(other).replace(" ", "%20")))
    assert is_tracking_uri_set()
    assert get_tracking_uri() == f"gtrack://{str(other).replace(' ', '%20')}"
    with gtrack.start_run() as run:
        pass
    assert run.id[:8] in run_git("log", "-1", "--format=%B", "gtrack/runs", cwd=other)
    assert run_git("for-each-ref", "refs/heads/gtrack", cwd=quiet) == ""


def test_a_path_object_and_back(quiet: Path, other: Path) -> None:
    here = get_tracking_uri()
    set_tracking_uri(other)
    there = get_tracking_uri()
    set_tracking_uri("")
    assert get_tracking_uri() == here == f"gtrack://{quiet}"
    assert not is_tracking_uri_set()
    set_tracking_uri(there)
    assert get_tracking_uri() == there
    assert get_registry_uri() == there
    set_tracking_uri(None)
    assert get_tracking_uri() == here


def test_the_usual_directory_of_mlflow_is_the_repository_around_it(quiet: Path) -> None:
    set_tracking_uri("file:./mlruns")
    assert get_tracking_uri() == f"gtrack://{quiet}"
    assert not (quiet / "mlruns").exists()


def test_the_environment_says_so_too(quiet: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTRACK_REPO", str(other))
    assert is_tracking_uri_set()
    assert get_tracking_uri().endswith("the%20other")


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://example.org",
        "sqlite:///mlflow.db",
        "postgresql://u:p@host/db",
        "databricks",
        "databricks://profile",
        "s3://bucket",
    ],
)
def test_servers_and_databases(quiet: Path, uri: str) -> None:
    for verb in (set_tracking_uri, set_registry_uri):
        with pytest.raises(InvalidValue, match=r"live in a git repository.*file:PATH"):
            verb(uri)
    assert not is_tracking_uri_set()


def test_other_machines_and_no_uris(quiet: Path) -> None:
    with pytest.raises(InvalidValue, match="on the machine 'host'"):
        set_tracking_uri("file://host/path")
    no_uri: Any = 5
    with pytest.raises(InvalidValue, match="text or a path, not int"):
        set_tracking_uri(no_uri)


def test_no_repository(tmp_path: Path, quiet: Path) -> None:
    with pytest.raises(NotARepository):
        set_tracking_uri(tmp_path)
    assert not is_tracking_uri_set()


def test_models_are_registered_where_their_runs_are(quiet: Path, other: Path) -> None:
    set_registry_uri(str(quiet / "mlruns"))
    set_registry_uri("")
    with pytest.raises(InvalidValue, match=r"not in .*the other"):
        set_registry_uri(other)


def test_artifact_uris(quiet: Path) -> None:
    with gtrack.start_run() as run:
        assert get_artifact_uri() == run.info.artifact_uri == f"runs:/{run.id}"
        assert get_artifact_uri("model") == f"runs:/{run.id}/model"
        assert get_artifact_uri(Path("a") / "b.png") == f"runs:/{run.id}/a/b.png"
        with pytest.raises(InvalidPath):
            get_artifact_uri("../x")


def test_parents(quiet: Path) -> None:
    with gtrack.start_run("parent") as parent, gtrack.start_run("child", nested=True) as child:
        found = get_parent_run(child.info.run_id)
        assert found is not None
        assert found.info.run_id == parent.id
    assert get_parent_run(parent.id) is None
    again = get_parent_run("child")
    assert again is not None
    assert again.name == "parent"


def test_gitpython_reads_the_code_of_a_run_and_the_run_itself(repo: Path) -> None:
    (repo / "train.py").write_text("lr = 0.1\n")  # never committed by hand
    with gtrack.start_run() as run:
        gtrack.log_param("lr", 0.1)
    (repo / "train.py").write_text("lr = 0.2\n")
    found = gtrack.get_run(run.id)
    with git_repo() as opened:
        assert opened.working_tree_dir == str(repo)
        script = opened.commit(found.code.commit).tree / "train.py"
        assert script.data_stream.read() == b"lr = 0.1\n"
        params = opened.git.show(f"gtrack/runs:experiments/{found.experiment}/{run.id[:2]}/{run.id}/params.yaml")
        assert params == "lr: 0.1"


def test_there_is_nothing_for_gitpython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotARepository):
        git_repo()
