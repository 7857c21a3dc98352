"""Read tables back that runs kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from gtrack.fluent.active import get_run, process, project_here
from gtrack.formats.names import check_artifact_path
from gtrack.ops.search import Choice, find_runs
from gtrack.ops.tables import load_tables

if TYPE_CHECKING:
    import pandas as pd


def load_table(
    artifact_file: str | PurePath,
    run_ids: str | Sequence[str] | None = None,
    extra_columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return a table that ``log_table`` kept, of one run or of several below each other.

    Args:
        artifact_file: path below the artifacts, such as ``scores.csv``.
        run_ids: of which runs, as for ``get_run``; of all that have it in the experiment of ``set_experiment`` (else in the
            project's default one), when None.
        extra_columns: what of the run is said in further columns, as ``search_runs`` calls it: ``run_id``, ``metrics.f1``.

    Raises:
        RunNotFound: no such run.
        ArtifactNotFound: none of the runs has it.
        InvalidValue: no suffix of a table, or a column that no run has.
        FormatError: it is no table.
    """
    path = check_artifact_path(PurePath(artifact_file).as_posix())
    project = project_here()
    if run_ids is None:
        name = process.experiment.name if process.experiment is not None else project.config.experiment
        runs = find_runs(project, Choice(experiments=(name,)))
    else:
        runs = [get_run(one) for one in ([run_ids] if isinstance(run_ids, str) else run_ids)]
    return load_tables(project, runs, path, extra_columns or ())
