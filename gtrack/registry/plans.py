"""Which tags each verb of the registry makes: from what the tags say now to those that are to be added. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import ModelNotFound
from gtrack.records import MLFLOW_STAGES
from gtrack.registry.acts import Acts
from gtrack.registry.ledger import Ledger
from gtrack.registry.tag_names import Action, TagName

if TYPE_CHECKING:
    from gtrack.records import ModelVersion, RegisteredModel
    from gtrack.registry.acts import Act

Plan = Callable[[Ledger], list["Act"]]
"""Says which tags are to be made; asked again when another writer was quicker."""


@dataclass(frozen=True)
class Moves:
    """Moves the versions of one model between stages.

    Attributes:
        ledger: what the tags say.
        model: the model.
        exclusive: the stages that hold one version.
        reason: why, kept with every tag.
        trailers: further trailers for every tag.
    """

    ledger: Ledger
    model: RegisteredModel
    exclusive: Collection[str]
    reason: str | None = None
    trailers: Sequence[tuple[str, str]] = ()

    def _acts(self) -> Acts:
        return Acts(self.ledger, self.model, self.reason, self.trailers)

    def _hidden(self, stage: str) -> Sequence[int]:
        """Return the versions that would come to light again in a stage that is to be empty, here and for GTO."""
        return self.ledger.shadowed.get((self.model.name, stage), ()) if stage in self.exclusive else ()

    def enter(self, one: ModelVersion, stage: str, *, alone: bool) -> list[Act]:
        """Put a version into a stage, ``alone`` where it shall be the only one there; nothing where it is so already."""
        acts = self._acts()
        if alone and stage not in self.exclusive:
            acts.leave(stage, [number for number in self.model.stages.get(stage, ()) if number != one.version])
        if self.model.in_stage(stage) != one:
            acts.enter(stage, one)
        return acts.made

    def leave(self, one: ModelVersion, stage: str) -> list[Act]:
        """Take a version out of a stage; an exclusive one is empty then.

        Raises:
            ModelNotFound: it is not in the stage.
        """
        if stage not in one.stages:
            where = f"it is in {', '.join(one.stages)}" if one.stages else "it is in no stage"
            raise ModelNotFound(
                f"Version {one.version} of {self.model.name} ({one.semver}) is not in {stage}: {where}."
            )
        acts = self._acts()
        acts.leave(stage, [one.version, *self._hidden(stage)])
        return acts.made

    def transition(self, one: ModelVersion, stage: str | None, *, archive_existing: bool) -> list[Act]:
        """Move a version as MLflow does, to whom it is in one of its stages or in none."""
        acts = self._acts()
        if stage is None or stage in MLFLOW_STAGES:
            for other in one.stages:
                if other in MLFLOW_STAGES and other != stage:
                    acts.leave(other, [one.version, *self._hidden(other)])
        if stage is None:
            return acts.made
        for number in self.model.stages.get(stage, ()) if archive_existing and stage != MLFLOW_STAGES[-1] else ():
            if number != one.version:
                acts.leave(stage, [number])
                acts.enter(MLFLOW_STAGES[-1], acts.versions[number])
        if self.model.in_stage(stage) != one:
            acts.enter(stage, one)
        return acts.made

    def withdraw(self, one: ModelVersion) -> list[Act]:
        """Take a version back, out of every stage too."""
        acts = self._acts()
        for stage in one.stages:
            acts.leave(stage, [one.version, *self._hidden(stage)])
        taken = any(
            event.action is Action.DEREGISTER and event.semver == one.semver
            for event in self.ledger.events[self.model.name]
        )
        acts.add(TagName(Action.DEREGISTER, self.model.name, one.semver), one, counted=taken)
        return acts.made

    def retire(self) -> list[Act]:
        """Retire the model.

        Raises:
            ModelNotFound: it has no version.
        """
        if self.model.deprecated:
            return []
        last = next(iter((*reversed(self.model.versions), *reversed(self.model.withdrawn))), None)
        if last is None:
            raise ModelNotFound(f"Model {self.model.name} has no version, and so nothing that could be retired.")
        acts = self._acts()
        taken = any(event.action is Action.DEPRECATE for event in self.ledger.events[self.model.name])
        acts.add(TagName(Action.DEPRECATE, self.model.name), last, counted=taken)
        return acts.made
