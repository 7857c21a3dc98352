"""Examine what gtrack stands on, and say what mends each thing; nothing is changed, and one broken thing hides no other."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shlex import quote

from gtrack.config import DIRECTORY, FILE, Config, load
from gtrack.errors import ConfigError, GTrackError, NotARepository
from gtrack.git.repo import Repository
from gtrack.ops.checks import branch_state, surroundings, upkeep
from gtrack.ops.checks.symptoms import Diagnosis, Examine, Symptom, broken, well
from gtrack.ops.retention.rules import parse_rules
from gtrack.project import Project

Tell = Callable[[str, int, int], None]

_SETTINGS = "settings"
_DUBIOUS = "dubious ownership"  # git's word, see setup.c
_SAFE = re.compile(r"--add safe\.directory (.+?)\s*$", re.MULTILINE)


def _rules(project: Project) -> Iterator[Symptom]:
    """Examine what is only checked when it is used: retention rules, and what stages demand."""
    try:
        parse_rules(project.config.retention)
        _ = project.registry.rules
    except ConfigError as error:
        yield broken(_SETTINGS, str(error), f"edit {DIRECTORY}/{FILE}")


_EXAMINED: tuple[tuple[str, Examine], ...] = (
    (_SETTINGS, _rules),
    ("identity", surroundings.identity),
    ("clone", surroundings.clone),
    ("runs branch", branch_state.branch),
    ("remotes", surroundings.remotes),
    ("large artifacts", surroundings.large),
    ("artifact store", surroundings.store),
    ("index", upkeep.index),
    ("runs that go on", upkeep.live),
    ("locks", upkeep.locks),
    ("pushes after runs", upkeep.auto_push),
    ("backups", upkeep.backup_refs),
    ("size", upkeep.disk_use),
    ("disk", upkeep.disk),
)


def examine(start: Path, tell: Tell = lambda *_: None) -> Diagnosis:
    """Examine the project that a directory is in.

    Args:
        start: the directory.
        tell: is told what is examined, and how much of how much.
    """
    found = list(_guarded("git", lambda: surroundings.git_version(start)))
    if Diagnosis(tuple(found)).broken:
        return Diagnosis(tuple(found))
    try:
        repo = Repository.find(start)
    except (GTrackError, OSError) as error:
        found.append(_no_repository(start, error))
        return Diagnosis(tuple(found))
    found.append(well("repository", str(repo.root or repo.git_dir)))
    config, told = _settings(repo)
    found += told
    project = Project(repo, config)
    try:
        for number, (topic, look) in enumerate(_EXAMINED):
            tell(f"Examining {topic}", number, len(_EXAMINED))
            found += _guarded(topic, partial(look, project))
    finally:
        project.close()
    return Diagnosis(tuple(found))


def _no_repository(start: Path, error: Exception) -> Symptom:
    """Return why git has no repository here: it also takes one for none whose HEAD is damaged."""
    topic, text = "repository", str(error)
    if _DUBIOUS in text:
        found = _SAFE.search(text)
        place_ = found[1] if found else quote(str(start.absolute()))
        text = (
            "it is somebody else's, and git reads only what its owner, or you, have said to be safe (dubious ownership)"
        )
        return broken(topic, text, f"git config --global --add safe.directory {place_}")
    above = (place / ".git" for place in (start.absolute(), *start.absolute().parents))
    place = next((one for one in above if (one / "objects").is_dir()), None)
    if not isinstance(error, NotARepository):
        return broken(topic, text, f"edit {place / 'config'}" if place and "config" in text else "git fsck")
    if place is None:
        return broken(topic, text, "gtrack init")
    mend = [f"mkdir {quote(str(place / 'refs'))}"] if not (place / "refs").is_dir() else []
    mend += [f"echo 'ref: refs/heads/main' > {quote(str(place / 'HEAD'))}"]
    return broken(topic, f"git takes {place} for no repository: HEAD or refs in it is damaged", "; ".join(mend))


def _guarded(topic: str, look: Callable[[], Iterator[Symptom]]) -> Iterator[Symptom]:
    """Yield what an examination finds; when it fails itself, that."""
    try:
        yield from look()
    except (GTrackError, OSError, sqlite3.Error) as error:
        yield broken(topic, str(error), "git fsck")


def _settings(repo: Repository) -> tuple[Config, list[Symptom]]:
    path = f"{DIRECTORY}/{FILE}"
    top = repo.root / DIRECTORY if repo.root is not None else None
    if top is not None and top.exists() and not top.is_dir():
        return Config(), [broken(_SETTINGS, f"{top} is no directory: no run can begin", f"rm {quote(str(top))}")]
    try:
        config = load(repo.root)
    except ConfigError as error:
        text = f"{error} Everything below is examined with the defaults."
        return Config(), [broken(_SETTINGS, text, f"edit {path}")]
    is_there = repo.root is not None and (repo.root / DIRECTORY / FILE).exists()
    return config, [well(_SETTINGS, path if is_there else "the defaults: there is no file of settings")]
