"""Artifacts that a library's autologging wrote: what the user logs under the same path takes their place.

A script that has autologging on and logs its model itself means its own. Which paths these are stands in a mark in the live
directory, one path a line.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.writer import ActiveRun

_MARK = ".automatic"


def mark_automatic(run: ActiveRun, path: str) -> None:
    """Say that nobody asked for the artifact at ``path`` by its name.

    Raises:
        GTrackError: the run is no longer there, or cannot be written to.
    """
    run.live.append(_MARK, f"{path}\n".encode())


@contextmanager
def giving_way(run: ActiveRun, path: str) -> Iterator[None]:
    """Take an automatic artifact out of the way of what the block puts at ``path``; put it back when the block fails."""
    known = (run.live.read(_MARK) or b"").decode(errors="replace").split("\n")
    place = run.live.artifacts / path
    if path not in known or not place.exists():
        yield
        return
    aside = run.directory / f".{secrets.token_hex(8)}.part"  # dot files at the top are never committed
    place.rename(aside)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            aside.rename(place)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    run.live.write(_MARK, "".join(f"{one}\n" for one in known if one not in {path, ""}).encode())
