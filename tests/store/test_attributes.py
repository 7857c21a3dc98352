"""`artifacts/.gitattributes` says to git, about each path alone, what it says to us."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gtrack.errors import InvalidPath
from gtrack.formats.names import check_artifact_path
from gtrack.store.attributes import Attributes
from tests.conftest import Git, examples

STRANGE = [
    "plain.bin",
    "deep/er/model.bin",
    "with space.bin",
    " leading and trailing ",
    "#comment",
    "!negated",
    "*.bin",
    "?",
    "[a-z]",
    "]",
    "a[",
    '"quoted"',
    "'",
    "ä/猫.bin",
    "tab-less",
    "**",
    "a**b",
    "{a,b}",
    "-dash",
    "~",
    "$HOME",
    "filter=lfs",
]


def is_path(path: str) -> bool:
    try:
        return check_artifact_path(path) == path
    except InvalidPath:
        return False


paths = st.text(
    st.one_of(st.sampled_from("*?[]!#\"'\\ /-~.{}^$a0é猫"), st.characters(codec="utf-8")), min_size=1, max_size=30
).filter(is_path)


def lfs_paths(root: Path, attributes: Attributes, asked: list[str]) -> list[str]:
    """Return which of the ``asked`` paths git takes for Git LFS files."""
    (root / ".gitattributes").write_bytes(attributes.encode())
    stdin = b"".join(os.fsencode(path) + b"\0" for path in asked)
    out = subprocess.run(
        ["git", "check-attr", "-z", "--stdin", "filter"], cwd=root, input=stdin, check=True, capture_output=True
    ).stdout.split(b"\0")
    return [os.fsdecode(path) for path, value in zip(out[0::3], out[2::3], strict=False) if value == b"lfs"]


def test_strange_paths(repo: Path) -> None:
    for path in STRANGE:
        attributes = Attributes(b"")
        assert attributes.add(path)
        assert lfs_paths(repo, attributes, STRANGE) == [path]
        assert list(attributes.paths()) == [path]


@settings(examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(paths, min_size=1, max_size=6, unique=True), st.data())
def test_git_and_we_agree(repo: Path, asked: list[str], data: st.DataObject) -> None:
    assume(not any(one != other and other.startswith(f"{one}/") for one in asked for other in asked))
    large = data.draw(st.lists(st.sampled_from(asked), unique=True))
    attributes = Attributes(b"")
    for path in large:
        assert attributes.add(path)
    assert lfs_paths(repo, attributes, asked) == [path for path in asked if path in large]
    assert list(Attributes(attributes.encode()).paths()) == large


def test_all_that_a_pointer_needs(repo: Path, git: Git) -> None:
    attributes = Attributes(b"")
    attributes.add("a b")
    (repo / ".gitattributes").write_bytes(attributes.encode())
    found = dict(line.split(": ")[1:] for line in git("check-attr", "--all", "--", "a b").splitlines())
    assert found == {"filter": "lfs", "diff": "lfs", "merge": "lfs", "text": "unset"}


def test_adding_twice_and_taking_back() -> None:
    attributes = Attributes(b"*.txt text\n")
    attributes.add("x")
    attributes.add('a"/x')
    attributes.add("x")
    assert list(attributes.paths()) == ["x", 'a"/x']
    attributes.discard("x")
    attributes.discard("never there")
    assert list(attributes.paths()) == ['a"/x']
    assert attributes.encode().startswith(b"*.txt text\n")


def test_a_path_that_is_the_end_of_another_is_added() -> None:
    attributes = Attributes(b"")
    attributes.add('a"/x')
    attributes.add("x")
    assert list(attributes.paths()) == ['a"/x', "x"]


@given(st.binary(max_size=200))
def test_any_bytes_stay_as_they_are_but_for_empty_lines(data: bytes) -> None:
    lines = [line for line in data.split(b"\n") if line]
    assert Attributes(data).encode() == b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize("length", [1500, 1990, 2100, 3000])
def test_line_that_git_would_not_read_is_refused(repo: Path, length: int) -> None:
    path = "/".join(["猫" * 60] * 20)[: length // 3]
    attributes = Attributes(b"")
    taken = attributes.add(path)
    assert taken == (len(path.encode()) < 1900)
    assert lfs_paths(repo, attributes, [path]) == ([path] if taken else [])
