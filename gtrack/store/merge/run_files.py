"""Merge the files of a run, or of an experiment, that both sides changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gtrack.errors import GTrackError
from gtrack.formats import run_dir
from gtrack.formats.names import ARTIFACTS, EXPERIMENTS, decode_experiment
from gtrack.formats.yamlio import dumps, load_mapping, scalar
from gtrack.git.objects import Change
from gtrack.git.promisor import is_partial, missing, write_tree
from gtrack.git.trees import Entry
from gtrack.store.attributes import Attributes
from gtrack.store.merge.contents import Listing
from gtrack.store.merge.fields import ABSENT, ENDING, FieldPath, merge_fields, moments_in, same, value_at
from gtrack.store.merge.outcome import REMOVAL, Conflict
from gtrack.store.merge.places import Place, Step
from gtrack.store.merge.rows import merge_log, merge_rows
from gtrack.store.merge.versions import Versions

if TYPE_CHECKING:
    from gtrack.git.objects import FastImport
    from gtrack.git.repo import Repository
    from gtrack.store.merge.contents import Contents

MAX_MERGED = 64 * 1024 * 1024
"""Bytes of a file that is merged line by line; of a larger one the newest is taken."""
_MAPPINGS = frozenset({run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS, run_dir.ENVIRONMENT})
_ROWS = frozenset({run_dir.HISTORY, run_dir.SYSTEM})
_GITATTRIBUTES = f"{ARTIFACTS}/.gitattributes"
_SHOWN = 80

Both = Mapping[str, "tuple[Step, Step]"]
"""What became of something on our side, and on theirs."""


@dataclass
class MergedFiles:
    """The files of a directory: each a blob that is there already, or new bytes."""

    files: dict[str, Entry | bytes]
    refused: list[tuple[str, str]] = field(default_factory=list)

    def changes(self, repo: Repository, path: str, stream: FastImport) -> list[Change]:
        """Return what puts them in an empty directory at ``path``."""
        found = []
        known = {inside: file for inside, file in self.files.items() if inside and isinstance(file, Entry)}
        if is_partial(repo) and missing(repo, [entry.oid for entry in known.values()]):
            # fast-import looks at each blob that it is told of, which would fetch it; what is in a tree it believes.
            found.append(Change(path, write_tree(repo, known), "040000"))
        else:
            known = {}
        for inside, file in self.files.items():
            if inside in known:
                continue
            place = f"{path}/{inside}" if inside else path
            if isinstance(file, bytes):
                found.append(Change(place, stream.blob(file)))
            else:
                found.append(Change(place, file.oid, file.mode))
        return found

    def differs_from(self, listing: Listing) -> bool:
        """Tell whether a directory is another than this."""
        return bool(listing.refused) or self.files != listing.files


@dataclass(frozen=True)
class _Side:
    """A file as one side has it."""

    entry: Entry
    versions: Versions
    of: str
    inside: str

    @property
    def since(self) -> int:
        return self.versions.since(self.of, self.inside, lambda oid: oid == self.entry.oid)


class FileMerger:
    """Merges what both sides changed, file by file.

    Args:
        repo: the repository.
        contents: looks into run directories.
        commits: ours and theirs.
        base: what both began from.
        runs: the runs that both sides changed.
        experiments: the experiments whose own file both sides changed, by path component.
    """

    def __init__(
        self,
        repo: Repository,
        contents: Contents,
        commits: Sequence[str | None],
        base: str | None,
        runs: Both,
        experiments: Both | None = None,
    ) -> None:
        self._repo, self._contents, self._runs, self._experiments = repo, contents, runs, experiments or {}
        paths = {
            f"{EXPERIMENTS}/{place.component}/{run_id[:2]}/{run_id}": run_id
            for run_id, steps in runs.items()
            for step in steps
            for place in (step.before, step.after)
            if place is not None
        }
        paths.update({f"{EXPERIMENTS}/{name}/{run_dir.EXPERIMENT}": name for name in self._experiments})
        ours, theirs = commits
        sides = ((ours, theirs), (theirs, ours))
        self._versions = [Versions(repo, one, [c for c in (two, base) if c], paths) for one, two in sides]
        self._sizes = self._sizes_of()
        self._mappings: dict[str, dict[str, Any] | None] = {}

    def _sizes_of(self) -> dict[str, int]:
        """Return the sizes of all blobs that may have to be read, in bytes."""
        oids: set[str] = {place.tree for pair in self._experiments.values() for place in _places(pair) if place}
        for pair in self._runs.values():
            base, ours, theirs = (self._listing(place).files for place in _places(pair))
            for path in _changed_by_both(base, ours, theirs):
                oids.update(side[path].oid for side in (base, ours, theirs) if path in side)
        question = "".join(f"{oid}\n" for oid in sorted(oids)).encode()
        out = self._repo.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=question).decode()
        return {oid: int(size) for oid, size in map(str.split, out.splitlines()) if size.isdecimal()}

    def _listing(self, place: Place | None) -> Listing:
        return self._contents.listing(place.tree) if place is not None else Listing({}, ())

    def merge(self, run_id: str) -> tuple[str, MergedFiles, list[Conflict]]:
        """Return the path component of the run's experiment, its files, and what could not be kept of both sides."""
        pair = self._runs[run_id]
        places = _places(pair)
        component = self._component(run_id, *places)
        conflicts: list[tuple[str, str, str]] = []
        if len({place.component for place in places[1:] if place} | {component}) > 1:
            lost = next(p.component for p in places[1:] if p and p.component != component)
            if places[0] is None or lost != places[0].component:
                conflicts.append(("experiment", decode_experiment(component), decode_experiment(lost)))
        base, ours, theirs = (self._listing(place) for place in places)
        merge = _Directory(self, run_id, decode_experiment(component), (base.files, ours.files, theirs.files))
        files = MergedFiles(merge.files())
        for side, place in ((ours, places[1]), (theirs, places[2])):
            above = f"{EXPERIMENTS}/{place.component}/{run_id[:2]}/{run_id}" if place else ""
            files.refused += [(f"{above}/{path}".rstrip("/"), reason) for path, reason in side.refused]
        told = [Conflict(decode_experiment(component), run_id, *one) for one in (*conflicts, *merge.conflicts)]
        return component, files, told

    def experiment(self, component: str) -> tuple[MergedFiles, list[Conflict]]:
        """Return an experiment's own file, and what could not be kept of both sides."""
        listings = tuple(
            {"": Entry(run_dir.EXPERIMENT, "100644", place.tree)} if place else {}
            for place in _places(self._experiments[component])
        )
        name = decode_experiment(component)
        merge = _Directory(self, component, name, listings)
        files = MergedFiles(merge.files())
        return files, [Conflict(name, "", *one) for one in merge.conflicts]

    def _component(self, run_id: str, base: Place | None, ours: Place | None, theirs: Place | None) -> str:
        """Return the experiment of a run: that to which one side moved it, or the later of both did."""
        was, one, two = (place.component if place else "" for place in (base, ours, theirs))
        if one in (two, was):
            return two
        if two == was:
            return one
        return max(zip((versions.newest(run_id) for versions in self._versions), (one, two), strict=True))[1]

    def side(self, number: int, of: str, inside: str, entry: Entry) -> _Side:
        """Return a file as our side (0) or theirs (1) has it."""
        return _Side(entry, self._versions[number], of, inside)

    def data(self, entry: Entry | None) -> bytes | None:
        """Return the bytes of a file; none when there is no such file, None when it is too large to be merged."""
        if entry is None:
            return b""
        if self._sizes.get(entry.oid, 0) > MAX_MERGED:
            return None
        found = self._repo.objects.get(entry.oid)
        return found.data if found else b""

    def mapping(self, oid: str) -> dict[str, Any] | None:
        """Return the mapping that a blob holds, None when it cannot be read."""
        if oid not in self._mappings:
            found = self._repo.objects.get(oid) if self._sizes.get(oid, 0) <= MAX_MERGED else None
            try:
                self._mappings[oid] = load_mapping(found.data, "it") if found else None
            except GTrackError:
                self._mappings[oid] = None
        return self._mappings[oid]


class _Directory:
    """One directory in its three states."""

    def __init__(self, merger: FileMerger, of: str, experiment: str, listings: tuple[Mapping[str, Entry], ...]) -> None:
        self._merger, self._of, self._experiment = merger, of, experiment
        self._base, self._ours, self._theirs = listings
        self.conflicts: list[tuple[str, str, str]] = []

    def files(self) -> dict[str, Entry | bytes]:
        """Return the merged files; see ``conflicts`` afterwards."""
        found: dict[str, Entry | bytes] = {}
        for path in sorted({*self._base, *self._ours, *self._theirs}):
            if path == _GITATTRIBUTES:
                continue
            was, one, two = self._base.get(path), self._ours.get(path), self._theirs.get(path)
            file: Entry | bytes | None
            if two in (one, was):
                file = one
            elif one == was:
                file = two
            elif one is None or two is None:
                file = one or two
                self.conflicts.append((path, "the changed file", REMOVAL))
            else:
                file = self._merged(path, was, one, two)
            if file is not None:
                found[path] = file
        for path in [path for path in found if any(f"{other}/" == path[: len(other) + 1] for other in found)]:
            self._make_room(found, path)
        attributes = self._attributes(found)
        if attributes is not None:
            found[_GITATTRIBUTES] = attributes
        return dict(sorted(found.items()))

    def _make_room(self, found: dict[str, Entry | bytes], path: str) -> None:
        """Take the files out that stand where a directory must be for another to be at ``path``."""
        above = path.rpartition("/")[0]
        while above:
            if found.pop(above, None) is not None:
                self.conflicts.append((above, "a directory", "a file"))
            above = above.rpartition("/")[0]

    def _merged(self, path: str, was: Entry | None, one: Entry, two: Entry) -> Entry | bytes:
        """Merge a file that both sides changed."""
        ours, theirs = (self._merger.side(at, self._of, path, entry) for at, entry in enumerate((one, two)))
        older, newer = sorted((ours, theirs), key=lambda side: (side.since, side.entry.oid, side.entry.mode))
        merged = self._content(path, was, older, newer)
        if merged is None:
            self.conflicts.append(
                (path or run_dir.EXPERIMENT, f"blob {newer.entry.oid[:12]}", f"blob {older.entry.oid[:12]}")
            )
            return newer.entry
        return next((side.entry for side in (newer, older) if merged == self._merger.data(side.entry)), merged)

    def _content(self, path: str, was: Entry | None, older: _Side, newer: _Side) -> bytes | None:
        """Return what two versions of a file come to, None when the newer is to be taken as it is."""
        if path in _MAPPINGS or not path:
            return self._fields(path, was, older, newer)
        if path not in _ROWS and path != run_dir.OUTPUT:
            return None
        data = [self._merger.data(entry) for entry in (was, older.entry, newer.entry)]
        if any(one is None for one in data):
            return None
        base, one, two = (one or b"" for one in data)
        return merge_rows(base, one, two) if path in _ROWS else merge_log(base, one, two)

    def _fields(self, path: str, was: Entry | None, older: _Side, newer: _Side) -> bytes | None:
        states = [self._merger.mapping(entry.oid) if entry else {} for entry in (was, older.entry, newer.entry)]
        if states[1] is None or states[2] is None:
            return None
        base, one, two = ({**(state or {})} for state in states)
        if path == run_dir.RUN:
            for side in (one, two):
                if "experiment" in side:
                    side["experiment"] = self._experiment
        if not path:
            _agree_on_creation(one, two)

        def pick(at: FieldPath, left: Any, right: Any) -> Any:
            times = (self._set_since(older, at, left), self._set_since(newer, at, right))
            kept, lost = (left, right) if (times[0], repr(left)) > (times[1], repr(right)) else (right, left)
            what = f"{path or run_dir.EXPERIMENT}: {', '.join(at) if at == ENDING else '.'.join(at)}"
            self.conflicts.append((what, _shown(kept), _shown(lost)))
            return kept

        ending = path == run_dir.RUN
        told = len(self.conflicts)
        try:
            merged = merge_fields(base, one, two, pick, whole=_WHOLE.get(path, _nothing), ending=ending)
            return dumps(moments_in(merged)).encode()
        except (GTrackError, UnicodeError):  # text that can be read and not be written
            del self.conflicts[told:]
            return None

    def _set_since(self, side: _Side, at: FieldPath, value: Any) -> int:
        """Return since when a file of one side has had a value in it."""

        def has_it(oid: str) -> bool:
            mapping = self._merger.mapping(oid)
            return mapping is not None and same(value_at(mapping, at), value)

        return side.versions.since(side.of, side.inside, has_it)

    def _attributes(self, found: Mapping[str, Entry | bytes]) -> Entry | bytes | None:
        """Return ``artifacts/.gitattributes``: a line for each artifact that is a Git LFS pointer on the side that it is of."""
        entries = [side.get(_GITATTRIBUTES) for side in (self._base, self._ours, self._theirs)]
        was, one, two = ([line for line in (self._merger.data(entry) or b"").split(b"\n") if line] for entry in entries)
        if two in (one, was):
            lines = one
        elif one == was:
            lines = two
        else:
            lines = [line for line in was if line in one and line in two]
            lines += sorted({*one, *two} - {*was})
        merged = Attributes(b"\n".join(lines))
        large = [set(Attributes(b"\n".join(side)).paths()) for side in (one, two)]
        for artifact in sorted({*large[0], *large[1]}):
            path = f"{ARTIFACTS}/{artifact}"
            file = found.get(path)
            is_large = any(
                artifact in names and side.get(path) == file
                for names, side in zip(large, (self._ours, self._theirs), strict=True)
            )
            if file is not None and is_large:
                merged.add(artifact)
            else:
                merged.discard(artifact)
        data = merged.encode()
        same_as = (entry for entry in entries[1:] if entry is not None and self._merger.data(entry) == data)
        return next(same_as, data or None)


def _places(pair: tuple[Step, Step]) -> tuple[Place | None, Place | None, Place | None]:
    """Return where something was at first, and is on our side and on theirs."""
    ours, theirs = pair
    return ours.before or theirs.before, ours.after, theirs.after


def _changed_by_both(base: Mapping[str, Entry], ours: Mapping[str, Entry], theirs: Mapping[str, Entry]) -> list[str]:
    return [path for path, entry in ours.items() if path in theirs and base.get(path) not in (entry, theirs[path])]


def _agree_on_creation(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Let an experiment that both sides made have been created when the first did."""
    created = [side["created"] for side in (one, two) if isinstance(side.get("created"), str)]
    for side in (one, two):
        if created:
            side["created"] = min(created)


def _nothing(_: FieldPath) -> bool:
    return False


# What says something only as a whole: the digest of an input and its size, a metric and whether it is better when greater.
_WHOLE = {run_dir.INPUTS: lambda path: len(path) == 1, "": lambda path: path == ("objective",)}


def _shown(value: Any) -> str:
    """Return a value in words, on one line."""
    if value is ABSENT:
        return "nothing"
    try:
        text = scalar(value)
    except GTrackError:
        text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
