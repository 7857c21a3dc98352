"""Publish registry tags: on the remote first, and here only when they are there.

The objects are made first and named last, so a tag that the remote refuses is never a tag here, at whatever moment the process
dies: before the push there is no ref, and after it the remote has the tag, which the next look brings.

Tags of the model that are only here, made before without publishing, go along. One that lost its name to another one on the
remote is made anew: a stage's tag, or one whose counter others have passed, gets the next counters; a version whose name or
number somebody took becomes the next one, and what was done to it follows.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError, RefChanged
from gtrack.git.objects import Identity
from gtrack.git.refs import Update, update
from gtrack.git.remotes import PushedRef, PushRejected, fetch_refs, list_remote_refs, push_new
from gtrack.git.tags import TAGS, NewTag, Tag, make_tags, read_tags
from gtrack.registry import messages
from gtrack.registry.ledger import Ledger
from gtrack.registry.tag_names import Action, TagName, bumped, model_in_tag, parse, precedence

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.registry.acts import Act
    from gtrack.registry.plans import Plan
    from gtrack.registry.reader import RegistryReader

_TRIES = 10
_WHO = re.compile(r"(?P<name>.*?) ?<(?P<email>[^<>]*)>\Z", re.DOTALL)
_ORDINAL = re.compile(rf"^{messages.ORDINAL}: .*$", re.MULTILINE)


def publish(
    repo: Repository,
    reader: RegistryReader,
    remote: str,
    name: str,
    plan: Plan,
    make: Callable[[Sequence[Act]], list[str]],
    identity: Identity,
) -> None:
    """Make the tags that ``plan`` asks for on a remote and here, with the tags of the model that were only here.

    Args:
        repo: the repository.
        reader: what its tags say.
        remote: name or URL.
        name: the model.
        plan: says which tags, from what those of the remote and those here say together; asked again when somebody was quicker.
        make: makes the tag objects of acts and returns their ids.
        identity: who stands in the reflog.

    Raises:
        PushRejected: the remote refuses, or others kept being quicker; nothing was changed.
        GitError: it cannot be reached; nothing was changed.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            _publish(repo, reader, remote, name, plan, make, identity)
            return
        except (PushRejected, RefChanged) as error:
            if attempt == _TRIES or not (isinstance(error, RefChanged) or error.quicker):
                raise
            time.sleep(random.SystemRandom().uniform(0, 0.05 * 2 ** min(attempt, 5)))


def _publish(
    repo: Repository,
    reader: RegistryReader,
    remote: str,
    name: str,
    plan: Plan,
    make: Callable[[Sequence[Act]], list[str]],
    identity: Identity,
) -> None:
    theirs = _fetched(repo, reader, remote, name)
    here = {tag.name: tag for tag in reader.ledger(name).tags}
    there = {tag.name: tag for tag in read_tags(repo, theirs)}
    mine = [tag for tag in here.values() if tag.annotated and theirs.get(tag.name) != tag.oid]
    unusable = next((tag.name for tag in here.values() if not tag.annotated and tag.name in theirs), None)
    if unusable is not None:
        raise GTrackError(
            f"The lightweight tag {unusable} is in the way of one of {remote}. Remove it: git tag -d '{unusable}'."
        )
    replayed = _Replay(reader.folded(list(there.values())), there).of(mine)
    made = [_made_anew(repo, one) for one in replayed]
    ledger = reader.folded([*there.values(), *made])
    acts = plan(ledger)
    new = {tag.name: tag.oid for tag in made} | dict(zip((str(act.name) for act in acts), make(acts), strict=True))
    if new:
        first = sorted(new, key=_is_stage)
        push_new(repo, remote, [PushedRef(f"{TAGS}{tag}", new[tag]) for tag in first])
    wanted = {tag.name: theirs.get(tag.name) for tag in mine} | new
    moves = [
        Update(f"{TAGS}{tag}", oid, here[tag].oid if tag in here else "")
        for tag, oid in wanted.items()
        if tag not in here or here[tag].oid != oid
    ]
    if moves:
        update(repo, moves, identity, f"tag: {name} published to {remote}"[:500])


def _is_stage(tag: str) -> bool:
    found = parse(tag)
    return found is None or found.action is not Action.REGISTER


def _fetched(repo: Repository, reader: RegistryReader, remote: str, name: str) -> dict[str, str]:
    """Fetch the tags of a model; return the name and object of each that the remote has."""
    place = f"{TAGS}{model_in_tag(name)}"
    # ls-remote's * takes slashes along, so these are also tags of models that are called alike: those are left alone.
    refs = list_remote_refs(repo, remote, f"{place}@*", f"{place}#*")
    theirs = {}
    for ref, oid in refs.items():
        said = parse(ref.removeprefix(TAGS))
        if said is not None and said.model == name:
            theirs[ref.removeprefix(TAGS)] = oid
    here = {tag.name: tag.oid for tag in reader.ledger(name).tags}
    missing = [f"{TAGS}{tag}:{TAGS}{tag}" for tag in theirs if tag not in here]
    # What is called like one of ours is fetched without its name.
    missing += [f"{TAGS}{tag}" for tag in theirs if tag in here and here[tag] != theirs[tag]]
    if missing:
        fetch_refs(repo, remote, missing)
    return theirs


@dataclass(frozen=True)
class _Replayed:
    """A tag that is only here, and what it is called and says beside those of the remote."""

    tag: Tag
    name: str
    message: str


class _Replay:
    """Finds names for tags that are only here.

    Args:
        ledger: what the tags of the remote say.
        there: these tags, by name.
    """

    def __init__(self, ledger: Ledger, there: Mapping[str, Tag]) -> None:
        self._there = there
        self._ledger = ledger
        self._counter = max(ledger.counters.values(), default=0)
        known = [one for model in ledger.models.values() for one in (*model.versions, *model.withdrawn)]
        self._taken = {one.semver: one.version for one in known}
        self._by_commit = {one.commit: one for one in known}
        self._ordinal = max(self._taken.values(), default=0)
        self._renamed: dict[tuple[str, str], tuple[str, int]] = {}

    def of(self, mine: Sequence[Tag]) -> list[_Replayed]:
        """Return ``mine`` as they can be published, in their order."""
        read = [(tag, said) for tag in mine if tag.annotated and (said := parse(tag.name)) is not None]
        read.sort(
            key=lambda one: (one[1].counter or 0, one[0].time or 0, one[1].action is not Action.REGISTER, one[0].name)
        )
        return [again for tag, said in read if (again := self._again(tag, said)) is not None]

    def _again(self, tag: Tag, said: TagName) -> _Replayed | None:
        name, message = said, tag.message
        if said.action is Action.REGISTER and said.version is not None and said.counter is None:
            same = self._by_commit.get(tag.target)
            if same is not None:  # the remote has the run as a version already
                self._renamed[tag.target, said.version] = same.semver, same.version
                return None
            number = _ordinal_of(tag.message)
            if said.version in self._taken or number in self._taken.values():
                self._renamed[tag.target, said.version] = self._next(said.version)
            else:
                self._taken[said.version] = number or self._ordinal + 1
                self._ordinal = max(self._ordinal, self._taken[said.version])
        changed = self._renamed.get((tag.target, said.version or _version_in(tag)))
        if changed is not None:
            version, number = changed
            message = _about(message, said, version, number)
            name = replace(name, version=version) if name.version is not None else name
        if said.counter is not None:
            if said.counter <= self._counter or tag.name in self._there:
                name = name.numbered(self._counter + 1)
            self._counter = max(self._counter, name.counter or 0)
        return None if str(name) in self._there else _Replayed(tag, str(name), message)

    def _next(self, version: str) -> tuple[str, int]:
        _, minor, patch, *_ = precedence(version)
        bump = "patch" if patch else "minor" if minor else "major"
        chosen = bumped(max(self._taken, key=precedence), bump)
        self._ordinal += 1
        self._taken[chosen] = self._ordinal
        return chosen, self._ordinal


def _ordinal_of(message: str) -> int | None:
    text = next(iter(messages.trailers_of(message).get(messages.ORDINAL, ())), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _version_in(tag: Tag) -> str:
    """Return the version that a stage's tag is about, as its first line says it."""
    words = tag.message.partition("\n")[0].replace("'", "").split()
    return words[-1] if words else ""


def _about(message: str, said: TagName, version: str, number: int) -> str:
    """Return a message that is about another version."""
    rest = message.partition("\n")[2]
    return f"{replace(said, version=version if said.version else None).subject(version)}\n" + _ORDINAL.sub(
        f"{messages.ORDINAL}: {number}", rest
    )


def _made_anew(repo: Repository, one: _Replayed) -> Tag:
    """Return a tag under its new name and message, by whom and when it was made; the same where nothing changed."""
    tag = one.tag
    if (one.name, one.message) == (tag.name, tag.message):
        return tag
    who = _WHO.match(tag.tagger)
    identity = Identity(who["name"], who["email"]) if who else Identity(tag.tagger, "")
    try:
        new = NewTag(one.name, tag.target, one.message)
        [oid] = make_tags(repo, [new], identity, tag.time or int(time.time()), sign=tag.signed)
    except GitError as error:
        raise GitError(
            f"{tag.name}, which is only here, must be published as {one.name}, as somebody else was quicker: {error}"
        ) from error
    return replace(tag, name=one.name, oid=oid, message=one.message)
