"""Make the reader of a repository's registry from its settings, without what writes tags and judges promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.config import DIRECTORY, FILE
from gtrack.registry.reader import RegistryReader
from gtrack.registry.stage_policy import parse_stages

if TYPE_CHECKING:
    from gtrack.config import Config
    from gtrack.git.repo import Repository
    from gtrack.store.runs import RunStore


def open_reader(repo: Repository, store: RunStore, config: Config) -> RegistryReader:
    """Return what reads the registry of a repository.

    Args:
        repo: the repository.
        store: its runs.
        config: the settings.

    Raises:
        ConfigError: what the settings say of stages is wrong.
    """
    stages = parse_stages(config.stages, f"{DIRECTORY}/{FILE}: registry.stages")
    return RegistryReader(repo, store, config.branch, {stage for stage, one in stages.items() if one.exclusive})
