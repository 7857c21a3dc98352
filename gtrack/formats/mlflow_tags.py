"""Tags in which MLflow keeps what is a fact about the run here: taken out when they are set, put back when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RUN_NAME = "mlflow.runName"
PARENT = "mlflow.parentRunId"
NOTES = "mlflow.note.content"


@dataclass(frozen=True)
class Said:
    """What a set of tags says: the facts in it, None where it says none, and the tags that are left."""

    tags: dict[str, object]
    name: str | None = None
    parent: str | None = None
    notes: str | None = None


def split_tags(tags: Mapping[str, object] | None) -> Said:
    """Return what tags say, with the facts among them apart."""
    left = dict(tags or {})
    facts = {key: str(left.pop(key)) for key in (RUN_NAME, PARENT, NOTES) if left.get(key) is not None}
    return Said(left, facts.get(RUN_NAME), facts.get(PARENT), facts.get(NOTES))
