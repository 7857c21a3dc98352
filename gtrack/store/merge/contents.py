"""What is in run directories: files at safe paths, and nothing else; told before a run of somebody else is taken as it is."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from gtrack.errors import FormatError, InvalidPath
from gtrack.formats import run_dir
from gtrack.formats.names import ARTIFACTS, EXPERIMENTS, MAX_PATH, check_artifact_path, encode_experiment
from gtrack.git.trees import Entry, parse_tree
from gtrack.store.merge.places import Comparison, kind_of

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

MAX_FILES = 1_000_000
"""Files of one run: a tree that names one subtree many times can stand for more than there are atoms."""
_MAX_LISTED = 100_000
_FILES = frozenset(
    {
        *(run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.HISTORY),
        *(run_dir.INPUTS, run_dir.ENVIRONMENT, run_dir.SYSTEM, run_dir.OUTPUT),
    }
)


@dataclass(frozen=True)
class _Tree:
    """A tree with all that is below it: how many files, the longest path in characters, whether all is as it should be."""

    files: int
    longest: int
    is_safe: bool


@dataclass(frozen=True)
class Listing:
    """The files of a run directory, path to entry, and what else was in it, path and reason."""

    files: dict[str, Entry]
    refused: tuple[tuple[str, str], ...]


class Contents:
    """Looks into run directories; what it has seen of one it remembers.

    Args:
        repo: the repository.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._oid_bytes = len(repo.null_oid) // 2
        names = b"|".join(re.escape(name.encode()) for name in sorted(_FILES))
        self._file = re.compile(rb"100644 (%s)\0.{%d}" % (names, self._oid_bytes), re.DOTALL)
        self._plain: set[str] = set()
        self._data: dict[str, bytes] = {}
        self._known: dict[str, _Tree] = {}

    def unsafe(self, trees: Collection[str]) -> set[str]:
        """Return those of some run directories that cannot be taken as they are."""
        self._read(trees)
        return {tree for tree in set(trees) if not self._is_sound(tree)}

    def listing(self, tree: str) -> Listing:
        """Return the files of a run directory, and what cannot be taken of it."""
        self._read([tree])
        files: dict[str, Entry] = {}
        refused: list[tuple[str, str]] = []
        if self._known[tree].files > _MAX_LISTED:
            return Listing({}, (("", f"a directory of more than {_MAX_LISTED} files"),))
        for path, entry, reason in self._walk(tree, ""):
            if reason or entry.is_tree:
                refused.append((path, reason))
            elif path in files:
                refused.append((path, "a name that is there twice"))
            else:
                files[path] = entry
        return Listing(files, tuple(refused))

    def _walk(self, tree: str, above: str) -> Iterator[tuple[str, Entry, str]]:
        for entry in self._entries(tree):
            path = f"{above}{entry.name}"
            reason = _wrong(path, entry, top=not above)
            if reason or not entry.is_tree:
                yield path, entry, reason
            else:
                yield from self._walk(entry.oid, f"{path}/")

    def _is_sound(self, tree: str) -> bool:
        seen = self._known[tree]
        if tree in self._plain:
            return True
        top = all(not _wrong(entry.name, entry, top=True) for entry in self._entries(tree))
        return top and seen.is_safe and seen.files <= MAX_FILES and seen.longest <= MAX_PATH

    def _read(self, trees: Collection[str]) -> None:
        """Read trees and all below them, each once, and sum up from the deepest on."""
        levels: list[list[str]] = []
        wanted = [tree for tree in dict.fromkeys(trees) if tree not in self._known]
        while wanted and len(levels) <= MAX_PATH:
            levels.append(wanted)
            below: dict[str, None] = {}
            for tree, found in zip(wanted, self._repo.objects.many(wanted), strict=True):
                self._data[tree] = data = found.data if found else b""
                ordinary = self._ordinary(data)
                if ordinary is not None:
                    self._known[tree] = ordinary
                    self._plain.add(tree)
                else:
                    below.update((entry.oid, None) for entry in self._entries(tree) if entry.is_tree)
            wanted = [tree for tree in below if tree not in self._known]
        for level in reversed(levels):
            for tree in level:
                if tree not in self._known:
                    self._known[tree] = self._summed(self._entries(tree))

    def _ordinary(self, data: bytes) -> _Tree | None:
        """Return what is to be known of a directory that has files of a run and nothing else; quickly, as most are so."""
        names = self._file.findall(data)
        if not names or len(data) != sum(map(len, names)) + len(names) * (len("100644 ") + 1 + self._oid_bytes):
            return None
        rises = all(one < other for one, other in pairwise(names))
        return _Tree(len(names), max(map(len, names)), is_safe=True) if rises else None

    def _entries(self, tree: str) -> list[Entry]:
        try:
            return list(parse_tree(self._data.get(tree, b""), self._oid_bytes))
        except FormatError:
            return []

    def _summed(self, entries: list[Entry]) -> _Tree:
        files = longest = 0
        keys = [os.fsencode(f"{entry.name}/" if entry.is_tree else entry.name) for entry in entries]
        is_safe = len({entry.name for entry in entries}) == len(entries) > 0 and keys == sorted(keys)
        for entry in entries:
            below = self._known.get(entry.oid, _Tree(0, MAX_PATH, is_safe=False)) if entry.is_tree else None
            files += below.files if below else 1
            longest = max(longest, len(entry.name) + (below.longest + 1 if below else 0))
            is_safe = is_safe and (below.is_safe if below else entry.is_file) and not _unsafe_name(entry.name)
        return _Tree(files, longest, is_safe)


def _wrong(path: str, entry: Entry, *, top: bool) -> str:
    """Return what is wrong with an entry by itself; nothing when it is as it should be."""
    if not entry.is_tree and not entry.is_file:
        return kind_of(entry)
    if top and entry.name in _FILES and not entry.is_file:
        return f"{kind_of(entry)}, where a file belongs"
    if top and entry.name == ARTIFACTS and not entry.is_tree:
        return f"{kind_of(entry)}, where a directory belongs"
    if len(path) > MAX_PATH:
        return "a path that is too long"
    return _unsafe_name(entry.name)


@lru_cache(maxsize=4096)
def _unsafe_name(name: str) -> str:
    try:
        return "" if "/" not in name and check_artifact_path(name) else "a name with a '/' in it"
    except InvalidPath:
        return "a name that is not safe on every system"


def check_run(repo: Repository, run_id: str, tree: str, commit: str | None) -> None:
    """Check that a run directory may be put on the branch again.

    Args:
        repo: the repository.
        run_id: the run.
        tree: the id of its directory.
        commit: where it is from, for the message.

    Raises:
        FormatError: it holds what no run may hold.
    """
    if Contents(repo).unsafe([tree]):
        raise FormatError(
            f"Run {run_id[:8]}, as it was in {str(commit)[:12]}, holds what no run may hold, such as a symbolic link or a path "
            "that leaves its directory; it is not restored."
        )


def check_experiment_at(repo: Repository, name: str, commit: str) -> None:
    """Check that an experiment's directory, as a commit of the branch has it, may be put on the branch again as a whole.

    Raises:
        FormatError: it holds what no experiment, or no run, may hold.
    """
    found = Comparison(repo).between(None, commit)
    component = encode_experiment(name)
    wrong = [one.path for one in found.malformed if f"{one.path}/".startswith(f"{EXPERIMENTS}/{component}/")]
    places = {one: step.after for one, step in found.runs.items() if step.after and step.after.component == component}
    contents = Contents(repo)
    unsafe = contents.unsafe([place.tree for place in places.values()])
    for run_id, place in places.items():
        if place.tree in unsafe:
            inside = next((path for path, _ in contents.listing(place.tree).refused), "")
            wrong.append(f"{EXPERIMENTS}/{component}/{run_id[:2]}/{run_id}/{inside}".rstrip("/"))
    if wrong:
        raise FormatError(
            f"The experiment {name!r} is not restored: as it was in {commit[:12]}, it holds what gtrack never writes, {wrong[0]} "
            "for one. Its other runs come back one by one: gtrack restore RUN."
        )
