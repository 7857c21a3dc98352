"""What a launched run takes from the working directory: data versions before it starts, files when it has ended."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from gtrack.capture.data import describe_path
from gtrack.errors import GTrackError, UsageError
from gtrack.formats.names import check_name
from gtrack.records import Input
from gtrack.writer import ActiveRun


def read_inputs(words: Sequence[str], cwd: Path) -> list[Input]:
    """Return the versions of the data that ``--input`` names.

    Args:
        words: each a path, or ``name=path``.
        cwd: what relative paths start from.

    Raises:
        UsageError: a path is missing or is no data, or two inputs have one name.
    """
    inputs: dict[str, Input] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or (cwd / word).exists():
            name, path = "", word
        try:
            one = describe_path(cwd / path, name=check_name(name, "input") if name else None, source=path)
        except (GTrackError, OSError) as error:
            raise UsageError(f"--input {word}: {error}") from error
        if one.name in inputs:
            raise UsageError(f"Two inputs are called {one.name!r}. Name them: --input train={inputs[one.name].source}.")
        inputs[one.name] = one
    return list(inputs.values())


def check_patterns(patterns: Sequence[str], cwd: Path) -> list[str]:
    """Return the ``--artifacts`` patterns relative to ``cwd``.

    Raises:
        UsageError: one reaches out of ``cwd``: its files would have no path in the run.
    """
    checked = []
    for pattern in patterns:
        relative = os.path.relpath(pattern, cwd) if Path(pattern).is_absolute() else os.path.normpath(pattern)
        if not pattern or Path(relative).parts[:1] == ("..",):
            raise UsageError(
                f"--artifacts {pattern!r} is not inside the working directory {cwd}, so its files have no path to be kept "
                "under. Name a pattern below it, or start the run in a directory above the files."
            )
        checked.append(relative)
    return checked


def keep_artifacts(run: ActiveRun, patterns: Sequence[str], cwd: Path) -> list[str]:
    """Keep the files that match, under their path relative to ``cwd``; return what went wrong, a sentence each.

    Args:
        run: whose artifacts they become.
        patterns: relative to ``cwd``; ``**`` is any number of directories, a directory is all that is in it.
        cwd: the working directory of the script.
    """
    notices = []
    kept: set[str] = set()
    for pattern in patterns:
        found = 0
        for name in _files(pattern, cwd):
            found += 1
            if name in kept:
                continue
            kept.add(name)
            try:
                run.log_artifact(cwd / name, Path(name).as_posix())
            except (GTrackError, OSError) as error:
                notices.append(f"{name} was not kept: {error}")
        if not found:
            notices.append(f"No file matched --artifacts {pattern!r}.")
    return notices


def _files(pattern: str, cwd: Path) -> Iterator[str]:
    for name in _matches(pattern, cwd):
        if not (cwd / name).is_dir():
            yield name
        elif "**" not in pattern:
            yield from (path for path in _matches(f"{glob.escape(name)}/**", cwd) if not (cwd / path).is_dir())


def _matches(pattern: str, cwd: Path) -> list[str]:
    # Not Path.glob: it has hidden files among the matches of a star, and before Python 3.13 no files among those of two.
    return sorted(glob.glob(pattern, root_dir=cwd, recursive=True))  # noqa: PTH207
