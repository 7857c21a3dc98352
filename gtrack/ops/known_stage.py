"""Tell a stage from a misspelt one."""

from __future__ import annotations

from difflib import get_close_matches

from gtrack.errors import UsageError
from gtrack.records import MLFLOW_STAGES
from gtrack.registry.registry import Registry

_CLOSE = 0.9
"""How alike two names are that one of them is a slip of the other."""


def check_known_stage(registry: Registry, stage: str) -> None:
    """Check that a stage is no misspelt one: a tag is there for ever.

    Raises:
        UsageError: there was never such a stage, and one that is spelt nearly so.
    """
    ledger = registry.ledger()
    used = {event.stage for events in ledger.events.values() for event in events if event.stage}
    known = {*used, *registry.rules.stages, *MLFLOW_STAGES}
    close = [] if stage in known else get_close_matches(stage, known, n=1, cutoff=_CLOSE)
    if close:
        raise UsageError(
            f"There is no stage {stage!r} yet, but {close[0]!r}. If it is meant to be another one, name it under "
            "registry.stages in .gtrack/config.yaml first."
        )
