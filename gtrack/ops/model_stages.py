"""Which versions are in which stages and since when, and where a version was before: told by what the tags did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gtrack.records import ModelVersion, RegisteredModel
from gtrack.registry.ledger import Event
from gtrack.registry.tag_names import Action

_FIRST = ("production", "staging")
_LAST = "archived"


@dataclass(frozen=True)
class Placing:
    """What is in a stage of a model; or the latest version, where that is in none.

    Attributes:
        model: the model.
        stage: the stage; None for a latest version that is in none.
        versions: what is in it, what came into it last first; empty for a model without versions.
        event: what put the first of these there, or registered the latest version; None when that is not known.
    """

    model: RegisteredModel
    stage: str | None = None
    versions: tuple[ModelVersion, ...] = ()
    event: Event | None = None

    @property
    def version(self) -> ModelVersion | None:
        """The version that came into the stage last."""
        return self.versions[0] if self.versions else None

    @property
    def since(self) -> datetime | None:
        """When it came there."""
        return self.event.time if self.event else None

    @property
    def user(self) -> str | None:
        """Who put it there."""
        return self.event.user if self.event else None


@dataclass(frozen=True)
class Stay:
    """A time that a version was in a stage.

    Attributes:
        stage: the stage.
        entered: what put it there.
        left: what took it out; None while it is there.
    """

    stage: str
    entered: Event
    left: Event | None = None


def placings(model: RegisteredModel, events: Sequence[Event]) -> list[Placing]:
    """Return what is in each stage of a model, ``production`` first, and its latest version when that is in none."""
    entered = {(event.stage, event.version): event for event in events if event.action is Action.ASSIGN}
    by_number = {one.version: one for one in model.versions}
    found = []
    for stage in sorted(model.stages, key=_place):
        there = tuple(by_number[number] for number in reversed(model.stages[stage]) if number in by_number)
        if there:
            found.append(Placing(model, stage, there, entered.get((stage, there[0].version))))
    latest = model.latest
    if latest is None:
        return [Placing(model)]
    if not latest.stages:
        found.append(Placing(model, None, (latest,), _registering(latest, events)))
    return found


def _place(stage: str) -> tuple[int, str]:
    return _FIRST.index(stage) if stage in _FIRST else len(_FIRST) + (stage == _LAST), stage


def _registering(version: ModelVersion, events: Iterable[Event]) -> Event | None:
    return next((event for event in events if event.tag == version.tag), None)


def stays(version: ModelVersion, events: Sequence[Event], exclusive: Collection[str]) -> list[Stay]:
    """Return the times that a version was in stages, those in which it is at the end.

    Args:
        version: the version.
        events: all that was done to its model, in the order in which it is told.
        exclusive: the stages that hold one version: coming into one takes another out.
    """
    there: dict[str, list[int]] = {}
    gone: set[int] = set()
    inside: dict[str, Event] = {}
    found: list[Stay] = []
    for event in events:
        _follow(event, there, gone)
        for stage, numbers in there.items():
            shown = [number for number in numbers if number not in gone]
            is_in = version.version in (shown[-1:] if stage in exclusive else shown)
            if is_in:
                inside.setdefault(stage, event)
            elif stage in inside:
                found.append(Stay(stage, inside.pop(stage), event))
    return found + _still(version, events, inside)


def _follow(event: Event, there: dict[str, list[int]], gone: set[int]) -> None:
    number = event.version
    if number is None:
        return
    if event.action is Action.REGISTER:
        gone.discard(number)
    elif event.action is Action.DEREGISTER:
        gone.add(number)
    elif event.stage is not None:
        numbers = there.setdefault(event.stage, [])
        if number in numbers:
            numbers.remove(number)
        if event.action is Action.ASSIGN:
            numbers.append(number)


def _still(version: ModelVersion, events: Sequence[Event], inside: Mapping[str, Event]) -> list[Stay]:
    """Return the stays that last. The ledger decides which: tags without a counter are told by time, and count before others."""
    assigned = {event.stage: event for event in events if _assigns(event, version.version)}
    found = [(stage, inside.get(stage) or assigned.get(stage)) for stage in version.stages]
    return [Stay(stage, event) for stage, event in found if event is not None]


def _assigns(event: Event, number: int) -> bool:
    return event.action is Action.ASSIGN and event.version == number
