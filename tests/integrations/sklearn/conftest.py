"""Autologging in the test's own process: it is switched off, and what the verbs share is forgotten, after each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from gtrack.fluent.active import process, project_here, stack_here
from gtrack.integrations.sklearn import autolog
from gtrack.records import Run
from tests.conftest import Once, sample_nothing

Data: TypeAlias = tuple[pd.DataFrame, "pd.Series[Any]"]


@pytest.fixture(autouse=True)
def fresh(once: Once) -> Iterator[None]:
    type(process).__init__(process)
    process.exit_watched_by = os.getpid()
    stack_here.set(())
    once(sample_nothing)
    yield
    autolog(disable=True)
    for run in list(process.open.values()):
        run.end()
    for project in process.projects.values():
        project.repo.objects.close()
    type(process).__init__(process)
    stack_here.set(())


@pytest.fixture
def runs() -> Callable[[], list[Run]]:
    """Return a function that lists all runs in git, the first one first; none may have complained of anything."""

    def listed() -> list[Run]:
        found = project_here().store.runs()
        assert [run.warnings for run in found] == [()] * len(found)
        return sorted(found, key=lambda run: str(run.started))

    return listed


@pytest.fixture
def artifacts() -> Callable[[Run], dict[str, bytes]]:
    """Return a function that gives the artifacts of a run in git."""

    def read(run: Run) -> dict[str, bytes]:
        store = project_here().store
        return {one.path: store.artifact_bytes(run.id, one.path) for one in store.artifacts(run.id)}

    return read


@pytest.fixture(scope="session")
def cancer() -> Data:
    """Return the breast cancer data: a frame of 200 rows, and two classes."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X[:200], y[:200]


@pytest.fixture(scope="session")
def diabetes() -> Data:
    """Return the diabetes data: a frame of 200 rows, and a number to predict."""
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X[:200], y[:200]
