"""How one thing that gtrack stands on is, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gtrack.project import Project


class State(str, Enum):
    """How something is."""

    WELL = "well"
    NOTED = "noted"
    BROKEN = "broken"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Symptom:
    """How one thing is.

    Attributes:
        topic: what was examined.
        state: how it is.
        text: that in words.
        remedy: the command that mends it; empty when nothing has to be done.
    """

    topic: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """How everything is, in the order in which it was examined."""

    symptoms: tuple[Symptom, ...]

    @property
    def broken(self) -> list[Symptom]:
        """What is broken."""
        return [one for one in self.symptoms if one.state is State.BROKEN]

    @property
    def noted(self) -> list[Symptom]:
        """What is worth knowing."""
        return [one for one in self.symptoms if one.state is State.NOTED]


class Examine(Protocol):
    """Examines one thing."""

    def __call__(self, project: Project) -> Iterator[Symptom]:
        """Yield how it is."""
        ...


def well(topic: str, text: str) -> Symptom:
    """Return that something is as it should be."""
    return Symptom(topic, State.WELL, on_one_line(text))


def noted(topic: str, text: str, remedy: str = "") -> Symptom:
    """Return that something is worth knowing."""
    return Symptom(topic, State.NOTED, on_one_line(text), remedy)


def broken(topic: str, text: str, remedy: str = "") -> Symptom:
    """Return that something is broken."""
    return Symptom(topic, State.BROKEN, on_one_line(text), remedy)


def on_one_line(text: str) -> str:
    """Return the lines of a text as one, such as those that git says."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    ended = [line if line.endswith((".", ":", ";", ",")) else f"{line};" for line in lines[:-1]]
    return " ".join([*ended, *lines[-1:]])
