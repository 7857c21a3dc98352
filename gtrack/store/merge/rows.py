"""Merge files that grow line by line: history.yaml and system.yaml by the time of their rows, output.log by its end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

_ROW = b"- "
_TIME = re.compile(rb'"time": ?(-?[0-9][0-9.eE+-]*)')


def merge_rows(base: bytes, older: bytes, newer: bytes) -> bytes | None:
    """Return the rows that both sides kept of ``base``, then those that either added, in the order of their times.

    Rows of one side stay in their order, and a row that both added is there once. The result does not depend on which side
    is which.

    Returns:
        The bytes of the file; None when one of the three has lines that are no rows.
    """
    if older > newer:
        older, newer = newer, older
    was, one, two = ([line for line in data.split(b"\n") if line] for data in (base, older, newer))
    if not all(line.startswith(_ROW) for line in (*was, *one, *two)):
        return None
    left = Counter(one) & Counter(two)
    kept = []
    for line in was:
        if left[line] > 0:
            left[line] -= 1
            kept.append(line)
    of_both = Counter(kept)
    here, there = _without(one, of_both, Counter(was)), _without(two, of_both, Counter(was))
    there = _without(there, Counter(here), Counter())
    return b"".join(line + b"\n" for line in (*kept, *_by_time(here, there)))


def _without(lines: Sequence[bytes], kept: Counter[bytes], old: Counter[bytes]) -> list[bytes]:
    """Return the lines that are not among those that are kept, nor among the old ones that the other side took out."""
    left = kept | old
    found = []
    for line in lines:
        if left[line] > 0:
            left[line] -= 1
        else:
            found.append(line)
    return found


def _by_time(here: Sequence[bytes], there: Sequence[bytes]) -> Iterator[bytes]:
    one, two = list(_timed(here)), list(_timed(there))
    at = 0
    for row in one:
        while at < len(two) and two[at] < row:
            yield two[at][1]
            at += 1
        yield row[1]
    yield from (line for _, line in two[at:])


def _timed(lines: Sequence[bytes]) -> Iterator[tuple[float, bytes]]:
    """Yield each row with its time; one that tells none, or an earlier one than the row before, has that row's."""
    last = float("-inf")
    for line in lines:
        found = _TIME.search(line)
        if found:
            with suppress(ValueError):  # not a number after all, in a damaged row
                last = max(last, float(found[1]))
        yield last, line


def merge_log(base: bytes, older: bytes, newer: bytes) -> bytes | None:
    """Return what both sides had, and what each added, the older first; None when one has not just added something."""
    if not (older.startswith(base) and newer.startswith(base)):
        return None
    first, second = older[len(base) :], newer[len(base) :]
    if second.startswith(first):
        return newer
    if first.startswith(second):
        return older
    joint = b"" if first.endswith(b"\n") else b"\n"
    return base + first + joint + second
