from __future__ import annotations

import io

import pytest
from rich.console import Console

from gtrack.render import progress
from gtrack.render.progress import ProgressLine, ProgressStages


def drawn(monkeypatch: pytest.MonkeyPatch, patience: float, *, terminal: bool) -> str:
    monkeypatch.setattr(progress, "_PATIENCE", patience)
    monkeypatch.setattr(progress, "_EVERY", 0)
    file = io.StringIO()
    line = ProgressLine(Console(file=file, force_terminal=terminal, width=60), "Reading")
    line.tell(0, 0)
    line.tell(500, 2000)
    line.tell(2000, 2000)
    line.close()
    return file.getvalue()


def test_a_bar_that_is_erased_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, 0, terminal=True)
    assert text.endswith("\r\x1b[2K")
    lines = [line for line in text.split("\r\x1b[2K") if line]
    assert lines[1] == "Reading  " + "━" * 7 + "╌" * 23 + "  500 of 2,000"
    assert lines[2].startswith("Reading  " + "━" * 30 + "  2,000 of 2,000"[:21])
    assert all(len(line) < 60 for line in lines)


def test_nothing_for_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, 60, terminal=True) == ""


def test_nothing_but_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, 0, terminal=False) == ""


def test_one_thing_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 0)
    monkeypatch.setattr(progress, "_EVERY", 0)
    file = io.StringIO()
    stages = ProgressStages(Console(file=file, force_terminal=True, width=80))
    for what in ("Receiving objects", "Resolving deltas"):
        stages.tell(what, 1, 2)
        stages.tell(what, 2, 2)
    stages.close()
    lines = [line for line in file.getvalue().split("\r\x1b[2K") if line]
    assert [line.split("  ")[0] for line in lines] == ["Receiving objects"] * 2 + ["Resolving deltas"] * 2
