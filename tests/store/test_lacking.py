from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import ArtifactError, GitError
from gtrack.git.clone import clone, finish
from gtrack.project import Project
from gtrack.records import Goal, Run
from gtrack.store.query.parser import parse_filter
from tests.clones import LARGE, Traced, partial_clone, three_runs
from tests.conftest import Once


@pytest.fixture
def runs(once: Once) -> list[Run]:
    return once(three_runs)


@pytest.fixture
def project(runs: list[Run], repo: Path, tmp_path: Path) -> Project:
    return Project.open(partial_clone(repo, tmp_path / "here").root)


def test_metadata_above_the_limit_comes_in_one_request(
    project: Project, runs: list[Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    traced = Traced(monkeypatch, tmp_path / "trace")
    assert not project.store.is_here(runs[-1].id, "history.yaml")
    assert project.index.count() == len(runs)
    assert project.store.is_here(runs[-1].id, "history.yaml")
    assert traced.fetches() == 1
    assert len(project.history(runs[-1].id).steps) > 100
    assert traced.fetches() == 1


@pytest.mark.parametrize("limit", ["10k", "0"])
def test_several_processes_begin_before_it_has_come_and_make_the_same_index(
    runs: list[Run], repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    made, _ = clone(str(repo), tmp_path / "there", limit, lambda *_: None)
    finish(made)
    traced = Traced(monkeypatch, tmp_path / "trace")
    monkeypatch.setattr("gtrack.store.index_read._MANY", 2)
    project = Project.open(made.root or tmp_path)
    assert project.index.count() == len(runs)
    assert traced.fetches() == 1
    whole = Project.open(repo).index
    for metric in ("loss", "f1"):
        assert project.index.best(metric, Goal.MINIMIZE) == whole.best(metric, Goal.MINIMIZE)
        where = parse_filter(f"metrics.{metric}.first > 0 AND metrics.{metric}.count > 0")
        assert sorted(project.index.ids(where)) == sorted(whole.ids(where)) != []
    assert traced.fetches() == 1


def test_metadata_that_cannot_be_fetched_is_named(project: Project, runs: list[Run], repo: Path) -> None:
    repo.rename(repo.with_name("gone"))
    wanted = (
        rf"^history.yaml of run {runs[-1].id[:8]} is not in this partial clone. The remote origin cannot be fetched"
    )
    with pytest.raises(GitError, match=wanted):
        project.index.count()


def test_an_artifact_of_many_runs_comes_in_one_request(
    project: Project, runs: list[Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    traced = Traced(monkeypatch, tmp_path / "trace")
    path = "model/data/model.bin"
    assert project.store.bring({**{run.id: (path, "no/such.bin") for run in runs}, "0" * 32: (path,)}) == len(runs)
    for run in runs:
        assert project.artifact_bytes(run.id, path) == run.name.encode() * LARGE
    assert traced.fetches() == 1


def test_artifacts_that_cannot_be_fetched_are_named(project: Project, runs: list[Run], repo: Path) -> None:
    repo.rename(repo.with_name("gone"))
    short = runs[-1].id[:8]
    with pytest.raises(
        ArtifactError, match=rf"^figures/fold_1.png of run {short} is not in this partial clone. The rem"
    ):
        project.store.bring({runs[-1].id: ("notes.txt", "figures/fold_1.png")})
