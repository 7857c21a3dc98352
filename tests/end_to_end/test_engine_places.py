"""A run in every kind of repository: the two commits as FORMAT.md says, the code as it stood on disk, ``git fsck`` clean."""

from __future__ import annotations

import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import Git, run_git
from tests.end_to_end.engine import (
    BRANCH,
    SCRIPTS,
    check_branch,
    check_fsck,
    check_one_run,
    committed_files,
    fail,
    files_on_disk,
    head_of,
    live_directories,
    one_run,
    start,
    succeed,
)


def init(root: Path, *args: str) -> Path:
    root.mkdir(parents=True)
    run_git("init", "--quiet", *args, cwd=root)
    return root


def commit_all(root: Path, message: str = "Go on") -> str:
    run_git("add", "--all", cwd=root)
    run_git("commit", "--quiet", "--message", message, cwd=root)
    return run_git("rev-parse", "HEAD", cwd=root)


def write(root: Path, path: str, text: str = "new\n") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


# The state of the code


@pytest.mark.quick
def test_clean_tree_makes_no_snapshot(repo: Path, git: Git) -> None:
    head = check_one_run(repo, one_run(repo), repo)
    assert head["code"]["commit"] == head["code"]["head"] == git("rev-parse", "HEAD")
    assert head["code"]["dirty"] is False


@pytest.mark.quick
def test_dirty_tree_is_a_snapshot_on_head(repo: Path, git: Git) -> None:
    write(repo, "README.md", "edited\n")
    write(repo, "new/file with spaces.py")
    write(repo, "new/näme – 猫.py")
    head = check_one_run(repo, one_run(repo), repo)
    assert head["code"]["dirty"] is True
    assert git("rev-parse", f"{head['code']['commit']}^@") == head["code"]["head"] == git("rev-parse", "HEAD")


def test_staged_deleted_renamed_and_executable(repo: Path) -> None:
    for name in ("keep", "delete", "stage-delete", "rename", "uncache", "mode"):
        write(repo, name, f"{name}\n" * 20)
    commit_all(repo)
    (repo / "delete").unlink()
    run_git("rm", "--quiet", "stage-delete", cwd=repo)
    run_git("mv", "rename", "renamed", cwd=repo)
    run_git("rm", "--quiet", "--cached", "uncache", cwd=repo)
    (repo / "mode").chmod(0o755)
    write(repo, "staged and gone")
    run_git("add", "staged and gone", cwd=repo)
    (repo / "staged and gone").unlink()
    executable(repo / "new.sh", "#!/bin/sh\n")
    check_one_run(repo, one_run(repo), repo)


def test_symlinks(repo: Path) -> None:
    write(repo, "data/a.csv")
    (repo / "tracked").symlink_to("data/a.csv")
    (repo / "changing").symlink_to("data")
    commit_all(repo)
    (repo / "changing").unlink()
    (repo / "changing").symlink_to("nowhere")
    (repo / "to a directory").symlink_to("data")
    (repo / "outside").symlink_to("/etc")
    check_one_run(repo, one_run(repo), repo)


@pytest.mark.parametrize("target", ["file", "link to a directory"])
def test_directory_that_became_something_else(repo: Path, target: str) -> None:
    write(repo, "place/one.py")
    write(repo, "place/deep/two.py")
    write(repo, "other/one.py")
    commit_all(repo)
    shutil.rmtree(repo / "place")
    if target == "file":
        write(repo, "place")
    else:
        (repo / "place").symlink_to("other")
    check_one_run(repo, one_run(repo), repo)


@pytest.mark.parametrize("before", ["file", "link"])
def test_something_else_that_became_a_directory(repo: Path, before: str) -> None:
    if before == "file":
        write(repo, "place")
    else:
        (repo / "place").symlink_to("README.md")
    commit_all(repo)
    (repo / "place").unlink()
    write(repo, "place/deep/one.py")
    check_one_run(repo, one_run(repo), repo)


def test_intent_to_add(repo: Path) -> None:
    write(repo, "intended.py")
    write(repo, "gone.py")
    run_git("add", "--intent-to-add", "intended.py", "gone.py", cwd=repo)
    (repo / "gone.py").unlink()
    check_one_run(repo, one_run(repo), repo)


def test_unmerged_index(repo: Path) -> None:
    write(repo, "both.py", "base\n")
    write(repo, "theirs-deleted.py", "base\n")
    commit_all(repo)
    run_git("checkout", "--quiet", "-b", "side", cwd=repo)
    write(repo, "both.py", "side\n")
    (repo / "theirs-deleted.py").unlink()
    commit_all(repo)
    run_git("checkout", "--quiet", "main", cwd=repo)
    write(repo, "both.py", "main\n")
    write(repo, "theirs-deleted.py", "main\n")
    commit_all(repo)
    with pytest.raises(AssertionError, match="git merge"):
        run_git("merge", "--quiet", "side", cwd=repo)
    unmerged = run_git("ls-files", "--unmerged", cwd=repo)
    assert unmerged
    check_one_run(repo, one_run(repo), repo)
    assert run_git("ls-files", "--unmerged", cwd=repo) == unmerged


def test_ignored_files_are_no_code(repo: Path) -> None:
    write(repo, ".gitignore", "*.log\n/data/\n")
    write(repo, "a.log")
    write(repo, "data/huge.csv")
    write(repo, "a.py")
    check_one_run(repo, one_run(repo), repo, ignored=["a.log", "data"])


def test_big_untracked_file_is_left_out_and_said(repo: Path) -> None:
    write(repo, "small.bin")
    (repo / "big.bin").write_bytes(b"\0" * (10 * 1024 * 1024 + 1))
    head = check_one_run(repo, one_run(repo), repo, ignored=["big.bin"])
    (left_out,) = head["code"]["left_out"]
    assert (left_out["path"], left_out["size"]) == ("big.bin", 10 * 1024 * 1024 + 1)
    assert left_out["sha256"] == sha256((repo / "big.bin").read_bytes()).hexdigest()
    assert any("big.bin" in warning for warning in head["warnings"])


@pytest.mark.parametrize("commits", [True, False])
def test_nested_repository_is_left_out_and_said(repo: Path, commits: bool) -> None:
    nested = init(repo / "nested")
    if commits:
        write(nested, "a.py")
        commit_all(nested)
    head = check_one_run(repo, one_run(repo), repo, ignored=["nested"])
    assert head["code"]["dirty"] is True
    assert head["code"]["commit"] == head["code"]["head"]
    assert [one["path"] for one in head["code"]["left_out"]] == ["nested/"]


def test_index_that_is_racy(repo: Path, git: Git) -> None:
    """An edit that git can only see by content, because size and time stamps match, is in the snapshot."""
    git("config", "core.trustCtime", "false")
    git("config", "core.checkStat", "minimal")
    code = write(repo, "code.py", "lr = 1\n")
    moment = 1_700_000_000_000_000_000
    os.utime(code, ns=(moment, moment))
    commit_all(repo)
    os.utime(repo / ".git" / "index", ns=(moment, moment))
    code.write_text("lr = 2\n", encoding="utf-8")
    os.utime(code, ns=(moment, moment))
    check_one_run(repo, one_run(repo), repo)


# Kinds of repositories


def test_linked_worktrees_see_the_runs_of_all(repo: Path, git: Git, tmp_path: Path) -> None:
    linked = tmp_path / "linked wörk"
    git("worktree", "add", "--quiet", "-b", "side", str(linked))
    write(linked, "only here.py")
    running = start("hold.py", "here", cwd=linked, stdin=True)
    assert running.stdout is not None
    live_id = running.stdout.readline().strip()
    assert [path.name for path in live_directories(linked)] == [live_id]
    for place in (repo, linked):
        assert succeed("list_runs.py", cwd=place) == f"{live_id} running live"
    assert running.communicate("\n") == ("", "")
    head = head_of(live_id, repo)
    assert head["code"]["branch"] == "side"
    assert committed_files(head["code"]["commit"], repo) == files_on_disk(linked)
    other = one_run(repo)
    assert check_branch(linked, [live_id, other]) == [live_id, other]
    assert live_directories(linked) == []
    check_fsck(repo)


def test_submodule(repo: Path, git: Git, tmp_path: Path) -> None:
    library = init(tmp_path / "library")
    write(library, "lib.py")
    commit_all(library)
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "vendor/lib")
    commit_all(repo)
    inside = repo / "vendor" / "lib"
    write(inside, "edited.py")
    run_id = one_run(inside)
    check_one_run(inside, run_id, inside)
    run_git("rev-parse", "--verify", BRANCH, cwd=inside)
    assert git("for-each-ref", BRANCH) == ""


def test_dirty_submodule_is_said(repo: Path, git: Git, tmp_path: Path) -> None:
    library = init(tmp_path / "library")
    write(library, "lib.py")
    commit_all(library)
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    commit_all(repo)
    write(repo, "lib/lib.py", "moved on\n")
    moved = commit_all(repo / "lib")
    write(repo, "lib/lib.py", "and edited\n")
    run_id = one_run(repo)
    assert check_branch(repo, [run_id]) == [run_id]
    head = head_of(run_id, repo)
    assert committed_files(head["code"]["commit"], repo)["lib"] == ("160000", moved.encode())
    assert [one["path"] for one in head["code"]["left_out"]] == ["lib"]
    check_fsck(repo)


def test_bare_repository_is_read_and_not_written(repo: Path, git: Git, tmp_path: Path) -> None:
    run_id = one_run(repo)
    git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare.git"))
    assert succeed("list_runs.py", cwd=tmp_path / "bare.git") == f"{run_id} finished"
    said = fail("one_run.py", cwd=tmp_path / "bare.git").splitlines()
    assert said[-1].startswith("gtrack.errors.GTrackError: ")
    assert said[-1].endswith("is a bare repository: runs can be read from it, but not made in it. Use a clone of it.")
    assert run_git("count-objects", cwd=tmp_path / "bare.git")


def test_worktree_of_a_bare_repository(repo: Path, git: Git, tmp_path: Path) -> None:
    bare, linked = tmp_path / "bare.git", tmp_path / "linked"
    git("clone", "--quiet", "--bare", str(repo), str(bare))
    run_git("worktree", "add", "--quiet", str(linked), "main", cwd=bare)
    check_one_run(linked, one_run(linked), linked)


def test_detached_head(repo: Path, git: Git) -> None:
    git("checkout", "--quiet", "--detach")
    write(repo, "a.py")
    head = check_one_run(repo, one_run(repo), repo)
    assert head["code"]["branch"] is None


def test_no_commit_yet_and_no_file(tmp_path: Path) -> None:
    root = init(tmp_path / "empty")
    head = check_one_run(root, one_run(root), root)
    assert head["code"]["commit"] is None
    assert head["code"]["branch"] == "main"
    assert run_git("symbolic-ref", "HEAD", cwd=root) == "refs/heads/main"


@pytest.mark.parametrize("staged", [True, False])
def test_no_commit_yet_but_files(tmp_path: Path, staged: bool) -> None:
    root = init(tmp_path / "unborn")
    write(root, "src/a.py")
    if staged:
        run_git("add", "src/a.py", cwd=root)
        write(root, "src/a.py", "edited since\n")
    head = check_one_run(root, one_run(root), root)
    assert head["code"]["head"] is None
    assert head["code"]["dirty"] is True


def test_shallow_clone(repo: Path, git: Git, tmp_path: Path) -> None:
    write(repo, "second.py")
    commit_all(repo)
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", f"file://{repo}", str(shallow))
    write(shallow, "dirty.py")
    check_one_run(shallow, one_run(shallow), shallow)


def test_sha256_repository(tmp_path: Path) -> None:
    root = init(tmp_path / "sha256", "--object-format=sha256")
    write(root, "a.py")
    commit_all(root)
    write(root, "b.py")
    head = check_one_run(root, one_run(root), root)
    assert len(head["code"]["commit"]) == 64
    assert succeed("list_runs.py", cwd=root) == f"{head['id']} finished"


def test_separate_git_directory(tmp_path: Path) -> None:
    root = init(tmp_path / "tree", f"--separate-git-dir={tmp_path / 'elsewhere'}")
    write(root, "a.py")
    check_one_run(root, one_run(root), root)


def test_path_with_spaces_and_non_ascii_letters(tmp_path: Path) -> None:
    root = init(tmp_path / "mein «Übungs»-Ordner 猫")
    write(root, "a.py")
    commit_all(root)
    write(root, "sub dir/ä.py")
    head = check_one_run(root, one_run(root / "sub dir"), root)
    assert head["code"]["dirty"] is True


def test_path_that_goes_through_a_symlink(repo: Path, tmp_path: Path) -> None:
    write(repo, "deep/er/a.py")
    (tmp_path / "link").symlink_to(repo / "deep")
    check_one_run(repo, one_run(tmp_path / "link" / "er"), repo)


def test_sparse_checkout(repo: Path, git: Git) -> None:
    for name in ("in/a.py", "out/b.py", "out/c.py"):
        write(repo, name)
    commit_all(repo)
    git("sparse-checkout", "set", "in")
    assert not (repo / "out").exists()
    write(repo, "in/a.py", "edited\n")
    write(repo, "out/b.py", "written outside of the cone\n")
    run_id = one_run(repo)
    check_branch(repo, [run_id])
    found = committed_files(head_of(run_id, repo)["code"]["commit"], repo)
    assert found == {**files_on_disk(repo), "out/c.py": ("100644", b"new\n")}
    check_fsck(repo)


def test_sparse_index(repo: Path, git: Git) -> None:
    for name in ("in/a.py", "out/deep/b.py"):
        write(repo, name)
    commit_all(repo)
    git("sparse-checkout", "set", "--sparse-index", "in")
    write(repo, "in/new.py")
    run_id = one_run(repo)
    found = committed_files(head_of(run_id, repo)["code"]["commit"], repo)
    assert found == {**files_on_disk(repo), "out/deep/b.py": ("100644", b"new\n")}
    check_fsck(repo)


def test_split_index(repo: Path, git: Git) -> None:
    write(repo, "a.py")
    commit_all(repo)
    git("update-index", "--split-index")
    shared = sorted(path.name for path in (repo / ".git").glob("sharedindex.*"))
    assert shared
    write(repo, "a.py", "edited\n")
    index = (repo / ".git" / "index").read_bytes()
    check_one_run(repo, one_run(repo), repo)
    assert (repo / ".git" / "index").read_bytes() == index
    assert sorted(path.name for path in (repo / ".git").glob("sharedindex.*")) == shared


# Settings


@pytest.mark.parametrize("safecrlf", ["false", "true"])
def test_autocrlf(repo: Path, git: Git, safecrlf: str) -> None:
    git("config", "core.autocrlf", "true")
    git("config", "core.safecrlf", safecrlf)
    (repo / "windows.py").write_bytes(b"a\r\nb\r\n")
    (repo / "mixed.py").write_bytes(b"a\r\nb\n")
    (repo / "unix.py").write_bytes(b"a\nb\n")
    (repo / "binary.bin").write_bytes(b"\0\r\n\r\n")
    run_id = one_run(repo)
    check_branch(repo, [run_id])
    found = committed_files(head_of(run_id, repo)["code"]["commit"], repo)
    assert {name: content for name, (_, content) in found.items() if name != "README.md"} == {
        "windows.py": b"a\nb\n",
        "mixed.py": b"a\nb\n",
        "unix.py": b"a\nb\n",
        "binary.bin": b"\0\r\n\r\n",
    }
    check_fsck(repo)


def test_autocrlf_leaves_the_files_of_a_run_alone(repo: Path, git: Git) -> None:
    git("config", "core.autocrlf", "true")
    artifact = repo / "table.csv"
    artifact.write_bytes(b"a,b\r\n1,2\r\n")
    run_id = succeed("keep_file.py", str(artifact), cwd=repo)
    assert succeed("read_artifact.py", run_id, "table.csv", cwd=repo) == "b'a,b\\r\\n1,2\\r\\n'"


def test_hooks_that_fail_are_not_run(repo: Path, git: Git, tmp_path: Path) -> None:
    for place in (tmp_path / "hooks", repo / ".git" / "hooks"):
        for name in (
            "pre-commit",
            "commit-msg",
            "post-commit",
            "reference-transaction",
            "post-index-change",
            "pre-auto-gc",
        ):
            executable(place / name, f"#!/bin/sh\necho {name} >>{tmp_path}/ran\nexit 1\n")
    write(repo, "a.py")
    first = one_run(repo)
    git("config", "core.hooksPath", str(tmp_path / "hooks"))
    second = one_run(repo)
    assert check_branch(repo, [first, second]) == [first, second]
    assert not (tmp_path / "ran").exists()


def test_commits_that_must_be_signed(repo: Path, git: Git) -> None:
    git("config", "commit.gpgSign", "true")
    git("config", "tag.gpgSign", "true")
    git("config", "gpg.program", "/bin/false")
    write(repo, "a.py")
    check_one_run(repo, one_run(repo), repo)


@pytest.mark.parametrize("use_config_only", ["true", "false"])
def test_no_identity(repo: Path, git: Git, isolation: Path, use_config_only: str) -> None:
    (isolation / ".gitconfig").write_text(f"[user]\n\tuseConfigOnly = {use_config_only}\n")
    if use_config_only == "true":
        with pytest.raises(AssertionError, match="who you are"):
            git("commit", "--allow-empty", "--message", "Nobody")
    write(repo, "a.py")
    head = check_one_run(repo, one_run(repo), repo)
    assert head["user"] == git("show", "--no-patch", "--format=%an <%ae>", BRANCH)
    assert "@" in head["user"]


@pytest.mark.parametrize("name", ["...", "Zoë <X>", "O'Neil \\ Co.", " "])
def test_identity_that_git_must_clean(repo: Path, git: Git, name: str) -> None:
    git("config", "user.name", name)
    write(repo, "a.py")
    check_one_run(repo, one_run(repo), repo)


def test_identity_in_an_old_encoding(repo: Path) -> None:
    write(repo, "a.py")
    run_id = one_run(repo, env={"GIT_AUTHOR_NAME": os.fsdecode(b"Zo\xeb")})
    head = check_one_run(repo, run_id, repo)
    assert head["user"].startswith("Zo")


def test_other_language(repo: Path) -> None:
    write(repo, "a.py")
    check_one_run(repo, one_run(repo, env={"LANGUAGE": "de", "LC_ALL": "de_DE.UTF-8"}), repo)


# Inside a hook


@pytest.mark.parametrize("hook", ["pre-commit", "post-commit"])
@pytest.mark.parametrize("place", ["main", "linked"])
def test_inside_a_hook(repo: Path, git: Git, tmp_path: Path, hook: str, place: str) -> None:
    """Git gives a hook GIT_DIR and GIT_INDEX_FILE; a run inside it must neither use nor disturb them."""
    root = repo
    if place == "linked":
        root = tmp_path / "linked"
        git("worktree", "add", "--quiet", "-b", "side", str(root))
    text = f'#!/bin/sh\nenv >"{tmp_path}/env"\n"{sys.executable}" "{SCRIPTS}/one_run.py" >"{tmp_path}/id" 2>"{tmp_path}/err"\n'
    executable(repo / ".git" / "hooks" / hook, text)
    write(root, "a.py")
    write(root, "b.py")
    run_git("add", "a.py", cwd=root)
    before = files_on_disk(root)
    run_git("commit", "--quiet", "--message", "With a hook", "a.py", cwd=root)
    assert (tmp_path / "err").read_text() == ""
    assert "GIT_INDEX_FILE=" in (tmp_path / "env").read_text()
    run_id = (tmp_path / "id").read_text().strip()
    assert check_branch(root, [run_id]) == [run_id]
    head = head_of(run_id, root)
    assert committed_files(head["code"]["commit"], root) == before
    assert head["code"]["head"] == run_git("rev-parse", "HEAD" if hook == "post-commit" else "HEAD^", cwd=root)
    assert run_git("status", "--porcelain", cwd=root) == "?? b.py"
    check_fsck(root)


# What stands in the way


def test_branch_of_the_parents_name_is_one_clear_message(repo: Path, git: Git) -> None:
    git("branch", "gtrack")
    said = fail("one_run.py", cwd=repo)
    assert "could not be committed to gtrack/runs" in said
    assert "'refs/heads/gtrack' exists" in said
    (live,) = live_directories(repo)
    assert str(live) in said
    git("branch", "--delete", "gtrack")
    assert succeed("recover.py", cwd=repo) == f"{live.name} finished"
    assert check_branch(repo, [live.name]) == [live.name]
