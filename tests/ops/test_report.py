from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.formats.names import run_path
from gtrack.ops.report import last_lines, report
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.conftest import MakeRun, OpenProject


def test_everything_about_a_run(project: Project, make_run: MakeRun) -> None:
    parent = make_run("parent")
    run = make_run("child", parent=parent.id, metrics={"f1": 1}, artifacts={"a.txt": b"abc"}, output=b"hello\n")
    found = report(project, run)
    assert found.run == run
    assert found.parent is not None
    assert found.parent.id == parent.id
    assert [(artifact.path, artifact.size) for artifact in found.artifacts] == [("a.txt", 3)]
    assert found.tail == ()
    assert found.children == ()


def test_the_runs_that_are_nested_in_a_run(project: Project, make_run: MakeRun) -> None:
    parent = make_run("parent")
    children = [make_run(f"child {n}", parent=parent.id) for n in range(3)]
    make_run("grandchild", parent=children[0].id)
    assert [one.id for one in report(project, parent).children] == [one.id for one in children]


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_a_run_that_ended_badly_has_the_end_of_its_output(project: Project, make_run: MakeRun, status: str) -> None:
    output = "".join(f"line {n}\n" for n in range(40)).encode()
    run = make_run("bad", status=status, output=output)
    assert report(project, run).tail == tuple(f"line {n}" for n in range(25, 40))


def test_a_parent_that_is_not_here(project: Project, make_run: MakeRun) -> None:
    assert report(project, make_run("child", parent="f" * 32)).parent is None
    assert report(project, make_run("odd", parent="last")).parent is None


def test_a_live_run(open_project: OpenProject, project: Project) -> None:
    live = ActiveRun.start(open_project(), name="live")
    live.log_metrics({"loss": 0.5}, step=1)
    live.log_metrics({"loss": 0.25}, step=2)
    live.log_bytes(b"abc", "a.txt")
    found = report(project, project.resolve("live"))
    assert found.history.series("loss") == [(1, 0.5), (2, 0.25)]
    assert [artifact.path for artifact in found.artifacts] == ["a.txt"]
    live.end()


def rewrite(git: Git, repo: Path, run: Run, name: str, data: str) -> None:
    """Put other bytes in place of a file of a committed run, as somebody's own tool might."""
    blob = git("hash-object", "-w", "--stdin", stdin=data)
    env = {"GIT_INDEX_FILE": str(repo / ".git" / "other-index")}
    git("read-tree", "gtrack/runs", env=env)
    path = f"{run_path(run.experiment, run.id)}/{name}"
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
    tree = git("write-tree", env=env)
    git("update-ref", "refs/heads/gtrack/runs", git("commit-tree", tree, "-p", "gtrack/runs", "-m", "damage"))


def test_damaged_files_are_problems_and_the_rest_is_read(
    project: Project, repo: Path, git: Git, make_run: MakeRun
) -> None:
    run = make_run("one", metrics={"f1": 1})
    rewrite(git, repo, run, "environment.yaml", "{ torn")
    rewrite(git, repo, run, "history.yaml", '- {"step": 0, "time": 1.0, "f1": 0.5}\nrubbish\n')
    found = report(project, project.resolve(run.id))
    assert found.environment == {}
    assert found.history.series("f1") == [(0, 0.5)]
    assert len(found.run.problems) == 2
    assert "history.yaml has lines that are no rows: 2." in found.run.problems
    assert any("environment.yaml is not valid YAML" in problem for problem in found.run.problems)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"a\nb\nc", ["b", "c"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"x\n10%\r50%\r100%\n", ["x", "100%"]),
        (b"a\n\xff\n", ["a", "\ufffd"]),
    ],
)
def test_last_lines(data: bytes, lines: list[str]) -> None:
    assert last_lines(data, 2) == lines
