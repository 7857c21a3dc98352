"""What every test stands on: nothing of the machine, a repository of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
from hypothesis import settings

T = TypeVar("T")

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

# How many examples of each property are tried: few in every run, ten times as many with `make test THOROUGH=1`.
_THOROUGH = os.environ.get("THOROUGH", "") not in ("", "0")


def examples(usual: int) -> settings:
    """Let hypothesis try ``usual`` examples of a property instead of the 40 of the others, or ten times as many."""
    return settings(max_examples=usual * 10 if _THOROUGH else usual)


# A two-core machine under load is slow now and then, which is no failure; CI must give the same answer twice.
settings.register_profile(
    "gtrack", max_examples=400 if _THOROUGH else 40, deadline=None, derandomize="CI" in os.environ
)
settings.load_profile("gtrack")

os.environ.setdefault("KERAS_BACKEND", "torch")  # the one that is installed; it is read when Keras is imported
# One test process per core is what the machine has. Threads of OpenMP and of BLAS beside them wait for each other in a busy
# loop, and make the fits of the small models here three times as slow. Read when a library is loaded, here and in children.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})


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


@pytest.fixture(scope="session")
def first_commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository that each ``repo`` is a copy of; made once, with no configuration but that of the tests."""
    place = tmp_path_factory.mktemp("first-commit")
    (place / ".gitconfig").write_text(_GIT_CONFIG)
    root = place / "repo"
    root.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XDG_"))}
    alone = {**kept, "HOME": str(place), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*args: str, **more: str) -> None:
        subprocess.run(["git", *args], cwd=root, env={**alone, **more}, check=True, capture_output=True)

    git("init", "--quiet")
    for sample in (root / ".git" / "hooks").iterdir():  # nothing runs them, and every test would copy them
        sample.unlink()
    (root / "README.md").write_text("A project under test.\n")
    git("add", "README.md")
    when = "2026-01-02T03:04:05+00:00"
    git("commit", "--quiet", "--message", "Begin", GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
    return root


def copy_repository(source: Path, target: Path) -> None:
    """Copy a repository over another, or into an empty directory: its working tree is as clean as the source's."""
    # A tenth of what shutil.copytree takes. -f: git's objects are there already, and cannot be written to.
    subprocess.run(["cp", "-pRf", f"{source}/.", str(target)], check=True)
    run_git("update-index", "-q", "--refresh", cwd=target)  # it names the inode of each file, and the copy's is another


@pytest.fixture
def repo(first_commit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a real repository with one commit on ``main``, always the same one; the working directory is in it."""
    root = tmp_path / "repo"
    root.mkdir()
    copy_repository(first_commit, root)
    monkeypatch.chdir(root)
    return root


class Once(Protocol):
    """Brings ``repo`` into the state that ``make`` leaves it in, and returns what that returned."""

    def __call__(self, make: Callable[[Path], T]) -> T: ...


@pytest.fixture(scope="session")
def copies() -> dict[object, tuple[Path, Any]]:
    """Return what ``once`` has made: the repository, to be copied, and what the function returned."""
    return {}


@pytest.fixture
def once(repo: Path, tmp_path_factory: pytest.TempPathFactory, copies: dict[object, tuple[Path, Any]]) -> Once:
    """Return a function that fills ``repo`` by another, in the first test that asks for it, and by a copy in all others.

    The other is a function of a module, and is handed ``repo``. All tests share what it returns: nothing that changes.
    """

    def fill(make: Callable[[Path], T]) -> T:
        if make in copies:
            place, made = copies[make]
            copy_repository(place, repo)
            result: T = made
            return result
        result = make(repo)
        place = tmp_path_factory.mktemp("once")
        copy_repository(repo, place)
        copies[make] = place, result
        return result

    return fill


def sample_nothing(repo: Path) -> None:
    """Commit the setting that the hardware is not sampled: what a test counts is what it logged. For ``once``."""
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0}\n")
    run_git("add", ".gtrack", cwd=repo)
    run_git("commit", "--quiet", "--message", "Settings", cwd=repo)


@pytest.fixture
def git(repo: Path) -> Git:
    """Return a function that runs git in ``repo``: ``git("rev-parse", "HEAD")``."""

    def run(*args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
        return run_git(*args, cwd=cwd or repo, env=env, stdin=stdin)

    return run


# Many tests that each start a process, train a model or draw are slow together: here those marked `quick` alone are not.
_SLOW_TOGETHER = (
    *("end_to_end/*", "integrations/*", "launch/test_autolog.py", "launch/test_child.py", "launch/test_figures.py"),
    *("launch/test_launch.py", "launch/test_shapes.py", "launch/test_signals.py", "cli/test_plotting.py"),
    *("fluent/test_late.py", "fluent/test_lingering.py", "fluent/test_mlflow_words.py", "fluent/test_processes.py"),
    *("fluent/test_propagate.py", "charts/test_bars.py", "charts/test_history.py", "charts/test_parallel.py"),
    *("charts/test_scatter.py", "charts/test_study_history.py", "charts/test_study_slice.py"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark what is slow together, and measure coverage in quick tests by example alone.

    On Python 3.11 the tracer makes everything in the process twice as slow, also what is not measured: the slow tests and
    the hundreds of examples of the properties would take longer than all others, and hardly a line is theirs alone.
    """
    for item in items:
        place = item.path.relative_to(Path(__file__).parent).as_posix()
        together = any(fnmatch(place, pattern) for pattern in _SLOW_TOGETHER)
        if together and not item.get_closest_marker("quick"):
            item.add_marker("slow")
        if item.get_closest_marker("slow") or getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("no_cover")


def pytest_configure(config: pytest.Config) -> None:
    """Undo what the machine did to children: their bytecode is kept, and signals do what they do by default.

    Without bytecode each of the thousand commands that are started here compiles all of gtrack. `nohup`, or a shell without
    job control, has signals ignored; children inherit that, and tests send signals.
    """
    config.addinivalue_line("markers", "no_cover: coverage rests meanwhile; pytest-cov reads it, where it is there")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
