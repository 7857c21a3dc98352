"""The launched run, joined from the child; the expensive half of ``recorder``, imported when there is something to record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gtrack.capture.environment import looks_secret, redact_url
from gtrack.records import Value, flatten
from gtrack.writer import ActiveRun


class JoinedRun:
    """Writes into a run that the launcher owns.

    Args:
        directory: its live directory.

    Raises:
        GTrackError: there is no live run any more.
    """

    def __init__(self, directory: Path) -> None:
        self._run = ActiveRun.join(directory)

    def names(self) -> set[str]:
        """Return the names of the parameters that the run has, whoever recorded them."""
        params = self._run.record().params
        return {*params, *(name for name, _ in flatten(params))}

    def amend(self, values: Mapping[str, Value]) -> None:
        """Set parameters to what the script runs with, also where it logged something else under that name itself.

        Raises:
            GTrackError: a name or value that cannot be written.
        """
        self._run.amend_params({name: shown(name, value) for name, value in values.items()})

    def notice(self, text: str) -> None:
        """Tell the reader of the run something."""
        self._run.notice(text)

    def keep(self, data: bytes, path: str) -> None:
        """Keep ``data`` as the artifact ``path``.

        Raises:
            GTrackError: it cannot be kept.
        """
        self._run.log_bytes(data, path)


def shown(name: str, value: Value) -> Value:
    """Return what may be written down of a parameter: of a password or token only that there is one."""
    if isinstance(value, dict):
        return {key: shown(key, element) for key, element in value.items()}
    if isinstance(value, list):
        return [shown(name, element) for element in value]
    if isinstance(value, str):
        return "***" if value and looks_secret(name) else redact_url(value)
    return value
