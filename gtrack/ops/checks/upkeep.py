"""Examine what gtrack and git keep in the repository: index, live runs, locks, backups; and the room that all of it takes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from gtrack.config import DIRECTORY
from gtrack.formats.words import plural, size
from gtrack.git.lfs import storage
from gtrack.ops.checks.symptoms import Symptom, broken, noted, well
from gtrack.store.auto_push import AutoPush
from gtrack.store.index_file import known_tip
from gtrack.store.index_schema import VERSION
from gtrack.store.purge import backups

if TYPE_CHECKING:
    from gtrack.project import Project

_STALE_SECONDS = 600.0
_BUSY_SECONDS = 5.0
_LOOSE, _PACKS = 6700, 50  # gc.auto and gc.autoPackLimit: from there on git packs by itself
_LITTLE, _FULL = 1 << 30, 1 << 23
_KILO = 1024
_NAMED = 3


def index(project: Project) -> Iterator[Symptom]:
    """Examine the index, without bringing it up to date."""
    path = project.index.path
    if not path.exists():
        yield well("index", "there is none yet; the first question builds it")
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            said = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            tip = known_tip(connection)
    except sqlite3.DatabaseError as error:
        yield broken("index", f"{path} is damaged: {error}", "gtrack index --rebuild")
        return
    if said != ["ok"]:
        yield broken("index", f"{path} is damaged: {said[0]}", "gtrack index --rebuild")
    elif meta.get("version") != str(VERSION) or meta.get("ref") != project.config.ref:
        yield noted("index", "of another version or branch: the next question builds it anew")
    elif tip != (project.store.tip() or ""):
        yield well("index", f"{size(path.stat().st_size)}; the next question brings it up to date")
    else:
        yield well("index", f"{size(path.stat().st_size)}, up to date")


def live(project: Project) -> Iterator[Symptom]:
    """Examine which runs go on, and which have died."""
    found = project.live.directories()
    dead = [one for one in found if not one.is_alive()]
    if dead:
        names = ", ".join(one.id[:8] for one in dead[:_NAMED])
        more = f" and {len(dead) - _NAMED} more" if len(dead) > _NAMED else ""
        text = f"{'1 has died and is' if len(dead) == 1 else f'{len(dead)} have died and are'} not committed yet: {names}{more}"
        yield noted("runs that go on", text, "gtrack recover")
    if len(found) > len(dead):
        yield well("runs that go on", f"{len(found) - len(dead)}")


def locks(project: Project) -> Iterator[Symptom]:
    """Examine the locks of git: one that is old was left by a process that was killed, and stops all that come after it."""
    place, now = project.repo.common_dir, time.time()
    found = [*place.glob("*.lock"), *project.repo.git_dir.glob("*.lock"), *(place / "refs").rglob("*.lock")]
    found += (place / "objects" / "info").rglob("*.lock")
    for path in dict.fromkeys(found):
        try:
            seconds = now - path.stat().st_mtime
        except OSError:  # it is gone
            continue
        text = f"{path} is {plural(round(seconds / 60), 'minute')} old: it stops git, if nothing runs that holds it"
        if seconds > _STALE_SECONDS:
            yield broken("locks", text, f"rm {quote(str(path))}")
        elif seconds > _BUSY_SECONDS:
            age = plural(round(seconds), "second")
            text = f"{path} is {age} old: a git that runs holds it, or one that was killed has left it"
            yield noted("locks", text, f"wait for that git; if there is none: rm {quote(str(path))}")


def auto_push(project: Project) -> Iterator[Symptom]:
    """Examine how the last push after a run went."""
    failure = AutoPush(project.repo).last_failure()
    if failure is not None:
        when = failure.when.strftime("%Y-%m-%d %H:%M UTC")
        yield noted("pushes after runs", f"the last one, {when}, failed: {failure.message}", "gtrack push")
    elif project.config.auto_push:
        yield well("pushes after runs", "on; none has failed since the last that did not")


def backup_refs(project: Project) -> Iterator[Symptom]:
    """Examine what purges left behind."""
    found = backups(project.repo)
    if found:
        oldest = found[-1].when.strftime("%Y-%m-%d")
        days = project.config.backup_days
        text = f"{len(found)} of purges, the oldest of {oldest}; what they keep "
        text += f"goes by the first 'gtrack gc --apply' after {days:g} day{'' if days == 1 else 's'}"
        yield well("backups", text)


def disk_use(project: Project) -> Iterator[Symptom]:
    """Examine how much room git takes, and whether it is time to pack."""
    said = project.repo.run("count-objects", "-v").decode(errors="replace").splitlines()
    facts = {key: int(value) for key, _, value in (line.partition(": ") for line in said) if value.isdigit()}
    loose, packs = facts.get("count", 0), facts.get("packs", 0)
    taken = (facts.get("size", 0) + facts.get("size-pack", 0)) * _KILO
    large = _taken(storage(project.repo) / "objects")
    text = f"loose objects: {loose:,}, packs: {packs:,} ({size(taken)}), large artifacts: {size(large)}"
    due = loose > _LOOSE or packs > _PACKS
    yield noted("size", f"{text}; it is time to pack", "git maintenance run") if due else well("size", text)
    if facts.get("garbage"):
        text = f"{plural(facts['garbage'], 'file')} left over among git's objects"
        yield noted("size", text, "git prune --expire=2.weeks.ago")


def disk(project: Project) -> Iterator[Symptom]:
    """Examine whether there is room, and whether it can be written to."""
    place, root = project.repo.common_dir, project.repo.root
    if not os.access(place, os.W_OK):
        yield broken("disk", f"{place} cannot be written to: no run can be committed", _make_writable(place))
    runs = root and (root / DIRECTORY if (root / DIRECTORY).is_dir() else root)
    if runs and not os.access(runs, os.W_OK):
        yield broken("disk", f"{runs} cannot be written to: no run can begin", _make_writable(runs))
    free = shutil.disk_usage(place).free
    text = f"{size(free)} free"
    if free < _FULL:
        # git itself has to write to pack; the index is built anew when there is room again.
        rubbish = f"rm -f {quote(str(project.index.path))}; " if project.index.path.exists() else ""
        said = f"{text}: the disk of {place} is full, no run can be committed"
        yield broken("disk", said, f"{rubbish}git prune --expire=2.weeks.ago; then remove what else is on it")
    elif free < _LITTLE:
        yield noted("disk", f"only {text}", "git gc; gtrack gc --purge")
    else:
        yield well("disk", text)


def _make_writable(place: Path) -> str:
    shown = quote(str(place))
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return f'mount -o remount,rw "$(findmnt -no TARGET -T {shown})"'
    return f"chmod -R u+w {shown}, or ask whose it is: ls -ld {shown}"


def _taken(place: Path) -> int:
    return sum(
        entry.stat(follow_symlinks=False).st_size
        for directory, _, _ in os.walk(place)
        for entry in os.scandir(directory)
        if entry.is_file(follow_symlinks=False)
    )
