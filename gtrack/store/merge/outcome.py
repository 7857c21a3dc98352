"""What comes of a merge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refused:
    """Something that the branch must not hold, and that was left out.

    Attributes:
        path: where it was.
        reason: what is wrong with it.
    """

    path: str
    reason: str


REMOVAL = "its removal"
"""What is lost where one side removed a run, or a file of one, that the other changed."""


@dataclass(frozen=True)
class Conflict:
    """Two changes of which one could be kept.

    Attributes:
        experiment: the experiment that it is about, or that the run is in.
        run_id: the run; empty when it is about the experiment itself.
        what: the file, and the value in it.
        kept: what it is now.
        lost: what the other side had; its history still has it.
    """

    experiment: str
    run_id: str
    what: str
    kept: str
    lost: str

    @property
    def is_of_removal(self) -> bool:
        """Whether what one side removed stays as the other has it."""
        return self.lost == REMOVAL

    def __str__(self) -> str:
        where = f"{self.experiment} {self.run_id[:8]}".strip()
        return f"{where}: {self.what}: kept {self.kept}, lost {self.lost}"


@dataclass(frozen=True)
class Merged:
    """A merged state of the runs branch.

    Attributes:
        commit: it.
        taken: ids of the runs that it has otherwise than ours had: those that theirs added, changed or removed.
        conflicts: what could not be kept of both.
        refused: what was left out of either.
    """

    commit: str
    taken: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    refused: tuple[Refused, ...] = ()
