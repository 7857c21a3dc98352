"""Errors that point at the character."""

from __future__ import annotations

import unicodedata

from gtrack.errors import QueryError

_WIDTH = 76


def error_at(text: str, position: int, problem: str, expected: str = "") -> QueryError:
    """Return the error that shows ``text`` with a caret under ``position``.

    Args:
        text: the whole filter or order.
        position: index of the first character that is wrong; the length of the text when something is missing at its end.
        problem: what is wrong, a sentence.
        expected: what could have stood there instead.
    """
    line, column = _line(text, position)
    start = max(0, min(column - _WIDTH // 2, len(line) - _WIDTH))
    cut = line[start : start + _WIDTH]
    before, after = "…" * (start > 0), "…" * (start + _WIDTH < len(line))
    indent = sum(map(_columns, before + cut[: column - start]))
    message = f"{problem}\n  {before}{cut}{after}\n  {' ' * indent}^"
    return QueryError(message, text=text, position=position, expected=expected)


def _line(text: str, position: int) -> tuple[str, int]:
    """Return the line that a position is in, with nothing in it that would move a terminal's cursor, and where in it."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : end if end >= 0 else len(text)]
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in line
    ), position - start


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
