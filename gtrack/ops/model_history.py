"""The audit trail of a model: who did what to it, when and why, who approved it, and whether the signatures hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.git.signing import Signature, SignatureState, verify
from gtrack.git.tags import read_tags
from gtrack.registry import messages
from gtrack.registry.ledger import Event

if TYPE_CHECKING:
    from gtrack.project import Project

UNSIGNED = Signature(SignatureState.NONE)


@dataclass(frozen=True)
class Entry:
    """One thing that was done to a model.

    Attributes:
        event: what the tag says.
        signature: what became of verifying it.
        approved: who approved it, as the tag says.
        forced: the conditions that were not met and passed over; empty when it was not forced.
    """

    event: Event
    signature: Signature
    approved: tuple[str, ...] = ()
    forced: str = ""


def model_history(project: Project, name: str, limit: int | None = None) -> list[Entry]:
    """Return what was done to a model, the newest first.

    Args:
        project: where it is registered.
        name: the model.
        limit: how many entries at the most; all when None. A signed tag takes a process to verify, the others none.

    Raises:
        InvalidName: nothing can be called so.
        ModelNotFound: no model is; the message names the nearest.
        GitError: git cannot verify signatures.
    """
    events = project.registry_reader.events(name)
    return [entry(project, event) for event in list(reversed(events))[:limit]]


def entry(project: Project, event: Event) -> Entry:
    """Return an event with what its message says beside, and its signature verified."""
    said = event.trailers
    forced = ", ".join(said.get(messages.FORCED, ()))
    return Entry(event, signature(project, event), tuple(said.get(messages.APPROVED, ())), forced)


def signature(project: Project, event: Event) -> Signature:
    """Return what becomes of verifying the signature of a tag; nothing is asked where it has none.

    Raises:
        GitError: git cannot verify signatures.
    """
    if not event.signed or not event.oid:
        return UNSIGNED
    [tag] = read_tags(project.repo, {event.tag: event.oid})
    if tag.said_name != event.tag:  # a signed tag hung on another name would say there what its signer never said
        return Signature(SignatureState.BAD, text=f"what was signed is the tag {tag.said_name}, not {event.tag}")
    return verify(project.repo, event.oid, project.registry.rules.allowed_signers)
