"""What becomes of an error that nobody expected: a log, for whoever mends it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path

from gtrack.version import __version__


def describe(args: list[str]) -> str:
    """Write the log of the error that is being handled and return the sentence that says where it is.

    Args:
        args: the arguments of the command line.
    """
    error = sys.exc_info()[1]
    about = f"gtrack {__version__}, Python {platform.python_version()}, {platform.platform()}\narguments: {args}\n\n"
    path = _write_log(about + traceback.format_exc())
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this is a bug in gtrack ({what}). {f'Its log is {path}.' if path else traceback.format_exc()}"


def _write_log(text: str) -> Path | None:
    name = f"gtrack-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for place in (_cache_directory, lambda: Path(tempfile.gettempdir())):
        try:
            path = place() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
        except (OSError, RuntimeError):  # a full disk, or a user without a home
            continue
    return None


def _cache_directory() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(chosen, "gtrack") if chosen else Path.home() / ".cache" / "gtrack"
