"""Tree objects are parsed as git wrote them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import FormatError
from gtrack.git.trees import Entry, parse_tree
from tests.conftest import Git

MODES = ["40000", "100644", "100755", "100664", "120000", "160000"]
NAMES = st.binary(min_size=1, max_size=30).filter(lambda name: b"/" not in name and b"\0" not in name)


@given(
    st.sampled_from([20, 32]), st.lists(st.tuples(st.sampled_from(MODES), NAMES, st.binary(min_size=32, max_size=32)))
)
def test_round_trip(size: int, entries: list[tuple[str, bytes, bytes]]) -> None:
    data = b"".join(mode.encode() + b" " + name + b"\0" + oid[:size] for mode, name, oid in entries)
    assert list(parse_tree(data, size)) == [
        Entry(os.fsdecode(name), mode, oid[:size].hex()) for mode, name, oid in entries
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_entries_or_a_format_error(data: bytes) -> None:
    try:
        found = list(parse_tree(data, 20))
    except FormatError:
        return
    assert sum(len(entry.mode) + len(os.fsencode(entry.name)) + 22 for entry in found) == len(data)


def test_cut_off() -> None:
    data = b"100644 a\0" + b"x" * 20
    for length in range(1, len(data)):
        with pytest.raises(FormatError, match="ends in the middle"):
            list(parse_tree(data[:length], 20))


def test_what_git_wrote(repo: Path, git: Git) -> None:
    (repo / "ä dir").mkdir()
    (repo / "ä dir" / "file").write_text("x")
    (repo / "run.sh").write_text("x")
    (repo / "run.sh").chmod(0o755)
    (repo / "link").symlink_to("run.sh")
    git("add", "--all")
    tree = git("write-tree")
    data = subprocess.run(["git", "cat-file", "tree", tree], check=True, capture_output=True).stdout
    found = {entry.name: entry for entry in parse_tree(data, 20)}
    assert {name: (entry.mode, entry.is_tree, entry.is_file) for name, entry in found.items()} == {
        "README.md": ("100644", False, True),
        "link": ("120000", False, False),
        "run.sh": ("100755", False, True),
        "ä dir": ("40000", True, False),
    }
    assert found["run.sh"].oid == git("hash-object", "run.sh")
