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
    assert listed[1].split()[:6] == ["churn", "2", "production", "v2", "f1", "0.2"]
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


@pytest.fixture
def strict(repo: Path, trained: None) -> None:
    (repo / ".gtrack" / "config.yaml").write_text(
        "registry:\n  stages:\n    production: {requires: metrics.f1 >= 0.2, reason: true, force: true}\n"
        "    audit: {requires: metrics.f1 >= 0.9}\n"
    )


def tags(project: Project) -> list[str]:
    return project.repo.run("tag", "--list").decode().split()


@pytest.mark.usefixtures("strict")
def test_every_condition_is_told_and_what_fails_promotes_nothing(gtrack: RunCommand, project: Project) -> None:
    gtrack("register", "forest-1", "--model", "churn")
    failed = gtrack("promote", "churn", "production")
    assert failed.code == 1
    assert failed.err.splitlines() == [
        "✓ the run finished: finished",
        "✗ metrics.f1 >= 0.2: f1 = 0.1",
        "✗ there is a reason: none: --reason TEXT",
        "Error: churn v1 is not promoted to production: 2 of 3 conditions are not met. --force would do it all the same.",
    ]
    assert tags(project) == ["churn@v1.0.0"]
    assert gtrack("promote", "churn", "audit", "--force").code == 1
    assert gtrack("promote", "churn", "production", "--force", "--dry-run").code == 0
    assert tags(project) == ["churn@v1.0.0"]
    assert "churn v1 is in production" in gtrack("promote", "churn", "production", "--force").err
    assert "Forced: metrics.f1 >= 0.2; there is a reason" in project.repo.run("tag", "-n9").decode()


@pytest.mark.usefixtures("strict")
def test_a_run_is_registered_and_promoted_in_one_go(gtrack: RunCommand, project: Project) -> None:
    seen = gtrack("promote", "churn", "production", "--run", "forest-2", "--reason", "first", "--dry-run", "--json")
    foreseen = json.loads(seen.out)
    assert (foreseen["may"], foreseen["tags"]) == (True, ["churn@v1.0.0", "churn#production#1"])
    assert [one["met"] for one in foreseen["conditions"]] == [True, True, True]
    assert tags(project) == []
    assert gtrack("promote", "churn", "production", "--run", "forest-1", "--reason", "first").code == 1
    assert tags(project) == []
    done = gtrack(
        "promote", "churn", "production", "--run", "forest-2", "--reason", "first", "--approved-by", "Bo <b@x>"
    )
    assert done.err.splitlines()[-1] == "churn v1 is in production"
    assert tags(project) == ["churn#production#1", "churn@v1.0.0"]
    assert "Approved-By: Bo <b@x>" in project.repo.run("tag", "-n9").decode()
    assert "Nothing to do: churn v1 is in production already." in gtrack("promote", "churn", "production", "-n").err


@pytest.mark.usefixtures("trained")
def test_what_was_there_is_told_and_can_leave(gtrack: RunCommand) -> None:
    for number in (1, 2):
        gtrack("register", f"forest-{number}", "--model", "churn")
    gtrack("promote", "churn@1", "production")
    assert "churn v2 is in production, in place of v1" in gtrack("promote", "churn@2", "production").err
    gtrack("promote", "churn@2", "qa")
    assert "churn v2 left production; it is in qa" in gtrack("demote", "churn", "production", "--reason", "drift").err
    empty = gtrack("demote", "churn", "production")
    assert (empty.code, "No version of model churn is in the stage production" in empty.err) == (1, True)
    assert json.loads(gtrack("demote", "churn@2", "qa", "--json").out)["stages"] == []
    other = gtrack("demote", "churn@1", "qa")
    assert (other.code, "is not in qa: it is in no stage" in other.err) == (1, True)


@pytest.mark.usefixtures("trained")
def test_a_model_is_retired_and_a_version_taken_back(gtrack: RunCommand, project: Project) -> None:
    gtrack("register", "forest-1", "--model", "churn")
    gtrack("promote", "churn", "production")
    assert "churn is deprecated" in gtrack("deprecate", "churn", "--reason", "see churn-2").err
    assert project.registry.model("churn").deprecated
    assert "churn v1 (v1.0.0) is taken back" in gtrack("deprecate", "churn@1").err
    assert project.registry.model("churn").versions == ()
    gone = gtrack("promote", "churn@1", "production")
    assert (gone.code, "was taken back (deregistered)" in gone.err) == (1, True)


@pytest.mark.usefixtures("trained")
def test_a_misspelt_stage_is_no_new_one(gtrack: RunCommand, project: Project, repo: Path) -> None:
    gtrack("register", "forest-1", "--model", "churn")
    slip = gtrack("promote", "churn", "prodution")
    assert (slip.code, "There is no stage 'prodution' yet, but 'production'." in slip.err) == (2, True)
    assert gtrack("promote", "churn", "champion").code == 0
    assert gtrack("promote", "churn", "champions").code == 2
    (repo / ".gtrack" / "config.yaml").write_text("registry: {stages: {champions: {}}}\n")
    assert gtrack("promote", "churn", "champions").code == 0
    assert project.registry.find("churn", 1).stages == ("champion", "champions")


@pytest.mark.usefixtures("trained")
def test_registering_it_again_says_that_it_is_there_already(gtrack: RunCommand) -> None:
    assert "is version 1 of churn (tag" in gtrack("register", "forest-1", "--model", "churn").err
    assert "is version 1 of churn already (tag" in gtrack("register", "forest-1", "--model", "churn").err


@pytest.mark.usefixtures("trained")
def test_a_model_that_came_from_no_run_gets_one(gtrack: RunCommand, project: Project, tmp_path: Path) -> None:
    given = tmp_path / "exported"
    given.mkdir()
    (given / "MLmodel").write_text("flavors: {}\n")
    (given / "model.bin").write_bytes(b"weights")
    done = gtrack("register", str(given), "--model", "churn", "--reason", "bought")
    assert done.code == 0
    assert "is version 1 of churn (tag churn@v1.0.0)" in done.err
    one = project.registry.find("churn", 1)
    run = project.store.run(str(one.run_id))
    assert (run.tags["registered_from"], run.notes) == (str(given), "bought")
    assert [artifact.path for artifact in project.artifacts(run.id)] == ["model/MLmodel", "model/model.bin"]
    assert gtrack("register", str(tmp_path / "none"), "--model", "churn").code == 1


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["promote", "churn", "staging", "--remote", "origin"], 2, "--remote says where --push goes"),
        (["promote", "churn", "staging", "--push"], 2, "This repository has no remote. Name one"),
        (["promote", "chrun", "staging"], 1, "Did you mean 'churn'?"),
        (["promote", "churn@7", "staging"], 1, "has no version 7"),
        (["promote", "churn@v1", "a b"], 2, "'a b' cannot name a stage"),
        (["promote", "churn#qa", "staging"], 1, "No version of model churn is in the stage qa"),
        (["promote", "churn@1", "staging", "--run", "forest-1"], 2, "'churn@1' cannot name a model"),
        (["demote", "churn", "none"], 2, "is no stage but the absence of one"),
        (["deprecate", "chrun"], 1, "Did you mean 'churn'?"),
    ],
    ids=range(9),
)
def test_what_is_wrong_with_a_promotion_is_told(gtrack: RunCommand, words: list[str], code: int, said: str) -> None:
    gtrack("register", "forest-1", "--model", "churn")
    done = gtrack(*words)
    assert said in done.err
    assert done.code == code
