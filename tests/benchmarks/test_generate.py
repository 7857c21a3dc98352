"""The ground that the benchmarks stand on is what gtrack itself would have written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.generate import EXPERIMENT, METRICS_LOGGED, PARAMETERS, ROWS, add_registry, add_runs, make_repository
from benchmarks.peers import PEERS, GTrack, JsonLines, Peer
from gtrack.project import Project
from gtrack.records import Status
from gtrack.store.runs import RunStore
from tests.conftest import run_git

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def opened(place: Path) -> Iterator[RunStore]:
    project = Project.open(place)
    with closing(project.repo.objects):
        yield project.store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_repository(tmp_path / "many")
    add_runs(tmp_path / "many", 1_005, seed=3)
    return tmp_path / "many"


def test_gtrack_reads_every_generated_tag_of_the_registry(tmp_path: Path) -> None:
    make_repository(tmp_path / "registry")
    add_registry(tmp_path / "registry", 40, models=2)
    project = Project.open(tmp_path / "registry")
    with closing(project):
        assert project.registry.problems() == ()
        assert [(one.name, len(one.versions), len(one.stages["staging"])) for one in project.registry.models()] == [
            ("model-0", 10, 5),
            ("model-1", 10, 5),
        ]


def test_gtrack_reads_every_generated_run(place: Path) -> None:
    with opened(place) as store:
        runs = store.runs()
        history, environment = store.history(runs[0].id), store.environment(runs[0].id)
    assert len(runs) == len({run.id for run in runs}) == 1_005
    assert not any(run.problems for run in runs)
    assert {run.experiment for run in runs} == {EXPERIMENT}
    assert {len(run.params) for run in runs} == {PARAMETERS}
    assert {len(run.metrics) for run in runs} == {METRICS_LOGGED}
    assert {run.status for run in runs} == {Status.FINISHED, Status.FAILED}
    assert {run.code.commit for run in runs} == {run_git("rev-parse", "main", cwd=place)}
    assert len(history) == ROWS
    assert "packages" in environment


def test_git_finds_nothing_wrong_and_the_tree_is_clean(place: Path) -> None:
    assert run_git("fsck", "--full", "--strict", cwd=place) == ""
    assert run_git("rev-list", "--count", "gtrack/runs", cwd=place) == "2"
    assert run_git("status", "--porcelain", cwd=place) == ""


def test_the_same_seed_makes_the_same_ids(place: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "again")
    add_runs(tmp_path / "again", 5, seed=3)
    with opened(tmp_path / "again") as again, opened(place) as store:
        assert len(again.ids()) == 5
        assert set(again.ids()) <= set(store.ids())


@pytest.mark.parametrize("peer", [GTrack(), JsonLines()], ids=lambda peer: peer.name)
def test_what_is_left_after_a_kill(peer: Peer, tmp_path: Path) -> None:
    make_repository(tmp_path / "killed")
    command = [sys.executable, "-m", "benchmarks.work", "kill", peer.name, str(tmp_path / "killed"), "500"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, env=env, check=False, capture_output=True).returncode == -signal.SIGKILL
    kept = peer.kept(tmp_path / "killed")
    assert kept == 500 if isinstance(peer, GTrack) else 0 < kept < 500


def test_the_names_of_the_peers_are_their_own() -> None:
    assert len({peer.name for peer in PEERS}) == len(PEERS)
