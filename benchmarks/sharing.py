"""What many people and machines ask for: push, pull, merge, clone, large artifacts, verify, and what a run takes on disk."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from pathlib import Path

from benchmarks.generate import add_committed_runs, add_runs, make_repository
from benchmarks.measure import finding, gtrack_command, kept_megabytes, megabytes_in, timed

_MEGABYTE = 1_000_000
_OLD = 100
_TURNS = 3


def moved_seconds(place: Path, count: int) -> tuple[float, float]:
    """Return the seconds of ``gtrack push`` of ``count`` new runs to a bare repository on this disk, and of a pull of them."""
    ana, ben = _two_clones(place, _OLD)
    add_committed_runs(ana, count, seed=1)
    pushed = timed([*gtrack_command(), "push"], ana)
    return pushed, timed([*gtrack_command(), "pull"], ben)


def merge_seconds(place: Path, stored: int, count: int) -> float:
    """Return the seconds in which ``count`` runs here and ``count`` others of a remote are merged, over ``stored`` ones."""
    ana, ben = place / "ana", place / "ben"
    make_repository(ana)
    add_runs(ana, stored)
    _git(place, "clone", "--quiet", "--local", str(ana), str(ben))
    _git(ben, "branch", "--quiet", "gtrack/runs", "origin/gtrack/runs")
    add_committed_runs(ana, count, seed=1)
    add_committed_runs(ben, count, seed=2)
    _git(ben, "fetch", "--quiet", "origin", "+refs/heads/gtrack/runs:refs/remotes/origin/gtrack/runs")
    return finding("merge", ben)["seconds"]


def clone_figures(place: Path, count: int, megabytes: float) -> tuple[float, float]:
    """Return the seconds of ``gtrack clone`` of ``count`` runs, which have so many MB of artifacts, and the MB that it brings."""
    origin, here = place / "origin", place / "here"
    make_repository(origin)
    add_committed_runs(origin, count, artifact=int(megabytes * 1e6 / count))
    _git(place, "clone", "--quiet", "--bare", "--local", str(origin), str(place / "bare.git"))
    _git(place / "bare.git", "config", "uploadpack.allowFilter", "true")
    _git(place / "bare.git", "repack", "-adq", "--write-bitmap-index")  # as hosts keep them
    seconds = timed([*gtrack_command(), "clone", f"file://{place / 'bare.git'}", str(here)], place)
    return seconds, megabytes_in(here / ".git")


def large_ratio(place: Path, megabytes: int) -> float:
    """Return how many times as long ``sha256sum`` and ``cp`` of a file take together as it takes to log it, medians."""
    make_repository(place)
    source = place.with_name(f"{place.name}.bin")
    with source.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(_MEGABYTE))
    copy = source.with_suffix(".copy")
    plain, logged = [], []
    try:
        for _ in range(_TURNS):
            plain.append(timed(["sha256sum", str(source)], place) + timed(["cp", str(source), str(copy)], place))
            copy.unlink()
            shutil.rmtree(place / ".git" / "lfs", ignore_errors=True)
            logged.append(finding("large", place, SOURCE=str(source))["seconds"])
    finally:
        source.unlink()
    return statistics.median(plain) / statistics.median(logged)


def verify_seconds(place: Path, count: int) -> float:
    """Return the seconds of ``gtrack verify --all`` over ``count`` runs with commits of their own."""
    make_repository(place)
    add_committed_runs(place, count)
    return timed([*gtrack_command(), "verify", "--all"], place)


def _two_clones(place: Path, stored: int) -> tuple[Path, Path]:
    """Make a bare repository with ``stored`` runs and two clones of it."""
    ana, ben = place / "ana", place / "ben"
    make_repository(ana)
    add_committed_runs(ana, stored)
    _git(place, "clone", "--quiet", "--bare", "--local", str(ana), str(place / "bare.git"))
    _git(ana, "remote", "add", "origin", str(place / "bare.git"))
    _git(place, "clone", "--quiet", str(place / "bare.git"), str(ben))
    return ana, ben


def _git(directory: Path, *args: str) -> None:
    subprocess.run(["git", "-C", str(directory), *args], check=True, capture_output=True)


def bytes_per_run(place: Path, count: int, digits: int) -> float:
    """Return the bytes that one more run takes after ``git gc``.

    Args:
        place: where to make the repository.
        count: how many runs share what all have.
        digits: the digits that metrics in histories have. With the 17 of a float it is their noise that takes the most.
    """
    make_repository(place)
    before = kept_megabytes(place)
    add_committed_runs(place, count, digits=digits)
    return (kept_megabytes(place) - before) * 1e6 / count
