"""Versions are compared as their tags hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import ModelNotFound, UsageError
from gtrack.ops.code import FileChange
from gtrack.ops.compare_versions import compare_versions
from gtrack.ops.edit import edit_tags
from gtrack.project import Project
from gtrack.records import Run
from tests.conftest import Git
from tests.ops.conftest import MakeRun


@pytest.fixture
def two(project: Project, make_run: MakeRun, repo: Path) -> list[Run]:
    """Return the runs of two versions of `churn`, the second one of changed code and in production."""
    made = []
    for number in (1, 2):
        (repo / "train.py").write_text(f"x = {number}\n" * number)
        run = make_run(f"forest-{number}", metrics={"f1": number / 10}, artifacts={"model/MLmodel": b"flavors: {}\n"})
        project.registry.register("churn", run.id)
        made.append(run)
    project.registry.assign("churn", 2, "production")
    return made


def test_versions_go_by_their_names_and_runs_by_theirs(project: Project, two: list[Run]) -> None:
    found = compare_versions(project, ["churn@1", "churn#production"])
    assert [one.version for one in found.versions] == [1, 2]
    assert found.runs == tuple(two)
    assert [run.name for run in found.comparison.runs] == ["churn@1", "churn@2"]
    assert [(row.name, row.values) for row in found.comparison.metrics] == [("f1", (0.1, 0.2))]
    assert found.code[0].files == (FileChange("train.py", 2, 1),)
    assert not any(row.differs for row in (*found.comparison.environment, *found.comparison.packages))
    assert found.problems == ()


def test_what_is_done_to_a_run_since_is_not_compared(project: Project, two: list[Run]) -> None:
    edit_tags(project, two[0], {"reviewed": "yes"})
    project.store.remove(two[1].id)
    found = compare_versions(project, ["churn@1", "churn@2"])
    assert found.runs == tuple(two)
    assert found.comparison.tags == ()


def test_a_clone_of_two_tags_alone_compares_their_code_too(
    project: Project, two: list[Run], git: Git, tmp_path: Path
) -> None:
    here = compare_versions(project, ["churn@1", "churn@2"])
    url, place = (tmp_path / "repo").as_uri(), tmp_path / "one"
    git("clone", "--quiet", "--depth", "1", "--branch", "churn@v1.0.0", url, str(place))
    git("fetch", "--quiet", "--depth", "1", "origin", "tag", "churn@v2.0.0", cwd=place)
    clone = Project.open(place)
    found = compare_versions(clone, ["churn@1", "churn@2"])
    assert found.code == here.code
    assert found.comparison == here.comparison
    assert found.runs == tuple(two)
    clone.close()


def test_two_models_of_one_run_are_the_same_run(project: Project, two: list[Run]) -> None:
    project.registry.register("other", two[0].id)
    with pytest.raises(UsageError, match="churn@1 and other@1 are the same run, forest-1"):
        compare_versions(project, ["churn@1", "other@1"])


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("refs", "error", "message"),
    [
        (["churn@1"], UsageError, "two versions or more"),
        (["churn@2", "churn"], UsageError, r"'churn@2' and 'churn' are the same version, churn@2 \(v2.0.0\)"),
        (["churn@1", "churn#staging"], ModelNotFound, "Its stages are: production"),
        (["churn@1", "chrun"], ModelNotFound, "Did you mean 'churn'"),
    ],
)
def test_what_cannot_be_compared(project: Project, refs: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compare_versions(project, refs)
