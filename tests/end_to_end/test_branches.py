"""Where the runs branch comes from and where it must not be: a fresh clone, and a branch that is checked out."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import CommitFailed, ConfigError, GitError
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.conftest import Git, run_git


def finish(project: Project, name: str) -> str:
    run = ActiveRun.start(project, name=name)
    run.log_metrics({"f1": 0.5})
    return run.end().id


@pytest.mark.quick
def test_a_fresh_clone_reads_the_runs_and_goes_on_with_their_history(repo: Path, tmp_path: Path) -> None:
    first = Project.open(repo)
    theirs = finish(first, "theirs")
    run_git("clone", "-q", str(repo), "clone", cwd=tmp_path)
    clone = Project.open(tmp_path / "clone")
    assert [run.name for run in clone.store.runs()] == ["theirs"]
    assert clone.resolve("last").id == theirs
    finish(clone, "ours")
    assert sorted(run.name for run in clone.store.runs()) == ["ours", "theirs"]
    tip = run_git("rev-parse", "gtrack/runs^1", cwd=tmp_path / "clone")
    assert tip == run_git("rev-parse", "gtrack/runs", cwd=repo)
    run_git("push", "-q", "origin", "gtrack/runs", cwd=tmp_path / "clone")  # a fast-forward: nothing was forked
    assert sorted(run.name for run in first.store.runs()) == ["ours", "theirs"]
    for project in (first, clone):
        project.repo.objects.close()


def test_a_tag_in_a_fresh_clone_goes_on_with_the_history_too(repo: Path, tmp_path: Path) -> None:
    first = Project.open(repo)
    theirs = finish(first, "theirs")
    run_git("clone", "-q", str(repo), "clone", cwd=tmp_path)
    clone = Project.open(tmp_path / "clone")
    clone.store.edit(theirs, lambda head: head.update(tags={"seen": "yes"}), "tagged")
    assert clone.store.run(theirs).tags == {"seen": "yes"}
    assert run_git("rev-parse", "gtrack/runs^1", cwd=tmp_path / "clone") == run_git(
        "rev-parse", "gtrack/runs", cwd=repo
    )
    for project in (first, clone):
        project.repo.objects.close()


def test_no_run_starts_where_the_runs_branch_is_checked_out(repo: Path, git: Git) -> None:
    project = Project.open(repo)
    run_id = finish(project, "one")
    git("checkout", "-q", "gtrack/runs")
    before = git("rev-parse", "HEAD"), git("status", "--porcelain")
    with pytest.raises(ConfigError, match="gtrack/runs is checked out"):
        Project.open(repo).code_state()
    with pytest.raises(GitError, match="is checked out in"):
        project.store.edit(run_id, lambda head: head.update(notes="x"), "noted")
    assert (git("rev-parse", "HEAD"), git("status", "--porcelain")) == before
    project.repo.objects.close()


def test_a_run_waits_when_another_worktree_has_the_runs_branch_checked_out(
    repo: Path, git: Git, tmp_path: Path
) -> None:
    project = Project.open(repo)
    finish(project, "one")
    git("worktree", "add", "-q", str(tmp_path / "look"), "gtrack/runs")
    tip = git("rev-parse", "gtrack/runs")
    with pytest.raises(CommitFailed, match=r"is checked out in .*look"):
        finish(project, "two")
    assert git("rev-parse", "gtrack/runs") == tip
    assert run_git("status", "--porcelain", cwd=tmp_path / "look") == ""
    git("worktree", "remove", str(tmp_path / "look"))
    assert [found.error for found in project.recover()] == [None]
    assert sorted(run.name for run in project.store.runs()) == ["one", "two"]
    project.repo.objects.close()


def test_what_the_experiment_is_for_travels_with_its_runs(repo: Path) -> None:
    place = repo / "experiments" / "churn"
    place.mkdir(parents=True)
    (place / "experiment.yaml").write_text("purpose: Who leaves?\nobjective:\n  metric: loss\n  goal: minimize\n")
    project = Project.open(repo)
    ActiveRun.start(project, experiment="churn").end()
    known = project.store.experiment("churn")
    assert known.purpose == "Who leaves?"
    assert known.objective is not None
    assert (known.objective[0], known.objective[1].value) == ("loss", "minimize")
    (place / "experiment.yaml").write_text("purpose: [\n")
    with pytest.raises(ConfigError, match=r"experiment\.yaml cannot be read"):
        ActiveRun.start(project, experiment="churn")
    project.repo.objects.close()
