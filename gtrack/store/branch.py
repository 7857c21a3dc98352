"""Read the runs branch at one tip: which runs there are and what their files hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gtrack.errors import InvalidPath
from gtrack.formats import run_dir
from gtrack.formats.names import (
    ARTIFACTS,
    EXPERIMENTS,
    RUN_ID,
    check_artifact_path,
    decode_experiment,
)
from gtrack.formats.run_dir import decode_run
from gtrack.formats.yamlio import parse_timestamp
from gtrack.git.lfs import MAX_POINTER, Pointer, is_here
from gtrack.git.promisor import is_partial, sizes_here
from gtrack.git.trees import Entry, parse_tree
from gtrack.records import Artifact
from gtrack.store.attributes import Attributes

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.records import Run

_STARTED = re.compile(rb"^started: \"?([^\"\n]+)", re.MULTILINE)
_STATUS = re.compile(rb"^status: ([a-z]+)$", re.MULTILINE)
_SHARD = 2
_HEAD_FILES = (run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS)


@dataclass(frozen=True)
class Location:
    """Where a run lies: its id, its experiment and the id of its directory's tree."""

    id: str
    experiment: str
    tree: str


@dataclass(frozen=True)
class Glance:
    """What sorts a run without reading it: when it started and how it ended, as its ``run.yaml`` says."""

    location: Location
    started: datetime | None
    status: str


class BranchReader:
    """The runs branch as of one commit.

    Args:
        repo: the repository.
        tip: the commit; None when there is no such branch, and so no runs.
    """

    def __init__(self, repo: Repository, tip: str | None) -> None:
        self._repo = repo
        self.tip = tip
        self._oid_bytes = len(repo.null_oid) // 2

    def tree(self, name: str) -> list[Entry]:
        """Return the entries of a tree by id or revision; none when it is no tree."""
        found = self._repo.objects.get(name)
        return list(parse_tree(found.data, self._oid_bytes)) if found and found.kind == "tree" else []

    def trees(self, names: Sequence[str]) -> Iterator[list[Entry]]:
        """Yield the entries of each of several trees; see ``tree``."""
        for found in self._repo.objects.many(names):
            yield list(parse_tree(found.data, self._oid_bytes)) if found and found.kind == "tree" else []

    def experiment_trees(self) -> dict[str, str]:
        """Return experiment name to the id of its tree."""
        if self.tip is None:
            return {}
        entries = self.tree(f"{self.tip}:{EXPERIMENTS}")
        return {decode_experiment(entry.name): entry.oid for entry in entries if entry.is_tree}

    def locations(self, experiment: str | None = None, shard: str | None = None) -> list[Location]:
        """Return where all runs lie, or those of one experiment or whose id begins with the two digits of ``shard``."""
        shards = self.shards()
        return self.in_shards(
            {
                (name, digits): tree
                for (name, digits), tree in shards.items()
                if experiment in (None, name) and shard in (None, digits)
            }
        )

    def shards(self) -> dict[tuple[str, str], str]:
        """Return experiment and first two digits to the id of the tree that holds those runs."""
        found: dict[tuple[str, str], str] = {}
        for name, tree in self.experiment_trees().items():
            found.update(((name, e.name), e.oid) for e in self.tree(tree) if e.is_tree and len(e.name) == _SHARD)
        return found

    def in_shards(self, shards: Mapping[tuple[str, str], str]) -> list[Location]:
        """Return where the runs of some of the ``shards`` lie."""
        found: list[Location] = []
        for (name, _), entries in zip(shards, self.trees(list(shards.values())), strict=True):
            found += [Location(e.name, name, e.oid) for e in entries if e.is_tree and RUN_ID.match(e.name)]
        return found

    def locate(self, run_id: str) -> Location | None:
        """Return where a run lies, None when it is not on the branch."""
        trees = self.experiment_trees()
        paths = [f"{tree}:{run_id[:2]}/{run_id}" for tree in trees.values()]
        for name, found in zip(trees, self._repo.objects.many(paths), strict=True):
            if found is not None and found.kind == "tree":
                return Location(run_id, name, found.oid)
        return None

    def glances(self, locations: Sequence[Location]) -> list[Glance]:
        """Return when each run started and how it ended, without parsing YAML."""
        heads = self._repo.objects.many([f"{location.tree}:{run_dir.RUN}" for location in locations])
        glances = []
        for location, head in zip(locations, heads, strict=True):
            data = head.data if head else b""
            started, status = _STARTED.search(data), _STATUS.search(data)
            moment = parse_timestamp(started[1].decode(errors="replace")) if started else None
            glances.append(Glance(location, moment, status[1].decode() if status else ""))
        return glances

    def runs(self, locations: Sequence[Location]) -> list[Run]:
        """Return the runs with their parameters, metrics and inputs; what is damaged says so in ``problems``."""
        wanted = [
            {entry.name: entry.oid for entry in entries if entry.name in _HEAD_FILES and entry.is_file}
            for entries in self.trees([location.tree for location in locations])
        ]
        blobs = self._repo.objects.many([oid for files in wanted for oid in files.values()])
        runs = []
        for location, files in zip(locations, wanted, strict=True):
            found = {name: blob.data if (blob := next(blobs)) else None for name in files}
            runs.append(decode_run(found.get, location.id, location.experiment))
        return runs

    def file(self, location: Location, name: str) -> bytes | None:
        """Return the bytes of a file of the run directory; None when there is none."""
        found = self._repo.objects.get(f"{location.tree}:{name}")
        return found.data if found and found.kind == "blob" else None

    def artifacts(self, location: Location) -> dict[str, tuple[Artifact, str]]:
        """Return artifact path to the artifact and the id of its blob; what is unsafe to write out is not among them.

        Nothing is fetched: what a partial clone left with its remote is among them, without a size.
        """
        top = next((e.oid for e in self.tree(location.tree) if e.name == ARTIFACTS and e.is_tree), None)
        if top is None:
            return {}
        files, large = self._sized_files(top), self._large(top)
        found: dict[str, tuple[Artifact, str]] = {}
        for path, (oid, size) in files.items():
            if path == ".gitattributes" or not _is_safe(path):
                continue
            if size is None:
                found[path] = (Artifact(path, None, lfs=path in large), oid)
                continue
            pointer = self._pointer(oid) if path in large and size <= MAX_POINTER else None
            here = pointer is None or is_here(self._repo, pointer)
            found[path] = (Artifact(path, pointer.size if pointer else size, lfs=pointer is not None, here=here), oid)
        return found

    def entries(self, wanted: Sequence[tuple[Location, str]]) -> list[Entry | None]:
        """Return what stands at each path below the artifacts of a run, None where nothing does or can; nothing of it is read."""
        above = [f"{one.tree}:{_above(path)}" if _is_safe(path) else "" for one, path in wanted]
        places = [place for place in dict.fromkeys(above) if place]
        held = {
            place: {entry.name: entry for entry in entries}
            for place, entries in zip(places, self.trees(places), strict=True)
        }
        return [
            held.get(place, {}).get(path.rpartition("/")[2]) for place, (_, path) in zip(above, wanted, strict=True)
        ]

    def _sized_files(self, tree: str) -> dict[str, tuple[str, int | None]]:
        """Return path to blob id and size in bytes of all files below a tree; no size where a partial clone lacks the blob."""
        partial = is_partial(self._repo)
        sizes = () if partial else ("-l",)  # would fetch each blob that is not here
        listing = self._repo.run("ls-tree", "-r", *sizes, "-z", tree).decode(errors="surrogateescape").split("\0")
        rows = [(facts.split(), path) for facts, _, path in (line.partition("\t") for line in listing if line)]
        rows = [(facts, path) for facts, path in rows if facts[1] == "blob" and facts[0] != "120000"]
        if not partial:
            return {path: (facts[2], int(facts[3])) for facts, path in rows}
        known = sizes_here(self._repo, [facts[2] for facts, _ in rows])
        return {path: (facts[2], known.get(facts[2])) for facts, path in rows}

    def _large(self, artifacts_tree: str) -> set[str]:
        found = self._repo.objects.get(f"{artifacts_tree}:.gitattributes")
        return set(Attributes(found.data).paths()) if found else set()

    def _pointer(self, oid: str) -> Pointer | None:
        found = self._repo.objects.get(oid)
        return Pointer.decode(found.data) if found else None


def _above(path: str) -> str:
    return f"{ARTIFACTS}/{path}".rpartition("/")[0]


def _is_safe(path: str) -> bool:
    try:
        return bool(check_artifact_path(path))
    except InvalidPath:
        return False
