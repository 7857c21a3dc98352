"""What the branch's history holds may be of a stranger: nothing is put back that no run may hold."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gtrack.errors import FormatError
from gtrack.formats.names import experiment_directory, run_path
from gtrack.project import Project
from gtrack.store.removal import Removed, restored
from tests.store.conftest import Make
from tests.store.test_runs import ANA, put

NEVER = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_a_run_out_of_a_backup(project: Project, make: Make) -> None:
    run = make("one", "exp")
    put(project, f"{run_path('exp', run.id)}/artifacts/link", b"/etc/passwd", "120000")
    held = project.store.tip()
    assert held is not None
    project.store.remove(run.id)
    one = Removed(run.id, "exp", held, "", NEVER, "", "purged", "refs/gtrack/backup/20260101T000000Z")
    with pytest.raises(FormatError, match="not restored"):
        restored(project.repo, project.store.tip(), one, ANA)
    with pytest.raises(FormatError, match="not restored"):
        project.store.restore(run.id)


@pytest.mark.parametrize("inside", ["artifacts/link", "", "beside"])
def test_an_experiment(project: Project, make: Make, inside: str) -> None:
    run, other = make("one", "exp"), make("two", "exp")
    place = {"": f"{experiment_directory('exp')}/link", "beside": f"{experiment_directory('exp')}/{run.id[:2]}/link"}
    put(project, place.get(inside, f"{run_path('exp', run.id)}/{inside}"), b"/etc/passwd", "120000")
    project.store.remove_experiment("exp")
    with pytest.raises(FormatError, match=r"not restored.*link"):
        project.store.restore_experiment("exp")
    assert project.store.restore(other.id) == other
