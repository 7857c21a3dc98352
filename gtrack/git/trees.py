"""Tree objects, parsed: https://git-scm.com/docs/gitformat-pack and git's tree.c; ``mode SP name NUL id`` repeated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from gtrack.errors import FormatError


@dataclass(frozen=True)
class Entry:
    """One entry of a tree."""

    name: str
    mode: str
    oid: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a directory."""
        return self.mode == "40000"

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file (not a symlink, not a submodule)."""
        return self.mode in ("100644", "100755", "100664")


def parse_tree(data: bytes, oid_bytes: int) -> Iterator[Entry]:
    """Yield the entries of a tree object.

    Args:
        data: the object's bytes.
        oid_bytes: 20 in a SHA-1 repository, 32 in a SHA-256 one.

    Raises:
        FormatError: the bytes end in the middle of an entry.
    """
    at = 0
    while at < len(data):
        space = data.find(b" ", at)
        null = data.find(b"\0", space)
        end = null + 1 + oid_bytes
        if space < 0 or null < 0 or end > len(data):
            raise FormatError("A tree object ends in the middle of an entry.")
        yield Entry(os.fsdecode(data[space + 1 : null]), data[at:space].decode(), data[null + 1 : end].hex())
        at = end
