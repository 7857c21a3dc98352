"""The libraries that gtrack works with, trained for real on tiny data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import gtrack
from gtrack.fluent.active import process, stack_here
from gtrack.fluent.lingering import settle
from tests.conftest import Git, Once, sample_nothing


@dataclass
class Tracked:
    """A repository whose runs sample nothing, and what is in it."""

    root: Path
    git: Git

    def runs(self) -> list[gtrack.Run]:
        """Return all runs, the oldest first."""
        runs: list[gtrack.Run] = gtrack.search_runs(output_format="list", order_by=["start_time"])
        return runs

    def only(self) -> gtrack.Run:
        (run,) = self.runs()
        return run

    def artifacts(self, run: gtrack.Run) -> set[str]:
        project = next(iter(process.projects.values()))
        return {one.path for one in project.artifacts(run.id)}

    def curve(self, run: gtrack.Run, metric: str) -> list[tuple[int, float]]:
        """Return the steps and values of a metric."""
        frame = gtrack.get_metric_history(run.id, metric)
        return list(zip(frame["step"].tolist(), frame["value"].tolist(), strict=True))

    def stored(self, run: gtrack.Run, name: str) -> Any:
        """Return a file of a committed run, read from git by a YAML reader that is not ours."""
        paths = self.git("ls-tree", "-r", "--name-only", "gtrack/runs").split("\n")
        (path,) = [one for one in paths if one.endswith(f"/{run.id}/{name}")]
        return yaml.safe_load(self.git("show", f"gtrack/runs:{path}"))


@pytest.fixture
def tracked(repo: Path, git: Git, once: Once) -> Iterator[Tracked]:
    once(sample_nothing)
    type(process).__init__(process)
    process.exit_watched_by = os.getpid()  # nothing of a test is to happen when pytest ends
    stack_here.set(())
    yield Tracked(repo, git)
    for run in list(process.open.values()):
        run.end()
    settle()
    for project in process.projects.values():
        project.close()
    type(process).__init__(process)
    stack_here.set(())
