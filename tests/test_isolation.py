"""A test sees nothing of the machine that it runs on: proven in a hostile environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import IDENTITY, Git

PROJECT = Path(__file__).parents[1]


def test_home_is_the_tests_own(isolation: Path) -> None:
    assert Path.home() == isolation
    assert Path(os.environ["XDG_CONFIG_HOME"]).is_relative_to(isolation)
    assert Path(os.environ["XDG_CACHE_HOME"]).is_relative_to(isolation)


def test_no_variable_of_git_or_gtrack_is_inherited() -> None:
    left = {name for name in os.environ if name.startswith(("GIT_", "GTRACK_"))}
    assert left == {"GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL"}


def test_git_is_configured_by_the_test_alone(git: Git, isolation: Path) -> None:
    lines = git("config", "--list", "--show-origin").splitlines()
    origins = {line.split("\t")[0] for line in lines}
    assert origins == {f"file:{isolation / '.gitconfig'}", "file:.git/config"}


def test_identity_is_always_the_same(git: Git) -> None:
    assert git("var", "GIT_AUTHOR_IDENT").startswith(f"{IDENTITY} ")
    assert git("log", "-1", "--format=%an <%ae> %cn <%ce>") == f"{IDENTITY} {IDENTITY}"


def test_repository_has_one_known_commit(repo: Path, git: Git) -> None:
    assert Path.cwd() == repo
    assert Path(git("rev-parse", "--show-toplevel")) == repo.resolve()
    assert git("rev-list", "--all").splitlines() == ["c5325fcef4ef958dab3bce4919e12ac8155136b3"]
    assert git("status", "--porcelain") == ""
    assert git("symbolic-ref", "HEAD") == "refs/heads/main"


def test_working_directory_is_no_repository(tmp_path: Path) -> None:
    assert Path.cwd() == tmp_path
    found = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, check=False)
    assert found.returncode == 128


def test_a_hostile_environment_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Mallory\n[commit]\n\tgpgSign = true\n[core]\n\thooksPath = /\n")
    hostile = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "0",
        "GIT_DIR": str(PROJECT / ".git"),
        "GIT_WORK_TREE": str(PROJECT),
        "GIT_INDEX_FILE": str(home / "index"),
        "GIT_AUTHOR_NAME": "Mallory",
        "GTRACK_REPO": str(PROJECT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "not hostile", __file__],
        cwd=PROJECT,
        env=hostile,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
