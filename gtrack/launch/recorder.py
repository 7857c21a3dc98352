"""What the child of a launched run writes down: what the script really ran with, its figures, and what the user should know."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.launch.literals import plain_mapping
from gtrack.records import Value

if TYPE_CHECKING:
    from gtrack.launch.joined import JoinedRun


class Recorder:
    """Records into the launched run, from the process that the launcher started and from no child of it.

    Recording never ends the script: what cannot be recorded becomes a notice, and when that cannot be written either, the
    live directory is gone and there is nobody to tell.

    Args:
        directory: the live directory of the run.
        imports: around what is imported late, when the script's own modules may have the names of those that are meant.
    """

    def __init__(self, directory: Path, imports: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.imports = imports
        self._directory = directory
        self._pid = os.getpid()
        self._run: JoinedRun | None = None
        self._params: dict[str, Value] = {}

    @property
    def here(self) -> bool:
        """Whether this is the launched process itself; a child that it forked has a copy of everything."""
        return os.getpid() == self._pid

    def recorded(self, name: str) -> Value:
        """Return the value that was recorded for a parameter; None when none was."""
        return self._params.get(name)

    def names(self) -> set[str]:
        """Return the names of all parameters of the run, also of those that the script recorded itself.

        Raises:
            GTrackError: there is no such run any more.
        """
        return self._joined().names()

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters as the script runs with them now; one that was recorded before is amended.

        What cannot be written down (a function, a class) is left out.
        """
        plain = plain_mapping(values)
        changed = {
            name: value for name, value in plain.items() if name not in self._params or self._params[name] != value
        }
        if self.here and changed:
            self._params.update(changed)
            if not self._amended(changed):
                for name, value in changed.items():
                    self._amended({name: value}, say=name)

    def _amended(self, values: Mapping[str, Value], say: str = "") -> bool:
        try:
            self._joined().amend(values)
        except (GTrackError, OSError) as error:
            if say:
                self.notice(f"Parameter {say!r} is not recorded: {error}")
            return False
        return True

    def notice(self, text: str) -> None:
        """Tell the user something about this run, at its end and wherever it is shown."""
        if self.here:
            try:
                self._joined().notice(text)
            except (GTrackError, OSError):
                return

    def figure(self, png: bytes, path: str) -> None:
        """Keep a PNG as the artifact ``path``.

        Raises:
            GTrackError: it cannot be kept.
            OSError: the disk cannot take it.
        """
        if self.here:
            self._joined().keep(png, path)

    def _joined(self) -> JoinedRun:
        if self._run is None:
            # A script that has nothing to record is not made to wait for this.
            with self.imports():
                from gtrack.launch.joined import JoinedRun  # noqa: PLC0415

            self._run = JoinedRun(self._directory)
        return self._run
