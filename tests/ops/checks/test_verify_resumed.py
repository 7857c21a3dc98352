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


def test_a_run_that_one_clone_moved_while_another_went_on_with_it_is_merged_without_faults(
    runs: Runs, project: Project, git: Git
) -> None:
    base = git("rev-parse", BRANCH)
    go_on(project, runs["plain"], 0.5, "theirs")
    theirs = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    more = ActiveRun.resume(project, runs["plain"].id)
    more.move("other")
    more.end("finished")
    ours = git("rev-parse", BRANCH)
    for tip in (
        merge(project.repo, ours, theirs, project.identity(), source="box").commit,
        replay(project.repo, ours, base, theirs, project.identity()).commit,
    ):
        git("update-ref", f"refs/heads/{BRANCH}", str(tip))
        run = project.store.run(runs["plain"].id)
        assert (run.experiment, run.metrics["late_theirs"]) == ("other", 0.5)
        assert [one.text for one in verify_runs(project).errors] == []


def test_a_run_that_printed_nothing_and_was_moved_has_its_empty_output_still(project: Project) -> None:
    silent = ActiveRun.start(project, experiment="forest")
    silent.append_output(b"")
    run = silent.end()
    again = ActiveRun.resume(project, run.id)
    again.move("other")
    again.end()
    assert project.store.file(run.id, "output.log") == b""
    assert verify_runs(project).faults == ()
