"""LFS pointers read as the specification says, and the local store holds exactly the bytes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.git.lfs import Pointer, is_here, object_path, put_aside, store
from gtrack.git.repo import Repository
from tests.conftest import run_git
from tests.remotes.ports import program

# The example of https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.
EXAMPLE = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)


def test_the_example_of_the_specification() -> None:
    pointer = Pointer("4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393", 12345)
    assert Pointer.decode(EXAMPLE) == pointer
    assert pointer.encode() == EXAMPLE


@given(st.binary(min_size=32, max_size=32), st.integers(0, 10**18 - 1))
def test_round_trip(digest: bytes, size: int) -> None:
    pointer = Pointer(digest.hex(), size)
    assert Pointer.decode(pointer.encode()) == pointer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        EXAMPLE[:-1],
        EXAMPLE + b"\n",
        EXAMPLE.replace(b"sha256", b"md5"),
        EXAMPLE.replace(b"4d7a", b"4D7A"),
        EXAMPLE.replace(b"4d7a", b"../a"),
        EXAMPLE.replace(b"12345", b"-1"),
        EXAMPLE.replace(b"12345", b"1" * 19),
        EXAMPLE.replace(b"\n", b"\r\n"),
        b" " * 2000 + EXAMPLE,
    ],
)
def test_what_is_no_pointer(data: bytes) -> None:
    assert Pointer.decode(data) is None


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    found = Pointer.decode(data)
    assert found is None or found.encode() == data


def test_store(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(range(256)) * 10_000)
    digest = sha256(file.read_bytes()).hexdigest()
    pointer = store(repository, file)
    place = repo / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
    assert pointer == Pointer(digest, 2_560_000)
    assert object_path(repository, digest) == place
    assert place.read_bytes() == file.read_bytes()
    file.unlink()
    assert place.stat().st_size == 2_560_000
    assert [path.name for path in place.parent.iterdir()] == [digest]


def test_equal_content_is_stored_once(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    first = store(repository, tmp_path / "a")
    inode = object_path(repository, first.oid).stat().st_ino
    assert store(repository, tmp_path / "b") == first
    assert object_path(repository, first.oid).stat().st_ino == inode


def test_object_that_was_cut_off_is_written_anew(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    (tmp_path / "a").write_bytes(b"whole content")
    place = object_path(repository, sha256(b"whole content").hexdigest())
    place.parent.mkdir(parents=True)
    place.write_bytes(b"whole")
    store(repository, tmp_path / "a")
    assert place.read_bytes() == b"whole content"


def test_linked_worktree_shares_the_store(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    repository.run("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    (tmp_path / "a").write_bytes(b"content")
    pointer = store(Repository.find(tmp_path / "linked"), tmp_path / "a")
    assert object_path(repository, pointer.oid).read_bytes() == b"content"


@pytest.mark.parametrize("said", [None, "elsewhere", "/tmp/elsewhere"])
def test_objects_lie_where_git_lfs_looks_for_them(repo: Path, tmp_path: Path, said: str | None) -> None:
    program("git-lfs", "git-lfs")
    if said is not None:
        run_git("config", "lfs.storage", said, cwd=repo)
    run_git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), cwd=repo)
    for root in (repo, tmp_path / "linked"):
        environment = run_git("lfs", "env", cwd=root).splitlines()
        [place] = [line.partition("=")[2] for line in environment if line.startswith("LocalMediaDir=")]
        assert object_path(Repository.find(root), "ab" * 32) == Path(place, "ab", "ab", "ab" * 32)


def test_only_a_file_of_the_right_size_is_here(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    (tmp_path / "a").write_bytes(b"content")
    pointer = store(repository, tmp_path / "a")
    place = object_path(repository, pointer.oid)
    assert is_here(repository, pointer)
    assert not is_here(repository, Pointer(pointer.oid, 8))
    assert put_aside(repository, pointer.oid).read_bytes() == b"content"
    assert not is_here(repository, pointer)
    place.symlink_to(tmp_path / "a")
    assert not is_here(repository, pointer)
    assert store(repository, tmp_path / "a") == pointer
    assert not place.is_symlink()
    assert place.stat().st_mode & 0o777 == 0o444


def test_a_damaged_object_is_replaced_when_its_content_comes_again(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    (tmp_path / "a").write_bytes(b"content")
    place = object_path(repository, store(repository, tmp_path / "a").oid)
    place.unlink()
    place.write_bytes(b"CONTENT")
    (tmp_path / "b").write_bytes(b"content")
    store(repository, tmp_path / "b")
    assert place.read_bytes() == b"content"


def test_a_file_that_has_another_name_too_is_copied(repo: Path, tmp_path: Path) -> None:
    repository = Repository.find(repo)
    (tmp_path / "mine").write_bytes(b"content")
    (tmp_path / "logged").hardlink_to(tmp_path / "mine")
    place = object_path(repository, store(repository, tmp_path / "logged").oid)
    with (tmp_path / "mine").open("r+b") as file:
        file.write(b"CONTENT")
    assert (tmp_path / "mine").stat().st_mode & 0o200
    assert place.read_bytes() == b"content"
