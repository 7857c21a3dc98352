"""The state of a working tree as git tells it, and snapshots of it; kinds of trees are in end_to_end/test_engine_places."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.errors import GitError
from gtrack.git.objects import Identity
from gtrack.git.refs import list_refs, update
from gtrack.git.repo import Repository
from gtrack.git.worktree import SNAPSHOT_REFS, WorktreeState, read_state, releases, snapshot
from gtrack.records import LeftOut
from tests.conftest import Git, run_git

ANA = Identity("Ana", "ana@example.org")
LIMIT = 1000


def take(repo: Path) -> tuple[str | None, tuple[LeftOut, ...]]:
    repository = Repository.find(repo)
    return snapshot(repository, read_state(repository), ANA, LIMIT)


def test_clean(repo: Path, git: Git) -> None:
    state = read_state(Repository.find(repo))
    assert state == WorktreeState(git("rev-parse", "HEAD"), "main", (), (), ())
    assert not state.dirty


def test_every_kind_of_change(repo: Path, git: Git) -> None:
    for name in ("edited", "deleted", "renamed a", "ä"):
        (repo / name).write_text(f"{name}\n" * 9)
    git("add", "--all")
    git("commit", "--quiet", "--message", "Files")
    (repo / "edited").write_text("edited\n")
    (repo / "deleted").unlink()
    git("mv", "renamed a", "renamed b")
    (repo / "ä").chmod(0o755)
    (repo / "new\nline").write_text("x")
    (repo / "deep").mkdir()
    (repo / "deep" / "new").write_text("x")
    (repo / ".gitignore").write_text("ignored\n")
    (repo / "ignored").touch()
    state = read_state(Repository.find(repo))
    assert set(state.changed) == {"edited", "deleted", "renamed a", "renamed b", "ä"}
    assert set(state.untracked) == {".gitignore", "deep/new", "new\nline"}
    assert state.dirty


def test_from_a_subdirectory_paths_are_the_whole_tree_s(repo: Path) -> None:
    (repo / "deep").mkdir()
    (repo / "top").touch()
    assert read_state(Repository.find(repo / "deep")).untracked == ("top",)


def test_unborn_and_detached(repo: Path, git: Git, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run_git("init", "--quiet", "--initial-branch=trunk", cwd=empty)
    assert read_state(Repository.find(empty)) == WorktreeState(None, "trunk", (), (), ())
    git("checkout", "--quiet", "--detach")
    assert read_state(Repository.find(repo)).branch is None


def test_status_settings_of_the_user_do_not_hide_files(repo: Path, git: Git) -> None:
    git("config", "status.showUntrackedFiles", "no")
    git("config", "status.relativePaths", "false")
    git("config", "status.branch", "false")
    (repo / "new").touch()
    state = read_state(Repository.find(repo))
    assert (state.untracked, state.branch) == (("new",), "main")


def test_snapshot_is_the_same_commit_for_the_same_tree(repo: Path, git: Git) -> None:
    (repo / "new").write_text("new\n")
    first, _ = take(repo)
    second, _ = take(repo)
    assert first is not None
    assert first == second
    assert list_refs(Repository.find(repo), SNAPSHOT_REFS) == {f"{SNAPSHOT_REFS}/{first}": first}
    head, when = git("show", "--no-patch", "--format=%H %ct", "HEAD").split()
    assert git("show", "--no-patch", "--format=%P %an %ct", first) == f"{head} Ana {when}"
    (repo / "new").write_text("other\n")
    assert take(repo)[0] != first
    update(Repository.find(repo), releases(first), ANA, "done")
    assert len(list_refs(Repository.find(repo), SNAPSHOT_REFS)) == 1


def test_snapshot_of_what_only_looks_changed_is_head(repo: Path, git: Git) -> None:
    """Staged and then taken back: the index differs from HEAD, the working tree does not."""
    (repo / "README.md").write_text("changed\n")
    git("add", "README.md")
    (repo / "README.md").write_text("A project under test.\n")
    assert read_state(Repository.find(repo)).dirty
    assert take(repo) == (git("rev-parse", "HEAD"), ())
    assert list_refs(Repository.find(repo), SNAPSHOT_REFS) == {}


def test_big_untracked_files_are_left_out_and_big_tracked_ones_taken(repo: Path, git: Git) -> None:
    (repo / "tracked").write_bytes(b"a" * (LIMIT + 1))
    git("add", "tracked")
    git("commit", "--quiet", "--message", "Big")
    (repo / "tracked").write_bytes(b"b" * (LIMIT + 1))
    (repo / "at the limit").write_bytes(b"c" * LIMIT)
    (repo / "above").write_bytes(b"d" * (LIMIT + 1))
    (repo / "link to above").symlink_to("above")
    commit, left_out = take(repo)
    assert left_out == (LeftOut("above", LIMIT + 1, sha256(b"d" * (LIMIT + 1)).hexdigest()),)
    assert git("ls-tree", "--name-only", str(commit)).splitlines() == [
        "README.md",
        "at the limit",
        "link to above",
        "tracked",
    ]
    assert git("show", f"{commit}:tracked") == "b" * (LIMIT + 1)


def test_only_big_files_leave_head(repo: Path, git: Git) -> None:
    (repo / "above").write_bytes(b"d" * (LIMIT + 1))
    commit, left_out = take(repo)
    assert commit == git("rev-parse", "HEAD")
    assert [one.path for one in left_out] == ["above"]


def test_file_that_vanishes_after_git_listed_it(repo: Path, git: Git) -> None:
    (repo / "here").touch()
    (repo / "README.md").unlink()
    head = git("rev-parse", "HEAD")
    state = WorktreeState(head, "main", ("README.md", "gone too"), ("here", "gone", "deep/gone"), ())
    commit, left_out = snapshot(Repository.find(repo), state, ANA, LIMIT)
    assert git("ls-tree", "--name-only", str(commit)) == "here"
    assert left_out == ()


def test_temporary_indexes_are_removed_also_old_ones(repo: Path) -> None:
    (repo / "new").touch()
    place = repo / ".git" / "gtrack"
    place.mkdir()
    (place / "index-0123").touch()  # of a process that may be at work now, whatever its time stamp says
    os.utime(place / "index-0123", (1, 1))
    take(repo)
    assert [path.name for path in place.iterdir()] == ["index-0123"]


def test_what_git_cannot_take_is_one_clear_error(repo: Path, git: Git) -> None:
    git("config", "filter.broken.clean", "false")
    git("config", "filter.broken.required", "true")
    (repo / ".gitattributes").write_text("*.bin filter=broken\n")
    (repo / "a.bin").write_text("x")
    with pytest.raises(GitError, match=r"(?s)could not be recorded: git update-index failed .*--no-snapshot") as caught:
        take(repo)
    assert "a.bin" in str(caught.value)
    assert list((repo / ".git" / "gtrack").iterdir()) == []


def test_clean_filters_are_applied_as_git_add_does(repo: Path, git: Git) -> None:
    git("config", "filter.upper.clean", "tr a-z A-Z")
    (repo / ".gitattributes").write_text("*.txt filter=upper\n")
    (repo / "a.txt").write_text("abc\n")
    assert git("show", f"{take(repo)[0]}:a.txt") == "ABC"


def test_untracked_credentials_stay_out_of_the_snapshot(repo: Path, git: Git) -> None:
    kept = ["train.py", ".env.example", "keys.py", "sub/.envrc", "credentials_test.py", "monkey.csv"]
    secret = [".env", ".env.local", "sub/.env", "deploy.pem", "id_rsa", "sub/credentials.json", ".netrc", "tls.key"]
    (repo / "sub").mkdir()
    for name in [*kept, *secret]:
        (repo / name).write_text("x\n")
    found = Repository.find(repo)
    commit, left_out = snapshot(found, read_state(found), Identity("A", "a@b"), 1 << 20)
    found.objects.close()
    tree = git("ls-tree", "-r", "--name-only", str(commit)).splitlines()
    assert set(kept) <= set(tree)
    assert not set(secret) & set(tree)
    assert {one.path: one.sha256 for one in left_out} == dict.fromkeys(secret, "")
