"""What is known of large files of a live directory: they were hashed as they were copied there, and need not be again.

``.digests`` has a line of JSON for each, and is appended to by one ``write``; the last line of a path counts. A line is believed
while the file is what it was then: the same inode, size and time of its last change.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from gtrack.git.lfs import Pointer

FILE = ".digests"
WORTH_IT = 1 << 20
"""From this size in bytes up a file is hashed as it is copied; a smaller one is hashed quickly enough when it is committed."""


def remember(live: Path, path: Path, written: Path, digest: str) -> None:
    """Keep the sha256 of a file that is about to be renamed to ``path`` in a live directory.

    Raises:
        OSError: the disk refuses.
    """
    line = json.dumps({"path": path.relative_to(live).as_posix(), "oid": digest, **_facts(written.lstat())})
    descriptor = os.open(live / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, f"\n{line}\n".encode())  # a line before may be torn
    finally:
        os.close(descriptor)


class Digests:
    """The digests that a live directory remembers."""

    def __init__(self, live: Path) -> None:
        self._live = live
        self._known: dict[str, dict[str, object]] = {}
        with suppress(FileNotFoundError):
            for line in (live / FILE).read_bytes().splitlines():
                with suppress(ValueError, TypeError, KeyError):  # torn, or by somebody else's hand: it is hashed anew
                    entry = json.loads(line)
                    self._known[entry["path"]] = entry

    def pointer(self, path: Path) -> Pointer | None:
        """Return the pointer of a file, None when nothing is known of it as it is now."""
        known = self._known.get(path.relative_to(self._live).as_posix())
        if known is None:
            return None
        now, oid = path.lstat(), known.get("oid")
        if not stat.S_ISREG(now.st_mode) or any(known.get(key) != value for key, value in _facts(now).items()):
            return None
        return Pointer.of(oid, now.st_size) if isinstance(oid, str) else None


def _facts(found: os.stat_result) -> dict[str, int]:
    return {"size": found.st_size, "changed": found.st_mtime_ns, "inode": found.st_ino}
