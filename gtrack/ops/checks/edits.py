"""What an edit of a run changed, in words: tags, notes, status, metrics, rows of history, artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gtrack.errors import FormatError
from gtrack.formats import run_dir
from gtrack.formats.names import ARTIFACTS
from gtrack.formats.yamlio import load_mapping
from gtrack.ops.checks.faults import few

if TYPE_CHECKING:
    from gtrack.ops.checks.walk import FileChange
    from gtrack.records import Value

_LONGEST = 40
_VALUES = {run_dir.PARAMS: "parameters", run_dir.METRICS: "metrics"}


def edits_of(changes: Sequence[FileChange], data: Mapping[str, bytes]) -> list[str]:
    """Return what was done to a run, a few words each.

    Args:
        changes: of its files, by one commit.
        data: what is known of blobs; of one that is not among them only the file is told.
    """
    found: list[str] = []
    artifacts: dict[str, list[str]] = {}
    for change in changes:
        place = change.place
        name = place[2] if place else change.path
        if name.startswith(f"{ARTIFACTS}/"):
            verb = "added" if change.is_new else "removed" if change.is_gone else "changed"
            if name != f"{ARTIFACTS}/.gitattributes":
                artifacts.setdefault(verb, []).append(name.removeprefix(f"{ARTIFACTS}/"))
            continue
        before, after = (data.get(oid) if oid else b"" for oid in (change.old, change.new))
        if before is None or after is None:
            found.append(name)
        elif name == run_dir.RUN:
            found[:0] = _head(before, after)
        elif name == run_dir.HISTORY:
            found.append(_rows(before, after))
        elif name in _VALUES:
            found.append(_values(before, after, name))
        else:
            found.append(name)
    found += [f"{verb} {few(paths)}" for verb, paths in artifacts.items()]
    return found


def _head(before: bytes, after: bytes) -> Iterator[str]:
    try:
        was, now = load_mapping(before, run_dir.RUN), load_mapping(after, run_dir.RUN)
    except FormatError:
        yield f"{run_dir.RUN}, which cannot be read"
        return
    for key in dict.fromkeys([*was, *now]):
        old, new = was.get(key), now.get(key)
        if old == new:
            continue
        if key == "tags":
            yield from _tags(_mapping(old), _mapping(new))
        elif key == "notes":
            yield f"notes: {_short(new)}" if new else "notes removed"
        elif isinstance(old, dict) or isinstance(new, dict):
            yield f"{key}: {values_told(_mapping(old), _mapping(new))}"
        else:
            yield values_told({key: old}, {key: new})


def _tags(was: Mapping[str, Value], now: Mapping[str, Value]) -> Iterator[str]:
    put = [f"{key}={_short(value)}" for key, value in now.items() if key not in was or was[key] != value]
    gone = [key for key in was if key not in now]
    if put:
        yield f"tag {few(put)}"
    if gone:
        yield f"tag {few(gone)} removed"


def _rows(before: bytes, after: bytes) -> str:
    more = after.count(b"\n") - before.count(b"\n")
    count = abs(more)
    return f"{count} row{'' if count == 1 else 's'} of history {'more' if more > 0 else 'less' if more else 'changed'}"


def _values(before: bytes, after: bytes, name: str) -> str:
    try:
        was, now = load_mapping(before, name), load_mapping(after, name)
    except FormatError:
        return f"{name}, which cannot be read"
    return f"{_VALUES[name]} {values_told(was, now)}"


def values_told(was: Mapping[str, Value], now: Mapping[str, Value]) -> str:
    """Tell what became of values, a few of them: ``f1 0.81 → 0.99``."""
    return few(f"{_short(key)} {_shown(was, key)} → {_shown(now, key)}" for key in differing(was, now))


def differing(was: Mapping[str, Value], now: Mapping[str, Value]) -> list[str]:
    """Return the keys that only one of two mappings has, or whose values are written otherwise."""
    return [key for key in {**was, **now} if (key in was) != (key in now) or repr(was[key]) != repr(now[key])]


def _shown(values: Mapping[str, Value], key: str) -> str:
    return _short(values[key]) if values.get(key) is not None else "nothing"


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, dict) else {}


def _short(value: Value) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
