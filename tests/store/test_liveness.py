"""A run is alive while anybody holds its lock, and how its script ended is known whatever happens then."""

from __future__ import annotations

import resource
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.records import Status
from gtrack.store.liveness import EXIT, ExitNote, Share, is_shared, note_exit, read_exit, reserve_exit

ENDED = ExitNote(Status.FAILED, 3, datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=timezone.utc))


def test_a_share_lives_as_long_as_the_last_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "x.script.lock"
    assert not is_shared(path)
    share = Share(path, make=True)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[share.number])
    share.close()
    assert is_shared(path)
    more = Share(path, make=False)
    child.kill()
    child.communicate()
    assert is_shared(path)
    del more
    assert not is_shared(path)


def test_a_share_in_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Share(tmp_path / "none", make=False)
    assert list(tmp_path.iterdir()) == []


def test_asking_at_the_same_time_is_no_share(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    code = (
        "import sys; from pathlib import Path; from gtrack.store.liveness import is_shared\n"
        "print(sum(is_shared(Path(sys.argv[1])) for _ in range(1000)))"
    )
    asking = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in asking] == ["0", "0"]


def test_the_note_of_an_exit(tmp_path: Path) -> None:
    assert read_exit(tmp_path) is None
    note_exit(tmp_path, ENDED)
    assert read_exit(tmp_path) is None
    reserve_exit(tmp_path)
    assert read_exit(tmp_path) is None
    size = (tmp_path / EXIT).stat().st_size
    note_exit(tmp_path, ENDED)
    assert read_exit(tmp_path) == ENDED
    assert (tmp_path / EXIT).stat().st_size == size


def test_the_note_needs_no_more_room(tmp_path: Path) -> None:
    reserve_exit(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        note_exit(tmp_path, ENDED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_exit(tmp_path) == ENDED


@pytest.mark.parametrize("content", [b"", b"finished", b"finished x 1 ", b"done 0 1 ", b"finished 0 1e300 ", b"\xff"])
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / EXIT).write_bytes(content)
    assert read_exit(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [EXIT]
