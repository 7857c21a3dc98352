"""What a store tells of the objects that it holds, and by which names they are known to be objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

_KEY = re.compile(
    r"(?P<first>[0-9a-f]{2})/(?P<second>[0-9a-f]{2})/(?P<oid>(?P=first)(?P=second)[0-9a-f]{60})", re.ASCII
)
_PAIR = re.compile(r"[0-9a-f]{2}", re.ASCII)
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
"""How the file systems of fsspec call the time of the last change."""


@dataclass(frozen=True)
class Stored:
    """An object of a store.

    Attributes:
        oid: the sha256 that it is named after.
        size: in bytes.
        written: when it was written last, or renewed; None when the store does not say.
    """

    oid: str
    size: int
    written: datetime | None


def oid_at(key: str) -> str | None:
    """Return which object lies at a key below the store's root, None for what is no object of ours."""
    found = _KEY.fullmatch(key)
    return found["oid"] if found else None


def is_pair(name: str) -> bool:
    """Tell whether a folder is called as those that objects lie in."""
    return _PAIR.fullmatch(name) is not None


def written_at(about: Mapping[str, Any]) -> datetime | None:
    """Return when an object was written last, of what a file system says of it; the latest of several times."""
    moments = [moment for key in _TIMES if (moment := _moment(about.get(key))) is not None]
    return max(moments, default=None)


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        elif isinstance(value, (int, float)):
            value = datetime.fromtimestamp(value, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
