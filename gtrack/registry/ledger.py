"""What follows from all registry tags together: which versions of which models there are, and which are in which stage.

Pure: tags in, records out. The rules:

- Tags are ordered by (counter, tagger time); one without a counter is older than all that have one. So two promotions in one
  second, and a promotion by somebody whose clock is slow, count in the order in which they were made.
- A version is the first tag of its name. The same name again on another commit is a problem, never another version.
- The number of a version is what its tag says (``Model-Version:``), else the next one in the order of the tags.
- A stage holds the versions whose last tag about it is an assignment, less those that were taken back. An exclusive stage
  holds the last of them.
- A model is deprecated until another tag says something of it, as in GTO.
- A tag that makes no sense is a problem with a reason; the others mean what they mean without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gtrack.formats.names import RUN_ID
from gtrack.records import MLFLOW_STAGES, ModelVersion, RegisteredModel
from gtrack.registry import messages
from gtrack.registry.tag_names import Action, TagName, looks_like, parse, precedence

if TYPE_CHECKING:
    from gtrack.git.tags import Tag

EXCLUSIVE = frozenset({"production"})
"""Stages that hold one version unless the settings say otherwise."""
_RANK = {action: rank for rank, action in enumerate(Action)}
_MOST_DIGITS = 9
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Problem:
    """A tag that was not understood, or not wholly, and why."""

    tag: str
    text: str


@dataclass(frozen=True)
class Event:
    """What one understood tag says.

    Attributes:
        tag: its name.
        action: what it does.
        model: to which model.
        version: number of the version that it is about; None for what is about the model as a whole.
        semver: the same as a semantic version.
        stage: of assignments.
        before: number of the version that was in the stage until then; None when none was.
        counter: as in the tag's name.
        commit: what the tag is on.
        time: of the tagger.
        user: the tagger.
        message: without its signature.
        signed: whether it carries a signature (which nobody has verified).
        oid: id of the tag object.
    """

    tag: str
    action: Action
    model: str
    version: int | None = None
    semver: str | None = None
    stage: str | None = None
    before: int | None = None
    counter: int | None = None
    commit: str = ""
    time: datetime | None = None
    user: str | None = None
    message: str = ""
    signed: bool = False
    oid: str = ""

    @property
    def trailers(self) -> dict[str, list[str]]:
        """The trailers of its message."""
        return messages.trailers_of(self.message)

    @property
    def reason(self) -> str | None:
        """Why, when a reason was given."""
        return _first(self.trailers, messages.REASON)


@dataclass(frozen=True)
class Ledger:
    """The whole registry as of one look at the tags.

    Attributes:
        models: by name.
        problems: what was not understood.
        events: model to what was done to it, in the order of the counters, what has none put between by its time.
        counters: model to the highest counter of its tags.
        tags: what it follows from.
        shadowed: model and stage to the numbers of versions that an exclusive stage hides: assigned, and not the last.
    """

    models: Mapping[str, RegisteredModel] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    events: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    shadowed: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class _Read:
    """A tag together with what its name says."""

    tag: Tag
    name: TagName

    @property
    def key(self) -> tuple[int, int, int, str]:
        return self.name.counter or 0, self.tag.time or 0, _RANK[self.name.action], self.tag.name

    @property
    def moment(self) -> datetime | None:
        return _moment(self.tag.time)


def fold(
    tags: Iterable[Tag],
    run_of: Callable[[str], str | None] = lambda _: None,
    exclusive: Collection[str] = EXCLUSIVE,
) -> Ledger:
    """Return what follows from ``tags``.

    Args:
        tags: registry tags, and others, which are passed over.
        run_of: the run whose commit a commit is, asked for tags that do not say it themselves.
        exclusive: the stages that hold one version.
    """
    tags = tuple(tags)
    problems: list[Problem] = []
    counters: dict[str, int] = {}
    by_model: dict[str, list[_Read]] = {}
    for tag in tags:
        name = parse(tag.name)
        if name is None:
            if looks_like(tag.name):
                problems.append(Problem(tag.name, "its name is not in the grammar of registry tags"))
            continue
        counters[name.model] = max(counters.get(name.model, 0), name.counter or 0)
        fault = _fault(tag)
        if fault:
            problems.append(Problem(tag.name, fault))
            continue
        by_model.setdefault(name.model, []).append(_Read(tag, name))
    models: dict[str, RegisteredModel] = {}
    events: dict[str, tuple[Event, ...]] = {}
    shadowed: dict[tuple[str, str], tuple[int, ...]] = {}
    for model, read in sorted(by_model.items()):
        one = _Model(model, sorted(read, key=lambda each: each.key), run_of)
        models[model], hidden = one.record(exclusive)
        shadowed.update({(model, stage): numbers for stage, numbers in hidden.items()})
        events[model] = tuple(_told(one.events))
        problems += one.problems
    return Ledger(models, tuple(sorted(problems, key=lambda each: each.tag)), events, counters, shadowed, tags)


def _fault(tag: Tag) -> str | None:
    if not tag.annotated:
        return "it is a lightweight tag, which says neither who made it nor when; annotated ones count (git tag -a)"
    if not tag.kind:
        return "what it is on is not in this repository, or cannot be told"
    return None if tag.kind == "commit" else f"it is on a {tag.kind}, not on a commit"


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return None


class _Model:
    """Folds the tags of one model."""

    def __init__(self, name: str, read: list[_Read], run_of: Callable[[str], str | None]) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.events: list[Event] = []
        self._read = read
        self._run_of = run_of
        self._versions: dict[str, ModelVersion] = {}
        self._at: dict[str, list[ModelVersion]] = {}
        self._registered: dict[int, bool] = {}
        self._updated: dict[int, datetime] = {}
        self._stages: dict[str, list[int]] = {}

    def record(self, exclusive: Collection[str]) -> tuple[RegisteredModel, dict[str, tuple[int, ...]]]:
        """Return the model, and stage to the versions that its exclusiveness hides."""
        self._number()
        for one in self._read:
            self._apply(one, exclusive)
        stages: dict[str, tuple[int, ...]] = {}
        hidden: dict[str, tuple[int, ...]] = {}
        for stage, numbers in self._stages.items():
            there = tuple(number for number in numbers if self._registered[number])
            shown = there[-1:] if stage in exclusive else there
            if shown:
                stages[stage] = shown
            if len(shown) < len(numbers):
                hidden[stage] = tuple(number for number in numbers if number not in shown)
        versions = sorted((self._final(one, stages) for one in self._versions.values()), key=lambda one: one.version)
        times = [one.tag.time for one in self._read if one.tag.time is not None]
        created = [one.created for one in versions if one.created]
        return (
            RegisteredModel(
                name=self.name,
                versions=tuple(one for one in versions if one.registered),
                stages=stages,
                withdrawn=tuple(one for one in versions if not one.registered),
                deprecated=self._is_deprecated(),
                created=min(created, default=None),
                updated=_moment(max(times, default=None)),
            ),
            hidden,
        )

    def _final(self, one: ModelVersion, stages: Mapping[str, tuple[int, ...]]) -> ModelVersion:
        number = one.version
        mine = sorted(
            (stage for stage, numbers in stages.items() if number in numbers),
            key=lambda stage: self._entered[stage, number],
        )
        return replace(
            one, stages=tuple(mine), registered=self._registered[number], updated=self._updated.get(number, one.created)
        )

    # Versions

    def _number(self) -> None:
        """Find the versions and their numbers."""
        self._entered: dict[tuple[str, int], int] = {}
        first: dict[str, _Read] = {}
        for one in self._read:
            version = one.name.version
            if one.name.action is not Action.REGISTER or version is None:
                continue
            known = first.setdefault(version, one)
            if known.tag.target != one.tag.target:
                self._problem(one, f"{version} is registered already, on another commit ({known.tag.name})")
        # The order of registering is that of time: only what GTO makes beside gtrack has counters here.
        order = sorted(first.items(), key=lambda item: (item[1].tag.time or 0, precedence(item[0]), item[1].key))
        said = {version: messages.trailers_of(one.tag.message) for version, one in order}
        claimed: dict[int, str] = {}
        for version, one in order:
            number = _claim(said[version])
            if number is not None and claimed.setdefault(number, version) != version:
                self._problem(one, f"it says that it is version {number}, which {claimed[number]} is already")
        numbers = {version: number for number, version in claimed.items()}
        last = 0
        for version, one in order:
            if version not in numbers:
                number = last + 1
                while number in claimed:
                    number += 1
                claimed[number] = version
                numbers[version] = number
            last = numbers[version]
            self._add(one, version, numbers[version], said[version])

    def _add(self, one: _Read, version: str, number: int, said: Mapping[str, list[str]]) -> None:
        run_id = _first(said, messages.RUN)
        known = run_id is not None and RUN_ID.match(run_id) is not None
        record = ModelVersion(
            name=self.name,
            version=number,
            tag=one.tag.name,
            semver=version,
            commit=one.tag.target,
            run_id=run_id if known else self._run_of(one.tag.target),
            artifact=_first(said, messages.ARTIFACT) or "model",
            created=one.moment,
            user=one.tag.tagger or None,
            experiment=_first(said, messages.EXPERIMENT),
            metrics=messages.read_metrics(_first(said, messages.METRICS) or ""),
            reason=_first(said, messages.REASON),
        )
        self._versions[version] = record
        self._at.setdefault(record.commit, []).append(record)
        self._registered[number] = False

    # What was done to them

    def _apply(self, one: _Read, exclusive: Collection[str]) -> None:
        name = one.name
        if name.action in {Action.REGISTER, Action.DEREGISTER}:
            version = self._versions.get(name.version or "")
            if version is None:
                self._problem(one, f"{name.version} was never registered")
            elif name.action is Action.DEREGISTER or version.commit == one.tag.target:
                self._registered[version.version] = name.action is Action.REGISTER
                self._note(one, version)
        elif name.stage is not None:
            self._move(one, stage_of(name.stage), exclusive)
        else:
            self._note(one)

    def _move(self, one: _Read, stage: str, exclusive: Collection[str]) -> None:
        version = self._meant(one)
        if version is None:
            self._problem(one, f"no version of {self.name} is registered on its commit")
            return
        number, there = version.version, self._stages.setdefault(stage, [])
        before = there[-1] if there and (stage in exclusive or one.name.action is Action.UNASSIGN) else None
        if number in there:
            there.remove(number)
        if one.name.action is Action.ASSIGN:
            there.append(number)
            self._entered[stage, number] = len(self.events)
        self._note(one, version, stage, before)

    def _meant(self, one: _Read) -> ModelVersion | None:
        """Return the version that a stage's tag is about: the one on its commit, of several the one that it names or the last."""
        there = self._at.get(one.tag.target, [])
        if len(there) > 1:
            number = _claim(messages.trailers_of(one.tag.message))
            named = [version for version in there if version.version == number]
            registered = [version for version in there if self._registered[version.version]]
            moment = one.moment
            earlier = [version for version in registered if moment and version.created and version.created <= moment]
            there = named or earlier or registered or there
        return there[-1] if there else None

    def _note(
        self, one: _Read, version: ModelVersion | None = None, stage: str | None = None, before: int | None = None
    ) -> None:
        moment = one.moment
        if version is not None and moment is not None:
            self._updated[version.version] = max(moment, self._updated.get(version.version, moment))
        self.events.append(
            Event(
                tag=one.tag.name,
                action=one.name.action,
                model=self.name,
                version=version.version if version else None,
                semver=version.semver if version else None,
                stage=stage,
                before=before,
                counter=one.name.counter,
                commit=one.tag.target,
                time=moment,
                user=one.tag.tagger or None,
                message=one.tag.message,
                signed=one.tag.signed,
                oid=one.tag.oid,
            )
        )

    def _is_deprecated(self) -> bool:
        retired = [one for one in self._read if one.name.action is Action.DEPRECATE]
        others = [one for one in self._read if one.name.action is not Action.DEPRECATE]
        return bool(retired) and not any(_later(one, retired[-1]) for one in others)

    def _problem(self, one: _Read, text: str) -> None:
        self.problems.append(Problem(one.tag.name, text))


def _told(events: list[Event]) -> list[Event]:
    """Return events in the order in which they are told: by counter, and those without one put between them by their time."""
    counted = [event for event in events if event.counter is not None]
    free = sorted((event for event in events if event.counter is None), key=lambda event: event.time or _LONG_AGO)
    told: list[Event] = []
    for event in counted:
        while free and (free[0].time or _LONG_AGO) <= (event.time or _LONG_AGO):
            told.append(free.pop(0))
        told.append(event)
    return told + free


def _later(one: _Read, other: _Read) -> bool:
    """Tell whether a tag was made after another one: by their counters when both have one, else by their times."""
    if one.name.counter is not None and other.name.counter is not None:
        return one.key > other.key
    return (one.tag.time or 0) > (other.tag.time or 0)


def stage_of(stage: str) -> str:
    """Return a stage as gtrack calls it: a hand-made ``m#Production#1`` is about ``production``."""
    small = stage.lower()
    return small if small in MLFLOW_STAGES else stage


def _first(said: Mapping[str, list[str]], name: str) -> str | None:
    return next(iter(said.get(name, ())), "") or None


def _claim(said: Mapping[str, list[str]]) -> int | None:
    text = _first(said, messages.ORDINAL) or ""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
    return number or None
