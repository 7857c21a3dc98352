"""The doctor finds each thing that is broken, says what mends it, and is stopped by none."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from gtrack.ops.checks.doctor import examine
from gtrack.ops.checks.symptoms import Diagnosis, State, Symptom, on_one_line
from gtrack.ops.remove import remove_all
from gtrack.ops.retention.purge import purge
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
    assert about(found, "runs branch")[0].text == f"{BRANCH}; runs: {len(runs)}, commits of the branch: 3"
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
    [one] = about(examine(repo), "remote origin")
    assert "was rewritten there" in one.text
    assert "by a forced push" in one.text
    assert one.remedy == "gtrack pull origin --accept-rewrite"


def test_a_purge_that_is_not_published_is_told_with_the_push_that_does_it(
    runs: Runs, project: Project, repo: Path, git: Git
) -> None:
    git("init", "-q", "--bare", "../origin.git")
    git("remote", "add", "origin", "../origin.git")
    git("push", "-q", "origin", BRANCH)
    remove_all(project, [runs["broken"]])
    purge(project, datetime.now(timezone.utc))
    [one] = about(examine(repo), "remote origin")
    assert one.remedy == "gtrack push --purged origin"
    assert "the purge here is not published" in one.text


def test_what_git_says_in_lines_is_told_in_one() -> None:
    assert on_one_line("fatal: it is not\n\tyours\n\nadd:\n\tit\n") == "fatal: it is not; yours; add: it"


def test_a_repository_of_somebody_else_is_mended_by_what_git_says(
    repo: Path, isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (isolation / ".gitconfig").write_text("")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    [one] = examine(repo).broken
    assert one.remedy.startswith("git config --global --add safe.directory ")
    assert str(repo) in one.remedy
    assert "\n" not in one.text
    assert "dubious ownership" in one.text


def test_a_bare_repository_needs_no_remote(repo: Path, git: Git, tmp_path: Path) -> None:
    git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare.git"))
    git("remote", "remove", "origin", cwd=tmp_path / "bare.git")
    assert [one.state for one in about(examine(tmp_path / "bare.git"), "remotes")] == [State.WELL]


def test_a_full_disk_is_broken_and_what_is_built_anew_makes_room(
    runs: Runs, project: Project, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(runs) == 3
    project.index.refresh()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    [one] = about(examine(repo), "disk")
    assert (one.state, one.remedy.startswith("rm -f ")) == (State.BROKEN, True)
    assert str(project.index.path) in one.remedy


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
