"""Runs go by one commit, which says why; what changed since they were judged is judged again."""

from __future__ import annotations

from pathlib import Path

from gtrack.ops.edit import edit_notes
from gtrack.ops.remove import pin, remove_run, restore_removed
from gtrack.ops.retention.apply import apply_retention
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.conftest import MakeRun, OpenProject
from tests.ops.retention.conftest import NOW, Plan, Runs


def test_the_runs_go_by_one_commit_that_names_each_with_its_rule(
    runs: Runs, project: Project, plan: Plan, git: Git
) -> None:
    before = git("rev-parse", "gtrack/runs")
    done = apply_retention(project, plan({"name": "old sweeps", "experiment": "sweep"}), NOW)
    assert git("rev-parse", "gtrack/runs~") == before
    assert git("rev-parse", "gtrack/runs") == done.commit
    lines = git("log", "-1", "--format=%B", "gtrack/runs").splitlines()
    assert lines[:2] == ["Remove 4 runs by retention", ""]
    names = ("search", "trial", "low", "high")
    assert lines[2:6] == [f"{runs[name].id} sweep {name}: old sweeps" for name in names]
    assert {run.name for run in project.store.runs()} == {"broken", "only"}
    assert (
        git("ls-tree", "-r", "--name-only", "gtrack/runs", "experiments/sweep") == "experiments/sweep/experiment.yaml"
    )
    assert restore_removed(project, "trial") == runs["trial"]
    assert git("status", "--porcelain") == ""


def test_nothing_is_committed_when_no_run_goes(runs: Runs, project: Project, plan: Plan, git: Git) -> None:
    assert len(runs) == 6
    before = git("rev-parse", "gtrack/runs")
    done = apply_retention(project, plan({"status": "killed"}), NOW)
    assert (done.commit, done.removed) == (None, ())
    assert git("rev-parse", "gtrack/runs") == before


def test_what_was_pinned_registered_or_removed_since_stays_as_it_is(
    runs: Runs, project: Project, plan: Plan, open_project: OpenProject
) -> None:
    found = plan({"experiment": "*"})
    other = open_project()
    pin(other, runs["trial"])
    other.registry.register("churn", runs["high"].id, "weights.bin")
    remove_run(other, runs["broken"])
    done = apply_retention(project, found, NOW)
    assert {one.name for one in done.removed} == {"low", "only"}
    assert done.passed_over == 4
    assert {run.name for run in project.store.runs()} == {"search", "trial", "high"}


def test_a_registration_alone_which_moves_no_branch_is_seen(
    runs: Runs, project: Project, plan: Plan, open_project: OpenProject
) -> None:
    found = plan({"experiment": "sweep"})
    open_project().registry.register("churn", runs["trial"].id, "weights.bin")
    done = apply_retention(project, found, NOW)
    assert {one.name for one in done.removed} == {"low", "high"}


def test_a_child_that_has_started_since_keeps_its_parent(
    make_run: MakeRun, repo: Path, project: Project, plan: Plan
) -> None:
    parent = make_run("parent")
    found = plan({"experiment": "*"})
    live = ActiveRun.start(Project.open(repo), name="child", experiment="forest", parent=parent.id)
    assert apply_retention(project, found, NOW).removed == ()
    live.end()


def test_what_is_new_since_is_not_touched_though_a_rule_would_take_it(
    make_run: MakeRun, project: Project, plan: Plan
) -> None:
    first = make_run("first", status="failed")
    found = plan({"status": "failed"})
    make_run("second", status="failed")
    assert [one.run_id for one in apply_retention(project, found, NOW).removed] == [first.id]
    edit_notes(project, project.resolve("second"), "It stays.")
    assert [run.name for run in project.store.runs()] == ["second"]


def test_a_name_cannot_forge_a_line_of_the_message(make_run: MakeRun, project: Project, plan: Plan, git: Git) -> None:
    run = make_run("one")
    forged = "x\n\nRun: " + "a" * 32
    project.store.edit(run.id, lambda head: head.update(name=forged + "y" * 500), "renamed")
    apply_retention(project, plan({"experiment": "*"}), NOW)
    lines = git("log", "-1", "--format=%B", "gtrack/runs").splitlines()
    assert len(lines) == 3
    assert len(lines[2]) == 200
