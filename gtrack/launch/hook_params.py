"""Looks after the given values of a script that asks for them itself, with ``gtrack.params()``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from gtrack.errors import GTrackError
from gtrack.launch.recorder import Recorder


class ParamsHook:
    """Says at the end which given values the script never asked for.

    Args:
        script: what messages call it.
        given: the given names.
        recorder: the run that ``gtrack.params()`` records in.
    """

    def __init__(self, script: str, given: Iterable[str], recorder: Recorder) -> None:
        self._script = script
        self._given = list(given)
        self._recorder = recorder

    def finish(self) -> None:
        """Compare what was given with what the run has, unless gtrack itself has refused what was given."""
        if isinstance(sys.exc_info()[1], GTrackError):
            return
        names = self._recorder.names()
        for name in self._given:
            if name not in names:
                self._recorder.notice(f"{name} was given, but {self._script} never asked for it: it ran without.")
