"""What goes into the stream comes out of git as it was, whatever its name; what fails leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gtrack.errors import GitError
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.repo import Repository
from gtrack.git.trees import parse_tree
from tests.conftest import Git, run_git

ANA = Identity("Ana", "ana@example.org")
PATHS = [
    "plain",
    "with space",
    " leading",
    "trailing ",
    '"quoted"',
    '"',
    "back\\slash",
    "tab\tand\nnewline",
    "\r",
    "ä/ö/猫.txt",
    "-dash",
    "#hash",
    ":colon",
    "deep/" * 30 + "file",
    os.fsdecode(b"latin-\xe9"),
    "'",
    "a'b\"c",
]


def commit_files(repo: Repository, paths: list[str]) -> str:
    with FastImport(repo) as stream:
        changes = [Change(path, stream.blob(path.encode(errors="surrogateescape"))) for path in paths]
        mark = stream.commit([], changes, "Files", ANA, 1)
    return stream.oids[mark]


def listing(repo: Path, commit: str) -> dict[str, str]:
    found = subprocess.run(["git", "ls-tree", "-r", "-z", commit], cwd=repo, check=True, capture_output=True).stdout
    entries = [entry.split(b"\t", 1) for entry in found.split(b"\0") if entry]
    return {os.fsdecode(path): facts.split()[2].decode() for facts, path in entries}


def check_fsck(repo: Path) -> None:
    done = subprocess.run(
        ["git", "fsck", "--full", "--strict", "--no-dangling", "--no-progress"],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_strange_paths(repo: Path, git: Git) -> None:
    commit = commit_files(Repository.find(repo), PATHS)
    found = listing(repo, commit)
    assert sorted(found) == sorted(PATHS)
    for path, oid in found.items():
        content = subprocess.run(["git", "cat-file", "blob", oid], check=True, capture_output=True).stdout
        assert content == os.fsencode(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(min_size=1, max_size=40).filter(
            lambda name: not {b"/", b"\0"} & {bytes([c]) for c in name} and name not in (b".", b"..", b".git")
        ),
        unique=True,
        min_size=1,
        max_size=5,
    )
)
def test_any_name_that_a_file_can_have(repo: Path, names: list[bytes]) -> None:
    paths = [os.fsdecode(name) for name in names]
    assert sorted(listing(repo, commit_files(Repository.find(repo), paths))) == sorted(paths)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.text(max_size=30), st.integers(min_value=-(10**6), max_value=4 * 10**9))
def test_any_identity_makes_a_commit_that_git_accepts(repo: Path, name: str, email: str, seconds: int) -> None:
    with FastImport(Repository.find(repo)) as stream:
        mark = stream.commit([], [], "Empty", Identity(name, email), seconds)
    run_git("update-ref", "refs/heads/made", stream.oids[mark], cwd=repo)
    check_fsck(repo)


def test_commits_have_the_parents_and_trees_that_were_asked_for(repo: Path, git: Git) -> None:
    head = git("rev-parse", "HEAD")
    with FastImport(Repository.find(repo)) as stream:
        blob = stream.blob(b"content")
        child = stream.commit([head], [Change("new", blob)], "On HEAD\n\nKey: value", ANA, 10)
        union = stream.commit([child], [Change("only", blob, "100755")], "Empty first", ANA, 20, from_empty=True)
        merge = stream.commit([union, child, head], [Change("only", None)], "Merge", ANA, 30)
        root = stream.commit([], [Change("alone", blob)], "A root", ANA, 40)
    oid = stream.oids
    assert git("rev-parse", f"{oid[child]}^@") == head
    assert sorted(listing(repo, oid[child])) == ["README.md", "new"]
    assert git("ls-tree", oid[union]).split()[0::3] == ["100755", "only"]
    assert git("rev-parse", f"{oid[merge]}^@").split() == [oid[union], oid[child], head]
    assert git("ls-tree", oid[merge]) == ""
    assert git("rev-parse", f"{oid[root]}^@") == ""
    assert sorted(listing(repo, oid[root])) == ["alone"]
    assert git("show", "--no-patch", "--format=%an <%ae> %at %ai|%cn %ct", oid[merge]) == (
        "Ana <ana@example.org> 30 1970-01-01 00:00:30 +0000|Ana 30"
    )
    assert git("show", "--no-patch", "--format=%B", oid[child]) == "On HEAD\n\nKey: value"


def test_a_stream_makes_no_ref_and_leaves_the_user_alone(repo: Path, git: Git) -> None:
    before = git("for-each-ref"), (repo / ".git" / "index").read_bytes(), git("reflog")
    commit_files(Repository.find(repo), ["a", "b"])
    assert (git("for-each-ref"), (repo / ".git" / "index").read_bytes(), git("reflog")) == before


def test_files_are_streamed(repo: Path, git: Git, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3_000_000))
    empty = tmp_path / "empty"
    empty.touch()
    with FastImport(Repository.find(repo)) as stream:
        changes = [Change("big", stream.blob_file(big)), Change("empty", stream.blob_file(empty))]
        mark = stream.commit([], changes, "Files", ANA, 1)
    found = listing(repo, stream.oids[mark])
    assert found == {"big": git("hash-object", str(big)), "empty": git("hash-object", str(empty))}


def test_file_that_cannot_be_read_writes_nothing(repo: Path, git: Git, tmp_path: Path) -> None:
    before = git("count-objects", "-v")
    with pytest.raises(FileNotFoundError), FastImport(Repository.find(repo)) as stream:
        stream.blob_file(tmp_path / "missing")
    assert git("count-objects", "-v").splitlines()[:4] == before.splitlines()[:4]


def test_file_that_shrinks_is_an_error(repo: Path, tmp_path: Path) -> None:
    """Git is stopped, so that the stream waits with the first piece of the file in hand; then the file is cut."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5_000_000)

    def cut(git_process: subprocess.Popen[bytes]) -> None:
        while not waiting_in(git_process.stdin):
            time.sleep(0.001)
        os.truncate(path, 1_000_000)
        os.kill(git_process.pid, signal.SIGCONT)

    def stream_it() -> None:
        with FastImport(Repository.find(repo)) as stream:
            os.kill(stream._process.pid, signal.SIGSTOP)
            cutter = threading.Thread(target=cut, args=[stream._process])
            cutter.start()
            try:
                stream.blob_file(path)
            finally:
                cutter.join()

    with pytest.raises(OSError, match="became shorter"):
        stream_it()
    assert run_git("count-objects", cwd=repo).startswith("3 objects")


def waiting_in(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def test_failure_is_one_message_and_leaves_no_crash_report(repo: Path, git: Git) -> None:
    with (
        pytest.raises(GitError, match=r"git fast-import failed: fatal: .*"),
        FastImport(Repository.find(repo)) as stream,
    ):
        stream.commit(["0123456789012345678901234567890123456789"], [], "No such parent", ANA, 1)
    assert list((repo / ".git").glob("fast_import_crash_*")) == []


def test_many_objects_become_a_pack_that_git_accepts(repo: Path, git: Git) -> None:
    commit = commit_files(Repository.find(repo), [f"artifacts/{number}.txt" for number in range(300)])
    git("update-ref", "refs/heads/many", commit)
    assert len(listing(repo, commit)) == 300
    assert list((repo / ".git" / "objects" / "pack").glob("*.keep")) == []
    check_fsck(repo)


def test_sha256_repository(tmp_path: Path) -> None:
    run_git("init", "--quiet", "--object-format=sha256", cwd=tmp_path)
    repo = Repository.find(tmp_path)
    commit = commit_files(repo, ["a"])
    assert len(commit) == 64
    found = repo.objects.get(f"{commit}^{{tree}}")
    assert found is not None
    assert [entry.name for entry in parse_tree(found.data, 32)] == ["a"]


def test_a_full_disk_is_told_as_such_without_gits_crash_report(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Repository.find(repo)
    report = repo / ".git" / "fast_import_crash_12"
    said = f"fatal: write error: No space left on device\nfast-import: dumping crash report to {report}"
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat >/dev/null\ntouch {report}\necho '{said}' >&2\nexit 128\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(GitError, match=r"The disk with .*/\.git is full, so nothing was changed") as error:
        commit_files(found, ["a"])
    assert "crash" not in str(error.value)
    assert not report.exists()
