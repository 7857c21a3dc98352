"""The tags that one write makes: numbered on, each with the message that says what it does and to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.git.tags import NewTag, Tag
from gtrack.registry import messages
from gtrack.registry.tag_names import Action, TagName

if TYPE_CHECKING:
    from gtrack.records import ModelVersion, RegisteredModel
    from gtrack.registry.ledger import Ledger


@dataclass(frozen=True)
class Act:
    """A tag that is to be made.

    Attributes:
        name: what it does.
        commit: what it is on.
        about: the version that a stage's tag is about, for the first line of the message.
        trailers: what the message says beside that.
    """

    name: TagName
    commit: str
    about: str | None
    trailers: Sequence[tuple[str, str | None]]

    def tag(self) -> NewTag:
        """Return the tag."""
        return NewTag(str(self.name), self.commit, messages.write(self.name.subject(self.about), self.trailers))

    def made(self, oid: str, tagger: str, seconds: int) -> Tag:
        """Return the tag as git would list it, once it is made."""
        new = self.tag()
        return Tag(new.name, oid, True, new.target, "commit", tagger, seconds, new.message)  # noqa: FBT003 - annotated


class Acts:
    """Collects the tags of one write, numbered on.

    Args:
        ledger: the registry as it is.
        model: the model that they are about.
        reason: why, for each of them.
        trailers: further ones for each of them.

    Attributes:
        made: the tags, in their order.
        versions: the versions of the model by number, those that were taken back among them.
    """

    def __init__(
        self, ledger: Ledger, model: RegisteredModel, reason: str | None, trailers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.made: list[Act] = []
        self.versions = {one.version: one for one in (*model.versions, *model.withdrawn)}
        self._model = model.name
        self._counter = ledger.counters.get(model.name, 0)
        self._reason = reason
        self._trailers = trailers

    def add(self, name: TagName, one: ModelVersion, *, counted: bool = True) -> None:
        """Add what ``name`` says of a version, with the next counter when it is ``counted``."""
        if counted:
            self._counter += 1
            name = name.numbered(self._counter)
        said = [(messages.RUN, one.run_id), (messages.EXPERIMENT, one.experiment), (messages.ARTIFACT, one.artifact)]
        said.append((messages.ORDINAL, str(one.version)))
        said += [(messages.METRICS, messages.short_metrics(one.metrics)), (messages.REASON, self._reason)]
        self.made.append(Act(name, one.commit, one.semver, [*said, *self._trailers]))

    def enter(self, stage: str, one: ModelVersion) -> None:
        """Put a version into a stage."""
        self.add(TagName(Action.ASSIGN, self._model, stage=stage), one)

    def leave(self, stage: str, numbers: Sequence[int]) -> None:
        """Take versions out of a stage."""
        for number in numbers:
            self.add(TagName(Action.UNASSIGN, self._model, stage=stage), self.versions[number])
