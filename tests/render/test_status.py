from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from gtrack.git.worktree import WorktreeState
from gtrack.ops.status import StatusReport
from gtrack.records import Run
from gtrack.render.status import write_status
from tests.render.conftest import CheckGolden, Draw, golden_name

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
            replace(EMPTY, worktree=replace(CLEAN, head=None)),
            "a run now   records no code: there is nothing in here yet",
        ),
    ],
)
def test_lines(status: StatusReport, line: str, draw: Draw, now: datetime) -> None:
    assert line in draw(lambda console: write_status(console, status, now), 80).splitlines()
