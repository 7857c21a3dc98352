"""Real runs in a real repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun

MakeRun = Callable[..., Run]
OpenProject = Callable[..., Project]


@pytest.fixture
def open_project(repo: Path) -> Iterator[OpenProject]:
    """Return a function that opens the project anew, as another process would; all are closed at the end."""
    opened: list[Project] = []

    def open_it(where: Path = repo) -> Project:
        opened.append(Project.open(where))
        return opened[-1]

    yield open_it
    for project in opened:
        project.repo.objects.close()


@pytest.fixture
def project(open_project: OpenProject) -> Project:
    return open_project()


@pytest.fixture
def make_run(open_project: OpenProject) -> MakeRun:
    """Return a function that makes a committed run; each sees the working tree as a process of its own would."""

    def make(
        name: str,
        *,
        experiment: str = "forest",
        params: dict[str, object] | None = None,
        metrics: dict[str, float] | None = None,
        artifacts: dict[str, bytes] | None = None,
        output: bytes = b"",
        status: str = "finished",
        parent: str | None = None,
    ) -> Run:
        run = ActiveRun.start(open_project(), name=name, experiment=experiment, parent=parent)
        run.log_params(params or {})
        run.log_metrics(metrics or {})
        for path, data in (artifacts or {}).items():
            run.log_bytes(data, path)
        if output:
            run.append_output(output)
        return run.end(status)

    return make
