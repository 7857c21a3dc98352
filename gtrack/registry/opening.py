"""Open the registry of a project, with what its settings say of stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.config import DIRECTORY, FILE
from gtrack.records import Run
from gtrack.registry.registry import Registry, Rules
from gtrack.registry.stage_policy import parse_stages
from gtrack.store.query.parser import parse_filter

if TYPE_CHECKING:
    from gtrack.config import Config
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository
    from gtrack.store.index import Index
    from gtrack.store.runs import RunStore

REPRODUCES = "reproduces"
"""The tag of a run that was made to reproduce another one; its value is that one's id."""


def open_registry(
    repo: Repository, store: RunStore, index: Index, config: Config, identity: Callable[[], Identity], root: Path
) -> Registry:
    """Return the registry of a repository.

    Args:
        repo: the repository.
        store: its runs.
        index: answers which runs reproduce another one.
        config: the settings.
        identity: who makes tags.
        root: what paths in the settings are relative to.

    Raises:
        ConfigError: what the settings say of stages is wrong.
    """
    signers = None if config.allowed_signers is None else root / config.allowed_signers
    rules = Rules(parse_stages(config.stages, f"{DIRECTORY}/{FILE}: registry.stages"), signers)

    return Registry(repo, store, config.branch, identity, rules, reproductions_in(index))


def reproductions_in(index: Index) -> Callable[[str], list[Run]]:
    """Return what gives the finished runs that reproduce a run, by its id."""

    def reproductions(run_id: str) -> list[Run]:
        return index.select(parse_filter(f"tags.{REPRODUCES} = '{run_id}' and status = 'finished'"))

    return reproductions
