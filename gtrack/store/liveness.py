"""What outlives the owner of a live run: the lock that its script holds, and the note of how the script ended.

``<id>.lock`` is the owner's alone. A launched script shares ``<id>.script.lock`` by inheriting the open file, which needs
nothing of the script: the operating system lets go of it when the last process that has it is gone.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from gtrack.records import Status

EXIT = ".exit"
_ROOM = 64
_TRIES = 10


class Share:
    """A shared hold on a lock file, until it is closed here and by everyone who inherited it.

    Args:
        path: the lock file.
        make: make it where it is not there.

    Raises:
        OSError: it is not there, or cannot be made.
    """

    def __init__(self, path: Path, *, make: bool) -> None:
        self.number = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o644)
        with suppress(OSError):  # a file system without locks: nobody can tell then
            fcntl.flock(self.number, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of it; whoever inherited it holds it still."""
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        if getattr(self, "number", -1) >= 0:
            self.close()


def is_shared(path: Path) -> bool:
    """Tell whether anybody has a share in the lock file."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        for _ in range(_TRIES):
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.001)  # it may be another process that asks this very question, which takes no time
            except OSError:  # a file system without locks
                return False
            else:
                return False
        return True
    finally:
        os.close(number)


@dataclass(frozen=True)
class ExitNote:
    """How a script ended.

    Attributes:
        status: of the run.
        exit_code: as a shell tells it; None when nobody launched it.
        ended: when.
    """

    status: Status
    exit_code: int | None
    ended: datetime


def reserve_exit(directory: Path) -> None:
    """Take the room for the note now: when the disk is full at the end, it is there.

    Raises:
        OSError: it cannot be taken.
    """
    (directory / EXIT).write_bytes(b"\n".rjust(_ROOM))


def exit_text(note: ExitNote) -> bytes:
    """Return the note as it stands in its file."""
    code = "-" if note.exit_code is None else note.exit_code
    return f"{note.status} {code} {note.ended.timestamp():.6f} ".encode()


def note_exit(directory: Path, note: ExitNote) -> None:
    """Write the note into its room; a note that cannot be written is one that the end of the run does not need."""
    text = exit_text(note)
    with suppress(OSError):
        number = os.open(directory / EXIT, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(number, text, 0)
        finally:
            os.close(number)


def read_exit(directory: Path) -> ExitNote | None:
    """Return the note; None as long as there is none."""
    try:
        status, code, moment = (directory / EXIT).read_text(encoding="ascii", errors="replace").split()
        return ExitNote(
            Status(status), None if code == "-" else int(code), datetime.fromtimestamp(float(moment), timezone.utc)
        )
    except (OSError, ValueError, OverflowError):
        return None
