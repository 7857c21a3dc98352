"""Where a client works: the project that all its methods share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from gtrack.errors import InvalidValue
from gtrack.fluent.active import FluentRun, process, project_at
from gtrack.fluent.late import open_here, writing
from gtrack.fluent.place import check_registry, directory_of, uri_of
from gtrack.project import Project
from gtrack.records import Run
from gtrack.variables import REPO_VARIABLE
from gtrack.writer import ActiveRun


class Place:
    """A client's project, and how its methods get at a run in it.

    Args:
        tracking_uri: as for ``set_tracking_uri``; what that said, else the current directory, when None.
        registry_uri: None, or the same: models are registered in the repository that their runs are in.

    Raises:
        InvalidValue: a URI of a server or a database.
        NotARepository: there is no repository.
    """

    def __init__(self, tracking_uri: str | PurePath | None = None, registry_uri: str | PurePath | None = None) -> None:
        here = process.place or os.environ.get(REPO_VARIABLE) or ""
        self._directory = directory_of(tracking_uri) if tracking_uri else str(Path.cwd() / here)
        check_registry(registry_uri, self._project)

    @property
    def _project(self) -> Project:
        # Asked for anew each time: so runs that are over, and not in git yet, are committed before a question is answered.
        return project_at(self._directory)

    @property
    def project(self) -> Project:
        """Where it works."""
        return self._project

    @property
    def tracking_uri(self) -> str:
        """The ``gtrack:`` URI of the repository."""
        return uri_of(self._project)

    def _run(self, run_id: str) -> Run:
        if not isinstance(run_id, str):
            raise InvalidValue(f"A run id is text, not {type(run_id).__name__}.")
        found = open_here(run_id)
        return self._project.resolve(run_id) if found is None else found.record()

    def _here(self, run_id: str) -> FluentRun | None:
        """Return the run when this process writes it; None when another one does, or when it has ended."""
        return open_here(run_id) or open_here(self._run(run_id).id)

    @contextmanager
    def _writing(self, run_id: str) -> Iterator[ActiveRun]:
        with writing(run_id, self._project) as run:
            yield run
