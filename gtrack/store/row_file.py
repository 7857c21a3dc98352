"""Append rows to a file: each by one ``write``, so that after SIGKILL at most the last one is torn."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path


class _Descriptor:
    """An open file that is closed when nobody holds it: a thread that is still writing never writes into another file."""

    __slots__ = ("number",)

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        number = getattr(self, "number", None)
        if number is not None:
            close(number)


class RowFile:
    """Appends rows to one file; safe for several threads and processes.

    Args:
        path: the file, made with its first row.
        alive: a file that is there as long as whoever owns the rows still reads them; None when that is this process. It is
            looked for after each row: a row that was written without it may not be kept.
    """

    def __init__(self, path: Path, alive: Path | None = None) -> None:
        self._path = path
        self._alive = alive
        self._file: _Descriptor | None = None
        self._torn = False

    def append(self, row: bytes) -> None:
        """Append ``row``, which ends with a line break.

        Raises:
            OSError: it cannot be written, or not whole.
        """
        file = self._file
        if file is None:
            file = self._file = _Descriptor(self._path)
        if self._torn:  # the disk was full in the middle of a row: its remains get a line of their own
            row = b"\n" + row
        self._torn = os.write(file.number, row) < len(row)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        if self._alive is not None and not os.access(self._alive, os.F_OK):
            self._file = None
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._alive))

    def close(self) -> None:
        """Close the file; another ``append`` opens it again."""
        self._file = None
