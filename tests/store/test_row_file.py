"""Rows are appended whole, each on a line of its own, whoever else writes."""

from __future__ import annotations

import gc
import os
import resource
import signal
import threading
from pathlib import Path

import pytest

from gtrack.store.row_file import RowFile


def test_the_file_is_made_with_its_first_row(tmp_path: Path) -> None:
    rows = RowFile(tmp_path / "rows")
    assert not (tmp_path / "rows").exists()
    rows.append(b"one\n")
    assert (tmp_path / "rows").read_bytes() == b"one\n"
    rows.close()
    rows.append(b"two\n")
    assert (tmp_path / "rows").read_bytes() == b"one\ntwo\n"


def test_the_descriptor_is_closed_when_nobody_writes(tmp_path: Path) -> None:
    def held() -> list[str]:
        gc.collect()
        links = Path("/proc/self/fd")
        found = [os.path.realpath(link) for link in links.iterdir()] if links.is_dir() else []
        return [name for name in found if name == str(tmp_path / "rows")]

    rows = RowFile(tmp_path / "rows")
    rows.append(b"one\n")
    assert len(held()) == Path("/proc/self/fd").is_dir()
    rows.close()
    assert held() == []


def test_writers_at_once_never_mix(tmp_path: Path) -> None:
    files = [RowFile(tmp_path / "rows") for _ in range(4)]

    def work(name: int) -> None:
        for _ in range(500):
            files[name].append(str(name).encode() * 200 + b"\n")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "rows").read_text().splitlines()
    assert len(lines) == 2000
    assert set(lines) == {str(n) * 200 for n in range(4)}


def test_a_row_that_was_written_in_part_ends_its_line(tmp_path: Path) -> None:
    rows = RowFile(tmp_path / "rows")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))
    try:
        rows.append(b"first\n")
        with pytest.raises(OSError, match="No space left"):
            rows.append(b"second\n")
        with pytest.raises(OSError, match="File too large"):
            rows.append(b"third\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    rows.append(b"fourth\n")
    assert (tmp_path / "rows").read_bytes() == b"first\nseco\nfourth\n"


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RowFile(tmp_path / "none" / "rows").append(b"x\n")
