"""A project, and runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun


class Make(Protocol):
    """Makes a run with these metrics and artifacts and returns it as it was committed."""

    def __call__(
        self,
        name: str = "one",
        experiment: str = "default",
        metrics: Mapping[str, float] | None = None,
        artifacts: Mapping[str, bytes] | None = None,
        **more: Any,
    ) -> Run: ...


@pytest.fixture
def project(repo: Path) -> Project:
    return Project.open(repo)


@pytest.fixture
def make(project: Project) -> Make:
    def run(
        name: str = "one",
        experiment: str = "default",
        metrics: Mapping[str, float] | None = None,
        artifacts: Mapping[str, bytes] | None = None,
        **more: Any,
    ) -> Run:
        active = ActiveRun.start(project, name=name, experiment=experiment, **more)
        if metrics:
            active.log_metrics(metrics)
        for path, data in (artifacts or {}).items():
            active.log_bytes(data, path)
        return active.end()

    return run
