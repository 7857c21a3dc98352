"""The doctor finds each thing that is broken, says what mends it, and is stopped by none."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
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
    assert about(found, "large artifacts")[0].text == "1 large artifact in the runs, 0 of them not here"


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


def damage(place: Path, how: str, oid: str) -> None:
    if how == "rubbish":
        (place / "refs" / "heads" / BRANCH).write_bytes(b"\0" * 41)
    elif how == "commit":
        (place / "refs" / "heads" / BRANCH).write_text("1" * 40 + "\n")
    else:
        (place / "objects" / oid[:2] / oid[2:]).unlink()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("rubbish", "is damaged; it was at"),
        ("commit", "its newest commit 1111111111 is not here; it was at"),
        ("tree", "1 object of its runs not here"),
    ],
)
def test_a_branch_that_git_takes_for_none_or_that_lacks_objects_is_broken(
    runs: Runs, repo: Path, git: Git, how: str, says: str
) -> None:
    assert len(runs) == 3
    tip = git("rev-parse", BRANCH)
    damage(repo / ".git", how, git("rev-parse", f"{BRANCH}:experiments"))
    told = about(examine(repo), "runs branch")
    assert [one.state for one in told] == [State.BROKEN]
    assert says in told[0].text
    if how != "tree":  # the remedy is words for a shell
        for command in told[0].remedy.split("; "):
            subprocess.run(shlex.split(command), cwd=repo, check=True)
        assert git("rev-parse", BRANCH) == tip
        assert [one.state for one in about(examine(repo), "runs branch")] == [State.WELL]


def test_a_repository_that_git_does_not_take_for_one_is_mended_and_not_made_anew(repo: Path) -> None:
    head = repo / ".git" / "HEAD"
    head.write_text("")
    [one] = examine(repo).broken
    assert one.remedy == f"echo 'ref: refs/heads/main' > {head}"
    head.write_text("ref: refs/heads/main\n")
    with (repo / ".git" / "config").open("a") as file:
        file.write("[bad\n")
    assert [one.remedy for one in examine(repo).broken] == [f"edit {repo / '.git' / 'config'}"]


def test_a_lock_that_is_young_is_only_told(repo: Path) -> None:
    lock = repo / ".git" / "index.lock"
    lock.touch()
    a_minute_ago = time.time() - 60
    os.utime(lock, (a_minute_ago, a_minute_ago))
    assert [one.state for one in about(examine(repo), "locks")] == [State.NOTED]


def test_a_file_where_the_directory_of_live_runs_should_be_is_broken(repo: Path) -> None:
    (repo / ".gtrack").write_text("")
    assert [one.remedy for one in examine(repo).broken] == [f"rm {repo / '.gtrack'}"]
