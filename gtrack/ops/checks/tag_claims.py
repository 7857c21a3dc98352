"""What registry tags claim, beside what their commits hold: read for many tags at once, judged one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.formats.names import EXPERIMENTS, decode_experiment
from gtrack.git.trees import parse_tree
from gtrack.registry import messages
from gtrack.store.branch import BranchReader, Location

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.records import ModelVersion
    from gtrack.registry.ledger import Event

_HEAD = re.compile(
    rb"object [0-9a-f]{40,64}\ntype [a-z]+\ntag (?P<tag>[^\n]*)\n(?:tagger (?P<tagger>[^\n]*)\n)?(?P<more>.*)\Z",
    re.DOTALL,
)

Place = tuple[str, str]
"""A commit and the id of a run that it is said to hold."""


@dataclass(frozen=True)
class TagHead:
    """The first lines of a tag object.

    Attributes:
        name: what it says that it is called.
        tagger: who made it and when, as git writes it; empty without one.
        plain: whether nothing else stands there.
    """

    name: str
    tagger: str
    plain: bool


def read_head(data: bytes) -> TagHead | None:
    """Return the first lines of a tag object; None when they are not as git writes them."""
    found = _HEAD.match(data.partition(b"\n\n")[0] + b"\n")
    if found is None:
        return None
    tagger = found["tagger"] or b""
    return TagHead(found["tag"].decode(errors="replace"), tagger.decode(errors="replace"), plain=not found["more"])


@dataclass(frozen=True)
class Holding:
    """What a commit holds of the run that a tag says it is.

    Attributes:
        here: whether the commit is in this repository.
        said: the run that the commit's own message names; empty when it names none, as that of a code commit.
        run: where the run directory lies; None when the commit has no such.
    """

    here: bool
    said: str = ""
    run: Location | None = None

    def fault(self, run_id: str, commit: str) -> str | None:
        """Return what is wrong about a tag that says it is of ``run_id``, None when nothing is."""
        at = f"its commit {commit[:10]}"
        if not self.here:
            return f"{at} is not here"
        if self.said and self.said != run_id:
            return f"it says that it is of run {run_id[:8]}, and {at} is of run {self.said[:8]}"
        if self.run is None:
            return f"run {run_id[:8]}, of which it says it is, is not in {at}"
        # Whoever looks for the run of a commit goes by its message.
        return None if self.said else f"{at} is not the commit of run {run_id[:8]}, but another one that has it"


def holdings(repo: Repository, places: Iterable[Place]) -> dict[Place, Holding]:
    """Return what commits hold of runs.

    Args:
        repo: the repository.
        places: which commits, and which run each of them is said to be of.

    Raises:
        FormatError: a tree is damaged.
    """
    wanted = sorted(set(places))
    commits = sorted({commit for commit, _ in wanted})
    said: dict[str, str] = {}
    for oid, one in zip(commits, repo.objects.many(commits), strict=True):
        if one is not None and one.kind == "commit":
            text = one.data.decode(errors="replace").partition("\n\n")[2]
            said[oid] = next(iter(messages.trailers_of(text).get(messages.RUN, ())), "")
    experiments = _trees(repo, {oid: f"{oid}:{EXPERIMENTS}" for oid in said})
    asked = [
        ((commit, run_id), name, f"{tree}:{run_id[:2]}/{run_id}")
        for commit, run_id in wanted
        for name, tree in experiments.get(commit, {}).items()
    ]
    found: dict[Place, Location] = {}
    for (place, name, _), tree in zip(asked, repo.objects.many([path for _, _, path in asked]), strict=True):
        if tree is not None and tree.kind == "tree":
            found.setdefault(place, Location(place[1], decode_experiment(name), tree.oid))
    return {place: Holding(place[0] in said, said.get(place[0], ""), found.get(place)) for place in wanted}


def _trees(repo: Repository, names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the names and ids of the directories in each tree that there is."""
    oid_bytes = len(repo.null_oid) // 2
    return {
        key: {entry.name: entry.oid for entry in parse_tree(tree.data, oid_bytes) if entry.is_tree}
        for key, tree in zip(names, repo.objects.many(list(names.values())), strict=True)
        if tree is not None and tree.kind == "tree"
    }


def missing_artifacts(repo: Repository, wanted: Sequence[tuple[Location, str]]) -> list[bool]:
    """Return for each run and path below its artifacts whether nothing is there, or can be; no artifact is read."""
    return [entry is None for entry in BranchReader(repo, None).entries(wanted)]


def disagreement(event: Event, version: ModelVersion) -> str | None:
    """Return what a tag says of the version that it is about and is not so; None when it agrees."""
    ordinal = said_in(event, messages.ORDINAL)
    if ordinal and ordinal != str(version.version):
        return f"it says that it is about version {ordinal}, and it is on the commit of version {version.version}"
    artifact = said_in(event, messages.ARTIFACT)
    if artifact and artifact != version.artifact:
        return f"it says artifact {artifact!r}, and version {version.version} is {version.artifact!r}"
    return None


def said_in(event: Event, name: str) -> str:
    """Return the first value of a trailer of a tag; empty without one."""
    return next(iter(event.trailers.get(name, ())), "")
