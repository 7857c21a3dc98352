"""Merge YAML mappings value by value: what one side changed counts, and of what both did, what was set last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gtrack.formats.yamlio import parse_timestamp, timestamp

FieldPath = tuple[str, ...]
Pick = Callable[[FieldPath, Any, Any], Any]
"""Is given where a value stands and what it is on the older and on the newer side, and returns the one that counts."""

ENDING = ("status", "ended", "exit_code", "code")
"""Keys of ``run.yaml`` that tell one thing, how the run ended and with which code: all are of the same side."""
_GROWING = frozenset({("resumed",), ("warnings",)})
_MOMENTS = frozenset({"started", "ended", "created", "at", "previous_ended"})


class _Absent:
    """What stands for a value that is not there."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()


def same(one: object, other: object) -> bool:
    """Tell whether two values are written alike: ``1``, ``1.0`` and ``true`` are three, ``.nan`` is ``.nan``."""
    return one is other or repr(one) == repr(other)


def value_at(mapping: Mapping[str, Any], path: FieldPath) -> Any:
    """Return the value that stands at a path, ``ABSENT`` when there is none; that of ``ENDING`` is the mapping of them."""
    if path == ENDING:
        return {key: mapping[key] for key in ENDING if key in mapping}
    found: Any = mapping
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return ABSENT
        found = found[key]
    return found


def merge_fields(
    base: Mapping[str, Any],
    older: Mapping[str, Any],
    newer: Mapping[str, Any],
    pick: Pick,
    *,
    whole: Callable[[FieldPath], bool] = lambda _: False,
    ending: bool = False,
) -> dict[str, Any]:
    """Return the mapping that two changed ones come to.

    The order of keys is that of ``base``; those that are new follow, the older side's first.

    Args:
        base: what both were.
        older: one of them.
        newer: the other.
        pick: decides where both changed one value.
        whole: tells which mappings are one value.
        ending: whether ``ENDING`` are one value.
    """
    older, newer = dict(older), dict(newer)
    if ending:
        was, one, two = (value_at(side, ENDING) for side in (base, older, newer))
        merged = _value(ENDING, was, one, two, pick, whole=lambda _: True)
        for side in (older, newer):
            side.update(merged)
            for key in ENDING:
                if key not in merged:
                    side.pop(key, None)
    found: dict[str, Any] = _mapping((), base, older, newer, pick, whole=whole)
    return found


def _mapping(
    path: FieldPath,
    base: Mapping[str, Any],
    older: Mapping[str, Any],
    newer: Mapping[str, Any],
    pick: Pick,
    *,
    whole: Callable[[FieldPath], bool],
) -> dict[str, Any]:
    found = {}
    for key in dict.fromkeys((*base, *older, *newer)):
        was, one, two = (side.get(key, ABSENT) for side in (base, older, newer))
        value = _value((*path, key), was, one, two, pick, whole=whole)
        if value is not ABSENT:
            found[key] = value
    return found


def _value(
    path: FieldPath, base: Any, older: Any, newer: Any, pick: Pick, *, whole: Callable[[FieldPath], bool]
) -> Any:
    if same(older, newer) or same(newer, base):
        return older
    if same(older, base):
        return newer
    if isinstance(older, Mapping) and isinstance(newer, Mapping) and not whole(path):
        return _mapping(path, base if isinstance(base, Mapping) else {}, older, newer, pick, whole=whole)
    if path in _GROWING and isinstance(older, list) and isinstance(newer, list):
        return grown(base if isinstance(base, list) else [], older, newer)
    return pick(path, older, newer)


def grown(base: Sequence[Any], older: Sequence[Any], newer: Sequence[Any]) -> list[Any]:
    """Return a list to which both sides added: what was there and neither took out, then what is new, each once.

    New mappings that say ``at`` when they are from are put in the order of that.
    """
    had, one, two = ([repr(item) for item in side] for side in (base, older, newer))
    kept = [item for item, text in zip(base, had, strict=True) if text in one and text in two]
    news = [item for item, text in zip(older, one, strict=True) if text not in had]
    news += [item for item, text in zip(newer, two, strict=True) if text not in had and text not in one]
    return kept + sorted(news, key=lambda item: str(item.get("at")) if isinstance(item, Mapping) else "")


def moments_in(mapping: Mapping[str, Any], places: Collection[FieldPath] = ((), ("resumed",))) -> dict[str, Any]:
    """Return a mapping in which the times that gtrack wrote are times again, and not text, so that they are written alike."""
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        moment = parse_timestamp(value) if key in _MOMENTS else None
        if moment is not None and timestamp(moment) == value:
            found[key] = moment
        elif (key,) in places and isinstance(value, list):
            found[key] = [moments_in(item, ()) if isinstance(item, Mapping) else item for item in value]
        else:
            found[key] = value
    return found
