"""A project whose runs have models, and tags as other tools and people make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from gtrack.git.tags import Tag
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Git, run_git


class Train(Protocol):
    """Makes a run with a model and returns it as it was committed."""

    def __call__(self, f1: float = 0.9, path: str = "model", **more: Any) -> Run: ...


class HandMade(Protocol):
    """Makes an annotated tag as somebody would by hand, at a time that is told."""

    def __call__(self, name: str, commit: str, second: int = 0, message: str = "by hand") -> None: ...


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0}\n")
    run_git("add", ".gtrack", cwd=repo)
    run_git("commit", "--quiet", "--message", "Settings", cwd=repo)
    opened = Project.open(repo)
    yield opened
    opened.close()


@pytest.fixture
def train(project: Project) -> Train:
    def run(f1: float = 0.9, path: str = "model", **more: Any) -> Run:
        active = ActiveRun.start(project, experiment="churn study", **more)
        active.log_metrics({"f1": f1, "size": 12})
        active.log_bytes(b"flavors: {}\n", f"{path}/MLmodel")
        active.log_bytes(b"weights", f"{path}/model.bin")
        return active.end()

    return run


@pytest.fixture
def hand_made(git: Git) -> HandMade:
    def tag(name: str, commit: str, second: int = 0, message: str = "by hand") -> None:
        when = {"GIT_COMMITTER_DATE": f"{1_800_000_000 + second} +0000"}
        git("tag", "-a", "-m", message, name, commit, env=when)

    return tag


def a_tag(name: str, commit: str = "c", second: int = 0, message: str = "", **more: Any) -> Tag:
    """Return a tag as git would list it."""
    facts: Mapping[str, Any] = {"annotated": True, "target": commit, "kind": "commit", "tagger": "Bo <b@x>", **more}
    return Tag(name, "0" * 40, time=1_800_000_000 + second, message=message, **facts)
