"""When a file of a run, or one value in it, was last changed on one side of a merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_PATHS = 500  # each is an argument of git
_LOOKED_AT = 10_000


@dataclass(frozen=True)
class _Change:
    """What a commit did to a file: the blob before and after, empty where there is none."""

    old: str
    new: str


class Versions:
    """The changes of files on the way to one side, from the commits that the other side does not have.

    A merge is no change: a value that it took from one of its parents is as old as it is there.

    Args:
        repo: the repository.
        side: the newest commit of that side.
        without: the commits that the other side has.
        directories: path of a directory, or of a file, to what its files are asked for by; several may be one thing, as the
            directories of a run that was moved.
    """

    def __init__(
        self, repo: Repository, side: str | None, without: Sequence[str], directories: Mapping[str, str]
    ) -> None:
        self._repo = repo
        self._parts: dict[str, _Part] = {}
        paths = sorted(directories)
        for at in range(0, len(paths) if side else 0, _PATHS):
            some = {path: directories[path] for path in paths[at : at + _PATHS]}
            part = _Part(repo, [str(side), *(f"^{one}" for one in without)], some)
            self._parts.update(dict.fromkeys(some.values(), part))

    def newest(self, of: str) -> int:
        """Return when anything in a directory was changed last, in seconds since the epoch; 0 when that is not known."""
        return self._parts[of].newest(of) if of in self._parts else 0

    def since(self, of: str, inside: str, is_same: Callable[[str], bool]) -> int:
        """Return since when a file is as it is now, in seconds since the epoch; 0 when that is not known.

        Args:
            of: what was given for its directory.
            inside: its path in there; empty for a file that was given itself.
            is_same: tells whether the blob of an earlier version is so too, in what matters.
        """
        return self._parts[of].since((of, inside), is_same) if of in self._parts else 0


class _Part:
    """The commits that changed any of some paths, with those of them that they came from."""

    def __init__(self, repo: Repository, revisions: Sequence[str], directories: Mapping[str, str]) -> None:
        self._repo, self._directories = repo, directories
        self._literal = [f":(literal){path}" for path in directories]
        question = "\n".join([*revisions, "--", *self._literal, ""])
        # Every line of the branch, and the run commits: history that is simplified would leave out what a resumed run had.
        options = ("--full-history", "--simplify-merges", "--parents", "--topo-order", "--timestamp", "--stdin")
        listed = repo.run("rev-list", *options, stdin=question.encode(errors="surrogateescape")).decode()
        self._seconds: dict[str, int] = {}
        self._parents: dict[str, list[str]] = {}
        for line in listed.splitlines():
            when, commit, *parents = line.split()
            self._seconds[commit], self._parents[commit] = int(when), parents or [""]
        self._changes: dict[tuple[str, str], dict[tuple[str, str], _Change]] = {}
        self._compare()

    def _compare(self) -> None:
        """Ask what each commit changed in comparison with each of its parents."""
        pairs = [(commit, parent) for commit, parents in self._parents.items() for parent in parents]
        names = dict.fromkeys(name for pair in pairs for name in pair if name)
        trees = {"": self._repo.run("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()}
        for name, tree in zip(names, self._repo.objects.many([f"{name}^{{tree}}" for name in names]), strict=True):
            trees[name] = tree.oid if tree else trees[""]
        stdin = "".join(f"{trees[parent]} {trees[commit]}\n" for commit, parent in pairs).encode()
        how = ("--stdin", "-r", "-z", "--no-renames", "--no-abbrev")
        out = self._repo.run("diff-tree", *how, "--", *self._literal, stdin=stdin).decode(errors="surrogateescape")
        at = 0
        for commit, parent in pairs:
            at = out.index("\n", at) + 1
            found = self._changes.setdefault((commit, parent), {})
            while out.startswith(":", at):
                facts_end = out.index("\0", at)
                end = out.index("\0", facts_end + 1)
                old, new = (oid if oid.strip("0") else "" for oid in out[at:facts_end].split(" ")[2:4])
                key = self._key(out[facts_end + 1 : end])
                before = found.get(key, _Change("", ""))
                found[key] = _Change(before.old or old, before.new or new)
                at = end + 1

    def _key(self, path: str) -> tuple[str, str]:
        above, inside = path, ""
        while above not in self._directories:
            above, _, last = above.rpartition("/")
            inside = f"{last}/{inside}" if inside else last
        return self._directories[above], inside

    def newest(self, of: str) -> int:
        """See ``Versions.newest``."""
        touched = (commit for (commit, _), found in self._changes.items() if any(name == of for name, _ in found))
        return max((self._seconds[commit] for commit in touched), default=0)

    def since(self, key: tuple[str, str], is_same: Callable[[str], bool]) -> int:
        """See ``Versions.since``."""
        found: list[int] = []
        waiting, seen = list(self._seconds)[:1], set[str]()
        while waiting and len(seen) < _LOOKED_AT:
            commit = waiting.pop()
            if commit in seen:
                continue
            seen.add(commit)
            if commit not in self._seconds:
                found.append(0)  # older than all that the other side does not have
                continue
            before = [one for one in self._parents[commit] if one and self._has_it(commit, one, key, is_same)]
            waiting += before
            found += [] if before else [self._seconds[commit]]
        return min(found, default=0)

    def _has_it(self, commit: str, parent: str, key: tuple[str, str], is_same: Callable[[str], bool]) -> bool:
        change = self._changes[commit, parent].get(key)
        return change is None or (change.old != "" and is_same(change.old))
