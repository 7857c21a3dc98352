from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gtrack.ops.code import FileChange, code_change, patch
from gtrack.project import Project
from gtrack.records import CodeState
from tests.conftest import Git
from tests.ops.conftest import MakeRun


def test_files_that_differ(project: Project, repo: Path, git: Git, make_run: MakeRun) -> None:
    (repo / "old name.py").write_text("".join(f"line {n}\n" for n in range(30)))
    (repo / "data.bin").write_bytes(bytes(range(256)))
    (repo / "é.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "more")
    one = make_run("one")
    git("mv", "old name.py", "new.py")
    (repo / "data.bin").write_bytes(bytes(range(255)))
    (repo / "é.py").write_text("x = 2\ny = 3\n")
    two = make_run("two")
    change = code_change(project.repo, one, two)
    assert set(change.files) == {
        FileChange("new.py", 0, 0, "old name.py"),
        FileChange("data.bin", None, None),
        FileChange("é.py", 2, 1),
    }
    assert change.differs
    text = patch(project.repo, one, two, colour=False).decode()
    assert "-x = 1\n+x = 2\n+y = 3\n" in text
    assert "\x1b[" not in text
    assert "\x1b[32m" in patch(project.repo, one, two, colour=True).decode()


def test_the_same_code_does_not_differ(project: Project, make_run: MakeRun) -> None:
    one, two = make_run("one"), make_run("two")
    assert not code_change(project.repo, one, two).differs
    assert patch(project.repo, one, two, colour=False) == b""


def test_other_commits_of_the_same_files_do_not_differ(project: Project, git: Git, make_run: MakeRun) -> None:
    one = make_run("one")
    git("commit", "--quiet", "--allow-empty", "-m", "nothing")
    two = make_run("two")
    change = code_change(project.repo, one, two)
    assert change.base != change.commit
    assert not change.differs


@pytest.mark.parametrize(
    ("commit", "problem"),
    [
        (None, "two has no recorded code"),
        ("f" * 40, "the code of two, commit ffffffffff, is not in this clone"),
        ("--output=/tmp/owned", "the code of two, commit --output=/, is not in this clone"),
        ("HEAD", "the code of two, commit HEAD, is not in this clone"),
    ],
)
def test_code_that_is_not_here_is_a_problem(
    project: Project, make_run: MakeRun, commit: str | None, problem: str
) -> None:
    one = make_run("one")
    two = replace(make_run("two"), code=CodeState(commit=commit))
    change = code_change(project.repo, one, two)
    assert change.problem == problem
    assert change.differs
    assert patch(project.repo, one, two, colour=False) == b""


def test_a_diff_program_of_the_repository_is_not_run(project: Project, repo: Path, git: Git, make_run: MakeRun) -> None:
    git("config", "diff.evil.textconv", f"touch {repo}/owned; cat")
    git("config", "diff.external", f"touch {repo}/owned; true")
    (repo / ".gitattributes").write_text("*.py diff=evil\n")
    (repo / "a.py").write_text("x = 1\n")
    one = make_run("one")
    (repo / "a.py").write_text("x = 2\n")
    two = make_run("two")
    assert code_change(project.repo, one, two).files == (FileChange("a.py", 1, 1),)
    assert b"+x = 2" in patch(project.repo, one, two, colour=False)
    assert not (repo / "owned").exists()
