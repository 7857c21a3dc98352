"""What is wrong with runs or with the history of their branch, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.ops.checks.findings import Severity

if TYPE_CHECKING:
    from gtrack.ops.checks.walk import BranchCommit

BRING = (
    "Fetch what is missing: 'gtrack pull', or git fetch with --unshallow in a shallow clone. Else ask who has the run."
)
BRING_MORE = (
    "'git fetch --refetch --filter=blob:limit=1m {remote}' brings all files below 1 MB, of every state of the runs, which "
    "'gtrack verify' looks at then. 'gtrack get' fetches the artifacts of a run."
)
GET = "'gtrack get RUN' fetches it."
BROKEN = "'gtrack get RUN' fetches it anew where a remote has it; it is put aside then."
DAMAGED = "Compare with another clone. 'git log -p gtrack/runs -- PATH' tells who wrote it and what it was before."
HOSTILE = "No gtrack writes this, and none reads it or writes it to disk. Ask who pushed it; 'gtrack rm' removes a run."
STRANGE = "Ask who did it. The commit before has it as it was: 'gtrack restore RUN --at COMMIT^1'."
LOST = "'git fsck' tells more. Another clone may have the objects: git fetch from it."
KNOW = "Nothing has to be done."


@dataclass(frozen=True)
class Fault:
    """Something that was found.

    Attributes:
        severity: an error, where a run cannot be relied upon; a note, where it is only good to know.
        about: the run, the path or the commit.
        text: what is so.
        remedy: what to do.
        commit: the commit that did it; None when it is about how things are.
        who: its author.
        when: its time, for a program.
    """

    severity: Severity
    about: str
    text: str
    remedy: str
    commit: str | None = None
    who: str | None = None
    when: str | None = None


def wrong(about: str, text: str, remedy: str) -> Fault:
    """Return an error; see ``Fault``."""
    return Fault(Severity.ERROR, about, text, remedy)


def remark(about: str, text: str, remedy: str = KNOW) -> Fault:
    """Return a note; see ``Fault``."""
    return Fault(Severity.NOTE, about, text, remedy)


def done_by(commit: BranchCommit, text: str, severity: Severity = Severity.ERROR) -> Fault:
    """Return what a commit of the branch did."""
    when = commit.when.strftime("%Y-%m-%d %H:%M:%S UTC")
    about = f"{commit.id[:10]} by {commit.who}, {when}"
    return Fault(severity, about, text, STRANGE, commit.id, commit.who, commit.when.strftime("%Y-%m-%dT%H:%M:%SZ"))


def few(words: Iterable[str], shown: int = 3) -> str:
    """Return some words, and how many more there are."""
    listed = list(words)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return f"{', '.join(listed[:shown])}{more}"
