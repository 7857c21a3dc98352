"""Files are kept whole, under a safe path, or not at all."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from gtrack.errors import ArtifactError, InvalidPath
from gtrack.store.artifacts import add_bytes, add_file, check_source, walk


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    place = tmp_path / "live" / "artifacts"
    place.parent.mkdir()
    return place


def left(artifacts: Path) -> list[str]:
    """Return everything in the live directory: also what should not have been left there."""
    found = [path.relative_to(artifacts.parent).as_posix() for path in artifacts.parent.rglob("*") if path.is_file()]
    return sorted(found)


def test_kept_and_replaced(artifacts: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"one")
    add_file(artifacts, source, "a/b.bin")
    add_bytes(artifacts, b"bytes", "a/c.bin")
    source.write_bytes(b"two")
    add_file(artifacts, source, "a/b.bin")
    assert (artifacts / "a" / "b.bin").read_bytes() == b"two"
    assert left(artifacts) == ["artifacts/a/b.bin", "artifacts/a/c.bin"]


def test_link_is_followed_to_its_file(artifacts: Path, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"real")
    (tmp_path / "link").symlink_to("real")
    add_file(artifacts, tmp_path / "link", "kept")
    assert not (artifacts / "kept").is_symlink()
    assert (artifacts / "kept").read_bytes() == b"real"


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "../x", "a/../../x", "/x", "a//b", "a/", "C:\\x", "C:x", "a\\b", "a\nb", "a\0b"),
        *(".git/config", "x/.GIT", "x" * 300, ".gitattributes", "\udce9"),
    ],
)
def test_unsafe_paths_write_nothing(artifacts: Path, tmp_path: Path, path: str) -> None:
    source = tmp_path / "source"
    source.touch()
    with pytest.raises(InvalidPath):
        add_bytes(artifacts, b"x", path)
    with pytest.raises(InvalidPath):
        add_file(artifacts, source, path)
    assert left(artifacts) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live", "source"]


def test_file_and_directory_of_one_name(artifacts: Path) -> None:
    add_bytes(artifacts, b"x", "a/b")
    with pytest.raises(InvalidPath, match="'a' is a directory of this run's artifacts"):
        add_bytes(artifacts, b"x", "a")
    with pytest.raises(InvalidPath, match="goes through an artifact that is a file"):
        add_bytes(artifacts, b"x", "a/b/c")
    assert left(artifacts) == ["artifacts/a/b"]


def test_what_is_no_file(artifacts: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(os.path.relpath(tmp_path / "plug"))
        for name, said in {
            "missing": "does not exist",
            "broken": "is a link to nowhere, which does not exist",
            "loop": "cannot be read",
            "pipe": "is a named pipe, not a file",
            "plug": "is a socket, not a file",
            "live": r"is a directory\. Log all of it with log_artifacts\(",
        }.items():
            with pytest.raises(ArtifactError, match=said):
                add_file(artifacts, tmp_path / name, "x")
    with pytest.raises(ArtifactError, match="is a device, not a file"):
        add_file(artifacts, Path("/dev/null"), "x")
    assert left(artifacts) == []


def test_file_that_still_grows(artifacts: Path, tmp_path: Path) -> None:
    """A writer that never rests while it is copied."""
    source = tmp_path / "growing"
    source.write_bytes(b"x" * 5_000_000)
    done = threading.Event()

    def grow() -> None:
        with source.open("ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"x")

    def copy_often() -> None:
        for _ in range(1000):  # a machine under load may let the writer sleep through a whole copy, not through all
            add_file(artifacts, source, "x")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(ArtifactError, match=r"changed while it was copied .* Log it when its writer is done"):
            copy_often()
    finally:
        done.set()
        writer.join()
    assert left(artifacts) in ([], ["artifacts/x"])


def test_walk(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "b/c/3", ".hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("a")
    assert [inside for inside, _ in walk(tmp_path)] == [".hidden", "a", "link", "b/1", "b/2", "b/c/3"]
    (tmp_path / "b" / "dir link").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match="is a link to a directory"):
        list(walk(tmp_path))


@pytest.mark.parametrize(("name", "said"), [("missing", "does not exist"), ("file", "is not a directory")])
def test_walk_of_no_directory(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=said):
        list(walk(tmp_path / name))


def test_size_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    assert check_source(tmp_path / "file").st_size == 3
