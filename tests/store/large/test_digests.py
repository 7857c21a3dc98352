"""A digest that was kept is believed only of the file that it was taken of."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gtrack.git.lfs import Pointer
from gtrack.store.large.digests import FILE, Digests, remember

DIGEST = sha256(b"content").hexdigest()


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """Return a file whose digest is remembered."""
    path = tmp_path / "artifacts" / "a b.bin"
    path.parent.mkdir()
    path.write_bytes(b"content")
    remember(tmp_path, path, path, DIGEST)
    return path


def test_believed_while_the_file_is_the_same(known: Path, tmp_path: Path) -> None:
    assert Digests(tmp_path).pointer(known) == Pointer(DIGEST, 7)
    assert Digests(tmp_path).pointer(known) == Pointer(DIGEST, 7)
    other = known.with_name("other")
    os.link(known, other)
    assert Digests(tmp_path).pointer(other) is None


def test_not_of_a_file_that_was_written_to(known: Path, tmp_path: Path) -> None:
    before = known.stat()
    known.write_bytes(b"CONTENT")
    os.utime(known, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert Digests(tmp_path).pointer(known) is None


def test_not_of_a_file_that_was_replaced(known: Path, tmp_path: Path) -> None:
    before = known.stat()
    replacement = tmp_path / "replacement"
    replacement.write_bytes(b"CONTENT")
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns))
    replacement.replace(known)
    assert Digests(tmp_path).pointer(known) is None


def test_the_last_word_counts_and_torn_lines_do_not(known: Path, tmp_path: Path) -> None:
    later = sha256(b"later").hexdigest()
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'\n{"path": "artifacts/a b.bin", "oi')
    remember(tmp_path, known, known, later)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'[1]\n{}\n"x"\n{"path": []}\n\xff\xfe\n')
    assert Digests(tmp_path).pointer(known) == Pointer(later, 7)


@pytest.mark.parametrize("oid", ["", "../../../etc/passwd", "A" * 64, 5, None, "0" * 63])
def test_what_is_no_digest_is_not_believed(known: Path, tmp_path: Path, oid: object) -> None:
    remember(tmp_path, known, known, oid)  # type: ignore[arg-type] # written by somebody else's hand
    assert Digests(tmp_path).pointer(known) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    (tmp_path / "x").touch()
    assert Digests(tmp_path).pointer(tmp_path / "x") is None
