"""What verifying finds: how bad it is, what it is about, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

FETCH = (
    "Fetch what is missing: git fetch --tags REMOTE, and the branch of the runs (in a shallow clone with --unshallow)."
)
AGAIN = "Do not trust it. Compare with another clone or the remote; gtrack makes a new tag by 'gtrack promote' or 'register'."
ODD = "Remove it where it is a mistake (git tag -d NAME; git push REMOTE :refs/tags/NAME), then register or promote again."
GONE = (
    "Find out who took it away, and bring it back from a clone that has it: git push REMOTE refs/tags/NAME. "
    "'gtrack verify --accept' takes it as it is from now on."
)
CHANGED = (
    "Find out who changed it: another clone may have it as it was. 'gtrack verify --accept' takes the tags as they are now as "
    "the known state."
)
ASTRAY = "Fetch the branch of the runs. Where it has not got the run, somebody made its commit beside it: ask who did, and why."
UNSURE = "Name who may sign: registry.allowed_signers in the settings, or git's gpg.ssh.allowedSignersFile, or GPG's keyring."
POLICY = (
    "The policy, or what is known, may be younger than the promotion; 'gtrack promote' it again where it shall hold."
)
AS_IT_IS = "Nothing has to be done."


class Severity(str, Enum):
    """How bad a finding is."""

    ERROR = "error"
    NOTE = "note"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """Something that was found.

    Attributes:
        severity: an error, where the registry cannot be relied upon; a note, where it is only good to know.
        tag: the tag, or the model, that it is about.
        text: what is so.
        remedy: what to do.
    """

    severity: Severity
    tag: str
    text: str
    remedy: str


def error(tag: str, text: str, remedy: str) -> Finding:
    """Return an error; see ``Finding``."""
    return Finding(Severity.ERROR, tag, text, remedy)


def note(tag: str, text: str, remedy: str = AS_IT_IS) -> Finding:
    """Return a note; see ``Finding``."""
    return Finding(Severity.NOTE, tag, text, remedy)
