"""`artifacts/.gitattributes` of a run: which artifacts are Git LFS pointers, one line for each path.

The syntax is https://git-scm.com/docs/gitattributes: a pattern, quoted as in C, and what it gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gtrack.git.lfs import ATTRIBUTES

_LONGEST = 2000
"""git reads no line of more than 2048 bytes (2.39.1, CVE-2022-23521), and `git fsck` finds fault with one."""
_LINE = re.compile(r'"/((?:[^"\\]|\\.)*)" ')


class Attributes:
    """The lines of one file; those that somebody else wrote stay as they are."""

    def __init__(self, data: bytes) -> None:
        self._lines = [line for line in data.decode(errors="surrogateescape").split("\n") if line]

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return "".join(f"{line}\n" for line in self._lines).encode(errors="surrogateescape")

    def add(self, path: str) -> bool:
        """Say that the file at ``path`` is a Git LFS pointer; False when git would not read the line."""
        line = attribute_line(path)
        if len(line.encode(errors="surrogateescape")) > _LONGEST:
            return False
        if line not in self._lines:
            self._lines.append(line)
        return True

    def discard(self, path: str) -> None:
        """Say no more that the file at ``path`` is a Git LFS pointer."""
        line = attribute_line(path)
        self._lines = [one for one in self._lines if one != line]

    def paths(self) -> Iterator[str]:
        """Yield the paths that lines of ``attribute_line`` name."""
        for line in self._lines:
            match = _LINE.match(line)
            if match:
                pattern = re.sub(r"\\(.)", r"\1", match[1])
                yield re.sub(r"\\(.)", r"\1", pattern)


def attribute_line(path: str) -> str:
    """Return the line that makes a Git LFS file of the one file at ``path``."""
    escaped = re.sub(r"([*?\[\]\\])", r"\\\1", path)
    quoted = '"/' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{quoted} {ATTRIBUTES}"
