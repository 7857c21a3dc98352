"""Registering and moving models, in real repositories: what is written, what comes of it, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import (
    ArtifactNotFound,
    GitError,
    GTrackError,
    InvalidName,
    InvalidPath,
    ModelNotFound,
    RunNotFound,
    UsageError,
    VersionExists,
)
from gtrack.git.tags import NewTag, create_tags, place_tags
from gtrack.project import Project
from gtrack.records import ModelVersion
from gtrack.registry import writing as module
from gtrack.store.reopen import reopen
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.registry.conftest import HandMade, Train


@pytest.fixture
def churn(project: Project, train: Train) -> list[ModelVersion]:
    """Three versions of the model `churn`."""
    return [project.registry.register("churn", train(f1).id) for f1 in (0.7, 0.8, 0.9)]


def stages(project: Project, name: str = "churn") -> dict[str, tuple[int, ...]]:
    return dict(project.registry.model(name).stages)


@contextmanager
def commit_anew(project: Project, run_id: str) -> Iterator[ActiveRun]:
    run = project.resolve(run_id)
    again = ActiveRun(project, *reopen(project.store, project.live, run_id, run.code))
    yield again
    again.end()


def test_a_version_is_an_annotated_tag_on_the_run_commit(project: Project, train: Train, git: Git) -> None:
    run = train(0.875)
    version = project.registry.register("churn", run.id, reason="first\n\nof all")
    assert git("cat-file", "-t", "churn@v1.0.0") == "tag"
    assert git("rev-parse", "churn@v1.0.0^{commit}") == git("rev-parse", "gtrack/runs^")
    assert git("rev-parse", "churn@v1.0.0^{commit}^") == git("rev-parse", "main")
    place = f"experiments/churn study/{run.id[:2]}/{run.id}"
    assert git("show", f"churn@v1.0.0:{place}/artifacts/model/model.bin") == "weights"
    assert git("show", "churn@v1.0.0:README.md") == "A project under test."
    assert git("for-each-ref", "--format=%(contents)", "refs/tags/churn@v1.0.0") == (
        f"Registering artifact churn version v1.0.0\n\nRun: {run.id}\nExperiment: churn study\nArtifact: model\n"
        "Model-Version: 1\nMetrics: f1=0.875, size=12\nReason: first of all\n"
    )
    assert git("for-each-ref", "--format=%(taggername) %(taggeremail)", "refs/tags") == "Ana <ana@example.org>"
    assert (version.version, version.semver, version.run_id, version.artifact) == (1, "v1.0.0", run.id, "model")
    assert (version.metrics, version.experiment, version.reason) == (
        {"f1": 0.875, "size": 12},
        "churn study",
        "first of all",
    )
    assert version.source == f"runs:/{run.id}/model"
    assert version == project.registry.version("churn@v1.0.0")


def test_nothing_of_the_user_is_touched(project: Project, churn: list[ModelVersion], git: Git) -> None:
    assert git("status", "--porcelain") == ""
    assert git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert git("describe", "--always", "--tags", "main") == git("rev-parse", "--short", "main")


def test_versions_are_raised_by_the_part_that_is_said(project: Project, train: Train) -> None:
    register = project.registry.register
    said: list[dict[str, Any]] = [
        {},
        {"bump": "minor"},
        {"bump": "patch"},
        {},
        {"version": "v7.1.0-rc.1"},
        {"bump": "minor"},
        {"version": "6.0.0"},
        {},
    ]
    made = [register("m", train().id, **more) for more in said]
    assert [one.semver for one in made] == [
        "v1.0.0",
        "v1.1.0",
        "v1.1.1",
        "v2.0.0",
        "v7.1.0-rc.1",
        "v7.1.0",
        "v6.0.0",
        "v8.0.0",
    ]
    assert [one.version for one in made] == list(range(1, 9))


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        ("churn@3", 3),
        ("churn@v3", 3),
        ("churn@v2.0.0", 2),
        ("churn@1.0.0", 1),
        ("churn@latest", 3),
        ("churn@greatest", 3),
        ("churn", 3),
        ("churn#production", 1),
        ("churn#Production", 1),
        ("churn#champion", 2),
    ],
)
def test_what_a_version_may_be_called(project: Project, churn: list[ModelVersion], ref: str, number: int) -> None:
    project.registry.assign("churn", 1, "Production")
    project.registry.assign("churn", "v2.0.0", "champion")
    assert project.registry.version(ref).version == number
    if "@" in ref or "#" in ref:
        assert project.resolve(ref).id == churn[number - 1].run_id


def test_v3_is_the_third_version_unless_another_one_is_v3_0_0(project: Project, train: Train) -> None:
    for version in ("v1.0.0", "v1.1.0", "v2.0.0", "v3.0.0"):
        project.registry.register("m", train().id, version=version)
    assert project.registry.version("m@v2.0.0").version == 3
    with pytest.raises(UsageError, match=r"m@v3 could be m@3 \(v2.0.0\) or m@4 \(v3.0.0\)"):
        project.registry.version("m@v3")
    assert project.registry.version("m@3").semver == "v2.0.0"
    assert project.registry.version("m@v1").version == 1


def test_promotion_and_rollback_need_no_force(project: Project, churn: list[ModelVersion], git: Git) -> None:
    registry = project.registry
    for number in (1, 3, 1, 2):
        assert registry.assign("churn", number, "production", reason=f"to {number}").stages == ("production",)
        assert stages(project) == {"production": (number,)}
    assert git("tag", "--list", "churn#*") == "\n".join(f"churn#production#{n}" for n in range(1, 5))
    assert git("for-each-ref", "--format=%(contents)", "refs/tags/churn#production#4") == (
        f"Assigning stage production to artifact churn version v2.0.0\n\nRun: {churn[1].run_id}\nExperiment: churn study\n"
        "Artifact: model\nModel-Version: 2\nMetrics: f1=0.8, size=12\nReason: to 2\n"
    )
    assert [(one.version, one.before, one.reason) for one in registry.events("churn") if one.stage] == [
        (1, None, "to 1"),
        (3, 1, "to 3"),
        (1, 3, "to 1"),
        (2, 1, "to 2"),
    ]


def test_what_is_there_already_makes_no_tag(project: Project, churn: list[ModelVersion], git: Git) -> None:
    project.registry.assign("churn", 1, "production")
    before = git("tag")
    assert project.registry.assign("churn", 1, "Production").version == 1
    assert git("tag") == before


def test_an_exclusive_stage_is_empty_when_its_version_is_taken_out(
    project: Project, churn: list[ModelVersion], git: Git
) -> None:
    project.registry.assign("churn", 1, "production")
    project.registry.assign("churn", 2, "production")
    assert project.registry.unassign("churn", 2, "PRODUCTION", reason="bad").stages == ()
    assert stages(project) == {}
    assert git("tag", "--list", "churn#production!*") == "churn#production!#3\nchurn#production!#4"
    assert git("for-each-ref", "--format=%(contents:subject)", "refs/tags/churn#production!#3") == (
        "Unassigning stage 'production' to artifact 'churn' version 'v2.0.0'"
    )
    with pytest.raises(ModelNotFound, match=r"Version 2 of churn \(v2.0.0\) is not in production: it is in no stage"):
        project.registry.unassign("churn", 2, "production")


def test_a_stage_that_is_not_exclusive(project: Project, churn: list[ModelVersion]) -> None:
    for number in (1, 2, 3, 1):
        project.registry.assign("churn", number, "qa")
    assert stages(project) == {"qa": (2, 3, 1)}
    assert project.registry.version("churn#qa").version == 1
    project.registry.assign("churn", 2, "qa", exclusive=True)
    assert stages(project) == {"qa": (2,)}
    with pytest.raises(UsageError, match="holds one version"):
        project.registry.assign("churn", 2, "production", exclusive=False)


def test_stages_as_mlflow_moves_through_them(project: Project, churn: list[ModelVersion]) -> None:
    move = project.registry.transition
    assert move("churn", 1, "Staging").current_stage == "Staging"
    assert move("churn", 1, "Production").current_stage == "Production"
    assert stages(project) == {"production": (1,)}
    project.registry.assign("churn", 1, "champion")
    assert move("churn", 2, "Production", archive_existing=True).current_stage == "Production"
    assert stages(project) == {"production": (2,), "archived": (1,), "champion": (1,)}
    assert project.registry.find("churn", 1).current_stage == "Archived"
    assert move("churn", 2, None).current_stage == "None"
    assert move("churn", 1, None).stages == ("champion",)
    assert move("churn", 1, "qa").stages == ("champion", "qa")
    assert stages(project) == {"champion": (1,), "qa": (1,)}


def test_a_version_that_is_taken_back_leaves_its_stages(project: Project, churn: list[ModelVersion], git: Git) -> None:
    project.registry.assign("churn", 1, "production")
    project.registry.assign("churn", 3, "production")
    project.registry.deregister("churn", 3, reason="leaked labels")
    assert stages(project) == {}
    assert [one.version for one in project.registry.versions("churn")] == [1, 2]
    assert git("for-each-ref", "--format=%(contents:subject)", "refs/tags/churn@v3.0.0!") == (
        "Deregistering artifact churn version v3.0.0"
    )
    for ref in ("churn@3", "churn@v3", "churn@v3.0.0"):
        with pytest.raises(ModelNotFound, match="was taken back"):
            project.registry.version(ref)
    assert project.registry.version("churn@latest").version == 2


def test_a_number_is_never_given_twice(project: Project, churn: list[ModelVersion], train: Train) -> None:
    project.registry.deregister("churn", 3)
    assert project.registry.register("churn", train().id).version == 4
    with pytest.raises(VersionExists, match="a version is never another run's"):
        project.registry.register("churn", train().id, version="v3.0.0")


def test_the_run_of_a_version_that_was_taken_back_is_that_version_again(
    project: Project, churn: list[ModelVersion], git: Git
) -> None:
    registry, run_id = project.registry, str(churn[2].run_id)
    for _ in range(2):
        registry.deregister("churn", 3)
        again = registry.register("churn", run_id)
        assert (again.version, again.semver, again.commit) == (3, "v3.0.0", churn[2].commit)
    assert sorted(git("tag", "--list", "churn@v3*").split("\n")) == [
        "churn@v3.0.0",
        "churn@v3.0.0!",
        "churn@v3.0.0!#2",
        "churn@v3.0.0#1",
        "churn@v3.0.0#3",
    ]


def test_a_deprecated_model_stays_and_says_so(project: Project, churn: list[ModelVersion], git: Git) -> None:
    assert project.registry.deprecate("churn", reason="replaced").deprecated
    assert project.registry.deprecate("churn").deprecated
    assert git("tag", "--list", "churn@d*") == "churn@deprecated"
    assert (
        git("for-each-ref", "--format=%(contents:subject)", "refs/tags/churn@deprecated")
        == "Deprecating artifact 'churn'"
    )
    assert project.registry.version("churn@3").version == 3


def test_registering_the_same_again_is_the_same_version(project: Project, churn: list[ModelVersion], git: Git) -> None:
    before = git("tag")
    again = project.registry.register("churn", str(churn[1].run_id), bump="minor")
    assert again == churn[1]
    assert project.registry.register("churn", str(churn[1].run_id), version="v2.0.0") == churn[1]
    assert git("tag") == before


def test_one_run_is_one_version_of_a_model_but_may_be_several_models(
    project: Project, churn: list[ModelVersion]
) -> None:
    run_id = str(churn[0].run_id)
    with pytest.raises(VersionExists, match=r"is version 1 of churn \(v1.0.0\); a run is one version"):
        project.registry.register("churn", run_id, version="v9.0.0")
    with pytest.raises(VersionExists, match="by its artifact 'model'"):
        project.registry.register("churn", run_id, "model/model.bin")
    assert project.registry.register("other/churn", run_id, "model/model.bin").artifact == "model/model.bin"
    assert [one.name for one in project.registry.models()] == ["churn", "other/churn"]


def test_a_run_that_is_committed_anew_is_the_version_that_it_was(
    project: Project, churn: list[ModelVersion], git: Git
) -> None:
    run_id, tags = str(churn[0].run_id), git("tag")
    for late in (b"x", b"y"):
        with commit_anew(project, run_id) as again:
            again.log_bytes(late, "notes.txt")
        assert project.store.run_commit(run_id) != churn[0].commit
        assert project.registry.register("churn", run_id) == churn[0]
    assert git("tag") == tags
    project.registry.deregister("churn", 1)
    back = project.registry.register("churn", run_id)
    assert (back.version, back.semver, back.commit) == (1, "v1.0.0", churn[0].commit)
    assert not project.registry.problems()


def test_a_run_whose_model_was_changed_is_not_its_version_again(
    project: Project, churn: list[ModelVersion], git: Git
) -> None:
    run_id, tags = str(churn[0].run_id), git("tag")
    with commit_anew(project, run_id) as again:
        again.log_bytes(b"other weights", "model/model.bin")
    with pytest.raises(VersionExists, match=r"is version 1 of churn .*'model' was changed since; a version stays"):
        project.registry.register("churn", run_id)
    assert git("tag") == tags
    assert project.registry.register("other", run_id).version == 1


def test_a_model_in_a_directory(project: Project, train: Train, git: Git) -> None:
    run = train()
    project.registry.register("models/v_1:churn", run.id)
    project.registry.assign("models/v_1:churn", 1, "qa/eu")
    assert git("tag") == "models/v_1=churn#qa/eu#1\nmodels/v_1=churn@v1.0.0"
    assert project.registry.version("models/v_1:churn#qa/eu").version == 1
    assert project.resolve("models/v_1:churn@1").id == run.id


def test_a_run_is_found_by_its_model_and_not_by_a_name_like_that(project: Project, churn: list[ModelVersion]) -> None:
    ActiveRun.start(project, name="churn@2").end()
    ActiveRun.start(project, name="other@2").end()
    assert project.resolve("churn@2").id == churn[1].run_id
    assert project.resolve("other@2").name == "other@2"
    with pytest.raises(RunNotFound, match="There is no model of that name"):
        project.resolve("somewhere#production")
    with pytest.raises(RunNotFound, match=r"Model churn has no version 7. It has: 1 \(v1.0.0\)"):
        project.resolve("churn@7")
    with pytest.raises(RunNotFound, match="No version of model churn is in the stage production"):
        project.resolve("churn#production")


# What is refused


@pytest.mark.parametrize("name", ["a b", "churn@v1", "ä", "", "-x", "a//b", "x" * 300])
def test_names_outside_the_grammar(project: Project, train: Train, git: Git, name: str) -> None:
    with pytest.raises(InvalidName):
        project.registry.register(name, train().id)
    assert git("tag") == ""


def test_no_model_at_all(project: Project) -> None:
    assert project.registry.models() == []
    with pytest.raises(ModelNotFound, match=r"No model 'm' is registered in this repository\. None is\."):
        project.registry.model("m")


def test_calls_that_are_wrong(project: Project, churn: list[ModelVersion], git: Git) -> None:
    registry, before, run_id = project.registry, git("tag"), str(churn[0].run_id)
    with pytest.raises(UsageError, match="major, minor or patch"):
        registry.register("m", run_id, bump="big")
    with pytest.raises(InvalidName, match="semantic versions"):
        registry.register("m", run_id, version="v1")
    with pytest.raises(InvalidPath):
        registry.register("m", run_id, "../model")
    with pytest.raises(RunNotFound):
        registry.register("m", "0" * 32)
    with pytest.raises(ModelNotFound, match=r"No model 'chrn' .* Did you mean 'churn'\? Registered here: churn."):
        registry.assign("chrn", 1, "qa")
    with pytest.raises(ModelNotFound, match=r"Model churn has no version 4. It has: 1 \(v1.0.0\), 2"):
        registry.assign("churn", 4, "qa")
    with pytest.raises(ModelNotFound, match=r"Did you mean 'v2.0.0'\?"):
        registry.assign("churn", "v2.0.1", "qa")
    with pytest.raises(UsageError, match="names no model version"):
        registry.version("churn@one")
    with pytest.raises(UsageError):
        registry.find("churn", "production stage")
    with pytest.raises(InvalidName, match="absence"):
        registry.assign("churn", 1, "None")
    with pytest.raises(ModelNotFound):
        registry.deprecate("other")
    assert git("tag") == before


def test_a_stage_that_is_misspelt(project: Project, churn: list[ModelVersion]) -> None:
    project.registry.assign("churn", 1, "production")
    with pytest.raises(
        ModelNotFound, match=r"in the stage prodution. Did you mean 'production'\? Its stages are: production."
    ):
        project.registry.version("churn#prodution")


def test_a_run_without_such_a_model_says_what_it_has(project: Project, train: Train, git: Git) -> None:
    with pytest.raises(ArtifactNotFound, match=r"no artifact 'model'. .*It has: clf/best."):
        project.registry.register("m", train(path="clf/best").id)
    with pytest.raises(ArtifactNotFound, match="It has no artifacts"):
        project.registry.register("m", ActiveRun.start(project).end().id)
    assert git("tag") == ""


def test_a_hand_made_tag_of_that_name_is_said(project: Project, train: Train, git: Git) -> None:
    git("tag", "m@v1.0.0")
    with pytest.raises(
        GTrackError, match=r"m@v1.0.0 cannot be made: there is a tag of this name, and it is a lightweight tag"
    ):
        project.registry.register("m", train().id)
    assert [problem.tag for problem in project.registry.problems()] == ["m@v1.0.0"]


def test_a_tag_that_is_in_the_way_of_a_model(project: Project, train: Train, git: Git) -> None:
    git("tag", "-a", "-m", "x", "churn")
    with pytest.raises(GitError, match="churn"):
        project.registry.register("churn/eu", train().id)


# Made by others


def test_tags_that_were_made_by_hand(project: Project, train: Train, hand_made: HandMade, git: Git) -> None:
    first, second = train(), train()
    commits = [str(project.store.run_commit(run.id)) for run in (first, second)]
    hand_made("m@v0.0.1", commits[0], 1)
    hand_made("m@v0.0.2", commits[1], 2)
    hand_made("m#production#1", commits[0], 3)
    hand_made("m@v0.1.0", git("rev-parse", "main"), 4)
    found = project.registry.versions("m")
    assert [(one.version, one.semver, one.run_id) for one in found] == [
        (1, "v0.0.1", first.id),
        (2, "v0.0.2", second.id),
        (3, "v0.1.0", None),
    ]
    assert project.resolve("m#production").id == first.id
    with pytest.raises(RunNotFound, match=r"m@v0\.1\.0 is on commit .*, which is no run's"):
        project.resolve("m@3")
    project.registry.assign("m", 3, "production")
    assert stages(project, "m") == {"production": (3,)}
    assert project.registry.register("m", train().id).semver == "v1.0.0"


def test_a_nested_tag_is_about_what_it_is_finally_on(
    project: Project, churn: list[ModelVersion], hand_made: HandMade
) -> None:
    hand_made("churn#production#9", "churn@v2.0.0")
    assert stages(project) == {"production": (2,)}
    project.registry.assign("churn", 1, "production")
    assert project.registry.ledger("churn").counters == {"churn": 10}


def test_the_highest_counter_counts_whatever_tag_has_it(project: Project, churn: list[ModelVersion], git: Git) -> None:
    git("tag", "churn#qa#41")
    project.registry.assign("churn", 1, "production")
    assert git("tag", "--list", "churn#production*") == "churn#production#42"


# Races


def test_a_quicker_writer_is_noticed_and_the_next_number_taken(
    project: Project, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = train(), train()
    at = str(project.store.run_commit(theirs.id))
    seen: list[str] = []

    def overtaken(*args: object) -> None:
        if not seen:
            create_tags(project.repo, [NewTag("m@v1.0.0", at, "quicker")], project.identity())
        seen.append("try")
        place_tags(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "place_tags", overtaken)
    version = project.registry.register("m", mine.id)
    assert (version.version, version.semver, len(seen)) == (2, "v2.0.0", 2)
    assert [one.run_id for one in project.registry.versions("m")] == [theirs.id, mine.id]


@pytest.mark.slow
def test_many_at_once_get_numbers_of_their_own(project: Project, train: Train, git: Git) -> None:
    runs = [train() for _ in range(6)]
    project.registry.register("m", runs[0].id)
    errors: list[BaseException] = []

    def work(run_id: str) -> None:
        own = Project.open(project.repo.root)
        try:
            version = own.registry.register("m", run_id)
            own.registry.assign("m", version.semver, "qa")
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(run.id,)) for run in runs[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    model = project.registry.model("m")
    assert [one.version for one in model.versions] == [1, 2, 3, 4, 5, 6]
    assert {one.run_id for one in model.versions} == {run.id for run in runs}
    assert sorted(model.stages["qa"]) == [2, 3, 4, 5, 6]
    assert sorted(int(name.rsplit("#", 1)[1]) for name in git("tag", "--list", "m#*").split("\n")) == [1, 2, 3, 4, 5]


# Clones


def test_one_tag_is_a_whole_deployment(project: Project, churn: list[ModelVersion], git: Git, tmp_path: Path) -> None:
    place = tmp_path / "deployed"
    url = f"file://{project.repo.root}"
    git("clone", "--quiet", "--depth", "1", "--branch", "churn@v2.0.0", url, str(place), env={"GIT_ADVICE": "0"})
    assert (place / "README.md").exists()
    assert [path.read_text() for path in place.rglob("model.bin")] == ["weights"]
    clone = Project.open(place)
    assert [one.semver for one in clone.registry.versions("churn")] == ["v2.0.0"]
    with pytest.raises(
        RunNotFound, match=r"fetch it: git fetch --unshallow --tags origin gtrack/runs:refs/remotes/origin"
    ):
        clone.resolve("churn@v2.0.0")
    clone.close()


def test_a_clone_that_has_the_tags_but_not_the_runs(
    project: Project, churn: list[ModelVersion], git: Git, tmp_path: Path
) -> None:
    project.registry.assign("churn", 3, "production")
    place = tmp_path / "clone"
    git("clone", "--quiet", "--single-branch", "--branch", "main", f"file://{project.repo.root}", str(place))
    git("fetch", "--quiet", "--tags", "--depth", "1", cwd=place)
    clone = Project.open(place)
    assert clone.registry.version("churn#production").version == 3
    with pytest.raises(RunNotFound) as caught:
        clone.resolve("churn#production")
    command = str(caught.value).split("git fetch ")[1].rstrip(".").split()
    git("fetch", "--quiet", *command, cwd=place)
    assert clone.resolve("churn#production").id == churn[2].run_id
    clone.close()


def test_a_clone_whose_history_is_cut_off_says_what_to_fetch(
    project: Project, train: Train, git: Git, tmp_path: Path
) -> None:
    run = train()
    train()
    place = tmp_path / "shallow"
    git("clone", "--quiet", "--depth", "1", "--no-single-branch", f"file://{project.repo.root}", str(place))
    clone = Project.open(place)
    with pytest.raises(RunNotFound) as caught:
        clone.registry.register("m", run.id)
    command = str(caught.value).split("git fetch ")[1].rstrip(".").split()
    git("fetch", "--quiet", *command, cwd=place)
    assert clone.registry.register("m", run.id).version == 1
    clone.close()


def test_a_commit_that_is_not_here_cannot_be_promoted(
    project: Project, churn: list[ModelVersion], repo: Path, git: Git
) -> None:
    commit = churn[2].commit
    project.close()
    (repo / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    fresh = Project.open(repo)
    with pytest.raises(
        RunNotFound, match=f"Commit {commit[:8]}, which churn@v3.0.0 is on, is not in this clone. Fetch it"
    ):
        fresh.registry.assign("churn", 3, "production")
    assert fresh.registry.assign("churn", 2, "production").version == 2
    fresh.close()


def test_a_run_that_was_removed_from_the_branch(project: Project, churn: list[ModelVersion]) -> None:
    project.store.remove(str(churn[0].run_id))
    with pytest.raises(
        RunNotFound, match=r"It was removed there; its own commit still has it: git show --stat churn@v1\.0\.0"
    ):
        project.resolve("churn@1")
    assert project.registry.version("churn@1").version == 1


def test_sha256_repositories(tmp_path: Path, git: Git) -> None:
    root = tmp_path / "sha256"
    git("init", "--quiet", "--object-format=sha256", str(root))
    (root / "a.py").write_text("x = 1\n")
    git("add", "a.py", cwd=root)
    git("commit", "--quiet", "-m", "x", cwd=root)
    opened = Project.open(root)
    active = ActiveRun.start(opened)
    active.log_bytes(b"x", "model")
    version = opened.registry.register("m", active.end().id)
    assert len(version.commit) == 64
    assert opened.registry.assign("m", 1, "production").stages == ("production",)
    opened.close()
