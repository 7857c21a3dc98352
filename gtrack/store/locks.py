"""Locks between processes, as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock


def file_lock(path: Path, seconds: float) -> BaseFileLock | None:
    """Return the lock at ``path``, held, or None when somebody else kept it for ``seconds``."""
    from filelock import FileLock, Timeout  # takes 25 ms

    lock = FileLock(path, timeout=seconds, poll_interval=0.005, thread_local=False)
    try:
        return lock.acquire().lock
    except Timeout:
        return None


@contextmanager
def turn(path: Path, seconds: float) -> Iterator[None]:
    """Take turns with the other processes that name the same file; what the block does is safe without it, too.

    Where no lock is to be had (a file system without locks, or a read-only one, of which git will tell), or somebody keeps it
    for ``seconds``, nobody waits.
    """
    lock = None
    with suppress(OSError, NotImplementedError):
        path.parent.mkdir(exist_ok=True)
        lock = file_lock(path, seconds)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
