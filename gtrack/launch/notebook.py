"""What a script that was exported from a notebook expects of IPython, when it is run as a script."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from typing import Any

_ASKS = re.compile(rb"\bget_ipython\b")
_MAGIC = re.compile(rb"\bget_ipython\(\)\s*\.\s*(?:run_line_magic|run_cell_magic|magic|system|getoutput|run_cell)\s*\(")
_RUN_ANYWAY = frozenset({"time", "capture"})
"""Magics around code of the script itself: the code runs, without what the magic would do around it."""


def uses_magics(source: bytes) -> bool:
    """Whether the source calls IPython's magics, as an exported notebook does, and never asks whether IPython is there.

    A script that asks (``try: get_ipython()``) knows what to do without, and must get the true answer.
    """
    calls = len(_MAGIC.findall(source))
    return calls > 0 and calls == len(_ASKS.findall(source))


def stand_in(namespace: dict[str, Any]) -> Callable[[], NotebookShell]:
    """Return a ``get_ipython`` for the module whose globals are ``namespace``; it gets ``display`` too."""
    shell = NotebookShell(namespace)
    namespace.setdefault("display", print)
    return lambda: shell


class NotebookShell:
    """Skips magics and shell commands with one line on stderr each; what they would have returned is empty."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def run_line_magic(self, name: str, line: str, *_: object) -> None:
        """Skip ``%name line``; ``%time statement`` runs the statement."""
        if name in _RUN_ANYWAY and line.strip():
            self._run(line)
        else:
            _skipped(f"%{name} {line}")

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        """Skip ``%%name``; the cell under ``%%time`` and ``%%capture`` runs."""
        if name in _RUN_ANYWAY:
            self._run(cell)
        else:
            _skipped(f"%%{name} {line}")

    def magic(self, line: str) -> None:
        """Skip ``%line``, as notebooks before IPython 2 were exported."""
        name, _, rest = line.partition(" ")
        self.run_line_magic(name, rest)

    def system(self, command: str) -> None:
        """Skip ``!command``."""
        _skipped(f"!{command}")

    def getoutput(self, command: str) -> list[str]:
        """Skip ``!!command``: no lines."""
        _skipped(f"!{command}")
        return []

    def run_cell(self, cell: str) -> None:
        """Run code."""
        self._run(cell)

    def _run(self, code: str) -> None:
        exec(compile(ast.parse(code), "<cell>", "exec", dont_inherit=True), self._namespace)  # noqa: S102  # the script's


def _skipped(what: str) -> None:
    sys.stderr.write(f"gtrack: skipped {what.strip()} (a notebook's magic does nothing in a script)\n")
