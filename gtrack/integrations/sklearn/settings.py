"""What autologging was asked to record, and in which process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """What is recorded; see ``autolog``."""

    log_models: bool = True
    log_input_examples: bool = False
    log_model_signatures: bool = True
    log_datasets: bool = True
    log_post_training_metrics: bool = True
    max_tuning_runs: int | None = 5
    exclusive: bool = False
    silent: bool = False
    extra_tags: Mapping[str, str] = field(default_factory=dict)
    registered_model_name: str | None = None


class Switch:
    """Whether autologging is on.

    Attributes:
        settings: what is recorded; None when it is off.
        pid: of the process that switched it on.
        said: whether anybody has said what is to be recorded, or that nothing is.
    """

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.pid = 0
        self.said = False

    def on(self, settings: Settings) -> None:
        """Record from now on."""
        self.settings, self.pid, self.said = settings, os.getpid(), True

    def off(self) -> None:
        """Record no more."""
        self.settings, self.said = None, True

    @property
    def in_worker(self) -> bool:
        """Whether this process works for another one: a fork of it, or one of a pool that imported the script again."""
        library = sys.modules.get("multiprocessing.process")
        return os.getpid() != self.pid or (library is not None and library.current_process().name != "MainProcess")


switch = Switch()
