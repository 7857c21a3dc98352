"""Models through the client: registered, found, moved through stages and taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.client import GtrackClient
from gtrack.errors import ArtifactNotFound, InvalidName, InvalidValue, ModelNotFound, QueryError, UsageError
from tests.conftest import Git


@pytest.fixture
def client(quiet: Path) -> GtrackClient:
    return GtrackClient()


@pytest.fixture
def made(client: GtrackClient) -> Callable[[], gtrack.Run]:
    """Return a function that makes a run with a file at ``model/MLmodel``."""

    def make() -> gtrack.Run:
        with gtrack.start_run() as run:
            gtrack.log_text("flavors: {}\n", "model/MLmodel")
        return gtrack.get_run(run.id)

    return make


def test_as_the_tutorials_register(client: GtrackClient, made: Callable[[], gtrack.Run], git: Git) -> None:
    run = made()
    assert client.create_registered_model("forest").name == "forest"
    one = client.create_model_version("forest", f"{run.info.artifact_uri}/model", run.info.run_id, description="best")
    assert (one.name, one.version, one.run_id, one.status, one.current_stage) == ("forest", 1, run.id, "READY", "None")
    assert (one.source, one.description) == (f"runs:/{run.id}/model", "best")
    assert git("tag") == "forest@v1.0.0"
    moved = client.transition_model_version_stage("forest", 1, "Production")
    assert moved.current_stage == "Production"
    two = client.create_model_version("forest", f"runs:/{made().id}/model")
    client.transition_model_version_stage("forest", two.version, "production", archive_existing_versions=True)
    assert client.get_model_version("forest", "1").current_stage == "Archived"
    latest = client.get_latest_versions("forest", stages=["Production"])
    assert [one.version for one in latest] == [2]
    assert [one.version for one in client.get_latest_versions("forest")] == [1, 2]
    assert client.get_latest_versions("forest", ["Staging"]) == []
    client.transition_model_version_stage("forest", 2, "None")
    assert client.get_model_version("forest", 2).current_stage == "None"
    with pytest.raises(UsageError, match="registered already"):
        client.create_registered_model("forest")


def test_aliases_are_stages(client: GtrackClient, made: Callable[[], gtrack.Run]) -> None:
    for _ in range(2):
        client.create_model_version("forest", f"runs:/{made().id}/model")
    client.set_registered_model_alias("forest", "champion", 1)
    assert client.get_model_version_by_alias("forest", "champion").version == 1
    client.set_registered_model_alias("forest", "champion", "2")
    assert client.get_model_version_by_alias("forest", "champion").aliases == ["champion"]
    assert client.get_model_version("forest", 1).aliases == []
    assert client.get_registered_model("forest").aliases == {"champion": 2}
    client.delete_registered_model_alias("forest", "champion")
    client.delete_registered_model_alias("forest", "champion")
    with pytest.raises(ModelNotFound):
        client.get_model_version_by_alias("forest", "champion")


def test_of_a_run_that_goes_on(client: GtrackClient) -> None:
    run = client.create_run("0")
    client.log_text(run.id, "x", "model/MLmodel")
    promised = client.create_model_version("forest", f"runs:/{run.id}/model", run.id)
    assert (promised.version, promised.status) == (1, "PENDING_REGISTRATION")
    client.set_terminated(run.id)
    assert client.get_model_version("forest", 1).run_id == run.id


def test_found(client: GtrackClient, made: Callable[[], gtrack.Run]) -> None:
    runs = [made() for _ in range(3)]
    for run in runs:
        client.create_model_version("forest", f"runs:/{run.id}/model")
    client.create_model_version("tree", f"runs:/{made().id}/model")
    forest = client.search_model_versions("name='forest'")
    assert [one.version for one in forest] == [3, 2, 1]
    assert [one.version for one in client.search_model_versions(f"run_id = '{runs[1].id}'")] == [2]
    first = client.search_model_versions("name='forest'", max_results=2, order_by=["version_number ASC"])
    assert [one.version for one in first] == [1, 2]
    rest = client.search_model_versions("name='forest'", 2, ["version_number ASC"], first.token)
    assert ([one.version for one in rest], rest.token) == ([3], None)
    assert [one.name for one in client.search_registered_models()] == ["forest", "tree"]
    assert [one.name for one in client.search_registered_models("name LIKE 'tr%'")] == ["tree"]
    assert [one.name for one in client.search_registered_models(order_by=["name DESC"])] == ["tree", "forest"]
    model = client.search_registered_models("name = 'forest'")[0]
    assert [one.version for one in model.latest_versions] == [3]
    assert model.creation_timestamp is not None
    assert client.get_model_version_download_uri("forest", 1) == f"runs:/{runs[0].id}/model"
    assert client.get_model_version_stages("forest", 1) == ["None", "Staging", "Production", "Archived"]


def test_taken_back(client: GtrackClient, made: Callable[[], gtrack.Run]) -> None:
    for _ in range(2):
        client.create_model_version("forest", f"runs:/{made().id}/model")
    client.delete_model_version("forest", 1)
    with pytest.raises(ModelNotFound):
        client.get_model_version("forest", 1)
    client.delete_registered_model("forest")
    assert client.search_model_versions("name='forest'") == []


def test_what_cannot_be(client: GtrackClient, made: Callable[[], gtrack.Run]) -> None:
    calls: list[tuple[Callable[[Any, str], object], type[Exception]]] = [
        (lambda client, _run: client.create_model_version("m", "s3://bucket/model"), InvalidValue),
        (lambda client, _run: client.create_model_version("m", None), InvalidValue),
        (lambda client, run: client.create_model_version("m", f"runs:/{run}/model", tags={"a": "b"}), InvalidValue),
        (lambda client, run: client.create_model_version("m", f"runs:/{run}/other"), ArtifactNotFound),
        (lambda client, run: client.create_model_version("m.m", f"runs:/{run}/model"), InvalidName),
        (lambda client, _run: client.create_registered_model("a.b"), InvalidName),
        (lambda client, _run: client.create_registered_model("m", description="x"), InvalidValue),
        (lambda client, _run: client.get_model_version("m", 1), ModelNotFound),
        (lambda client, _run: client.get_registered_model("m"), ModelNotFound),
        (lambda client, _run: client.get_latest_versions("m"), ModelNotFound),
        (lambda client, _run: client.transition_model_version_stage("m", 1, "Production"), ModelNotFound),
        (lambda client, _run: client.search_model_versions("name"), QueryError),
        (lambda client, _run: client.search_registered_models("nam = 'x'"), QueryError),
        (lambda client, _run: client.search_registered_models(page_token="x"), InvalidValue),
    ]
    run = made()
    for call, error in calls:
        with pytest.raises(error):
            call(client, run.id)


def test_the_source_must_be_of_the_run(client: GtrackClient, made: Callable[[], gtrack.Run]) -> None:
    one, other = made(), made()
    with pytest.raises(InvalidValue, match="is of run"):
        client.create_model_version("m", f"runs:/{one.id}/model", other.id)
