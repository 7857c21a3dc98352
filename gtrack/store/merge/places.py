"""What differs between two trees of the runs branch, by run, and what of it is not as the branch is made.

Only what differs is looked at, one level at a time: the experiments, their shards, the runs in them. A shard of well-formed
runs is a row of records of one length, so two of them are compared as sets of bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from struct import unpack
from typing import TYPE_CHECKING, NamedTuple

from gtrack.errors import InvalidName
from gtrack.formats.names import EXPERIMENTS, RUN_ID, check_experiment, decode_experiment, encode_experiment
from gtrack.formats.run_dir import EXPERIMENT
from gtrack.git.trees import Entry, parse_tree

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_SHARD = re.compile(r"[0-9a-f]{2}\Z")
_TWICE = "a directory that names something twice"
_MODE = b"40000 "
_DIGITS = b"0123456789abcdef"
_STREAMED = 64  # for so many shards git gets a process of its own
_HEAD = len(_MODE) + 32 + 1
_KINDS = {"40000": "a directory", "120000": "a symbolic link", "160000": "a submodule"}


@dataclass(frozen=True)
class Place:
    """Where a run lies: the path component of its experiment, and the id of its directory's tree."""

    component: str
    tree: str


@dataclass(frozen=True)
class Step:
    """A run, or an experiment's own file, before and after; None where it is not there."""

    before: Place | None
    after: Place | None


@dataclass(frozen=True)
class Malformed:
    """Something on the branch that gtrack does not put there.

    Attributes:
        path: where.
        reason: what is wrong with it.
        instead: what was there before, and stays.
    """

    path: str
    reason: str
    instead: Entry | None = None


@dataclass
class Changes:
    """What differs.

    Attributes:
        runs: by id.
        experiments: their own files, by path component.
        malformed: what does not belong.
        cleared: paths where such things were, and are no more.
    """

    runs: dict[str, Step] = field(default_factory=dict)
    experiments: dict[str, Step] = field(default_factory=dict)
    malformed: list[Malformed] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)


class _Records(NamedTuple):
    """The entries of a tree as they stand there, and whether no two are known to have one name."""

    found: set[bytes]
    are_distinct: bool = False


def kind_of(entry: Entry) -> str:
    """Return what an entry is, in words."""
    return _KINDS.get(entry.mode, "a file" if entry.is_file else f"an entry of the unknown mode {entry.mode}")


class Comparison:
    """Compares trees of the runs branch.

    Args:
        repo: the repository.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._oid_bytes = len(repo.null_oid) // 2
        self._record = _HEAD + self._oid_bytes
        self._entry = re.compile(rb"[0-7]+ [^\0]+\0.{%d}" % self._oid_bytes, re.DOTALL)
        self._old: dict[str, bytes] = {}

    def between(self, old: str | None, new: str | None) -> Changes:
        """Return what differs in ``new``; both are ids of commits or trees, None for one with nothing in it.

        Where something malformed stands, what was there before counts as unchanged.
        """
        changes = Changes()
        tops = (self._repo.resolve(f"{name}^{{tree}}") if name else None for name in (old, new))
        for name, before, after in self._entries(changes, "", *tops):
            was, now = (entry if _is_tree(entry) and name == EXPERIMENTS else None for entry in (before, after))
            if _is_sound(
                changes, name, (before, after), (was, now), f"where only the directory {EXPERIMENTS!r} belongs"
            ):
                self._experiments(changes, _oid(was), _oid(now))
        return changes

    def _experiments(self, changes: Changes, old: str | None, new: str | None) -> None:
        shards: list[tuple[str, str | None, str | None]] = []
        for component, before, after in self._entries(changes, EXPERIMENTS, old, new):
            path, wrong = f"{EXPERIMENTS}/{component}", _wrong_experiment(component)
            was, now = (entry if _is_tree(entry) and not wrong else None for entry in (before, after))
            reason = wrong or "where the directory of an experiment belongs"
            if _is_sound(changes, path, (before, after), (was, now), reason):
                shards += self._experiment(changes, component, _oid(was), _oid(now))
        self._shards(changes, shards)

    def _experiment(
        self, changes: Changes, component: str, old: str | None, new: str | None
    ) -> Iterator[tuple[str, str | None, str | None]]:
        """Look into an experiment's directory; its shards are yielded."""
        top = f"{EXPERIMENTS}/{component}"
        for name, before, after in self._entries(changes, top, old, new):
            is_shard = _SHARD.match(name) is not None
            is_own = name == EXPERIMENT
            was, now = (
                entry if entry and ((is_shard and entry.is_tree) or (is_own and entry.is_file)) else None
                for entry in (before, after)
            )
            path = f"{top}/{name}"
            if not _is_sound(
                changes, path, (before, after), (was, now), "which an experiment's directory does not have"
            ):
                continue
            if is_shard:
                yield path, _oid(was), _oid(now)
            elif was or now:
                changes.experiments[component] = Step(_place(component, was), _place(component, now))

    def _shards(self, changes: Changes, shards: Sequence[tuple[str, str | None, str | None]]) -> None:
        pairs = [(old, new) for _, old, new in shards]
        trees = self._streamed(pairs) if len(pairs) >= _STREAMED else self._many(pairs)
        for (path, _, _), (old, new) in zip(shards, trees, strict=True):
            _, component, digits = path.split("/")
            for name, before, after in self._differing(changes, path, old, new):
                was, now = (
                    entry if _is_tree(entry) and RUN_ID.match(name) and name.startswith(digits) else None
                    for entry in (before, after)
                )
                place = f"{path}/{name}"
                if _is_sound(changes, place, (before, after), (was, now), "where only directories of runs belong") and (
                    was or now
                ):
                    _add(changes, name, _place(component, was), _place(component, now))

    def _entries(
        self, changes: Changes, path: str, old: str | None, new: str | None
    ) -> Iterator[tuple[str, Entry | None, Entry | None]]:
        yield from self._differing(changes, path, *self._many([(old, new)])[0])

    def _differing(
        self, changes: Changes, path: str, old: bytes, new: bytes
    ) -> Iterator[tuple[str, Entry | None, Entry | None]]:
        """Yield name, entry before and entry after of what differs between two trees."""
        if old == new:
            return
        was, now = self._records(old), self._records(new)
        if was is None or now is None:
            was, now = _Records({old}), _Records({new})
        before = {entry.name: entry for one in was.found - now.found for entry in parse_tree(one, self._oid_bytes)}
        after: dict[str, Entry] = {}
        for entry in (entry for one in sorted(now.found - was.found) for entry in parse_tree(one, self._oid_bytes)):
            if entry.name in after or (not now.are_distinct and self._count(new, entry.name) > 1):
                changes.malformed.append(Malformed(path, _TWICE))
            after.setdefault(entry.name, entry)
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield name, before.get(name), after.get(name)

    def _uniform(self, data: bytes) -> _Records | None:
        """Return the entries of a tree that has nothing but directories named as runs are; all at once, as that is quick."""
        size = self._record
        count, rest = divmod(len(data), size)
        if rest or any(data[at::size] != bytes([byte]) * count for at, byte in enumerate(_MODE)):
            return None
        heads = unpack(f"{_HEAD - 1}s{size - _HEAD + 1}x" * count, data)
        # Each has the one space of its mode, so that all else is digits where there are no more of them.
        if data[_HEAD - 1 :: size] != bytes(count) or b"".join(heads).translate(None, _DIGITS) != b" " * count:
            return None
        return _Records(set(unpack(f"{size}s" * count, data)), are_distinct=len(set(heads)) == count)

    def _records(self, data: bytes) -> _Records | None:
        """Return the entries of a tree, each as it stands there; None when that cannot be told so quickly."""
        uniform = self._uniform(data)
        if uniform is not None:
            return uniform
        found = self._entry.findall(data)
        return _Records(set(found)) if sum(map(len, found)) == len(data) else None

    def _count(self, data: bytes, name: str) -> int:
        """Return how many entries have a name."""
        if data.count(b" " + os.fsencode(name) + b"\0") < 2:
            return 1
        return sum(entry.name == name for entry in parse_tree(data, self._oid_bytes))

    def _many(self, pairs: Sequence[tuple[str | None, str | None]]) -> list[tuple[bytes, bytes]]:
        """Return the bytes of trees; what is old is asked for again, to be compared with another side."""
        wanted = dict.fromkeys(name for pair in pairs for name in pair if name and name not in self._old)
        trees = self._repo.objects.many(list(wanted))
        found = {name: tree.data if tree else b"" for name, tree in zip(wanted, trees, strict=True)}
        self._old.update((old, found[old]) for old, _ in pairs if old in found)

        def data(name: str | None) -> bytes:
            return (self._old.get(name) or found.get(name) or b"") if name else b""

        return [(data(old), data(new)) for old, new in pairs]

    def _streamed(self, pairs: Sequence[tuple[str | None, str | None]]) -> Iterator[tuple[bytes, bytes]]:
        """Yield what ``_many`` returns, while git goes on to the next ones."""
        known = {old for old, _ in pairs if old in self._old}
        wanted = [name for old, new in pairs for name in (None if old in known else old, new) if name]
        trees = self._repo.objects.stream(wanted)

        def read() -> bytes:
            tree = next(trees)
            return tree.data if tree else b""

        for old, new in pairs:
            if old and old not in known:
                self._old[old] = read()
            yield self._old[old] if old else b"", read() if new else b""


def _add(changes: Changes, run_id: str, before: Place | None, after: Place | None) -> None:
    """Take a run in; one that moved to another experiment was found once where it was and once where it is."""
    known = changes.runs.get(run_id, Step(None, None))
    if after is not None and known.after is not None:
        path = f"{EXPERIMENTS}/{after.component}/{run_id[:2]}/{run_id}"
        reason = f"a run that {EXPERIMENTS}/{known.after.component} has too"
        entry = Entry(run_id, "40000", before.tree) if before else None
        changes.malformed.append(Malformed(path, reason, entry))
        return
    changes.runs[run_id] = replace(known, before=known.before or before, after=known.after or after)


def _is_sound(
    changes: Changes,
    path: str,
    found: tuple[Entry | None, Entry | None],
    sound: tuple[Entry | None, Entry | None],
    reason: str,
) -> bool:
    """Tell whether an entry is as it should be now, or is not there; note it if not.

    Args:
        changes: takes the note.
        path: where it is.
        found: it, before and after.
        sound: the same, None where it is not as it should be.
        reason: what is wrong with it then; of one that stands for something else, where it stands.
    """
    (before, after), (was, now) = found, sound
    if after is not None and now is None:
        said = f"{kind_of(after)}, {reason}" if reason.startswith("w") else reason
        changes.malformed.append(Malformed(path, said, was))
        return False
    if before is not None and was is None:
        changes.cleared.append(path)
    return True


def _is_tree(entry: Entry | None) -> bool:
    return entry is not None and entry.is_tree


def _oid(entry: Entry | None) -> str | None:
    return entry.oid if entry is not None else None


def _place(component: str, entry: Entry | None) -> Place | None:
    return Place(component, entry.oid) if entry is not None else None


def _wrong_experiment(component: str) -> str | None:
    """Return what is wrong with the name of an experiment's directory, None when nothing is."""
    try:
        name = check_experiment(decode_experiment(component))
    except InvalidName as error:
        return str(error).rstrip(".")
    return None if encode_experiment(name) == component else "a directory that is not named as an experiment's is"
