"""Artifacts that a library's autologging wrote: what the user logs under the same path takes their place.

A script that has autologging on and logs its model itself means its own. Which paths these are stands in a mark in the live
directory, one path a line.
"""

from __future__ import annotations

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


def is_automatic(run: ActiveRun, path: str) -> bool:
    """Tell whether nobody asked for the artifact at ``path``, so that it gives way."""
    return path in _marked(run)


def taken_over(run: ActiveRun, path: str) -> None:
    """Say that what is at ``path`` is the script's own by now.

    Raises:
        GTrackError: the run is no longer there, or cannot be written to.
    """
    known = _marked(run)
    if path in known:
        run.live.write(_MARK, "".join(f"{one}\n" for one in known if one != path).encode())


def _marked(run: ActiveRun) -> list[str]:
    return [one for one in (run.live.read(_MARK) or b"").decode(errors="replace").split("\n") if one]
