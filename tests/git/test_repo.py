"""Find the repository that is meant, and run git in it whatever the environment says."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from gtrack.errors import GitError, NotARepository, UsageError
from gtrack.git.repo import Repository
from tests.conftest import Git, run_git


def test_find_from_anywhere_inside(repo: Path, tmp_path: Path) -> None:
    (repo / "a b" / "ä").mkdir(parents=True)
    (tmp_path / "link").symlink_to(repo / "a b")
    for start in (repo, repo / "a b", repo / "a b" / "ä", tmp_path / "link", tmp_path / "link" / "ä", Path()):
        found = Repository.find(start)
        assert (found.root, found.git_dir, found.common_dir) == (repo, repo / ".git", repo / ".git")


def test_find_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for start in (tmp_path, tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(NotARepository, match=r"is not inside a git repository\. Run 'gtrack init'"):
            Repository.find(start)


def test_find_what_git_will_not_use(repo: Path) -> None:
    (repo / ".git" / "config").write_text("[core]\n\trepositoryformatversion = 99\n")
    with pytest.raises(GitError, match="git cannot use the repository at"):
        Repository.find(repo)


def test_inside_the_git_directory_there_is_no_working_tree(repo: Path) -> None:
    assert Repository.find(repo / ".git").root is None


def test_inherited_variables_do_not_lead_astray(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git("init", "--quiet", cwd=other)
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(tmp_path / "no index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "no objects"),
        "GIT_PREFIX": "nowhere/",
        "GIT_CONFIG": str(tmp_path / "no config"),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_LITERAL_PATHSPECS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    found = Repository.find(repo)
    assert found.root == repo
    assert found.resolve("HEAD") is not None
    assert found.run("ls-files") == b"README.md\n"
    assert os.environ["GIT_DIR"] == str(other / ".git")


def test_variables_of_one_call_win_over_inherited_ones(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary index stays one inside a hook, where git has set GIT_INDEX_FILE to the user's."""
    monkeypatch.setenv("GIT_INDEX_FILE", str(repo / ".git" / "index"))
    before = (repo / ".git" / "index").read_bytes()
    (repo / "new.py").write_text("new\n")
    temporary = tmp_path / "index"
    found = Repository.find(repo)
    found.run("update-index", "--add", "new.py", env={"GIT_INDEX_FILE": str(temporary)})
    assert found.run("ls-files", env={"GIT_INDEX_FILE": str(temporary)}) == b"new.py\n"
    assert (repo / ".git" / "index").read_bytes() == before


def test_create(tmp_path: Path) -> None:
    made = Repository.create(tmp_path)
    assert made.root == tmp_path
    assert made.resolve("HEAD") is None
    assert Repository.create(tmp_path).root == tmp_path


def test_create_where_it_cannot_be(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("no directory")
    with pytest.raises(GitError, match="git cannot make a repository at"):
        Repository.create(tmp_path)


def test_failure_says_what_git_said(repo: Path) -> None:
    with pytest.raises(GitError, match=rf"git rev-parse failed in {repo}: Needed a single revision"):
        Repository.find(repo).run("rev-parse", "--verify", "nowhere")
    assert Repository.find(repo).run("rev-parse", "--verify", "--quiet", "nowhere", ok=(1,)) == b""


def test_directory_that_is_gone_does_not_make_git_work_elsewhere(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git("init", "--quiet", cwd=other)
    found = Repository.find(other)
    shutil.rmtree(other)
    with pytest.raises(GitError):
        found.run("update-ref", "refs/heads/stray", "HEAD")
    assert run_git("for-each-ref", "refs/heads/stray", cwd=repo) == ""


def test_settings_of_the_user_that_would_change_the_answer(repo: Path, git: Git) -> None:
    git("config", "core.quotePath", "true")
    git("config", "color.ui", "always")
    git("config", "status.showUntrackedFiles", "no")
    (repo / "ä").touch()
    assert Repository.find(repo).run("ls-files", "--others") == "ä\n".encode()


def test_config(repo: Path, git: Git) -> None:
    git("config", "Some.Sub.Key", "a=b\nc")
    git("config", "--add", "some.Sub.key", "last")
    git("config", "a.flag", "true")
    found = Repository.find(repo).config()
    assert found["some.sub.key"] == "last"
    assert found["user.name"] == "Ana"


def test_worktree_roots(repo: Path, git: Git, tmp_path: Path) -> None:
    places = [tmp_path / "one ä", tmp_path / "two", tmp_path / "gone"]
    for place in places:
        git("worktree", "add", "--quiet", "--detach", str(place))
    shutil.rmtree(places[2])
    assert Repository.find(repo).worktree_roots() == [repo, *places[:2]]
    assert Repository.find(places[1]).worktree_roots() == [places[1], repo, places[0]]


def test_worktree_roots_that_are_named_relatively_or_by_a_link(repo: Path, git: Git, tmp_path: Path) -> None:
    """As `git worktree add --relative-paths` of git 2.48 writes them, or a person who moved things."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "link" / "one"))
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "two"))
    (repo / ".git" / "worktrees" / "one" / "gitdir").write_text(f"{tmp_path}/link/one/.git\n")
    (repo / ".git" / "worktrees" / "two" / "gitdir").write_text("../../../../two/.git\n")
    one, two = tmp_path / "real" / "one", tmp_path / "two"
    assert Repository.find(repo).worktree_roots() == [repo, one, two]
    assert Repository.find(one).worktree_roots() == [one, repo, two]


def test_worktree_roots_of_a_submodule_and_of_a_bare_repository(repo: Path, git: Git, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git("clone", "--quiet", "--bare", str(repo), str(bare))
    assert Repository.find(bare).worktree_roots() == []
    linked = tmp_path / "linked"
    run_git("worktree", "add", "--quiet", "--detach", str(linked), cwd=bare)
    assert Repository.find(bare).worktree_roots() == [linked]
    assert Repository.find(linked).worktree_roots() == [linked]
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(bare), "sub")
    module = tmp_path / "module"
    run_git("worktree", "add", "--quiet", "--detach", str(module), cwd=repo / "sub")
    assert Repository.find(repo / "sub").worktree_roots() == [repo / "sub", module]
    assert Repository.find(module).worktree_roots() == [module, repo / "sub"]


# The persistent cat-file


def test_objects_by_any_name(repo: Path, git: Git) -> None:
    found = Repository.find(repo).objects
    readme = found.get("HEAD:README.md")
    assert readme is not None
    assert (readme.kind, readme.data, readme.oid) == (
        "blob",
        b"A project under test.\n",
        git("rev-parse", "HEAD:README.md"),
    )
    head = found.get("main")
    assert head is not None
    assert (head.kind, head.oid) == ("commit", git("rev-parse", "HEAD"))
    assert found.get("HEAD:ä/no such") is None
    assert found.get("") is None
    assert found.get("0" * 40) is None


def test_what_is_written_later_is_found(repo: Path, git: Git) -> None:
    found = Repository.find(repo).objects
    assert found.get("main:new") is None
    (repo / "new").write_bytes(b"a\nb\0c")
    git("add", "new")
    git("commit", "--quiet", "--message", "New")
    git("gc", "--quiet", "--prune=now")
    new = found.get("main:new")
    assert new is not None
    assert new.data == b"a\nb\0c"


def test_more_than_a_pipe_holds(repo: Path, git: Git) -> None:
    big = repo / "big"
    big.write_bytes(os.urandom(300_000))
    oid = git("hash-object", "-w", "big")
    names = ["HEAD:README.md", "missing", oid] * 300
    objects = Repository.find(repo).objects
    found = list(objects.many(names))
    assert len(found) == 900
    assert list(objects.stream(names)) == found
    assert list(objects.stream([])) == []
    for one in objects.stream(names):  # nobody reads on
        assert one == found[0]
        break
    assert all(one is None for one in found[1::3])
    assert all(one is not None and one.data == big.read_bytes() for one in found[2::3])


@pytest.mark.parametrize("name", ["-h", "--batch-check", "HEAD\nHEAD", "a\n"])
def test_names_that_could_mean_something_else_are_refused(repo: Path, name: str) -> None:
    found = Repository.find(repo).objects
    with pytest.raises(UsageError, match="is no name of a git object"):
        found.get(name)
    assert found.get("HEAD") is not None


def test_process_that_was_killed(repo: Path) -> None:
    found = Repository.find(repo).objects
    assert found.get("HEAD") is not None
    process = found._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises((GitError, BrokenPipeError)):
        found.get("HEAD")
    assert found.get("HEAD") is not None


def test_process_ends_with_its_object(repo: Path) -> None:
    repository = Repository.find(repo)
    repository.resolve("HEAD")
    process = repository.objects._process
    assert process is not None
    del repository
    gc.collect()
    assert process.returncode == 0


def test_closed_and_used_again(repo: Path) -> None:
    found = Repository.find(repo).objects
    found.close()
    assert found.get("HEAD") is not None
    process = found._process
    assert process is not None
    found.close()
    assert process.returncode == 0
    assert found.get("HEAD") is not None


def test_forked_child_has_a_process_of_its_own(repo: Path) -> None:
    found = Repository.find(repo).objects
    assert found.get("HEAD") is not None
    child = os.fork()
    if child == 0:
        good = all(found.get("HEAD:README.md") is not None for _ in range(50))
        os._exit(0 if good else 1)
    heads = [found.get("HEAD") for _ in range(50)]
    assert os.waitpid(child, 0)[1] == 0
    assert all(head is not None and head.kind == "commit" for head in heads)


def test_detached_process_outlives_nothing_that_waits(repo: Path) -> None:
    repository = Repository.find(repo)
    repository.start_detached("update-ref", "refs/heads/detached", "HEAD")
    deadline = time.monotonic() + 30
    while repository.resolve("refs/heads/detached") is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert repository.resolve("refs/heads/detached") == repository.resolve("HEAD")
