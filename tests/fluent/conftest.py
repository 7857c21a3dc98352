"""The verbs in the test's own process: what they share is forgotten after each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gtrack.fluent.active import process, stack_here
from tests.conftest import Git, Once, sample_nothing


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    type(process).__init__(process)
    process.exit_watched_by = os.getpid()  # nothing of a test is to happen when pytest ends
    stack_here.set(())
    yield
    for run in list(process.open.values()):
        run.end()
    for project in process.projects.values():
        project.repo.objects.close()  # other tests look at the processes that are left
    type(process).__init__(process)
    stack_here.set(())


@pytest.fixture
def quiet(repo: Path, once: Once) -> Path:
    """Return a repository whose runs sample nothing."""
    once(sample_nothing)
    return repo


@pytest.fixture
def stored(git: Git) -> Callable[[str, str], Any]:
    """Return what git holds: ``stored(run_id, "params.yaml")``, read by a YAML reader that is not ours."""

    def read(run_id: str, name: str) -> Any:
        paths = [
            line
            for line in git("ls-tree", "-r", "--name-only", "-z", "gtrack/runs").split("\0")
            if f"/{run_id}/" in line
        ]
        wanted = [path for path in paths if path.endswith(f"/{run_id}/{name}")]
        if not wanted:
            return None
        text = git("show", f"gtrack/runs:{wanted[0]}")
        return yaml.safe_load(text) if name.endswith(".yaml") and "artifacts/" not in name else text

    return read


@pytest.fixture
def no_live_runs(repo: Path) -> Callable[[], bool]:
    """Return a function that tells whether every live directory and lock is gone."""
    return lambda: not list((repo / ".gtrack" / "live").glob("*"))
