"""A run leaves everything of the user's as it was: HEAD, reflogs, index, stash, status, settings, every time stamp."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Git, run_git
from tests.end_to_end.engine import check_fsck, one_run, start, succeed

State = dict[str, object]


def state_of(root: Path) -> State:
    """Return all that a run must not change, read so that the reading changes nothing either."""
    git_dir = root / ".git"
    found: State = {}
    ours = ("gtrack", "objects")
    for path in sorted(git_dir.rglob("*")):
        inside = path.relative_to(git_dir).as_posix()
        if inside.split("/")[0] in ours or "/gtrack" in inside or path.is_dir():
            continue
        found[f".git/{inside}"] = (path.read_bytes(), path.stat().st_mtime_ns)
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).as_posix()
        if inside.split("/")[0] not in (".git", ".gtrack"):
            found[inside] = (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ino)
    for question in (
        ("status", "--porcelain=v2", "--branch", "--show-stash", "--untracked-files=all"),
        ("stash", "list"),
        ("reflog", "show", "HEAD"),
        ("for-each-ref", "--exclude=refs/heads/gtrack"),
        ("ls-files", "--stage", "--debug"),
    ):
        if question[0] == "for-each-ref":
            refs = run_git("for-each-ref", cwd=root).splitlines()
            found["refs"] = [line for line in refs if "refs/heads/gtrack/" not in line and "refs/gtrack/" not in line]
            continue
        found[question[0] + question[1]] = run_git(*question, cwd=root, env={"GIT_OPTIONAL_LOCKS": "0"})
    return found


def clean(root: Path) -> None:
    assert run_git("status", "--porcelain", cwd=root) == ""


def dirty(root: Path) -> None:
    """Leave something of every kind that `git status` knows."""
    (root / "stashed.py").write_text("stashed\n")
    run_git("add", "stashed.py", cwd=root)
    run_git("stash", "push", "--quiet", "--message", "Mine", cwd=root)
    (root / "kept.py").write_text("edited\n")
    (root / "deleted.py").unlink()
    run_git("mv", "renamed.py", "new-name.py", cwd=root)
    (root / "staged.py").write_text("staged\n")
    run_git("add", "staged.py", cwd=root)
    (root / "staged.py").write_text("staged, then edited\n")
    (root / "intended.py").write_text("intended\n")
    run_git("add", "--intent-to-add", "intended.py", cwd=root)
    (root / "deep" / "untracked").mkdir(parents=True)
    (root / "deep" / "untracked" / "file.py").write_text("untracked\n")
    (root / "link").symlink_to("nowhere")
    # Time stamps that differ from what the index has: `git status` would refresh it, a run must not.
    os.utime(root / "same.py", (1_600_000_000, 1_600_000_000))


def unmerged(root: Path) -> None:
    run_git("checkout", "--quiet", "-b", "side", cwd=root)
    (root / "kept.py").write_text("side\n")
    run_git("commit", "--quiet", "--all", "--message", "Side", cwd=root)
    run_git("checkout", "--quiet", "main", cwd=root)
    (root / "kept.py").write_text("main\n")
    run_git("commit", "--quiet", "--all", "--message", "Main", cwd=root)
    merge = subprocess.run(["git", "merge", "side"], cwd=root, capture_output=True, check=False)
    assert merge.returncode == 1
    assert (root / ".git" / "MERGE_HEAD").exists()


def detached(root: Path) -> None:
    run_git("checkout", "--quiet", "--detach", cwd=root)


@pytest.fixture
def tree(repo: Path, git: Git) -> Path:
    """Return a repository with settings, reflogs, a tag and the project's own files."""
    for name in ("kept.py", "deleted.py", "renamed.py", "same.py"):
        (repo / name).write_text(f"{name}\n" * 10)
    succeed("init.py", cwd=repo)
    git("add", "--all")
    git("commit", "--quiet", "--message", "Files")
    git("tag", "v1")
    git("config", "user.nickname", "ana")
    return repo


@pytest.mark.parametrize("prepare", [clean, dirty, unmerged, detached])
def test_before_during_and_after(tree: Path, prepare: Callable[[Path], None]) -> None:
    prepare(tree)
    before = state_of(tree)
    running = start("hold.py", cwd=tree, stdin=True)
    assert running.stdout is not None
    assert len(running.stdout.readline()) == 33
    during = state_of(tree)
    assert running.communicate("\n") == ("", "")
    after = state_of(tree)
    assert running.returncode == 0
    assert during == before
    assert after == before
    check_fsck(tree)


def test_many_runs_and_the_verbs_on_them(tree: Path) -> None:
    """A failed run, edits of a run that has ended, reading: nothing of the user's changes either."""
    dirty(tree)
    before = state_of(tree)
    first = one_run(tree)
    succeed("edit_run.py", first, cwd=tree)
    failing = start("failing.py", cwd=tree)
    assert "ZeroDivisionError" in failing.communicate()[1]
    succeed("list_runs.py", cwd=tree)
    succeed("recover.py", cwd=tree)
    assert state_of(tree) == before
    check_fsck(tree)


def test_repository_that_never_heard_of_gtrack(repo: Path, git: Git) -> None:
    """Even the directory that the first run makes is invisible to `git status`."""
    before = git("status", "--porcelain=v2", "--ignored", "--untracked-files=all")
    index = (repo / ".git" / "index").read_bytes()
    running = start("hold.py", cwd=repo, stdin=True)
    assert running.stdout is not None
    assert len(running.stdout.readline()) == 33
    assert git("status", "--porcelain=v2", "--untracked-files=all", env={"GIT_OPTIONAL_LOCKS": "0"}) == before
    running.communicate("\n")
    assert running.returncode == 0
    assert git("status", "--porcelain=v2", "--untracked-files=all", env={"GIT_OPTIONAL_LOCKS": "0"}) == before
    assert (repo / ".git" / "index").read_bytes() == index


def test_inherited_index_is_left_alone(tree: Path, git: Git, tmp_path: Path) -> None:
    """A script started with GIT_INDEX_FILE and GIT_DIR of its own, as by a hook or a shell that exports them."""
    (tree / "kept.py").write_text("edited\n")
    (tree / "new.py").write_text("new\n")
    own = tmp_path / "own-index"
    own.write_bytes((tree / ".git" / "index").read_bytes())
    before = own.read_bytes(), state_of(tree)
    env = {"GIT_INDEX_FILE": str(own), "GIT_DIR": str(tree / ".git"), "GIT_WORK_TREE": str(tree)}
    run_id = one_run(tree, env=env)
    assert (own.read_bytes(), state_of(tree)) == before
    assert git("show", f"{code_of(git, run_id)}:new.py") == "new"


def code_of(git: Git, run_id: str) -> str:
    return git(
        "log", "-1", f"--grep=Run: {run_id}", "--format=%(trailers:key=Code-Commit,valueonly,separator=)", "gtrack/runs"
    )
