"""Registry tags travel with the runs: those that a remote lacks are published, those that it has are brought.

One look at the remote serves all models, and one push takes the tags of all; only when that is refused is each model pushed by
itself, so that one which is refused, by a hook say, holds nobody else up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError, RefChanged
from gtrack.git.remotes import PushRejected, push_new, push_url
from gtrack.git.tags import Tag, place_tags, read_tags
from gtrack.registry.publish import Prepared, Publishing, is_act
from gtrack.registry.published import remember, seen
from gtrack.registry.renaming import Renamed, renamed
from gtrack.registry.replay import replay
from gtrack.registry.tag_names import Action, parse

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository
    from gtrack.registry.acts import Act
    from gtrack.registry.ledger import Ledger
    from gtrack.registry.reader import RegistryReader

_TRIES = 20
_LONGEST_WAIT = 1.5
_NAMED = 5

Listed = Mapping[str, str]
"""Names of registry tags of a remote, and the ids of their objects."""


@dataclass(frozen=True)
class Travelled:
    """What became of registry tags.

    Attributes:
        versions: how many of the tags register a version.
        tags: how many there are.
        problems: what could not travel, a sentence or two each.
        renamed: those that were made here and are not published as they were.
    """

    versions: int = 0
    tags: int = 0
    problems: tuple[str, ...] = ()
    renamed: tuple[Renamed, ...] = ()

    def followed_by(self, later: Travelled) -> Travelled:
        """Return what came of two travels; what could not travel at first may have travelled then."""
        renamed = (*self.renamed, *later.renamed)
        return Travelled(self.versions + later.versions, self.tags + later.tags, later.problems, renamed)


def bring_tags(repo: Repository, reader: RegistryReader, theirs: Listed, identity: Identity, remote: str) -> Travelled:
    """Name the tags of a remote here, whose objects are here; a name that has another content here is left alone, and told.

    Args:
        repo: the repository.
        reader: what its tags say.
        theirs: the registry tags of the remote.
        identity: who stands in the reflog.
        remote: what people call it.
    """
    here = {tag.name: tag.oid for tag in reader.ledger().tags}
    new = {tag: oid for tag, oid in theirs.items() if tag not in here}
    # Whatever its name, only what is a tag, or a commit, is one.
    kinds = repo.objects.many(list(new.values()))
    new = {
        tag: oid for (tag, oid), one in zip(new.items(), kinds, strict=True) if one and one.kind in {"tag", "commit"}
    }
    published = seen(repo)
    differing = sorted(tag for tag, oid in theirs.items() if here.get(tag, oid) != oid)
    rewritten = [tag for tag in differing if here[tag] in published]
    problems = [_rewritten(tag, remote) for tag in rewritten]
    problems += _foretold(repo, reader, theirs, [tag for tag in differing if tag not in rewritten], remote)
    try:
        place_tags(repo, new, identity)
    except GitError:  # one of them is in the way of something, or another process brings them, too
        new, told = _placed_each(repo, new, identity, remote)
        problems += told
    remember(repo, [oid for tag, oid in theirs.items() if here.get(tag, oid) == oid])
    return Travelled(_versions(new), len(new), tuple(problems))


def _placed_each(repo: Repository, new: Listed, identity: Identity, remote: str) -> tuple[dict[str, str], list[str]]:
    """Name tags one by one, and return those that could be, and what is to be said of the others."""
    placed, told = {}, []
    for tag, oid in new.items():
        try:
            place_tags(repo, {tag: oid}, identity)
        except RefChanged:
            continue
        except GitError as error:
            told.append(f"{tag} of {remote} cannot be named here: {error}")
        else:
            placed[tag] = oid
    return placed, told


def _rewritten(tag: str, remote: str) -> str:
    return (
        f"{tag} was published as it is here, and {remote} has another tag of this name: it was rewritten there, or yours is "
        f"of another remote. Yours was kept. Find out which is right; if it is theirs: git tag -d '{tag}', and pull again."
    )


def _foretold(
    repo: Repository, reader: RegistryReader, theirs: Listed, differing: Sequence[str], remote: str
) -> Iterator[str]:
    """Say of tags whose names somebody else was quicker to publish what the next push will make of them."""
    models = {tag: said.model for tag in differing if (said := parse(tag)) is not None}
    for model in dict.fromkeys(models.values()):
        there = {tag: oid for tag, oid in theirs.items() if (said := parse(tag)) is not None and said.model == model}
        names = [tag for tag in differing if models.get(tag) == model]
        here = [tag for tag in reader.ledger(model).tags if there.get(tag.name) != tag.oid]
        base, ours = read_tags(repo, there), [tag for tag in here if is_act(tag)]
        who = {tag.name: tag.tagger.partition(" <")[0] or "somebody" for tag in base}
        try:
            again = replay(base, reader.folded(base), ours, reader.exclusive)
        except GTrackError as error:
            yield f"{', '.join(names)} of {remote} {'is' if len(names) == 1 else 'are'} not taken; yours was kept. {error}"
            continue
        told = {one.was: one for one in renamed(base, ours, again)}
        for tag in names:
            yield f"{tag} is {who[tag]}'s on {remote}, and another one here. Yours was kept; {_becomes(told.get(tag))}"


def _becomes(one: Renamed | None) -> str:
    if one is None:
        return "nobody else has it."
    if one.published:
        number = f" (v{one.new_number})" if one.new_number is not None else ""
        return f"'gtrack push' publishes it as {one.now}{number}."
    return f"'gtrack push' lets it go, as {one.now} there says the same."


def publish_tags(
    repo: Repository,
    reader: RegistryReader,
    remote: str,
    theirs: Listed,
    relist: Callable[[], Listed],
    identity: Identity,
    *,
    travels: Callable[[Sequence[Tag]], bool] = lambda _: True,
) -> Travelled:
    """Publish the registry tags that are only here, of all models; those that lost their names are made anew.

    Args:
        repo: the repository.
        reader: what its tags say.
        remote: name or URL.
        theirs: the registry tags that the remote has.
        relist: asks for them again, when somebody was quicker.
        identity: who publishes.
        travels: whether the tags of a model that are only here, all of them, may go.

    Raises:
        GitError: the remote cannot be reached.
    """
    problems: dict[str, str] = {}
    for attempt in range(1, _TRIES + 1):
        publishing = _of_models(repo, reader, remote, theirs, identity, travels)
        prepared: list[Prepared] = []
        try:
            prepared = _prepared(publishing, reader, problems)
            refs = [ref for one in prepared for ref in one.refs()]
            if refs:
                push_new(repo, remote, refs)
            for one in prepared:
                publishing[one.model].complete(one)
            return _told(prepared, problems)
        except (PushRejected, RefChanged) as error:
            quicker = isinstance(error, RefChanged) or error.quicker
            if not quicker and len(prepared) > 1:
                return _told(_each(publishing, prepared, remote, problems), problems)
            if not quicker or attempt == _TRIES:
                problems["*"] = str(error)
                return _told([], problems)
            time.sleep(random.SystemRandom().uniform(0, min(_LONGEST_WAIT, 0.05 * 2**attempt)))
            theirs = relist()
    return _told([], problems)


def _of_models(
    repo: Repository,
    reader: RegistryReader,
    remote: str,
    theirs: Listed,
    identity: Identity,
    travels: Callable[[Sequence[Tag]], bool],
) -> dict[str, Publishing]:
    """Return what publishes each model that has tags of its own here."""
    ours: dict[str, list[Tag]] = {}
    for tag in reader.ledger().tags:
        said = parse(tag.name)
        if said is not None and tag.annotated and theirs.get(tag.name) != tag.oid:
            ours.setdefault(said.model, []).append(tag)
    place = push_url(repo, remote) if ours else remote
    found = {}
    for model, tags in sorted(ours.items()):
        if travels(tags):
            there = {
                tag: oid for tag, oid in theirs.items() if (name := parse(tag)) is not None and name.model == model
            }
            found[model] = Publishing(repo, reader, remote, place, model, identity, there)
    return found


def _prepared(publishing: Mapping[str, Publishing], reader: RegistryReader, problems: dict[str, str]) -> list[Prepared]:
    found = []
    for model, one in publishing.items():
        try:
            found.append(one.prepare(_nothing_more, lambda _: []))
            problems.pop(model, None)
        except RefChanged:
            raise
        except GTrackError as error:
            names = [tag.name for tag in reader.ledger(model).tags if one.theirs.get(tag.name) != tag.oid]
            problems[model] = f"{error}{_held_back(names, str(error))}"
    return found


def _held_back(names: Sequence[str], said: str) -> str:
    """Say which other tags of a model are not published either, because of one."""
    others = [name for name in names if name not in said]
    if not others:
        return ""
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    wait = "waits" if len(others) == 1 else "wait"
    return f" Until then {', '.join(others[:_NAMED])}{more} {wait}, too."


def _nothing_more(_: Ledger) -> list[Act]:
    return []


def _each(
    publishing: Mapping[str, Publishing], prepared: Sequence[Prepared], remote: str, problems: dict[str, str]
) -> list[Prepared]:
    """Push the tags of each model by themselves, and return those that were taken."""
    taken = []
    for one in prepared:
        try:
            push_new(publishing[one.model].repo, remote, one.refs())
            publishing[one.model].complete(one)
            taken.append(one)
        except (PushRejected, RefChanged) as error:
            problems[one.model] = str(error)
    return taken


def _told(prepared: Sequence[Prepared], problems: Mapping[str, str]) -> Travelled:
    new = {tag: oid for one in prepared for tag, oid in one.new.items()}
    again = tuple(each for one in prepared for each in one.renamed)
    return Travelled(_versions(new), len(new), tuple(problems.values()), again)


def _versions(tags: Collection[str]) -> int:
    said = (parse(tag) for tag in tags)
    return sum(1 for one in said if one is not None and one.action is Action.REGISTER)
