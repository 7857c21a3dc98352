"""The running SHA-256 that all recipes for data digests are built on."""

from __future__ import annotations

import hashlib


class Digest:
    """A SHA-256 that counts the bytes of content it has seen.

    Headers tell apart what would be the same bytes (a column name from the end of the column before): they are hashed,
    but they are not counted.
    """

    def __init__(self, recipe: str = "") -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        if recipe:
            self.header(recipe)

    def header(self, text: str) -> None:
        """Hash a line that describes what follows."""
        self._hash.update(text.encode("utf-8", "surrogatepass") + b"\n")

    def add(self, content: bytes | memoryview) -> None:
        """Hash ``content``; a view may be of any array that lies in memory in one piece."""
        self._hash.update(content)
        self.size += content.nbytes if isinstance(content, memoryview) else len(content)

    def text(self, content: str) -> None:
        """Hash ``content`` in UTF-8; lone surrogates, which file names may hold, are kept apart."""
        self.add(content.encode("utf-8", "surrogatepass"))

    def __str__(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
