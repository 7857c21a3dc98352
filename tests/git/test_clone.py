from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import GitError, UsageError
from gtrack.git.clone import check_free, check_limit, clone, directory_of
from tests.conftest import Git


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/team/churn.git", "churn"),
        ("https://example.org/team/churn/", "churn"),
        ("https://example.org/team/churn/.git", "churn"),
        ("git@example.org:churn.git", "churn"),
        ("ssh://git@example.org:22/team/churn", "churn"),
        ("/shared/churn.bundle", "churn"),
        ("../churn", "churn"),
    ],
)
def test_the_directory_is_called_as_the_repository(url: str, name: str) -> None:
    assert directory_of(url) == name


def test_a_path_without_a_name_is_called_by_where_it_is(repo: Path) -> None:
    assert directory_of(".") == "repo"
    assert directory_of(".git") == "repo"


@pytest.mark.parametrize("url", ["https://", "..x/..", "/"])
def test_a_url_without_a_name_needs_a_directory(url: str) -> None:
    with pytest.raises(UsageError, match="name one, after the URL"):
        directory_of(url)


@pytest.mark.parametrize("text", ["0", "10k", "1M", "123456"])
def test_sizes_that_git_knows(text: str) -> None:
    assert check_limit(text) == text.lower()


@pytest.mark.parametrize("text", ["", "-1", "10 k", "1.5m", "10kb", "ten"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        check_limit(text)


def test_a_free_place_is_none_or_an_empty_directory(tmp_path: Path) -> None:
    check_free(tmp_path / "new" / "deep")
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")


def test_what_is_in_the_way_is_said(repo: Path, git: Git, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(GitError, match="is there and is a file"):
        check_free(tmp_path / "file")
    with pytest.raises(GitError, match="is not empty"):
        check_free(tmp_path / "full")
    with pytest.raises(GitError, match="is a git repository already"):
        check_free(repo)
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    with pytest.raises(GitError, match="is a git repository already"):
        check_free(tmp_path / "linked")
    git("remote", "add", "origin", "https://ana:secret@example.org/churn")
    with pytest.raises(GitError, match=r"is a clone of https://\*\*\*@example.org/churn already") as caught:
        check_free(repo)
    assert "secret" not in str(caught.value)
    git("config", "gtrack.cloning", "true")
    with pytest.raises(GitError, match=r"was cut short, or still goes on. Remove it"):
        check_free(repo)


def test_what_cannot_be_cloned_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(GitError, match=r"The remote file:///nowhere/x cannot be cloned: .*does not appear to be"):
            clone("file:///nowhere/x", place, "10k", lambda *_: None)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_option_is_no_url(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no URL"):
        clone("--upload-pack=touch /tmp/owned", tmp_path / "x", None, lambda *_: None)


def test_an_interrupted_clone_leaves_nothing(repo: Path, tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(KeyboardInterrupt):
            clone(str(repo), place, "10k", interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "repo"]
    assert list((tmp_path / "empty").iterdir()) == []
