"""Annotated tags: read many at once, and make them by compare-and-swap.

A tag object is text: ``object``, ``type``, ``tag`` and ``tagger`` lines, a blank line, the message
(https://git-scm.com/docs/git-mktag).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.refs import Update, update
from gtrack.git.signing import ARMOUR, signed_tag

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository

TAGS = "refs/tags/"
# %(object) and %(type) are what the tag object itself says, so that what it points at need not be there, nor be read.
_FIELDS = ("refname", "objectname", "objecttype", "object", "type", "tag", "tagger", "contents")
_FORMAT = "".join(f"%({field})%00" for field in _FIELDS)
_TAGGER = re.compile(r"(?P<who>.*?) ?(?P<seconds>-?[0-9]{1,18}) [-+][0-9]{4}\Z", re.DOTALL)
_SIGNATURE = re.compile(ARMOUR.pattern.decode(), re.MULTILINE)
_DEEPEST = 10


@dataclass(frozen=True)
class Tag:
    """A tag as git has it.

    Attributes:
        name: without ``refs/tags/``.
        oid: id of what the ref names: the tag object, or for a lightweight tag the commit itself.
        annotated: whether there is a tag object.
        target: id of what it is finally about, nested tags peeled; empty when that cannot be told.
        kind: type of the target (``commit``); empty when that cannot be told.
        tagger: ``Name <address>``; empty without one.
        time: seconds since the epoch; None without a tagger.
        message: without its signature.
        signed: whether it carries a signature (which nobody has verified).
        nested: whether it is a tag of a tag.
        said_name: the name that the tag object itself says it has, which is what was signed; empty without an object.
    """

    name: str
    oid: str
    annotated: bool
    target: str = ""
    kind: str = ""
    tagger: str = ""
    time: int | None = None
    message: str = ""
    signed: bool = False
    nested: bool = False
    said_name: str = ""


def list_tags(repo: Repository, *patterns: str) -> list[Tag]:
    """Return the tags whose names match any of ``patterns``, by name; one git process reads all of them.

    Args:
        repo: the repository.
        patterns: as for ``git for-each-ref``, below ``refs/tags/``; all tags without any.

    Raises:
        GitError: git refuses.
    """
    wanted = [f"{TAGS}{pattern}" for pattern in patterns] or [TAGS]
    try:
        out = repo.run("for-each-ref", f"--format={_FORMAT}", *wanted)
        found = [_tag(*fields) for fields in _records(out, len(_FIELDS))]
    except GitError:  # one object that is not here ends that command, whatever else there is to tell
        found = _one_by_one(repo, wanted)
    nested = [at for at, tag in enumerate(found) if tag.kind == "tag"]
    for at in nested:
        found[at] = _peeled(repo, found[at])
    return found


def _records(out: bytes, count: int) -> list[list[str]]:
    fields = out.decode(errors="replace").split("\0")
    records = [fields[at : at + count] for at in range(0, len(fields) - count + 1, count)]
    for record in records:
        record[0] = record[0].lstrip("\n")
    return records


def _tag(
    ref: str, oid: str, kind: str, target: str, target_kind: str, said_name: str, tagger: str, contents: str
) -> Tag:
    name = ref.removeprefix(TAGS)
    if kind != "tag":
        return Tag(name, oid, annotated=False, target=oid, kind=kind)
    who, seconds = _who(tagger)
    # The last is the signature, as for git: a message may quote another one.
    signature = [*_SIGNATURE.finditer(contents)][-1:] if "-----BEGIN " in contents else []
    return Tag(
        name,
        oid,
        annotated=True,
        target=target,
        kind=target_kind,
        tagger=who,
        time=seconds,
        message=contents[: signature[0].start()] if signature else contents,
        signed=bool(signature),
        said_name=said_name,
    )


def _who(tagger: str) -> tuple[str, int | None]:
    found = _TAGGER.match(tagger)
    return (found["who"], int(found["seconds"])) if found else (tagger, None)


def _one_by_one(repo: Repository, wanted: Sequence[str]) -> list[Tag]:
    """Return the same without any object that git would have to find: what is missing is then known to be."""
    out = repo.run("for-each-ref", "--format=%(refname)%00%(objectname)%00", *wanted)
    return _read(repo, {ref.removeprefix(TAGS): oid for ref, oid in _records(out, 2)})


def read_tags(repo: Repository, oids: Mapping[str, str]) -> list[Tag]:
    """Return tags by name and object, whether or not they have these names here.

    Args:
        repo: the repository.
        oids: name to the id of the object.
    """
    return [_peeled(repo, tag) if tag.kind == "tag" else tag for tag in _read(repo, oids)]


def _read(repo: Repository, oids: Mapping[str, str]) -> list[Tag]:
    found = []
    for (name, oid), one in zip(oids.items(), repo.objects.many(list(oids.values())), strict=True):
        if one is None:
            found.append(Tag(name, oid, annotated=False))
        else:
            text = one.data.decode(errors="replace")
            said = _head(text) if one.kind == "tag" else {}
            facts = (said.get("object", ""), said.get("type", ""), said.get("tag", ""), said.get("tagger", ""))
            found.append(_tag(f"{TAGS}{name}", oid, one.kind, *facts, text.partition("\n\n")[2]))
    return found


def _head(text: str) -> dict[str, str]:
    """Return what the head of a tag object says: the first word of a line to its rest; the first line of a word counts.

    A line ends with a line feed alone, and what comes later may not be signed: git takes further ``gpgsig`` lines away before
    it verifies.
    """
    lines = text.partition("\n\n")[0].split("\n")
    return dict(line.partition(" ")[::2] for line in reversed(lines))


def _peeled(repo: Repository, tag: Tag) -> Tag:
    for _ in range(_DEEPEST):
        found = repo.objects.get(tag.target)
        if found is None or found.kind != "tag":
            break
        said = _head(found.data.decode(errors="replace"))
        tag = replace(tag, target=said.get("object", ""), kind=said.get("type", ""), nested=True)
    return tag if tag.kind != "tag" else replace(tag, target="", kind="", nested=True)


@dataclass(frozen=True)
class NewTag:
    """An annotated tag that is to be made: its name, the commit that it is about, and its message."""

    name: str
    target: str
    message: str


def create_tags(
    repo: Repository, tags: Sequence[NewTag], identity: Identity, seconds: int | None = None, *, sign: bool = False
) -> None:
    """Make annotated tags, all of them or none; none may exist yet.

    Args:
        repo: the repository.
        tags: what is to be made.
        identity: the tagger.
        seconds: when, since the epoch; now, when None.
        sign: sign them, as git's settings say.

    Raises:
        RefChanged: a tag of such a name exists.
        GitError: git refuses: a name that no ref can have, a commit that is not here.
    """
    oids = make_tags(repo, tags, identity, seconds, sign=sign)
    place_tags(repo, {tag.name: oid for tag, oid in zip(tags, oids, strict=True)}, identity)


def make_tags(
    repo: Repository, tags: Sequence[NewTag], identity: Identity, seconds: int | None = None, *, sign: bool = False
) -> list[str]:
    """Make the objects of annotated tags, which have no names yet, and return their ids; the arguments are ``create_tags``'.

    Raises:
        GitError: git refuses.
    """
    at = int(time.time()) if seconds is None else seconds
    if not sign:
        return [_plain_tag(repo, tag, identity, at) for tag in tags]
    return [signed_tag(repo, tag.name, tag.target, f"{tag.message.rstrip()}\n", identity, at) for tag in tags]


def _plain_tag(repo: Repository, tag: NewTag, identity: Identity, at: int) -> str:
    head = f"object {tag.target}\ntype commit\ntag {tag.name}\ntagger {identity.line(at)}\n\n"
    return repo.run("mktag", stdin=f"{head}{tag.message.rstrip()}\n".encode(errors="replace")).decode().strip()


def place_tags(repo: Repository, tags: Mapping[str, str], identity: Identity) -> None:
    """Give tag objects their names, all of them or none; none may exist yet.

    Args:
        repo: the repository.
        tags: name to the id of the tag object.
        identity: who stands in the reflog.

    Raises:
        RefChanged: a tag of such a name exists.
        GitError: git refuses: a name that no ref can have.
    """
    updates = [Update(f"{TAGS}{name}", oid, "") for name, oid in tags.items()]
    if updates:
        update(repo, updates, identity, f"tag: {', '.join(tags)}"[:500])
