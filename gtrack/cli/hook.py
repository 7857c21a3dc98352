"""``python -m gtrack.cli.hook DIR REF OLD NEW``: what git's ``update`` hook on a server calls, for each ref of a push.

Not a command of ``gtrack``: nobody types it, and without the command line it starts in half of the time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gtrack.errors import GTrackError
from gtrack.git.repo import Repository
from gtrack.ops.server.hook import check_update
from gtrack.ops.server.init import REFUSED
from gtrack.render.values import printable

_BUG = 3


def main(directory: str, ref: str, old: str, new: str) -> int:
    """Judge one ref of a push, and tell the pusher on stderr what is against it.

    Args:
        directory: the repository that is pushed to.
        ref: the full name of the ref.
        old: the id of what it is at; zeros for nothing.
        new: the id of what it is to be at; zeros to delete it.

    Returns:
        The exit code: 0 when it may be, 9 when not, 3 when that cannot be told.
    """
    if hasattr(sys.stderr, "reconfigure"):  # a locale that has no ✓ is no reason to fail
        sys.stderr.reconfigure(errors="replace")
    try:
        repo = Repository.find(Path(directory))
        for warning in check_update(repo, ref, old, new):
            _say(warning)
        repo.objects.close()
    except GTrackError as error:
        _say(str(error))
        return REFUSED
    except Exception as error:  # noqa: BLE001 - a stranger's push is told no more of a bug than its name
        _say(f"this is a bug in gtrack ({type(error).__name__}: {error})")
        return _BUG
    return 0


def _say(text: str) -> None:
    sys.stderr.write(
        "".join(f"{'' if at else 'gtrack: '}{printable(line)}\n" for at, line in enumerate(text.split("\n")))
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
