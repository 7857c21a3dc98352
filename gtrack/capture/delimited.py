"""The shape of a CSV or TSV file, found while its bytes pass by on their way to the digest."""

from __future__ import annotations

import csv

DELIMITED = {".csv": ",;\t|", ".tsv": "\t", ".tab": "\t"}
"""File suffixes of delimited text, each with the delimiters that its files may have."""

_HEAD_BYTES = 1 << 16


class DelimitedShape:
    """Counts the records of a delimited text that is fed to it block by block.

    A new line inside quotes does not end a record. The first record is the header unless a field of it is a number; a
    blank line counts as a row. What is no such text (UTF-16, a quote that never ends) has no shape.
    """

    def __init__(self, delimiters: str) -> None:
        self._delimiters = delimiters
        self._head = b""
        self._lines = 0
        self._quoted = False
        self._last = b""

    def feed(self, block: memoryview) -> None:
        """Take the next block of the file."""
        data = bytes(block)
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        self._last = data[-1:] or self._last
        if b'"' not in data:
            self._lines += 0 if self._quoted else data.count(b"\n")
            return
        pieces = data.split(b'"')  # every second piece is inside quotes; "" in a quoted field is an empty piece outside
        self._lines += sum(piece.count(b"\n") for piece in pieces[self._quoted :: 2])
        self._quoted ^= len(pieces) % 2 == 0

    @property
    def rows(self) -> int | None:
        """The number of records without the header; None when this is no delimited text."""
        if not self._is_text():
            return None
        records = self._lines + (self._last not in {b"", b"\n"})
        return records - 1 if self.names else records

    @property
    def columns(self) -> int | None:
        """The number of fields of the first record."""
        return (len(self._first_record()) or None) if self._is_text() else None

    @property
    def names(self) -> list[str]:
        """The header; empty when there is none."""
        record = self._first_record() if self._is_text() else []
        return [] if any(map(_is_number, record)) else record

    def _is_text(self) -> bool:
        return not self._quoted and b"\0" not in self._head

    def _first_record(self) -> list[str]:
        text = self._head.decode("utf-8-sig", "replace")
        first_line = text.partition("\n")[0]
        delimiter = max(self._delimiters, key=first_line.count)
        try:
            return next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), [])
        except csv.Error:  # a field longer than csv takes
            return []


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
