"""Read one table of several runs as one DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gtrack.capture.read_tables import table_from_bytes
from gtrack.errors import ArtifactNotFound, InvalidValue, nearest
from gtrack.ops.frames import runs_frame
from gtrack.project import Project
from gtrack.records import Run

if TYPE_CHECKING:
    import pandas as pd


def load_tables(project: Project, runs: Sequence[Run], path: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of the table at ``path`` of every run that has it, in the order of the runs.

    Args:
        project: where the runs are.
        runs: which runs.
        path: below their artifacts.
        columns: what of the run is said in further columns, as ``search_runs`` calls it: ``run_id``, ``metrics.f1``.

    Raises:
        ArtifactNotFound: none of the runs has it.
        InvalidValue: no suffix of a table, or a column that no run has.
        FormatError: it is no table.
    """
    import pandas as pd

    facts = runs_frame(runs)
    for column in columns:
        if column not in facts.columns:
            raise InvalidValue(f"No run has {column!r}.{nearest(column, facts.columns)}")
    project.store.bring({run.id: (path,) for run in runs})
    parts = []
    for run, (_, fact) in zip(runs, facts.iterrows(), strict=True):
        if any(artifact.path == path for artifact in project.artifacts(run.id)):
            table = table_from_bytes(project.artifact_bytes(run.id, path), path)
            parts.append(table.assign(**{str(column): [fact[column]] * len(table) for column in columns}))
    if not parts:
        raise ArtifactNotFound(f"None of these {len(runs)} runs has a table {path!r}.")
    return pd.concat(parts, ignore_index=True)
