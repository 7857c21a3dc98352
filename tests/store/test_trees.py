"""A directory among the artifacts: all of it, or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gtrack.errors import ArtifactError, InvalidPath
from gtrack.store.trees import add_directory


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    live = tmp_path / "live"
    live.mkdir()
    return live / "artifacts"


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def fill(directory: Path) -> str:
    (directory / "a").write_text("a")
    return "told"


def test_it_is_moved_in_when_it_is_filled(artifacts: Path) -> None:
    assert add_directory(artifacts, "deep/tree", fill) == "told"
    assert (artifacts / "deep" / "tree" / "a").read_text() == "a"
    assert names(artifacts.parent) == ["artifacts"]


def test_what_fails_leaves_nothing(artifacts: Path) -> None:
    def half(directory: Path) -> None:
        fill(directory)
        raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        add_directory(artifacts, "tree", half)
    assert names(artifacts.parent) == ["artifacts"]
    assert names(artifacts) == []


def test_what_is_there_is_not_replaced_even_when_it_came_meanwhile(artifacts: Path) -> None:
    def slow(directory: Path) -> None:
        fill(directory)
        (artifacts / "tree").mkdir(parents=True)
        (artifacts / "tree" / "b").write_text("b")

    with pytest.raises(InvalidPath, match="already"):
        add_directory(artifacts, "tree", slow)
    assert names(artifacts / "tree") == ["b"]
    with pytest.raises(InvalidPath, match="already"):
        add_directory(artifacts, "tree/b", fill)


def test_a_run_that_ends_meanwhile_does_not_come_back(artifacts: Path) -> None:
    with pytest.raises(ArtifactError, match="could not be written"):
        add_directory(artifacts, "tree", lambda _: shutil.rmtree(artifacts.parent))
    assert not artifacts.parent.exists()
    with pytest.raises(ArtifactError, match="was ended or removed"):
        add_directory(artifacts, "tree", fill)


def test_a_directory_that_gives_way_stays_until_the_new_one_is_filled(artifacts: Path) -> None:
    def newer(directory: Path) -> None:
        assert names(artifacts / "tree") == ["a"]
        (directory / "b").write_text("b")

    def fails(directory: Path) -> None:
        newer(directory)
        raise ValueError("half")

    add_directory(artifacts, "tree", fill, replacing=True)
    with pytest.raises(ValueError, match="half"):
        add_directory(artifacts, "tree", fails, replacing=True)
    assert names(artifacts / "tree") == ["a"]
    add_directory(artifacts, "tree", newer, replacing=True)
    assert names(artifacts / "tree") == ["b"]
    assert names(artifacts.parent) == ["artifacts"]
    (artifacts / "file").write_text("no directory")
    with pytest.raises(InvalidPath, match="already"):
        add_directory(artifacts, "file", fill, replacing=True)


def test_what_cannot_be_replaced_comes_back(artifacts: Path) -> None:
    def vanishes(directory: Path) -> None:
        directory.rmdir()

    add_directory(artifacts, "tree", fill)
    with pytest.raises(InvalidPath, match="already"):
        add_directory(artifacts, "tree", vanishes, replacing=True)
    assert names(artifacts / "tree") == ["a"]
    assert names(artifacts.parent) == ["artifacts"]


@pytest.mark.parametrize("replacing", [False, True])
def test_what_is_not_confirmed_was_never_there(artifacts: Path, *, replacing: bool) -> None:
    def newer(directory: Path) -> None:
        (directory / "b").write_text("b")

    def refuse() -> None:
        assert names(artifacts / "tree") == ["b"]
        raise OSError("refused")

    if replacing:
        add_directory(artifacts, "tree", fill)
    with pytest.raises(OSError, match="refused"):
        add_directory(artifacts, "tree", newer, replacing=replacing, confirm=refuse)
    assert names(artifacts.parent) == ["artifacts"]
    assert [name for tree in artifacts.iterdir() for name in names(tree)] == ["a"] * replacing
