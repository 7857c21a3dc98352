"""Whether the files of run directories are what the format says, and agree with each other."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from gtrack.errors import FormatError, GitError
from gtrack.formats import run_dir
from gtrack.formats.history import parse_history, parse_rows
from gtrack.formats.names import ARTIFACTS, EXPERIMENTS
from gtrack.formats.yamlio import MAX_BYTES, load_mapping, outline, parse_timestamp
from gtrack.git.promisor import is_partial, missing, sizes_here
from gtrack.ops.checks.faults import DAMAGED, HOSTILE, LOST, Fault, few, remark, wrong
from gtrack.records import SCHEMA, Status, Summary

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.git.trees import Entry
    from gtrack.records import Number, Value

_MAPPINGS = (run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS, run_dir.ENVIRONMENT)
_ROWS = (run_dir.HISTORY, run_dir.SYSTEM)
_READ = (run_dir.RUN, *_MAPPINGS, *_ROWS)
_MAX_ROWS = 512 * 1024 * 1024
_REQUIRED = ("schema", "id", "name", "experiment", "status", "started")
_KEY = re.compile(rb"^(?:  )?[^\s#-][^:\n]*:(?=\s|$)", re.MULTILINE)
_CHUNK = 500  # runs whose files are in memory at once
_ENDED = frozenset(status.value for status in Status if status is not Status.RUNNING)


@dataclass(frozen=True)
class Directory:
    """A run directory on the branch.

    Attributes:
        id: the run's id, as its path says.
        component: the path component of its experiment.
        experiment: the experiment's name.
        files: path to entry.
    """

    id: str
    component: str
    experiment: str
    files: Mapping[str, Entry]

    @property
    def name(self) -> str:
        """What the run is called in a fault."""
        return f"{self.experiment}/{self.id}"

    @property
    def place(self) -> str:
        """Its path on the branch."""
        return f"{EXPERIMENTS}/{self.component}/{self.id[:2]}/{self.id}"


@dataclass
class Sizes:
    """What is known of blobs without reading them.

    Attributes:
        known: id to size in bytes.
        away: ids that a partial clone left with its remote.
        absent: ids of objects that should be here and are not.
    """

    known: Mapping[str, int]
    away: Collection[str] = frozenset()
    absent: Collection[str] = frozenset()


@dataclass
class Heads:
    """What was read of runs on the way.

    Attributes:
        code: run id to the code commit that it names.
        unread: how many files a partial clone left with its remote.
    """

    code: dict[str, str] = field(default_factory=dict)
    unread: int = 0


def sizes_of(repo: Repository, directories: Sequence[Directory]) -> Sizes:
    """Return the sizes of all files; nothing is fetched."""
    oids = list(dict.fromkeys(entry.oid for one in directories for entry in one.files.values()))
    if is_partial(repo):
        return Sizes(sizes_here(repo, oids), away=missing(repo, oids))
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", stdin=stdin).decode()
    known, absent = {}, set()
    for line in told.splitlines():
        oid, kind, *size = line.split(" ")
        if kind == "blob" and size:
            known[oid] = int(size[0])
        else:
            absent.add(oid)
    return Sizes(known, absent=absent)


def check_files(
    repo: Repository,
    directories: Sequence[Directory],
    sizes: Sizes,
    live: Collection[str],
    heads: Heads,
    progress: Callable[[int, int], None],
) -> Iterator[Fault]:
    """Find what is wrong with the files of runs.

    Args:
        repo: the repository.
        directories: of the runs.
        sizes: of their files.
        live: ids of runs that go on.
        heads: takes what is found on the way.
        progress: is told how many runs are done.
    """
    judge = _Judge(sizes, live, heads)
    parts = [directories[at : at + _CHUNK] for at in range(0, len(directories), _CHUNK)]
    done = 0
    with ThreadPoolExecutor(1) as pool:  # git reads the next files meanwhile
        reading = pool.submit(contents, repo, judge.wanted(parts[0])) if parts else None
        for part, following in zip_longest(parts, parts[1:]):
            data, damaged = reading.result() if reading is not None else ({}, set())
            reading = pool.submit(contents, repo, judge.wanted(following)) if following else None
            judge.damaged.update(damaged)
            for one in part:
                yield from judge.run(one, data)
            done += len(part)
            progress(done, len(directories))


def contents(repo: Repository, oids: Sequence[str]) -> tuple[dict[str, bytes], set[str]]:
    """Return what blobs hold that are here, and which of them are damaged: git cannot read these."""
    try:
        found = list(zip(oids, repo.objects.many(oids), strict=True))
    except GitError:
        if len(oids) == 1:
            return {}, set(oids)
        middle = len(oids) // 2
        halves = [contents(repo, part) for part in (oids[:middle], oids[middle:])]
        return {**halves[0][0], **halves[1][0]}, halves[0][1] | halves[1][1]
    return {oid: blob.data for oid, blob in found if blob is not None}, set()


@dataclass(frozen=True)
class _Column:
    """A metric in a history: its last, least and greatest value; None where all are nan."""

    last: Number
    least: Number | None
    most: Number | None


class _Judge:
    """Judges runs; what it has found of a file it remembers, as many runs have the same."""

    def __init__(self, sizes: Sizes, live: Collection[str], heads: Heads) -> None:
        self._sizes = sizes
        self._live = live
        self._heads = heads
        self._seen: dict[tuple[str, str], str | None] = {}
        self.damaged: set[str] = set()
        self._histories: dict[tuple[str, bool], tuple[str | None, dict[str, _Column]]] = {}

    def wanted(self, directories: Sequence[Directory]) -> list[str]:
        """Return the ids of the files of some runs that have to be read."""
        files = ((name, one.files.get(name)) for one in directories for name in _READ)
        return list(dict.fromkeys(entry.oid for name, entry in files if entry and self._reads(name, entry.oid)))

    def _reads(self, name: str, oid: str) -> bool:
        """Tell whether a file has to be read: it is here, not too large, and was not judged before."""
        size = self._sizes.known.get(oid)
        if size is None or size > (_MAX_ROWS if name in _ROWS else MAX_BYTES):
            return False
        return (name, oid) not in self._seen

    def run(self, one: Directory, data: Mapping[str, bytes]) -> Iterator[Fault]:
        """Find what is wrong with a run."""
        yield from self._objects(one)
        if run_dir.RUN not in one.files:
            yield wrong(one.name, f"it has no {run_dir.RUN}", DAMAGED)
            return
        head = None
        if one.files[run_dir.RUN].oid in data:
            try:
                head = load_mapping(data[one.files[run_dir.RUN].oid], run_dir.RUN)
                yield from _twice(one, data[one.files[run_dir.RUN].oid], run_dir.RUN)
            except FormatError as error:
                yield wrong(one.name, str(error), DAMAGED)
        if head is not None:
            yield from self._head(one, head)
        for name in (run_dir.PARAMS, run_dir.INPUTS, run_dir.ENVIRONMENT, run_dir.SYSTEM):
            yield from self._alone(one, name, data)
        yield from self._metrics(one, head or {}, data)

    def _objects(self, one: Directory) -> Iterator[Fault]:
        """Find files that are not here, cannot be read, or are too large to be."""
        for path, entry in one.files.items():
            size = self._sizes.known.get(entry.oid, 0)
            if entry.oid in self._sizes.absent:
                yield wrong(one.name, f"{path}: its object {entry.oid[:10]} is not here", LOST)
            elif entry.oid in self.damaged:
                yield wrong(one.name, f"{path}: its object {entry.oid[:10]} is damaged", LOST)
            elif entry.oid in self._sizes.away and path in _READ:
                self._heads.unread += 1
            elif path in _READ and size > (_MAX_ROWS if path in _ROWS else MAX_BYTES):
                yield wrong(one.name, f"{path} has {size} bytes, which is more than is read", HOSTILE)

    def _head(self, one: Directory, head: Mapping[str, Value]) -> Iterator[Fault]:
        lacking = [name for name in _REQUIRED if head.get(name) is None]
        if lacking:
            yield wrong(one.name, f"{run_dir.RUN} lacks {few(lacking, len(lacking))}", DAMAGED)
        if head.get("id") not in (None, one.id):
            yield wrong(one.name, f"{run_dir.RUN} says that it is run {_short(head['id'])}", DAMAGED)
        said = head.get("experiment")
        if said is not None and said != one.experiment:
            yield wrong(one.name, f"{run_dir.RUN} says that it is of the experiment {_short(said)}", DAMAGED)
        schema = head.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            yield remark(one.name, f"a newer gtrack wrote it (schema {schema}); it is read as far as this one knows")
        yield from self._times(one, head)
        code = head.get("code")
        commit = code.get("commit") if isinstance(code, dict) else None
        if commit is not None:
            self._heads.code[one.id] = str(commit)

    def _times(self, one: Directory, head: Mapping[str, Value]) -> Iterator[Fault]:
        status, started, ended = head.get("status"), head.get("started"), head.get("ended")
        moments = {"started": parse_timestamp(started), "ended": parse_timestamp(ended)}
        for name, value in (("started", started), ("ended", ended)):
            if value is not None and moments[name] is None:
                yield wrong(one.name, f"{run_dir.RUN}: {name} is no time: {_short(value)}", DAMAGED)
        if status == Status.RUNNING.value:
            if ended is not None:
                yield wrong(one.name, "its status is running, though it says when it ended", DAMAGED)
            elif one.id not in self._live:
                yield remark(one.name, "it has not ended: it goes on elsewhere, or was never committed at its end")
        elif status in _ENDED:
            if ended is None:
                yield wrong(one.name, f"it is {status}, and does not say when it ended", DAMAGED)
        elif status is not None:
            yield wrong(one.name, f"it has the unknown status {_short(status)}", DAMAGED)
        if moments["started"] and moments["ended"] and moments["ended"] < moments["started"]:
            yield remark(one.name, "it ended before it started: a clock was set meanwhile")

    def _alone(self, one: Directory, name: str, data: Mapping[str, bytes]) -> Iterator[Fault]:
        """Find what is wrong with a file by itself."""
        entry = one.files.get(name)
        if entry is None:
            return
        key = (name, entry.oid)
        if key not in self._seen:
            if entry.oid not in data:
                return
            self._seen[key] = _row_fault(data[entry.oid]) if name in _ROWS else _mapping_fault(data[entry.oid], name)
        fault = self._seen[key]
        if fault is not None:
            yield wrong(one.name, f"{name}: {fault}" if name in _ROWS else fault, DAMAGED)

    def _metrics(self, one: Directory, head: Mapping[str, Value], data: Mapping[str, bytes]) -> Iterator[Fault]:
        columns: Mapping[str, _Column] = {}
        definitions = head.get("metric_definitions")
        history = one.files.get(run_dir.HISTORY)
        if history is not None:
            key = history.oid, bool(definitions)
            if key not in self._histories and history.oid in data:
                self._histories[key] = _columns(data[history.oid], bounded=key[1])
            fault, columns = self._histories.get(key, (None, {}))
            if fault is not None:
                yield wrong(one.name, f"{run_dir.HISTORY}: {fault}", DAMAGED)
        entry = one.files.get(run_dir.METRICS)
        metrics: Mapping[str, Value] = {}
        if entry is not None:
            if entry.oid not in data:
                return
            try:
                metrics = load_mapping(data[entry.oid], run_dir.METRICS)
                yield from _twice(one, data[entry.oid], run_dir.METRICS)
            except FormatError as error:
                yield wrong(one.name, str(error), DAMAGED)
                return
        odd = [
            name for name, value in metrics.items() if isinstance(value, bool) or not isinstance(value, (int, float))
        ]
        if odd:
            yield wrong(one.name, f"{run_dir.METRICS} has what is no number: {few(odd)}", DAMAGED)
        yield from _agreement(one, metrics, columns, definitions if isinstance(definitions, dict) else {})


def _agreement(
    one: Directory, metrics: Mapping[str, Value], columns: Mapping[str, _Column], definitions: Mapping[str, Value]
) -> Iterator[Fault]:
    """Find metrics that are not what their history comes to; a value that was logged without a step is in no history."""
    gone = [name for name in columns if name not in metrics]
    if gone:
        yield wrong(one.name, f"{run_dir.METRICS} lacks what {run_dir.HISTORY} has: {few(gone)}", DAMAGED)
    other: list[str] = []
    for name, column in columns.items():
        value = metrics.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            continue
        definition = definitions.get(name)
        kind = definition.get("summary") if isinstance(definition, dict) else None
        if kind == Summary.MIN.value and column.least is not None and value > column.least:
            yield wrong(one.name, f"{name} is {value:g}, and its history has a lower one, {column.least:g}", DAMAGED)
        elif kind == Summary.MAX.value and column.most is not None and value < column.most:
            yield wrong(one.name, f"{name} is {value:g}, and its history has a higher one, {column.most:g}", DAMAGED)
        elif kind in (None, Summary.LAST.value) and value != column.last:
            other.append(name)
    if other:
        yield remark(one.name, f"{run_dir.METRICS} has other values than {run_dir.HISTORY} ends with: {few(other)}")


def _short(value: Value) -> str:
    return repr(value)[:60]


def _mapping_fault(data: bytes, name: str) -> str | None:
    try:
        load_mapping(data, name)
        keys = _keys_twice(data, name)
    except FormatError as error:
        return str(error)
    return _said_twice(keys, name) if keys else None


def _twice(one: Directory, data: bytes, name: str) -> Iterator[Fault]:
    keys = _keys_twice(data, name)
    if keys:
        yield wrong(one.name, _said_twice(keys, name), DAMAGED)


def _said_twice(keys: Sequence[str], name: str) -> str:
    return f"{name} says twice what is said once, and readers take the last: {few(keys)}"


def _keys_twice(data: bytes, name: str) -> list[str]:
    """Return the keys of the first two levels that a mapping has twice."""
    seen: set[bytes] = set()
    inner: set[bytes] = set()
    for line in _KEY.findall(data):
        if not line.startswith(b" "):
            inner.clear()
            if line in seen:
                break
            seen.add(line)
        elif line in inner:
            break
        else:
            inner.add(line)
    else:
        return []
    # It may also be a line of a text: the parser knows.
    counts = Counter(key.path for key in outline(data, name, 2))
    return [".".join(path) for path, count in counts.items() if count > 1]


def _row_fault(data: bytes) -> str | None:
    _, torn, damaged = parse_rows(data)
    return _damage(damaged, torn=torn)


def _damage(damaged: Sequence[int], *, torn: bool) -> str | None:
    if damaged:
        return f"{len(damaged)} lines are no rows: line {few(map(str, damaged))}"
    return "its last row was cut off" if torn else None


def _columns(data: bytes, *, bounded: bool) -> tuple[str | None, dict[str, _Column]]:
    """Return what is damaged in a history, and its metrics; least and greatest values where they are ``bounded``."""
    history = parse_history(data)
    found = {}
    for name, column in history.columns.items():
        last = next((value for value in reversed(column) if value is not None), None)
        if last is not None:
            numbers = [value for value in column if value is not None and not math.isnan(value)] if bounded else []
            found[name] = _Column(last, min(numbers, default=None), max(numbers, default=None))
    return _damage(history.damaged, torn=history.torn), found


def artifacts_of(one: Directory) -> Iterator[tuple[str, Entry]]:
    """Yield the artifacts of a run: path below their directory, and entry."""
    for path, entry in one.files.items():
        if path.startswith(f"{ARTIFACTS}/"):
            yield path.removeprefix(f"{ARTIFACTS}/"), entry
