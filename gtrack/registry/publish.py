"""Publish registry tags: on the remote first, and here only when they are there.

The objects are made first and named last, so a tag that the remote refuses is never a tag here, at whatever moment the process
dies: before the push there is no ref, and after it the remote has the tag, which the next look brings.

Tags of the model that are only here, made before without publishing, go along; those that lost their names to others on the
remote are made anew (``gtrack.registry.replay``).

Two that publish different stages of one model at once can take one counter, as these are different refs, and nothing on a remote
is locked: such tags count in the order of their times.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError, RefChanged
from gtrack.git.objects import Identity
from gtrack.git.promisor import commits_here
from gtrack.git.refs import Update, update
from gtrack.git.remotes import (
    PushedRef,
    PushRejected,
    fetch_refs,
    list_remote_refs,
    push_new,
    push_url,
    without_secrets,
)
from gtrack.git.tags import TAGS, NewTag, Tag, make_tags, place_tags, read_tags
from gtrack.registry.published import check_not_rewritten, remember
from gtrack.registry.renaming import Renamed, renamed
from gtrack.registry.replay import Replayed, replay
from gtrack.registry.tag_names import Action, model_in_tag, parse

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.registry.acts import Act
    from gtrack.registry.ledger import Ledger
    from gtrack.registry.plans import Plan
    from gtrack.registry.reader import RegistryReader

_TRIES = 20
_LONGEST_WAIT = 1.5
_MOST_NAMED = 50
_WHO = re.compile(r"(?P<name>.*?) ?<(?P<email>[^<>]*)>\Z", re.DOTALL)


def publish(
    repo: Repository,
    reader: RegistryReader,
    remote: str,
    name: str,
    plan: Plan,
    make: Callable[[Sequence[Act]], list[str]],
    identity: Identity,
) -> tuple[Renamed, ...]:
    """Make the tags that ``plan`` asks for on a remote and here, with the tags of the model that were only here.

    Args:
        repo: the repository.
        reader: what its tags say.
        remote: name or URL.
        name: the model.
        plan: says which tags, from what those of the remote and those here say together; asked again when somebody was quicker.
        make: makes the tag objects of acts and returns their ids.
        identity: who publishes.

    Returns:
        The tags that were only here and are not published as they were made.

    Raises:
        PushRejected: the remote refuses, or others kept being quicker; no tag was made here.
        GTrackError: a tag that was made here cannot be published beside those of the remote; the message says which and why.
        GitError: the remote cannot be reached; no tag was made here.
    """
    publishing = Publishing(repo, reader, remote, push_url(repo, remote), name, identity)
    for attempt in range(1, _TRIES + 1):
        try:
            return publishing.attempt(plan, make)
        except (PushRejected, RefChanged) as error:
            if attempt == _TRIES or not (isinstance(error, RefChanged) or error.quicker or publishing.is_overtaken()):
                raise
            time.sleep(random.SystemRandom().uniform(0, min(_LONGEST_WAIT, 0.05 * 2**attempt)))
    raise RefChanged(f"The tags of {name} on {without_secrets(remote)} kept changing. Nothing was published.")


@dataclass(frozen=True)
class Prepared:
    """What is to be published of one model, by name and object id.

    Attributes:
        model: the model.
        new: what the remote gets.
        settled: what becomes of names here: None where a tag goes.
        here: what they name now.
        renamed: those that are not published as they were made.
    """

    model: str
    new: Mapping[str, str]
    settled: Mapping[str, str | None]
    here: Mapping[str, str]
    renamed: tuple[Renamed, ...] = ()

    def refs(self) -> list[PushedRef]:
        """Return what is pushed: versions before what is said of them."""
        return [PushedRef(f"{TAGS}{tag}", self.new[tag]) for tag in sorted(self.new, key=_is_stage)]


@dataclass
class Publishing:
    """One model and one remote; ``place`` is where to look at what the remote has."""

    repo: Repository
    reader: RegistryReader
    remote: str
    place: str
    name: str
    identity: Identity
    theirs: Mapping[str, str] = field(default_factory=dict)
    pushed: Mapping[str, str] = field(default_factory=dict)

    def attempt(self, plan: Plan, make: Callable[[Sequence[Act]], list[str]]) -> tuple[Renamed, ...]:
        """Look, make and push once, and return what could not be published as it was made."""
        self.theirs = self._listed()
        made = self.prepare(plan, make)
        self.pushed = made.new
        if made.new:
            push_new(self.repo, self.remote, made.refs())
        self.complete(made)
        return made.renamed

    def prepare(self, plan: Plan, make: Callable[[Sequence[Act]], list[str]]) -> Prepared:
        """Make the objects of what is to be published beside ``theirs``, and bring what of these is not here.

        Raises:
            GTrackError: a tag that was made here cannot be published beside those of the remote.
        """
        here = {tag.name: tag for tag in self.reader.ledger(self.name).tags}
        self._fetch({tag.oid for tag in here.values()})
        there = {tag.name: tag for tag in read_tags(self.repo, self.theirs)}
        place_tags(self.repo, {tag: oid for tag, oid in self.theirs.items() if tag not in here}, self.identity)
        here = there | here
        remember(self.repo, self.theirs.values())
        ours = [tag for tag in here.values() if is_act(tag) and self.theirs.get(tag.name) != tag.oid]
        idle = [tag for tag in here.values() if not is_act(tag) and self.theirs.get(tag.name) != tag.oid]
        self._check_idle(idle, there)
        self._check_own_names(ours)
        check_not_rewritten(self.repo, [tag for tag in ours if tag.name in there], self.remote)
        base = list(there.values())
        again = replay(base, self.reader.folded(base), ours, self.reader.exclusive)
        replayed = [self._made(one) for one in again]
        others = [tag for tag in idle if tag.name not in there]
        ledger = self.reader.folded([*base, *replayed, *others])
        acts = plan(ledger)
        self._check_free([str(act.name) for act in acts], ledger, {tag.name for tag in others})
        new = {tag.name: tag.oid for tag in replayed}
        new.update(zip((str(act.name) for act in acts), make(acts), strict=True))
        # What was only here becomes what the remote has of that name, or goes.
        settled = {tag.name: self.theirs.get(tag.name) for tag in (*ours, *idle) if tag not in others}
        named = {tag.name: tag.oid for tag in here.values()}
        return Prepared(self.name, new, settled, named, renamed(base, ours, again))

    def complete(self, made: Prepared) -> None:
        """Name here what the remote has now."""
        self._name({**made.settled, **made.new}, made.here)
        remember(self.repo, made.new.values())

    def is_overtaken(self) -> bool:
        """Tell whether the remote has other tags of the model by now: a hook, too, refuses what comes too late."""
        try:
            now = self._listed()
        except GitError:  # what it said before is the one to tell
            return False
        # A remote that cannot take several refs at once may have taken some of ours.
        return {
            tag: oid for tag, oid in now.items() if tag in self.theirs or self.pushed.get(tag) != oid
        } != self.theirs

    def _listed(self) -> dict[str, str]:
        """Return name and object of each tag of the model that the remote has."""
        refs = list_remote_refs(self.repo, self.place, *self._patterns())
        named = {ref.removeprefix(TAGS): oid for ref, oid in refs.items() if ref.startswith(TAGS)}
        said = {tag: parse(tag) for tag in named}
        return {tag: named[tag] for tag, one in said.items() if one is not None and one.model == self.name}

    def _patterns(self) -> list[str]:
        # * takes slashes along, so these are also tags of other models that are called alike.
        return [f"{TAGS}{model_in_tag(self.name)}{mark}*" for mark in "@#"]

    def _fetch(self, here: Collection[str]) -> None:
        """Fetch what the remote has and is not here; names it gets afterwards, where these are free."""
        wanted = {tag: oid for tag, oid in self.theirs.items() if oid not in here}
        found = commits_here(self.repo, wanted.values())
        missing = [f"{TAGS}{tag}" for tag, oid in wanted.items() if oid not in found]
        if len(missing) > _MOST_NAMED:  # git compares each name with each ref, which takes minutes for thousands
            missing = self._patterns()
        if missing:
            fetch_refs(self.repo, self.place, missing)

    def _check_idle(self, idle: Sequence[Tag], there: Mapping[str, Tag]) -> None:
        """Check the tags that say nothing: one may stand for what the remote has (CI makes them so), else it is in the way."""
        wrong = next((tag for tag in idle if tag.name in there and tag.target != there[tag.name].target), None)
        if wrong is not None:
            what = "tag" if wrong.annotated else "lightweight tag"
            raise GTrackError(
                f"The {what} {wrong.name} is in the way of one of {self.remote}. Remove it: git tag -d '{wrong.name}'."
            )

    def _check_own_names(self, ours: Sequence[Tag]) -> None:
        """Check that no tag is made anew, and signed, by us that was hung on another name than it was made with."""
        forged = next((tag for tag in ours if tag.said_name not in {"", tag.name}), None)
        if forged is not None:
            raise GTrackError(
                f"{forged.name}, which is only here, was made as {forged.said_name} and renamed since, so it is not published. "
                f"Remove it: git tag -d '{forged.name}'."
            )

    def _check_free(self, names: Sequence[str], ledger: Ledger, here: Collection[str]) -> None:
        taken = next((name for name in names if name in here or name in self.theirs), None)
        if taken is not None:
            why = next((f", and {one.text}" for one in ledger.problems if one.tag == taken), "")
            place, remedy = "here", f"git tag -d '{taken}'"
            if taken in self.theirs:
                place, remedy = f"on {self.remote}", f"git push {self.remote} ':{TAGS}{taken}'; {remedy}"
            raise GTrackError(
                f"{taken} cannot be made: there is a tag of this name {place}{why}. Remove it first: {remedy}."
            )

    def _made(self, one: Replayed) -> Tag:
        """Return a tag under its new name and message, by whom and when it was made; the same where nothing changed."""
        if not one.changed:
            return one.was
        tag, who = one.was, _WHO.match(one.was.tagger)
        tagger = Identity(who["name"], who["email"]) if who else Identity(tag.tagger, "")
        lost = f"{tag.name}, which is only here, must be published as {one.name}, as somebody else was quicker"
        if tag.signed and tagger.email != self.identity.email:
            raise GTrackError(
                f"{lost}; but it is signed by {tag.tagger}, who alone can sign it anew. Remove it here (git tag -d "
                f"'{tag.name}'), or have it published by them first."
            )
        try:
            new = NewTag(one.name, tag.target, one.message)
            [oid] = make_tags(self.repo, [new], tagger, tag.time or 0, sign=tag.signed)
        except GitError as error:
            raise GitError(f"{lost}: {error}") from error
        return replace(tag, name=one.name, oid=oid, message=one.message, nested=False, said_name=one.name)

    def _name(self, wanted: Mapping[str, str | None], here: Mapping[str, str]) -> None:
        """Give what is published its names here."""
        moves = [Update(f"{TAGS}{tag}", oid, here.get(tag, "")) for tag, oid in wanted.items() if here.get(tag) != oid]
        if not moves:
            return
        try:
            update(self.repo, moves, self.identity, f"tag: {self.name} published to {self.remote}"[:500])
        except RefChanged:
            raise
        except GitError as error:
            raise GitError(
                f"{self.remote} has the tags of {self.name} now, but here they could not be named: {error} When that is "
                f"mended: git fetch {self.remote} --tags."
            ) from error


def is_act(tag: Tag) -> bool:
    """Tell whether a tag says something of a model: an annotated one, of a name that is read, on a commit."""
    return tag.annotated and tag.kind == "commit" and parse(tag.name) is not None


def _is_stage(tag: str) -> bool:
    found = parse(tag)
    return found is None or found.action is not Action.REGISTER
