"""What is copied is what was hashed."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.store.large.copying import CHUNK, chunks, copy_hashed


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 7 * CHUNK + 5])
def test_copied_and_hashed(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    assert copy_hashed(source, target) == sha256(data).hexdigest()
    assert target.read_bytes() == data
    assert b"".join(chunks(target)) == data
    assert source.stat().st_ino != target.stat().st_ino


def test_a_file_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        copy_hashed(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"old"
