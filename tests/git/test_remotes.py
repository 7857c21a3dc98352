"""Remotes are asked, fetched from and pushed to; what they refuse is told with their words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gtrack.errors import GitError, UsageError
from gtrack.git import remotes as module
from gtrack.git.remotes import (
    PushedRef,
    PushRejected,
    default_remote,
    fetch_refs,
    known_remote,
    list_remote_refs,
    push_move,
    push_new,
    push_url,
    unreachable,
)
from gtrack.git.repo import Repository
from tests.conftest import Git, run_git


@pytest.fixture
def bare(repo: Path, tmp_path: Path) -> Path:
    run_git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)
    run_git("remote", "add", "origin", str(tmp_path / "bare.git"), cwd=repo)
    return tmp_path / "bare.git"


@pytest.fixture
def here(bare: Path, repo: Path) -> Repository:  # the remote comes first
    assert bare.is_dir()
    return Repository.find(repo)


def hook(bare: Path, name: str, text: str) -> None:
    path = bare / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_which_remote_is_meant(repo: Path, git: Git) -> None:
    found = Repository.find(repo)
    with pytest.raises(UsageError, match="has no remote\\. Name one"):
        default_remote(found)
    git("remote", "add", "one", "x")
    assert default_remote(found) == "one"
    git("remote", "add", "two", "x")
    with pytest.raises(UsageError, match="say which, of one, two"):
        default_remote(found)
    git("remote", "add", "origin", "x")
    assert default_remote(found) == "origin"


def test_new_refs_are_asked_for_and_fetched(here: Repository, bare: Path) -> None:
    head = str(here.resolve("HEAD"))
    push_new(here, "origin", [PushedRef("refs/tags/a#1", head), PushedRef("refs/tags/b/c", head)])
    assert list_remote_refs(here, str(bare), "refs/tags/a#*", "refs/tags/b*") == {
        "refs/tags/a#1": head,
        "refs/tags/b/c": head,
    }
    assert here.run("tag") == b""
    fetch_refs(here, "origin", ["refs/tags/a#1:refs/tags/a#1", "refs/tags/b/c"])
    assert here.run("tag") == b"a#1\n"


def test_somebody_who_was_quicker_keeps_all_out(here: Repository, bare: Path) -> None:
    head = str(here.resolve("HEAD"))
    other = here.run("commit-tree", "-m", "x", f"{head}^{{tree}}").decode().strip()
    push_new(here, "origin", [PushedRef("refs/tags/a", head)])
    with pytest.raises(PushRejected, match="origin refused, so nothing was changed, there or here: a ") as error:
        push_new(here, "origin", [PushedRef("refs/tags/b", head), PushedRef("refs/tags/a", other)])
    assert error.value.quicker
    assert run_git("tag", cwd=bare) == "a"


def test_words_of_a_hook_are_told(here: Repository, bare: Path) -> None:
    hook(bare, "update", 'echo "only on Mondays" >&2; exit 1')
    with pytest.raises(PushRejected, match="remote: only on Mondays") as error:
        push_new(here, "origin", [PushedRef("refs/tags/a", str(here.resolve("HEAD")))])
    assert not error.value.quicker


def test_a_remote_without_atomic_pushes_gets_one_after_the_other(here: Repository, bare: Path) -> None:
    run_git("config", "receive.advertiseAtomic", "false", cwd=bare)
    head = str(here.resolve("HEAD"))
    push_new(here, "origin", [PushedRef("refs/tags/a", head), PushedRef("refs/tags/b", head)])
    assert run_git("tag", cwd=bare) == "a\nb"


@pytest.mark.parametrize("remote", ["nowhere", "/none/such", "http://127.0.0.1:9/x.git"])
def test_a_remote_that_is_not_there(here: Repository, remote: str) -> None:
    with pytest.raises(GitError, match=f"The remote {remote} cannot be asked"):
        list_remote_refs(here, remote, "refs/tags/*")


def test_a_remote_that_says_nothing_is_given_up_with_all_that_was_started(
    here: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 1000\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(tmp_path / "ssh"))
    monkeypatch.setattr(module, "_ASK_SECONDS", 1.0)
    with pytest.raises(GitError, match="cannot be asked: no answer within 1 s"):
        list_remote_refs(here, "ssh://nowhere/x.git", "refs/tags/*")
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # whoever reaps it


@pytest.mark.parametrize("url", ["https://token@127.0.0.1:9/x", "http://ana:token@127.0.0.1:9/x", "ftp://a:token@h/x"])
def test_no_message_shows_a_password(here: Repository, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "http:https")
    with pytest.raises(GitError, match="cannot be asked") as error:
        list_remote_refs(here, url, "refs/tags/*")
    assert "token" not in str(error.value)


def test_where_a_push_goes(here: Repository, git: Git, bare: Path) -> None:
    assert [push_url(here, name) for name in ("origin", "elsewhere")] == ["origin", "elsewhere"]
    git("config", f"url.ssh://host{bare.parent}/.pushInsteadOf", f"{bare.parent}/")
    assert push_url(here, "origin") == f"ssh://host{bare}"
    git("config", "remote.origin.pushUrl", "/there.git")
    assert push_url(here, "origin") == "/there.git"


def test_what_was_taken_of_a_push_that_is_refused_in_the_middle_is_told(here: Repository, bare: Path) -> None:
    run_git("config", "receive.advertiseAtomic", "false", cwd=bare)
    hook(bare, "update", 'case "$1" in */b) exit 1;; esac')
    head = str(here.resolve("HEAD"))
    with pytest.raises(
        PushRejected, match=r"origin refused, after it had taken a \(.*: b \[remote rejected\] \(hook dec"
    ):
        push_new(here, "origin", [PushedRef(f"refs/tags/{name}", head) for name in "abc"])
    assert run_git("tag", cwd=bare) == "a"


def test_two_pushes_that_meet_in_the_lock_of_a_ref(here: Repository, bare: Path) -> None:
    (bare / "refs" / "tags").mkdir(exist_ok=True)
    (bare / "refs" / "tags" / "a.lock").touch()
    head = str(here.resolve("HEAD"))
    with pytest.raises(PushRejected, match="cannot lock ref") as error:
        push_new(here, "origin", [PushedRef("refs/tags/a", head), PushedRef("refs/tags/b", head)])
    assert error.value.quicker


@pytest.mark.parametrize("remote", ["--upload-pack=touch x", ""])
def test_an_option_is_no_remote(here: Repository, remote: str) -> None:
    with pytest.raises(UsageError, match="is no remote"):
        list_remote_refs(here, remote, "refs/tags/*")


@pytest.mark.parametrize("remote", ["origin", "https://example.org/x.git", "host:x.git", "../x"])
def test_what_is_a_remote(here: Repository, remote: str) -> None:
    assert known_remote(here, remote) == remote


def test_what_is_none(here: Repository, git: Git) -> None:
    with pytest.raises(UsageError, match=r"no remote 'orgin'\. Did you mean 'origin'\? Here are: origin\."):
        known_remote(here, "orgin")
    git("remote", "remove", "origin")
    with pytest.raises(UsageError, match="This repository has none: git remote add origin URL"):
        known_remote(here, "origin")


def test_a_ref_is_moved_from_where_it_was_seen_alone(here: Repository, bare: Path) -> None:
    head, ref = str(here.resolve("HEAD")), "refs/heads/x"
    told: list[str] = []
    push_move(here, "origin", PushedRef(ref, head), None, lambda what, *_: told.append(what))
    assert run_git("rev-parse", ref, cwd=bare) == head
    other = run_git("commit-tree", "-m", "other", "HEAD^{tree}", cwd=bare)
    run_git("update-ref", ref, other, cwd=bare)
    for seen in (head, None):
        with pytest.raises(
            PushRejected, match=r"origin refused, so nothing was changed there: x \[rejected\] \(stale"
        ) as error:
            push_move(here, "origin", PushedRef(ref, head), seen)
        assert error.value.quicker
    assert run_git("rev-parse", ref, cwd=bare) == other


def test_the_users_own_hook_that_refuses_is_told_with_its_words(here: Repository, bare: Path) -> None:
    path = here.git_dir / "hooks" / "pre-push"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\necho 'Run the tests first.' >&2\nexit 1\n")
    path.chmod(0o755)
    one = PushedRef("refs/heads/x", str(here.resolve("HEAD")))
    acts: list[Callable[[], None]] = [
        lambda: push_move(here, "origin", one, None),
        lambda: push_new(here, "origin", [one]),
    ]
    for refused in acts:
        with pytest.raises(PushRejected, match=r"Your own pre-push hook .* refused the push to origin") as error:
            refused()
        assert str(error.value).endswith("\n  pre-push: Run the tests first.")
        assert not error.value.quicker
    assert run_git("branch", "--list", "x", cwd=bare) == ""


def test_why_a_remote_could_not_unpack_is_told(here: Repository, bare: Path) -> None:
    run_git("config", "receive.maxInputSize", "1", cwd=bare)
    one = PushedRef("refs/heads/x", run_git("commit-tree", "-m", "new", "HEAD^{tree}", cwd=here.git_dir))
    with pytest.raises(PushRejected, match="remote: unpack failed: "):
        push_move(here, "origin", one, None)


def test_lines_of_git_are_told_one_from_the_other(here: Repository) -> None:
    with pytest.raises(GitError) as error:
        list_remote_refs(here, "/none/such", "refs/tags/*")
    said = "'/none/such' does not appear to be a git repository; Could not read from remote repository."
    assert str(error.value) == f"The remote /none/such cannot be asked: {said} Is the address right?"


@pytest.mark.parametrize(
    ("remote", "said", "told"),
    [
        ("origin", "fatal: repository 'https://x/y.git/' not found", "'git remote set-url origin URL' changes it."),
        ("https://x/y.git", "fatal: repository 'https://x/y.git/' not found", "not found. Is the address right?"),
        (
            "origin",
            "ssh: Could not resolve hostname x",
            "hostname x. Is the address right? 'git remote get-url origin' shows",
        ),
        ("origin", "Failed to connect to x port 443", "port 443. When it can be reached, do this again."),
        ("origin", "fatal: something else", "cannot be asked: something else"),
    ],
)
def test_what_to_do_about_a_remote_that_cannot_be_used_is_said(remote: str, said: str, told: str) -> None:
    assert told in str(unreachable(remote, "asked", said.encode()))
