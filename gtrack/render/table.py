"""Columns of text that fit where they are written.

On a terminal a table is as wide as the terminal at the most: texts are shortened first, then the columns that matter
least are left out, and the caller says which. A number is never shortened. Anywhere else (a pipe, a file) nothing is
shortened or left out, and an empty cell is a ``-``, so that ``awk`` and ``cut`` find their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from gtrack.formats.words import plural
from gtrack.render.values import cut, cut_middle

if TYPE_CHECKING:
    from rich.console import Console


GAP = 2
HEAD = "bold"
DIM = "dim"
_SHORT_TITLE = 10
_FEW = 6
_NARROW = 12
_NEVER_CUT = 1 << 30


@dataclass(frozen=True)
class Cell:
    """A printable text of one line and the rich style in which a terminal shows it."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: the header.
        cells: one per row.
        right: whether it stands on the right (numbers).
        keep: how much it matters: columns with less are left out first.
        least: the width in cells to which its texts may be shortened; None for numbers and ids, which never are.
        names: whether its texts are names, of which the middle is cut out (they differ at their ends), not the end.
        least_title: the width in cells to which the header may be shortened.
        label: what it is called when it is left out; the title unless given.
    """

    title: str
    cells: Sequence[Cell]
    right: bool = False
    keep: int = 0
    least: int | None = None
    names: bool = True
    least_title: int = _SHORT_TITLE
    label: str = ""

    @property
    def name(self) -> str:
        """What the column is called when it is left out."""
        return self.label or self.title

    @property
    def content(self) -> int:
        """The width of the widest cell, without the header."""
        return max((cell_len(cell.text) for cell in self.cells), default=0)


@dataclass(frozen=True)
class Fitted:
    """The columns that fit, each with its width, and the ones that do not."""

    columns: list[tuple[Column, int]] = field(default_factory=list)
    left_out: list[Column] = field(default_factory=list)


def fit(columns: Sequence[Column], width: int | None) -> Fitted:
    """Choose which columns fit into ``width`` cells (None: any number) and how wide each becomes."""
    contents = [column.content for column in columns]
    natural = [max(cell_len(column.title), content) for column, content in zip(columns, contents, strict=True)]
    if width is None:
        return Fitted(list(zip(columns, natural, strict=True)))
    least = [
        max(
            min(content, _NEVER_CUT if column.least is None else column.least),
            min(cell_len(column.title), column.least_title),
        )
        for column, content in zip(columns, contents, strict=True)
    ]
    by_importance = sorted(range(len(columns)), key=lambda i: (-columns[i].keep, i))
    widths: dict[int, int] = {}
    room = width + GAP
    for i in by_importance:
        if least[i] + GAP <= room or not widths:
            widths[i] = min(least[i], width)
            room -= widths[i] + GAP
    for i in by_importance:
        if i in widths:
            more = min(room, max(natural[i] - widths[i], 0))
            widths[i] += more
            room -= more
    return Fitted(
        [(columns[i], widths[i]) for i in sorted(widths)],
        [column for i, column in enumerate(columns) if i not in widths],
    )


def write_table(console: Console, columns: Sequence[Column], *, head: bool = True, indent: int = 0) -> list[Column]:
    """Write a table and return the columns that did not fit."""
    terminal = console.is_terminal
    fitted = fit(columns, max(console.width - indent, 1) if terminal else None)
    if head:
        titles = [(Cell(column.title, HEAD), width) for column, width in fitted.columns]
        _write_row(console, titles, fitted, indent, head=True)
    for row in range(len(columns[0].cells) if columns else 0):
        cells = [(column.cells[row], width) for column, width in fitted.columns]
        _write_row(console, cells, fitted, indent, head=False)
    return fitted.left_out


def _write_row(console: Console, cells: Sequence[tuple[Cell, int]], fitted: Fitted, indent: int, *, head: bool) -> None:
    line = Text(" " * indent)
    for number, ((cell, width), (column, _)) in enumerate(zip(cells, fitted.columns, strict=True)):
        text = (cut_middle if head or column.names else cut)(cell.text, width)
        if not text and width and not head and not console.is_terminal:
            text = "-"
        padding = " " * (width - cell_len(text))
        line.append(" " * GAP if number else "")
        line.append(padding if column.right else "")
        line.append(text, cell.style)
        line.append("" if column.right else padding)
    line.rstrip()  # trailing blanks would wrap on a terminal that is made narrower
    write_line(console, line)


def write_pairs(console: Console, pairs: Sequence[tuple[str, Cell]], indent: int = 0) -> None:
    """Write names with their values; on a terminal side by side, as many as fit, when they are more than a few."""
    most = len(pairs) // _FEW + 1 if console.is_terminal else 1
    for across in range(most, 0, -1):
        rows = -(-len(pairs) // across)
        columns: list[Column] = []
        for start in range(0, len(pairs), rows):
            part = [*pairs[start : start + rows], *[("", Cell(""))] * max(start + rows - len(pairs), 0)]
            # An empty column between two pairs makes their gap twice as wide as the one inside a pair.
            columns += [Column("", [Cell("")] * rows)] if columns else []
            columns.append(Column("", [Cell(name) for name, _ in part], keep=1, least=_NARROW))
            columns.append(Column("", [cell for _, cell in part], least=_NARROW, names=False))
        wanted = sum(column.content for column in columns) + GAP * (len(columns) - 1) + indent
        if across == 1 or wanted <= console.width:
            write_table(console, columns, head=False, indent=indent)
            return


def write_line(console: Console, line: Text | str = "") -> None:
    """Write one line as it is: not wrapped, not cut, no markup read."""
    console.print(line, soft_wrap=True, highlight=False, markup=False, emoji=False)


def write_left_out(console: Console, left_out: Sequence[Column], hint: str) -> None:
    """Say in one dim line which columns did not fit, and what shows them."""
    if not left_out:
        return
    head, tail = f"{plural(len(left_out), 'column')} not shown: ", f" ({hint})"
    room = max(console.width - cell_len(head) - cell_len(tail), _SHORT_TITLE)
    names = cut(", ".join(column.name for column in left_out), room)
    write_line(console, Text(f"{head}{names}{tail}", DIM))
