"""Counts and sizes in words, for messages and tables alike."""

from __future__ import annotations


def size(count: int) -> str:
    """Return a number of bytes in decimal units: ``912 B``, ``1.2 kB``, ``45 MB``."""
    if count < 1000:
        return f"{count} B"
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 run``, ``1,797 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
