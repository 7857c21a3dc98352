"""Copy a file and hash it in the same pass: by a reflink where the file system has them, else reading it once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK = 1 << 20
_AHEAD = 8
_FICLONE = 0x40049409
"""The ioctl that makes a file share the blocks of another: https://man7.org/linux/man-pages/man2/ioctl_ficlonerange.2.html."""
_PARALLEL = 4 * CHUNK


def chunks(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, a piece at a time."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def copy_hashed(source: Path, target: Path) -> str:
    """Copy a file to ``target``, which must not be there, and return the sha256 of what was written.

    Raises:
        OSError: one cannot be read, or the other not be written; what was written of it stays.
    """
    with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
        if share_blocks(reader.fileno(), writer.fileno()):
            return _digest(chunks(target))
        parallel = os.fstat(reader.fileno()).st_size >= _PARALLEL
        pieces = iter(lambda: reader.read(CHUNK), b"")
        with _Hash(parallel=parallel) as digest:
            for piece in pieces:
                digest.update(piece)
                _write(writer.fileno(), piece)
        return digest.hex


def _digest(pieces: Iterator[bytes]) -> str:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _write(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]


def share_blocks(source: int, target: int) -> bool:
    """Make an empty file share the blocks of another, by their descriptors; False where the file system cannot."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


class _Hash:
    """A sha256 that is computed by a thread of its own while the pieces are written, where there are enough of them."""

    def __init__(self, *, parallel: bool) -> None:
        self._digest = sha256()
        self._queue: Queue[bytes] = Queue(_AHEAD)
        self._thread = Thread(target=self._work, daemon=True) if parallel else None
        self.hex = ""

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def update(self, piece: bytes) -> None:
        if self._thread is None:
            self._digest.update(piece)
        else:
            self._queue.put(piece)

    def _work(self) -> None:
        while piece := self._queue.get():
            self._digest.update(piece)

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._queue.put(b"")
            self._thread.join()
        self.hex = self._digest.hexdigest()
