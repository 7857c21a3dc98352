"""Where an entry of `.gtrack/stages.yaml` stands: whether the tags say so already, or did since it was merged."""

from __future__ import annotations

from enum import Enum

from gtrack.formats.stages_file import Wanted
from gtrack.records import RegisteredModel
from gtrack.registry.registry import Registry
from gtrack.registry.tag_names import Action


class Standing(str, Enum):
    """What is to be done about an entry."""

    OPEN = "open"
    """The tags do not say so, and have not since it was merged: it is to be done."""
    DONE = "done"
    """The tags say so."""
    OVERTAKEN = "overtaken"
    """It was done since it was merged, and then somebody did something else, a rollback say: it is not to be done again."""

    def __str__(self) -> str:
        return self.value


def standing(registry: Registry, entry: Wanted, since: int) -> Standing:
    """Return where an entry stands.

    Without the third answer each merge of something else would undo what was promoted by hand meanwhile. It goes by the clocks
    of who merged and of who tagged, but only where the tags say something else than the entry.

    Args:
        registry: what the tags say.
        entry: what it asks for.
        since: when it was merged, in seconds since the epoch.

    Raises:
        ModelNotFound: there is no such model, or no such version of it.
    """
    model = registry.model(entry.model)
    if fulfilled(registry, model, entry):
        return Standing.DONE
    number = None if entry.version is None else registry.find(entry.model, entry.version).version
    for event in registry.events(entry.model):
        if event.time is None or event.time.timestamp() < since:
            continue
        left = event.action is Action.UNASSIGN and event.stage == entry.stage
        came = event.action is Action.ASSIGN and event.stage == entry.stage and event.version == number
        if came if number is not None else left:
            return Standing.OVERTAKEN
    return Standing.OPEN


def fulfilled(registry: Registry, model: RegisteredModel, entry: Wanted) -> bool:
    """Tell whether the tags say what an entry asks for.

    Raises:
        ModelNotFound: there is no such version.
    """
    there = model.in_stage(entry.stage)
    if entry.version is None:
        return there is None
    return there is not None and there.version == registry.find(entry.model, entry.version).version
