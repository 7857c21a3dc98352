"""Experiments as scripts of MLflow make, find, describe and remove them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import gtrack
from gtrack.client.entities import ViewType
from gtrack.errors import ExperimentNotFound, InvalidName, InvalidValue, QueryError, RunIsActive, UsageError
from gtrack.fluent.experiments import (
    create_experiment,
    delete_experiment,
    delete_experiment_tag,
    get_experiment,
    get_experiment_by_name,
    restore_experiment,
    search_experiments,
    set_experiment_tag,
    set_experiment_tags,
)
from tests.conftest import Git

Stored = Callable[[str, str], Any]


def described(git: Git, name: str) -> Any:
    return yaml.safe_load(git("show", f"gtrack/runs:experiments/{name}/experiment.yaml"))


def test_made_before_its_first_run(quiet: Path, git: Git) -> None:
    assert get_experiment_by_name("churn") is None
    assert create_experiment("churn", tags={"team": "fraud", "n": 1}) == "churn"
    found = get_experiment_by_name("churn")
    assert found is not None
    assert (found.experiment_id, found.name, found.tags) == ("churn", "churn", {"team": "fraud", "n": "1"})
    assert (found.lifecycle_stage, found.artifact_location) == ("active", "experiments/churn")
    assert found.creation_time is not None
    assert described(git, "churn")["tags"] == {"team": "fraud", "n": "1"}
    assert git("status", "--porcelain") == ""
    with gtrack.start_run(experiment_id=found.experiment_id) as run:
        pass
    assert run.info.experiment_id == "churn"
    assert get_experiment("churn").creation_time == found.creation_time
    assert git("rev-list", "--count", "--first-parent", "gtrack/runs") == "2"


def test_made_twice(quiet: Path, git: Git) -> None:
    create_experiment("churn")
    before = git("rev-parse", "gtrack/runs")
    with pytest.raises(UsageError, match=r"is an experiment 'churn' already.*set_experiment"):
        create_experiment("churn")
    with gtrack.start_run(experiment="by a run"):
        pass
    with pytest.raises(gtrack.GTrackError, match="already"):
        create_experiment("by a run")
    assert git("rev-parse", "gtrack/runs~1") == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("",), InvalidName),
        (("a\nb",), InvalidName),
        ((None,), InvalidName),
        (("a", "s3://bucket/x"), InvalidValue),
        (("a", None, {"": "x"}), InvalidName),
        (("a", None, "tags"), InvalidValue),
    ],
    ids=str,
)
def test_none_is_made(quiet: Path, git: Git, arguments: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        create_experiment(*arguments)
    assert git("for-each-ref", "refs/heads/gtrack") == ""


@pytest.mark.parametrize("name", ["a/b", "50% [x]*", "ünï", ".hidden", "con", "Ein Versuch"])
def test_names_that_a_path_cannot_have(quiet: Path, name: str) -> None:
    create_experiment(name)
    set_experiment = gtrack.set_experiment(experiment_name=name)
    assert set_experiment.experiment_id == name
    with gtrack.start_run():
        gtrack.log_metric("f1", 1)
    delete_experiment(name)
    assert [one.name for one in search_experiments()] == []
    restore_experiment(name)
    assert list(gtrack.search_runs([name])["metrics.f1"]) == [1]


def test_chosen_but_not_written_yet(quiet: Path) -> None:
    gtrack.set_experiment("churn", purpose="why")
    found = get_experiment_by_name("churn")
    assert found is not None
    assert (found.experiment_id, found.purpose) == ("churn", "why")
    assert get_experiment("churn") == found
    with pytest.raises(ExperimentNotFound, match=r"No experiment 'chur'.*create_experiment\(\)"):
        get_experiment("chur")


def test_the_default_one_is_mlflows_zero(quiet: Path) -> None:
    assert get_experiment("0").name == "default"
    assert get_experiment("default").experiment_id == "default"
    with gtrack.start_run(experiment_id="0") as run:
        pass
    assert run.experiment == "default"
    assert list(gtrack.search_runs(experiment_ids=["0"])["run_id"]) == [run.id]
    create_experiment("0")
    assert get_experiment("0").name == "0"


def test_the_words_of_set_experiment(quiet: Path) -> None:
    create_experiment("a")
    assert gtrack.set_experiment(experiment_id="a").name == "a"
    assert gtrack.set_experiment(experiment_name="b").name == "b"
    assert gtrack.set_experiment("c", experiment_name="c").name == "c"
    with pytest.raises(InvalidValue, match="two experiments: 'a', 'b'"):
        gtrack.set_experiment("a", experiment_id="b")
    with pytest.raises(InvalidName):
        gtrack.set_experiment()
    with pytest.raises(InvalidValue, match="two experiments"):
        gtrack.start_run(experiment="a", experiment_id="b")
    assert gtrack.active_run() is None


def test_tags(quiet: Path, git: Git) -> None:
    gtrack.set_experiment("churn")
    set_experiment_tag("team", "fraud")
    set_experiment_tags({"n": 1, "team": "risk"})
    assert get_experiment("churn").tags == {"team": "risk", "n": "1"}
    with gtrack.start_run():
        pass
    delete_experiment_tag("n")
    assert described(git, "churn")["tags"] == {"team": "risk"}
    assert get_experiment("churn").created is not None
    with pytest.raises(UsageError, match="has no tag 'n'"):
        delete_experiment_tag("n")
    gtrack.set_experiment("other", tags={"x": "y"})
    set_experiment_tag("z", "1")
    with gtrack.start_run():
        pass
    assert get_experiment("other").tags == {"z": "1", "x": "y"}


@pytest.fixture
def three(quiet: Path) -> None:
    create_experiment("churn-1", tags={"team": "fraud"})
    create_experiment("churn-2")
    with gtrack.start_run(experiment="forest"):
        pass


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (None, ["churn-1", "churn-2", "forest"]),
        ("", ["churn-1", "churn-2", "forest"]),
        ("name = 'churn-1'", ["churn-1"]),
        ("name != 'churn-1'", ["churn-2", "forest"]),
        ("name LIKE 'churn%'", ["churn-1", "churn-2"]),
        ("name ilike 'CHURN-_' and tags.team = 'fraud'", ["churn-1"]),
        ("tag.team IS NULL", ["churn-2", "forest"]),
        ("tags.`team` is not null", ["churn-1"]),
        ("name IN ('forest', 'churn-2')", ["churn-2", "forest"]),
        ("attribute.name = 'forest'", ["forest"]),
        ("creation_time > 1", ["churn-1", "churn-2", "forest"]),
        ("last_update_time < 1", []),
    ],
    ids=str,
)
def test_found(three: None, where: str | None, names: list[str]) -> None:
    assert sorted(one.name for one in search_experiments(filter_string=where)) == names


def test_order_and_number(three: None) -> None:
    assert [one.name for one in search_experiments(order_by=["name DESC"])] == ["forest", "churn-2", "churn-1"]
    assert [one.name for one in search_experiments(ViewType.ALL, 1, order_by=["name"])] == ["churn-1"]
    assert [one.name for one in search_experiments()][-1] == "churn-1"


@pytest.mark.parametrize(
    "arguments",
    [
        {"filter_string": "name ="},
        {"filter_string": "nam = 'x'"},
        {"filter_string": "name = 'x' or name = 'y'"},
        {"filter_string": "name > 'x' AND"},
        {"filter_string": "creation_time = 'x' )"},
        {"order_by": ["name UP"]},
        {"order_by": ["f1"]},
    ],
    ids=str,
)
def test_searches_that_are_none(three: None, arguments: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="Expected"):
        search_experiments(**arguments)


def test_what_was_deleted_is_not_searched(three: None) -> None:
    with pytest.raises(InvalidValue, match="restore_experiment"):
        search_experiments(ViewType.DELETED_ONLY)


def test_deleted_and_restored(three: None, git: Git) -> None:
    with gtrack.start_run("kept", experiment="churn-1") as run:
        gtrack.log_text("x", "a.txt")
    delete_experiment("churn-1")
    assert git("log", "-1", "--format=%s", "gtrack/runs") == "churn-1: removed"
    assert get_experiment_by_name("churn-1") is None
    assert [one.name for one in gtrack.search_runs(output_format="list")] != ["kept"]
    with pytest.raises(ExperimentNotFound):
        delete_experiment("churn-1")
    restore_experiment("churn-1")
    assert get_experiment("churn-1").tags == {"team": "fraud"}
    assert gtrack.get_artifact(run.id, "a.txt") == b"x"
    with pytest.raises(UsageError, match="is there"):
        restore_experiment("churn-1")
    with pytest.raises(ExperimentNotFound):
        restore_experiment("never")


def test_an_experiment_with_a_live_run_is_not_deleted(quiet: Path) -> None:
    with gtrack.start_run(experiment="e"), pytest.raises(RunIsActive, match="has not ended"):
        delete_experiment("e")
    assert get_experiment("e").name == "e"
