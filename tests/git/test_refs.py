"""Compare-and-swap: every way to be too late is RefChanged, and a transaction happens wholly or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import GitError, RefChanged
from gtrack.git.objects import Identity
from gtrack.git.refs import Update, list_refs, update
from gtrack.git.repo import Repository
from tests.conftest import Git

ANA = Identity("Ana", "ana@example.org")
REF = "refs/heads/gtrack/runs"


@pytest.fixture
def commits(git: Git) -> tuple[str, str, str]:
    """Return three commits that no branch has."""
    one, two, three = (git("commit-tree", "-m", str(number), "HEAD^{tree}") for number in range(3))
    return one, two, three


def move(root: Path, *updates: Update) -> None:
    update(Repository.find(root), updates, ANA, "for a test")


def test_create_move_and_delete(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    one, two, three = commits
    move(repo, Update(REF, one, ""))
    assert git("rev-parse", REF) == one
    move(repo, Update(REF, two, one))
    assert git("rev-parse", REF) == two
    move(repo, Update(REF, three))
    assert git("rev-parse", REF) == three
    move(repo, Update(REF, None, three))
    assert git("for-each-ref", REF) == ""


def test_too_late(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    one, two, three = commits
    with pytest.raises(RefChanged):  # gone, or never there
        move(repo, Update(REF, two, one))
    with pytest.raises(RefChanged):
        move(repo, Update(REF, None, one))
    move(repo, Update(REF, one, ""))
    with pytest.raises(RefChanged):  # made meanwhile
        move(repo, Update(REF, two, ""))
    with pytest.raises(RefChanged):  # moved meanwhile
        move(repo, Update(REF, three, two))
    with pytest.raises(RefChanged):
        move(repo, Update(REF, None, two))
    git("pack-refs", "--all")
    with pytest.raises(RefChanged):
        move(repo, Update(REF, two, ""))
    with pytest.raises(RefChanged):
        move(repo, Update(REF, three, two))
    assert git("rev-parse", REF) == one


def test_all_or_none(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    one, two, _ = commits
    move(repo, Update("refs/gtrack/snapshots/a", one, ""))
    with pytest.raises(RefChanged):
        move(repo, Update("refs/gtrack/snapshots/a", None), Update(REF, two, one))
    assert git("rev-parse", "refs/gtrack/snapshots/a") == one
    move(repo, Update("refs/gtrack/snapshots/a", None), Update(REF, two, ""))
    assert list_refs(Repository.find(repo), "refs/gtrack") == {}
    assert list_refs(Repository.find(repo), "refs/heads/gtrack") == {REF: two}


def test_letting_go_of_what_is_gone_is_no_failure(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    move(repo, Update("refs/gtrack/snapshots/gone", None), Update(REF, commits[0], ""))
    assert git("rev-parse", REF) == commits[0]


def test_what_is_no_race_is_a_git_error(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    git("branch", "gtrack")
    for impossible in (
        Update(REF, commits[0], ""),
        Update("refs/heads/x..y", commits[0]),
        Update("refs/heads/x", "0" * 39),
    ):
        with pytest.raises(GitError) as caught:
            move(repo, impossible)
        assert not isinstance(caught.value, RefChanged)
        assert "git update-ref failed" in str(caught.value)


@pytest.mark.slow
def test_locked(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    move(repo, Update(REF, commits[0], ""))
    (repo / ".git" / f"{REF}.lock").touch()
    with pytest.raises(GitError, match=r"runs\.lock") as caught:
        move(repo, Update(REF, commits[1], commits[0]))
    assert not isinstance(caught.value, RefChanged)
    assert git("rev-parse", REF) == commits[0]


def test_reflog_says_who_and_why(repo: Path, git: Git, commits: tuple[str, str, str]) -> None:
    update(Repository.find(repo), [Update(REF, commits[0], "")], Identity("Bo <x>", "bo@example.org"), "because")
    line = (repo / ".git" / "logs" / REF).read_text()
    assert "Bo x <bo@example.org>" in line
    assert line.endswith("\tbecause\n")


@pytest.mark.parametrize("name", ["...", "", " ", "\n", "ä"])
def test_reflog_of_somebody_whose_name_git_refuses(
    repo: Path, git: Git, commits: tuple[str, str, str], name: str
) -> None:
    update(Repository.find(repo), [Update(REF, commits[0], "")], Identity(name, ""), "because")
    assert git("rev-parse", REF) == commits[0]


def test_messages_of_git_are_understood_in_any_language(
    repo: Path, monkeypatch: pytest.MonkeyPatch, commits: tuple[str, str, str]
) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(RefChanged):
        move(repo, Update(REF, commits[1], commits[0]))
