"""Tables as GitHub-flavoured Markdown: for a pull request or a report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gtrack.render.table import Column
from gtrack.render.values import printable

# What GitHub would read as a table border, HTML, emphasis, code, a link, a mention or an escape.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~@#&])")
LEFT, RIGHT = "---", "--:"
"""How a column is aligned."""


def columns_markdown(columns: Sequence[Column]) -> str:
    """Return the columns of a table as GitHub-flavoured Markdown."""
    rows = [[escape(cell.text) for cell in cells] for cells in zip(*(column.cells for column in columns), strict=True)]
    titles = [escape(column.title) for column in columns]
    return grid(titles, [RIGHT if column.right else LEFT for column in columns], rows) + "\n"


def escape(raw: str) -> str:
    """Return text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", printable(raw))


def grid(titles: Sequence[str], aligned: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; all texts are escaped already."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [titles, aligned, *rows])
