"""Find names for tags that were made here and not published, beside those that a remote has. Pure: tags in, tags out.

The remote's tags stand. What is only here comes after them, in its order:

- A version whose name or number somebody took there becomes the next one, and what was done to it follows it. The same run
  registered there is that version, and nothing is registered again.
- What has a counter keeps it where it is free there, else it and all that comes after it take the next ones.
- A tag that is made anew says which it was (``Renumbered-From:``), so that it is not made twice when the process ends between
  publishing it and letting go of the old one.
- A promotion is not carried past one that was made after it, by somebody who could not know of it: that is for people to decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError, VersionExists
from gtrack.records import ModelVersion
from gtrack.registry import messages
from gtrack.registry.ledger import stage_of
from gtrack.registry.tag_names import Action, TagName, bumped, parse, precedence

if TYPE_CHECKING:
    from gtrack.git.tags import Tag
    from gtrack.registry.ledger import Ledger

RENUMBERED = "Renumbered-From"
"""Trailer of a tag that was published under another name than it was made: that name, and the id of that tag object."""

_ORDINAL = re.compile(rf"^{messages.ORDINAL}: .*$", re.MULTILINE)
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Replayed:
    """A tag that was only here, and what it is called and says beside those of the remote."""

    was: Tag
    name: str
    message: str

    @property
    def changed(self) -> bool:
        """Whether the tag must be made anew."""
        return (self.name, self.message) != (self.was.name, self.was.message)


@dataclass(frozen=True)
class _Moved:
    """A version that became another one."""

    semver: str
    number: int | None
    now: ModelVersion


def replay(theirs: Sequence[Tag], ledger: Ledger, ours: Sequence[Tag], exclusive: Collection[str]) -> list[Replayed]:
    """Return tags that are only here as they can be published, in their order; those that the remote says already are left out.

    Args:
        theirs: the tags of a model that the remote has.
        ledger: what these say.
        ours: the tags of the same model that are only here, or have another content there; annotated, on commits.
        exclusive: the stages that hold one version.

    Raises:
        VersionExists: a version that was made here cannot become the next one.
        GTrackError: a promotion that was made here was overtaken.
    """
    read = [(tag, name) for tag in ours if (name := parse(tag.name)) is not None]
    read.sort(
        key=lambda one: (one[1].counter or 0, one[0].time or 0, one[1].action is not Action.REGISTER, one[0].name)
    )
    names = _Names(theirs, ledger)
    replayed = [again for tag, name in read if (again := names.beside(tag, name)) is not None]
    _check_overtaken(theirs, replayed, exclusive)
    return replayed


class _Names:
    """Gives out names beside those of the remote."""

    def __init__(self, theirs: Sequence[Tag], ledger: Ledger) -> None:
        self._taken = {tag.name for tag in theirs}
        self._known = [one for model in ledger.models.values() for one in (*model.versions, *model.withdrawn)]
        self._dealt = _dealt(theirs)
        read = [name for tag in theirs if (name := parse(tag.name)) is not None]
        self._counters = {name.counter for name in read if name.counter is not None}
        self._counter = max(self._counters, default=0)
        self._following = False
        self._moved: dict[str, list[_Moved]] = {}

    def beside(self, tag: Tag, name: TagName) -> Replayed | None:
        """Return a tag as it can be published; None when the remote says the same already."""
        dealt = next((one for one in self._dealt.get(tag.oid, ()) if _same_act(one, tag)), None)
        if dealt is not None:
            self._follow_dealt(tag, name, dealt)
            return None
        again = self._version(tag, name) if _registers(name) else self._rest(tag, name)
        if again is not None:
            self._taken.add(again.name)
        return again

    def _follow_dealt(self, tag: Tag, name: TagName, dealt: Tag) -> None:
        now = parse(dealt.name)
        one = next((one for one in self._known if now is not None and one.semver == now.version), None)
        if _registers(name) and one is not None:
            self._move(tag, name, one)

    # Versions

    def _version(self, tag: Tag, name: TagName) -> Replayed | None:
        number = _number_in(tag)
        lost = tag.name in self._taken or any(number == one.version for one in self._known)
        same = self._same_run(tag, lost=lost)
        if same is not None:
            self._move(tag, name, same)
            return None
        last = max((one.version for one in self._known), default=0)
        semver, now = name.version or "", number
        if lost:
            semver = semver if tag.name not in self._taken else self._next(tag, name)
        if lost or now is None:
            now = last + 1
        one = ModelVersion(name.model, now, "", semver, tag.target, _said(tag, messages.RUN))
        self._known.append(one)
        if not lost:
            return Replayed(tag, tag.name, tag.message)
        moved = self._move(tag, name, one)
        return _anew(tag, name, replace(name, version=semver), moved)

    def _same_run(self, tag: Tag, *, lost: bool) -> ModelVersion | None:
        run_id = _said(tag, messages.RUN)
        same = next((one for one in self._known if run_id and one.run_id == run_id), None)
        same = same or next((one for one in self._known if lost and one.commit == tag.target), None)
        ours = _said(tag, messages.ARTIFACT)
        if same is not None and ours is not None and same.artifact not in {None, ours}:
            raise VersionExists(
                f"{tag.name}, which was made here, is the artifact {ours!r} of run {(run_id or tag.target)[:8]}; on the remote "
                f"this run is {same.name} {same.semver} by its artifact {same.artifact!r}, and a run is one version of a "
                f"model. Remove it here: git tag -d '{tag.name}'."
            )
        return same

    def _next(self, tag: Tag, name: TagName) -> str:
        semver = name.version or ""
        _, minor, patch, released, _ = precedence(semver)
        if not released:
            raise VersionExists(
                f"{tag.name}, which was made here, is another run's on the remote, and what comes after a pre-release is for you "
                f"to say. Remove it here, and register the run under another version: git tag -d '{tag.name}'."
            )
        bump = "patch" if patch else "minor" if minor else "major"
        highest = max([semver, *(one.semver for one in self._known)], key=precedence)
        while str(replace(name, version=highest)) in self._taken:
            highest = bumped(highest, bump)
        return highest

    def _move(self, tag: Tag, name: TagName, now: ModelVersion) -> _Moved:
        moved = _Moved(name.version or "", _number_in(tag), now)
        self._moved.setdefault(tag.target, []).append(moved)
        return moved

    # What was done to them

    def _rest(self, tag: Tag, name: TagName) -> Replayed | None:
        moved = self._moved_of(tag, name)
        new = replace(name, version=moved.now.semver) if moved is not None and name.version is not None else name
        if name.counter is None:
            if str(new) in self._taken:  # taken back, or retired, there too
                return None
        elif self._following or name.counter in self._counters:
            self._following = True
            self._counter += 1
            new = new.numbered(self._counter)
        else:
            self._counter = max(self._counter, name.counter)
        return _anew(tag, name, new, moved)

    def _moved_of(self, tag: Tag, name: TagName) -> _Moved | None:
        semver, number = name.version or _version_in(tag), _number_in(tag)
        there = self._moved.get(tag.target, ())
        return next(
            (one for one in there if semver == one.semver or (number == one.number and number is not None)), None
        )


def _registers(name: TagName) -> bool:
    return name.action is Action.REGISTER and name.counter is None


def _said(tag: Tag, trailer: str) -> str | None:
    return next(iter(messages.trailers_of(tag.message).get(trailer, ())), "") or None


def _number_in(tag: Tag) -> int | None:
    text = _said(tag, messages.ORDINAL) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _version_in(tag: Tag) -> str:
    """Return the version that a stage's tag is about, as its first line says it."""
    words = tag.message.partition("\n")[0].replace("'", "").split()
    return words[-1] if words else ""


def _dealt(theirs: Sequence[Tag]) -> dict[str, list[Tag]]:
    """Return the id of each tag object that was published under another name to the tags that say so."""
    found: dict[str, list[Tag]] = {}
    for tag in theirs:
        for text in messages.trailers_of(tag.message).get(RENUMBERED, ()) if RENUMBERED in tag.message else ():
            found.setdefault(text.rpartition(" ")[2], []).append(tag)
    return found


def _same_act(one: Tag, other: Tag) -> bool:
    return (one.target, one.tagger, one.time) == (other.target, other.tagger, other.time)


def _anew(tag: Tag, name: TagName, new: TagName, moved: _Moved | None) -> Replayed:
    if new == name and moved is None:
        return Replayed(tag, tag.name, tag.message)
    first, mark, rest = tag.message.partition("\n")
    if moved is not None:
        first = first.replace(moved.semver, moved.now.semver)
        rest = _ORDINAL.sub(f"{messages.ORDINAL}: {moved.now.version}", rest)
    text = f"{first}{mark}{rest}".rstrip()
    blank = "\n" if messages.trailers_of(text) else "\n\n"
    return Replayed(tag, str(new), f"{text}{blank}{RENUMBERED}: {tag.name} {tag.oid}\n")


def _check_overtaken(theirs: Sequence[Tag], replayed: Sequence[Replayed], exclusive: Collection[str]) -> None:
    last: dict[tuple[str, str], Replayed] = {}
    for one in replayed:
        name = parse(one.was.name)
        if name is not None and name.stage is not None:
            stage = stage_of(name.stage)
            last["", stage] = last[one.was.target, stage] = one
    for (target, stage), one in last.items():
        # In an exclusive stage only the last of ours counts, whatever version it is about.
        if one.name != one.was.name and (stage not in exclusive or not target):
            after = next((tag for tag in theirs if _overtakes(tag, one.was, stage, exclusive)), None)
            if after is not None:
                raise GTrackError(
                    f"{one.was.name}, which was made here and not published, was overtaken: {after.tagger or 'somebody'} has "
                    f"published {after.name} after it, which says something else of {stage}. Remove it here (git tag -d "
                    f"'{one.was.name}'), and do it again where it is still meant."
                )


def _overtakes(tag: Tag, was: Tag, stage: str, exclusive: Collection[str]) -> bool:
    theirs, ours = parse(tag.name), parse(was.name)
    if theirs is None or ours is None or theirs.stage is None or stage_of(theirs.stage) != stage:
        return False
    if (theirs.counter or 0) < (ours.counter or 0) or (tag.time or 0) <= (was.time or 0):
        return False
    if tag.target == was.target:
        return theirs.action is not ours.action
    return stage in exclusive and theirs.action is ours.action is Action.ASSIGN
