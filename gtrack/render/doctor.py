"""``gtrack doctor``: how each thing is, and the command that mends it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.checks.symptoms import Diagnosis, State, Symptom
from gtrack.render.table import DIM, write_line
from gtrack.render.values import printable

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {State.WELL: ("✓", "green"), State.NOTED: ("!", "yellow"), State.BROKEN: ("✗", "bold red")}


def write_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """Write a line for each thing, below it the command that mends it, and last how many things are to mend."""
    width = max((len(printable(one.topic)) for one in diagnosis.symptoms), default=0)
    for topic, group in groupby(diagnosis.symptoms, lambda one: one.topic):
        for number, one in enumerate(group):
            _write(console, one, "" if number else printable(topic), width)
    broken, noted = len(diagnosis.broken), len(diagnosis.noted)
    told = [f"{plural(broken, 'thing')} to mend"] if broken else []
    told += [f"{plural(noted, 'thing')} worth knowing"] if noted else []
    write_line(console)
    style = "red" if broken else "green"
    write_line(console, Text(", ".join(told) or "All is as it should be", style))


def _write(console: Console, one: Symptom, topic: str, width: int) -> None:
    mark, style = _MARKS[one.state]
    line = Text()
    line.append(mark, style)
    line.append(f" {topic:<{width}}  {printable(one.text)}")
    line.rstrip()
    write_line(console, line)
    if one.remedy:
        write_line(console, Text(f"  {'':<{width}}  → {printable(one.remedy)}", DIM))


def diagnosis_data(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what ``doctor --json`` gives."""
    return {
        "broken": len(diagnosis.broken),
        "noted": len(diagnosis.noted),
        "symptoms": [
            {"topic": one.topic, "state": one.state.value, "text": one.text, "remedy": one.remedy or None}
            for one in diagnosis.symptoms
        ],
    }
