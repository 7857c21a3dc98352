from __future__ import annotations

from pathlib import Path

from gtrack.ops.edit import edit_notes
from gtrack.ops.remove import remove_all
from gtrack.ops.sharing.push import push
from gtrack.ops.sharing.waiting import Waiting
from gtrack.ops.status import status
from gtrack.project import Project, initialise
from gtrack.store.auto_push import AutoPush
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.conftest import MakeRun, OpenProject


def test_a_repository_without_runs(project: Project, repo: Path) -> None:
    found = status(project)
    assert (found.root, found.runs_branch, found.has_runs_branch) == (str(repo), "gtrack/runs", False)
    assert not found.initialised
    assert found.worktree is not None
    assert not found.worktree.dirty


def test_runs_are_counted_by_status(open_project: OpenProject, project: Project, repo: Path, make_run: MakeRun) -> None:
    for name, how in (("a", "finished"), ("b", "failed"), ("c", "finished"), ("d", "killed")):
        make_run(name, status=how)
    initialise(repo)
    live = ActiveRun.start(open_project(), name="live")
    found = status(project)
    assert found.counts == {"finished": 2, "failed": 1, "killed": 1}
    assert [run.name for run in found.live] == ["live"]
    assert found.has_runs_branch
    assert found.initialised
    live.end()


def test_a_bare_repository(open_project: OpenProject, repo: Path, git: Git, tmp_path: Path, make_run: MakeRun) -> None:
    make_run("one")
    git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare.git"))
    found = status(open_project(tmp_path / "bare.git"))
    assert found.worktree is None
    assert found.counts == {"finished": 1}
    assert found.root == str(tmp_path / "bare.git")


def test_looking_writes_nothing(project: Project, repo: Path, git: Git) -> None:
    (repo / "new.py").write_text("x = 1\n")
    before = git("count-objects", "-v"), git("for-each-ref")
    assert status(project).worktree is not None
    assert (git("count-objects", "-v"), git("for-each-ref")) == before


def test_what_waits_to_be_pushed_is_counted_without_the_remote(
    project: Project, make_run: MakeRun, git: Git, tmp_path: Path
) -> None:
    runs = [make_run(name) for name in "abc"]
    assert status(project).waiting is None
    git("init", "--quiet", "--bare", str(tmp_path / "host.git"))
    git("remote", "add", "origin", str(tmp_path / "host.git"))
    assert status(project).waiting == Waiting("origin", new=3)
    push(project)
    (tmp_path / "host.git").rename(tmp_path / "away.git")
    assert status(project).waiting == Waiting("origin")
    make_run("d")
    edit_notes(project, runs[0], "Noted.")
    remove_all(project, [runs[1]])
    AutoPush(project.repo).note_failure("no route to host")
    found = status(project).waiting
    assert found is not None
    assert (found.new, found.changed, found.removed) == (1, 1, 1)
    assert found.failure is not None
    assert found.failure.message == "no route to host"
