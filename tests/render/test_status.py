from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from gtrack.git.worktree import WorktreeState
from gtrack.ops.sharing.waiting import Waiting
from gtrack.ops.status import StatusReport
from gtrack.records import Run
from gtrack.render.status import write_status
from gtrack.store.auto_push import Failure
from tests.render.conftest import CheckGolden, Draw, golden_name

FAILURE = Failure(datetime(2026, 11, 22, 4, 33, tzinfo=timezone.utc), "no route " * 99)
CLEAN = WorktreeState("a" * 40, "main", (), (), ())
EMPTY = StatusReport(
    root="/home/ana/p",
    runs_branch="gtrack/runs",
    has_runs_branch=False,
    experiment="default",
    initialised=True,
    worktree=CLEAN,
)


@pytest.mark.parametrize("width", [80, None])
def test_a_repository_at_work(
    forests: list[Run], draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    worktree = WorktreeState("a" * 40, "main", ("train.py",), tuple(f"new_{n}.py" for n in range(20)), ())
    counts = {"finished": 12, "failed": 1, "killed": 2}
    found = replace(
        EMPTY, has_runs_branch=True, counts=counts, live=(forests[0],), worktree=worktree, initialised=False
    )
    golden(golden_name("status", width), draw(lambda console: write_status(console, found, now), width))


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (EMPTY, "runs        none yet; the first run makes the branch gtrack/runs"),
        (EMPTY, "a run now   records commit aaaaaaaaaa"),
        (replace(EMPTY, worktree=None), "            bare: runs can be read here, not made"),
        (replace(EMPTY, worktree=replace(CLEAN, branch=None)), "branch      detached at aaaaaaaaaa"),
        (replace(EMPTY, worktree=replace(CLEAN, head=None)), "branch      main (no commit yet)"),
        (
            replace(EMPTY, worktree=replace(CLEAN, head=None, untracked=("a", "b"))),
            "a run now   records a snapshot on top of no commit: 2 untracked files",
        ),
        (
            replace(EMPTY, has_runs_branch=True, waiting=Waiting("origin")),
            "sharing     nothing waits to be pushed to origin",
        ),
        (
            replace(EMPTY, has_runs_branch=True, waiting=Waiting("origin", 3, 1, 2, FAILURE)),
            "sharing     3 runs not on origin, 1 run changed here, 2 runs removed here  'gtrack push' publishes that",
        ),
        (
            replace(EMPTY, has_runs_branch=True, waiting=Waiting("origin", 3, failure=FAILURE)),
            f"            the last push after a run failed, 2026-11-22 04:33 UTC: {'no route ' * 33}no …",
        ),
        (
            replace(EMPTY, worktree=replace(CLEAN, head=None)),
            "a run now   records no code: there is nothing in here yet",
        ),
    ],
)
def test_lines(status: StatusReport, line: str, draw: Draw, now: datetime) -> None:
    assert line in draw(lambda console: write_status(console, status, now), 80).splitlines()
