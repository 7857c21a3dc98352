"""Values that come later, on two sides and merged, are no forgeries."""

from __future__ import annotations

from gtrack.ops.checks.verify_runs import verify_runs
from gtrack.ops.edit import edit_notes
from gtrack.project import Project
from gtrack.records import Run
from gtrack.store.merge.merge import merge
from gtrack.store.merge.replay import replay
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.checks.conftest import BRANCH, Runs


def go_on(project: Project, run: Run, loss: float, lr: str) -> None:
    more = ActiveRun.resume(project, run.id)
    more.log_metrics({"loss": loss, f"late_{lr}": loss}, step=7)
    more.log_params({f"lr_{lr}": loss})
    more.end("finished")


def test_a_run_that_went_on_in_two_clones_is_merged_and_replayed_without_faults(
    runs: Runs, project: Project, git: Git
) -> None:
    base = git("rev-parse", BRANCH)
    go_on(project, runs["plain"], 0.5, "ours")
    edit_notes(project, runs["plain"], "Ours.")
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    go_on(project, runs["plain"], 0.4, "theirs")
    edit_notes(project, runs["plain"], "Theirs.")
    theirs = git("rev-parse", BRANCH)
    merged = merge(project.repo, theirs, ours, project.identity(), source="box").commit
    replayed = replay(project.repo, theirs, base, ours, project.identity()).commit
    for tip in (merged, replayed):
        git("update-ref", f"refs/heads/{BRANCH}", str(tip))
        assert [one.text for one in verify_runs(project).errors] == []
