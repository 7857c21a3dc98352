"""The doctor finds each thing that is broken, says what mends it, and is stopped by none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gtrack.ops.checks.doctor import examine
from gtrack.ops.checks.symptoms import Diagnosis, State, Symptom
from gtrack.project import Project
from gtrack.store.auto_push import AutoPush
from tests.conftest import Git
from tests.ops.checks.conftest import BRANCH, Runs


def about(found: Diagnosis, topic: str) -> list[Symptom]:
    return [one for one in found.symptoms if one.topic == topic]


def test_a_repository_that_is_well_has_nothing_broken(runs: Runs, repo: Path, git: Git) -> None:
    git("init", "-q", "--bare", "../origin.git")
    git("remote", "add", "origin", "../origin.git")
    git("push", "-q", "origin", BRANCH)
    found = examine(repo)
    assert found.broken == []
    assert [one.text for one in about(found, "remote origin")] == [f"reachable; {BRANCH} is the same there"]
    assert about(found, "runs branch")[0].text == f"{BRANCH}; runs: {len(runs)}, commits: 3"
    assert about(found, "large artifacts")[0].text == "1 large contents in the runs, 0 of them not here"


def test_where_a_remote_is_ahead_behind_diverged_or_gone_is_told(runs: Runs, repo: Path, git: Git) -> None:
    assert len(runs) == 3
    git("init", "-q", "--bare", "../origin.git")
    git("remote", "add", "origin", "../origin.git")
    git("remote", "add", "gone", "../nowhere.git")
    tip = git("rev-parse", BRANCH)
    git("push", "-q", "origin", f"{BRANCH}^1:refs/heads/{BRANCH}")
    found = examine(repo)
    assert about(found, "remote origin")[0].remedy == "gtrack push origin"
    assert about(found, "remote gone")[0].state is State.BROKEN
    git("push", "-q", "origin", f"{BRANCH}:refs/heads/{BRANCH}")
    git("update-ref", f"refs/heads/{BRANCH}", f"{tip}^1")
    assert about(examine(repo), "remote origin")[0].remedy == "gtrack pull origin"
    other = git("commit-tree", f"{tip}^{{tree}}", "-p", f"{tip}^1", "-m", "Another\n\nExperiment: forest")
    git("update-ref", f"refs/heads/{BRANCH}", other)
    assert about(examine(repo), "remote origin")[0].remedy == "gtrack sync origin"
    git("update-ref", f"refs/gtrack/seen/origin/{BRANCH}", other)
    assert "was rewritten there" in about(examine(repo), "remote origin")[0].text


def test_it_works_when_everything_is_broken(
    runs: Runs, project: Project, repo: Path, git: Git, isolation: Path
) -> None:
    assert len(runs) == 3
    (isolation / ".gitconfig").write_text("")
    (repo / ".gtrack" / "config.yaml").write_text("branc: x\n")
    project.index.refresh()
    project.index.close()
    project.index.path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
    lock = repo / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    AutoPush(project.repo).note_failure("the remote hung up")
    git("worktree", "add", "-q", "../there", BRANCH)
    found = examine(repo)
    mend = {one.topic: one.remedy for one in found.broken}
    assert mend["settings"] == "edit .gtrack/config.yaml"
    assert mend["index"] == "gtrack index --rebuild"
    assert mend["locks"] == f"rm {lock}"
    assert mend["runs branch"].endswith("there switch -")
    noted = {one.topic: one for one in found.noted}
    assert 'git config --global user.name "Your Name"' in noted["identity"].remedy
    assert "the remote hung up" in noted["pushes after runs"].text
    assert noted["remotes"].remedy == "git remote add origin URL"


def test_rules_that_cannot_be_understood_are_found(repo: Path) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("retention: {rules: [{nonsense: 1}]}\n")
    assert [one.topic for one in examine(repo).broken] == ["settings"]


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "file://relative"])
def test_a_store_of_large_artifacts_that_is_not_there_is_found(repo: Path, url: str) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text(f"artifacts: {{remote: '{url}'}}\n")
    assert about(examine(repo), "artifact store")


def test_outside_of_a_repository_it_says_what_to_do(tmp_path: Path) -> None:
    assert [one.remedy for one in examine(tmp_path).broken] == ["gtrack init"]
