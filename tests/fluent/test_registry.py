"""Registering and promoting with MLflow's names, as scripts do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import ArtifactNotFound, InvalidName, InvalidValue, ModelNotFound, QueryError, RunNotFound
from gtrack.fluent.active import end_run, get_run, start_run
from gtrack.fluent.registry import (
    get_model_version,
    promote,
    register_model,
    search_model_versions,
    transition_model_version_stage,
)
from gtrack.fluent.verbs import log_metric, log_text
from gtrack.records import Run
from tests.conftest import Git


@pytest.fixture
def trained(quiet: Path) -> list[Run]:
    """Two runs with a model."""
    runs = []
    for number in range(2):
        with start_run(f"run {number}") as active:
            log_metric("f1", 0.5 + number / 10)
            log_text("x", "out/clf/MLmodel")
        runs.append(active.record())
    return runs


@pytest.mark.parametrize("slashes", ["runs:/{}/out/clf", "runs:///{}/out/clf", "runs:/{}/out/clf/"])
def test_a_run_is_registered_by_its_uri(trained: list[Run], slashes: str) -> None:
    version = register_model(slashes.format(trained[0].id), "churn")
    assert (version.version, version.run_id, version.artifact, version.status) == (1, trained[0].id, "out/clf", "READY")
    assert version.source == f"runs:/{trained[0].id}/out/clf"


def test_whatever_names_a_run_names_it_in_a_uri(trained: list[Run]) -> None:
    assert register_model("runs:/last/out/clf", "churn").run_id == trained[1].id
    assert register_model("runs:/best:f1:min/out/clf", "churn", version="v1.4.0").run_id == trained[0].id
    assert register_model("runs:/churn@1/out/clf", "other").run_id == trained[1].id
    assert register_model(f"runs:/{trained[0].id[:8]}/out", "third").artifact == "out"


def test_a_run_itself_is_registered(trained: list[Run]) -> None:
    assert register_model(trained[0], "churn", artifact="out/clf", bump="minor", reason="why").reason == "why"
    with pytest.raises(ArtifactNotFound, match=r"no artifact 'model'. .*It has: out/clf."):
        register_model(trained[1], "churn")


def test_a_run_that_goes_on_is_registered_when_it_ends(trained: list[Run]) -> None:
    register_model(trained[0], "churn", artifact="out/clf")
    active = start_run()
    log_text("x", "model")
    for uri in (f"runs:/{active.id}/model", active.record()):
        version = register_model(uri, "churn", bump="minor", reason="later")
        assert (version.version, version.status, version.run_id) == (2, "PENDING_REGISTRATION", active.id)
    with pytest.raises(ArtifactNotFound):
        register_model(f"runs:/{active.id}/other", "churn")
    with pytest.raises(InvalidName):
        register_model(f"runs:/{active.id}/model", "a b")
    assert [one.version for one in search_model_versions()] == [1]
    end_run()
    found = get_model_version("churn", 2)
    assert (found.semver, found.status, found.reason, found.run_id) == ("v1.1.0", "READY", "later", active.id)


@pytest.mark.parametrize("uri", ["", "last", "runs:/last", "runs:/last/", "models:/churn/1", "s3://x/y", None, 3])
def test_what_names_no_model_of_a_run(trained: list[Run], uri: object) -> None:
    with pytest.raises(InvalidValue, match="runs:/RUN/path"):
        register_model(uri, "churn")  # type: ignore[arg-type]


def test_a_run_that_is_not_there(trained: list[Run]) -> None:
    with pytest.raises(RunNotFound):
        register_model("runs:/nobody/model", "churn")


def test_stages_by_their_names_in_mlflow(trained: list[Run]) -> None:
    for run in trained:
        register_model(run, "churn", 0, artifact="out/clf")
    assert transition_model_version_stage("churn", "1", "Staging").current_stage == "Staging"
    assert transition_model_version_stage("churn", 1, "PRODUCTION").current_stage == "Production"
    assert transition_model_version_stage("churn", 2, "production", archive_existing_versions=True).stages == (
        "production",
    )
    assert get_model_version("churn", 1).current_stage == "Archived"
    assert transition_model_version_stage("churn", 2, "None").current_stage == "None"
    assert transition_model_version_stage("churn", 1, "none").stages == ()
    with pytest.raises(InvalidName):
        transition_model_version_stage("churn", 1, "pro duction")
    with pytest.raises(ModelNotFound):
        transition_model_version_stage("churn", 3, "Production")


def test_promoting(trained: list[Run], git: Git) -> None:
    for run in trained:
        register_model(run, "churn", artifact="out/clf")
    assert promote("churn@v1", "champion").stages == ("champion",)
    assert promote("churn#champion", "Production", "it is good").stages == ("champion", "production")
    assert promote("churn", "production").version == 2
    assert get_run("churn#production").id == trained[1].id
    assert "Reason: it is good" in git("for-each-ref", "--format=%(contents)", "refs/tags/churn#production#2")
    with pytest.raises(ModelNotFound, match="Did you mean 'churn'"):
        promote("chum", "production")


def test_searching(trained: list[Run]) -> None:
    for name in ("churn", "alpha"):
        for run in trained:
            register_model(run, name, artifact="out/clf")
    assert [(one.name, one.version) for one in search_model_versions()] == [
        ("alpha", 2),
        ("alpha", 1),
        ("churn", 2),
        ("churn", 1),
    ]
    assert [one.version for one in search_model_versions("name='churn'")] == [2, 1]
    assert [one.name for one in search_model_versions(f"run_id = '{trained[0].id}'", max_results=1)] == ["alpha"]
    assert search_model_versions("name='none'") == []
    with pytest.raises(QueryError):
        search_model_versions("name")
