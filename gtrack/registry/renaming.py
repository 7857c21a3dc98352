"""Tell which tags that were made here cannot be published as they were, and what becomes of them. Pure: tags in, facts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.registry import messages
from gtrack.registry.tag_names import TagName, parse

if TYPE_CHECKING:
    from gtrack.git.tags import Tag
    from gtrack.registry.replay import Replayed


@dataclass(frozen=True)
class Renamed:
    """A tag that was only here, and is not on the remote as it was made.

    Attributes:
        was: its name here.
        now: what it is published as, or the tag of the remote that says the same.
        published: whether it is published; else the remote's takes its place.
        run: the run that it is about, by its id, or for people by its name; empty when it does not say.
        number: the number of the version that it registers; None for others.
        new_number: the one that it has now.
        who: who made the remote's tag that has its name, or its number; empty when that cannot be told.
    """

    was: str
    now: str
    published: bool
    run: str = ""
    number: str | None = None
    new_number: str | None = None
    who: str = ""

    def told(self, remote: str) -> str:
        """Return what people are told of it, a sentence or two.

        Args:
            remote: what they call the remote.
        """
        by = self.who or "somebody"
        run = f" of run {self.run}" if self.run else ""
        if not self.published:
            return f"{self.was}{run}, which was only here, gave way to {self.now} of {remote}, by {by}, which says the same."
        if self.number is None:
            return f"{self.was}{run} was published as {self.now}, as {by} was quicker with that number."
        model, mine = self.was.partition("@")[::2]
        return (
            f"{model} v{self.number}{run} was published as v{self.new_number}: v{self.number} is {by}'s. "
            f"({mine} here became {self.now.partition('@')[2]}.)"
        )


def renamed(theirs: Sequence[Tag], ours: Sequence[Tag], again: Sequence[Replayed]) -> tuple[Renamed, ...]:
    """Return what is told of tags that were only here.

    Args:
        theirs: the tags of a model that the remote has.
        ours: those that were only here, or have another content there.
        again: of these, what can be published.
    """
    kept = {one.was.oid: one for one in again}
    found = [_beside(theirs, tag, kept.get(tag.oid)) for tag in ours]
    return tuple(one for one in found if not one.published or (one.was, one.number) != (one.now, one.new_number))


def _beside(theirs: Sequence[Tag], tag: Tag, again: Replayed | None) -> Renamed:
    if again is not None:
        number, new = _numbers(tag, again.message)
        who = _holder(theirs, tag)
        return Renamed(tag.name, again.name, published=True, run=_run(tag), number=number, new_number=new, who=who)
    same = _same(theirs, tag)
    if same is None:
        return Renamed(tag.name, tag.name, published=False, run=_run(tag))
    number, new = _numbers(tag, same.message)
    who = _person(same)
    return Renamed(tag.name, same.name, published=False, run=_run(tag), number=number, new_number=new, who=who)


def _same(theirs: Sequence[Tag], tag: Tag) -> Tag | None:
    """Return the remote's tag that says what ``tag`` does."""
    mine = parse(tag.name)
    alike = [one for one in theirs if mine is not None and _is_alike(parse(one.name), mine)]
    same = [one for one in alike if one.target == tag.target or (_run(tag) and _run(one) == _run(tag))]
    return next(iter(same), None)


def _is_alike(one: TagName | None, other: TagName) -> bool:
    return one is not None and (one.action, one.stage) == (other.action, other.stage)


def _holder(theirs: Sequence[Tag], tag: Tag) -> str:
    """Return who has the name of a tag on the remote, or its number or counter."""
    mine, number = parse(tag.name), _number(tag.message)
    for one in theirs:
        said = parse(one.name)
        if one.name == tag.name or (said and mine and said.counter is not None and said.counter == mine.counter):
            return _person(one)
    if mine is None or mine.counter is not None or number is None:
        return ""
    return next((_person(one) for one in theirs if _number(one.message) == number), "")


def _person(tag: Tag) -> str:
    return tag.tagger.partition(" <")[0]


def _run(tag: Tag) -> str:
    return next(iter(messages.trailers_of(tag.message).get(messages.RUN, ())), "")


def _number(message: str) -> str | None:
    return next(iter(messages.trailers_of(message).get(messages.ORDINAL, ())), None)


def _numbers(tag: Tag, message: str) -> tuple[str | None, str | None]:
    said = parse(tag.name)
    if said is None or said.counter is not None or said.stage is not None:
        return None, None
    return _number(tag.message), _number(message)
