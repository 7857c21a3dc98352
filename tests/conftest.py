"""What every test stands on: nothing of the machine, a repository of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

IDENTITY = "Ana <ana@example.org>"

_GIT_CONFIG = """\
[user]
    name = Ana
    email = ana@example.org
[init]
    defaultBranch = main
    defaultObjectFormat = sha1
[safe]
    directory = *
"""

# They change how rich, typer and matplotlib draw, and differ between a terminal, a container and CI.
_DRAWING = (
    *("COLUMNS", "LINES", "COLORTERM", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "CLICOLOR", "CLICOLOR_FORCE"),
    *("TTY_COMPATIBLE", "TTY_INTERACTIVE", "GITHUB_ACTIONS", "DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"),
)

# A two-core machine under load is slow now and then, which is no failure; CI must give the same answer twice.
settings.register_profile("gtrack", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("gtrack")

os.environ.setdefault("KERAS_BACKEND", "torch")  # the one that is installed; it is read when Keras is imported


class Git(Protocol):
    """Runs git in the test's repository, or in ``cwd``, and returns its stdout without the last newline."""

    def __call__(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> str: ...


def run_git(*args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["git", *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="surrogateescape",
    )
    assert done.returncode == 0, f"git {' '.join(args)} said {done.returncode}: {done.stderr}"
    return done.stdout.removesuffix("\n")


@pytest.fixture(autouse=True)
def isolation(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> Path:
    """Take away the machine's git configuration, GTRACK_* and GIT_* variables and terminal; return the new HOME.

    The working directory is no repository, so a test that forgets ``repo`` cannot write into this project's own.
    """
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(_GIT_CONFIG)
    for name in list(os.environ):
        if name.startswith(("GIT_", "GTRACK_", "XDG_")) or name in _DRAWING:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    # Matplotlib lists the fonts of the machine once per HOME, which takes seconds: one list for all tests.
    monkeypatch.setenv("MPLCONFIGDIR", str(pytestconfig.rootpath / ".pytest_cache" / "d" / "matplotlib"))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a real repository with one commit on ``main``, always the same one; the working directory is in it."""
    root = tmp_path / "repo"
    root.mkdir()
    run_git("init", "--quiet", cwd=root)
    (root / "README.md").write_text("A project under test.\n")
    run_git("add", "README.md", cwd=root)
    when = "2026-01-02T03:04:05+00:00"
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    run_git("commit", "--quiet", "--message", "Begin", cwd=root, env=dates)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def git(repo: Path) -> Git:
    """Return a function that runs git in ``repo``: ``git("rev-parse", "HEAD")``."""

    def run(*args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
        return run_git(*args, cwd=cwd or repo, env=env, stdin=stdin)

    return run


def pytest_configure() -> None:
    """Undo what `nohup`, or a shell without job control, did to signals: children inherit that, and tests send signals."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
