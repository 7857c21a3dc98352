"""The run commit of a run is found again, wherever in the branch's history it is, and told from the edits around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.records import Status
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.store.conftest import Make


def is_run_commit(git: Git, commit: str, run_id: str) -> bool:
    """Tell it by what it is: the code, and this run directory alone."""
    files = git("ls-tree", "-r", "--name-only", commit).split("\n")
    return "README.md" in files and {path.split("/")[3] for path in files if path.startswith("experiments/")} == {
        run_id
    }


def test_of_the_first_the_middle_and_the_last_run(project: Project, make: Make, git: Git) -> None:
    runs = [make(f"run {number}") for number in range(3)]
    found = [project.store.run_commit(run.id) for run in runs]
    assert len(set(found)) == 3
    for commit, run in zip(found, runs, strict=True):
        assert commit is not None
        assert is_run_commit(git, commit, run.id)
        assert git("log", "-1", "--format=%(trailers:key=Run,valueonly)", commit).strip() == run.id


def test_later_edits_are_not_taken_for_it(project: Project, make: Make, git: Git) -> None:
    first, second = make("first"), make("second")
    before = [project.store.run_commit(run.id) for run in (first, second)]
    for run in (first, second, first):
        project.store.edit(run.id, lambda head: head.update(notes="more"), "is noted")
    assert [project.store.run_commit(run.id) for run in (first, second)] == before


def test_commit_says_it_at_once(project: Project, make: Make) -> None:
    make()
    active = ActiveRun.start(project, name="x")
    run = active.live.finish(Status.FINISHED, None, 0, {})
    made = project.store.commit(active.live, run)
    active.live.remove()
    assert project.store.run_commit(run.id) == made


def test_a_resumed_run_has_a_newer_one(project: Project, make: Make, git: Git) -> None:
    run = make()
    before = project.store.run_commit(run.id)
    ActiveRun.resume(project, run.id).end()
    after = project.store.run_commit(run.id)
    assert after not in {before, None}
    assert is_run_commit(git, str(after), run.id)


def test_a_run_that_was_moved_to_another_experiment(project: Project, make: Make, git: Git) -> None:
    run = make()
    again = ActiveRun.resume(project, run.id)
    again.move("elsewhere")
    again.end()
    found = str(project.store.run_commit(run.id))
    assert f"experiments/elsewhere/{run.id[:2]}/{run.id}/run.yaml" in git("ls-tree", "-r", "--name-only", found)


@pytest.mark.parametrize("count", [1, 2])
def test_without_code_or_with_code_that_is_nothing(tmp_path: Path, git: Git, count: int) -> None:
    root = tmp_path / "empty"
    git("init", "--quiet", str(root))
    (root / ".git" / "info" / "exclude").write_text(".gtrack\n")
    if count == 2:
        git("commit", "--quiet", "--allow-empty", "--message", "Experiment: nothing yet", cwd=root)
    project = Project.open(root)
    runs = [ActiveRun.start(project).end() for _ in range(2)]
    for run in runs:
        project.store.edit(run.id, lambda head: head.update(notes="more"), "is noted")
        found = str(project.store.run_commit(run.id))
        assert {line.split("/")[3] for line in git("ls-tree", "-r", "--name-only", found, cwd=root).split("\n")} == {
            run.id
        }
    project.close()


def test_of_no_run(project: Project, make: Make) -> None:
    assert project.store.run_commit("0" * 32) is None
    make()
    assert project.store.run_commit("0" * 32) is None


def test_history_that_is_cut_off_has_none(project: Project, make: Make, git: Git, tmp_path: Path) -> None:
    run = make()
    make()
    url = f"file://{project.repo.root}"
    git("clone", "--quiet", "--depth", "1", "--branch", "gtrack/runs", url, str(tmp_path / "shallow"))
    shallow = Project.open(tmp_path / "shallow")
    assert shallow.store.run(run.id).name == "one"
    assert shallow.store.run_commit(run.id) is None
    shallow.close()


def test_settings_of_grep_do_not_matter(project: Project, make: Make, git: Git) -> None:
    run = make()
    git("config", "grep.patternType", "fixed")
    git("config", "log.showSignature", "true")
    git("config", "i18n.logOutputEncoding", "UTF-16")
    assert project.store.run_commit(run.id) is not None
