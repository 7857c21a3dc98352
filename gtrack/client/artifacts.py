"""Artifacts of runs by their id: kept, listed and read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

from gtrack.capture.tables import table_to_bytes
from gtrack.charts import figure_to_bytes, image_to_png
from gtrack.client.entities import FileInfo
from gtrack.client.place import Place
from gtrack.errors import InvalidValue
from gtrack.fluent.verbs import below, dict_to_bytes, image_path
from gtrack.formats.names import check_artifact_path
from gtrack.ops.experiment import name_of
from gtrack.ops.get import choose, write_out
from gtrack.ops.search import Choice, find_runs
from gtrack.ops.tables import load_tables
from gtrack.project import Project
from gtrack.records import Artifact, Run
from gtrack.store.artifacts import check_source, walk

if TYPE_CHECKING:
    import pandas as pd


class ArtifactMethods(Place):
    """What a client does with artifacts. A run that has ended is committed anew, and keeps when and how it ended."""

    def log_artifact(self, run_id: str, local_path: str | Path, artifact_path: str | PurePath | None = None) -> None:
        """Copy a file into a run's artifacts.

        Args:
            run_id: the run.
            local_path: the file.
            artifact_path: the directory below the artifacts that it goes into.

        Raises:
            ArtifactError: it is missing, no file, or changed while it was copied.
            InvalidPath: an unsafe ``artifact_path``.
        """
        source = Path(local_path)
        check_source(source)
        with self._writing(run_id) as run:
            run.log_artifact(source, below(artifact_path, source.name))

    def log_artifacts(self, run_id: str, local_dir: str | Path, artifact_path: str | PurePath | None = None) -> None:
        """Copy everything in a directory into a run's artifacts, under the same paths; see ``log_artifact``."""
        found = [(check_artifact_path(below(artifact_path, inside)), path) for inside, path in walk(Path(local_dir))]
        with self._writing(run_id) as run:
            for inside, path in found:
                run.log_artifact(path, inside)

    def log_text(self, run_id: str, text: str, artifact_file: str | PurePath) -> None:
        """Keep a text as an artifact, in UTF-8.

        Raises:
            InvalidValue: no text.
            InvalidPath: an unsafe path.
        """
        if not isinstance(text, str):
            raise InvalidValue(f"log_text takes text, not {type(text).__name__}.")
        self._keep(run_id, text.encode(errors="replace"), _checked(artifact_file))

    def log_dict(self, run_id: str, dictionary: Mapping[str, Any], artifact_file: str | PurePath) -> None:
        """Keep a mapping as YAML, or as JSON when the path ends in ``.json``.

        Raises:
            InvalidValue: it holds what cannot be written.
            InvalidPath: an unsafe path.
        """
        path = _checked(artifact_file)
        self._keep(run_id, dict_to_bytes(dictionary, path), path)

    def log_figure(self, run_id: str, figure: object, artifact_file: str | PurePath) -> None:
        """Keep a figure; the suffix of the path says the format.

        Raises:
            InvalidValue: it is no figure.
            InvalidPath: an unsafe path.
        """
        data, path = figure_to_bytes(figure, _checked(artifact_file))
        self._keep(run_id, data, path)

    def log_image(
        self,
        run_id: str,
        image: object,
        artifact_file: str | PurePath | None = None,
        key: str | None = None,
        step: int | None = None,
    ) -> None:
        """Keep an image as a PNG, under a path, or as one of a series by ``key`` and ``step``.

        Raises:
            InvalidValue: another shape, type or range, or not just one of a path and a key.
            InvalidPath: an unsafe path.
        """
        path = image_path(artifact_file, key, step)
        self._keep(run_id, image_to_png(image), path)

    def log_table(self, run_id: str, data: object, artifact_file: str | PurePath) -> None:
        """Keep a table as CSV, TSV, JSON or parquet; one that is there is replaced.

        Raises:
            InvalidValue: it is no table, or the suffix is another.
            InvalidPath: an unsafe path.
        """
        path = _checked(artifact_file)
        self._keep(run_id, table_to_bytes(data, path), path)

    def log_stream(self, run_id: str, stream: IO[bytes], artifact_file: str | PurePath) -> None:
        """Keep what a binary stream gives, from where it stands to its end.

        Raises:
            InvalidValue: no binary stream.
            InvalidPath: an unsafe path.
        """
        data = stream.read()
        if not isinstance(data, bytes):
            raise InvalidValue(f"log_stream takes a stream of bytes, not {type(stream).__name__}.")
        self._keep(run_id, data, _checked(artifact_file))

    def _keep(self, run_id: str, data: bytes, path: str) -> None:
        with self._writing(run_id) as run:
            run.log_bytes(data, path)

    def list_artifacts(self, run_id: str, path: str | PurePath | None = None) -> list[FileInfo]:
        """Return what lies in a directory of a run's artifacts, or in all of them, by name; nothing where there is none.

        Raises:
            RunNotFound: no such run.
        """
        return in_directory(self._project.artifacts(self._run(run_id).id), path)

    def download_artifacts(self, run_id: str, path: str | PurePath, dst_path: str | Path | None = None) -> str:
        """Write an artifact, a directory of them, or all (an empty path) to disk.

        Args:
            run_id: the run.
            path: below its artifacts.
            dst_path: the directory that it is written into, under the same path; one in the temporary directory when None.

        Returns:
            Where it is now.

        Raises:
            ArtifactNotFound: the run has none there.
            ArtifactError: a file is in the way, or its content is not here.
        """
        return written_to(dst_path, self._project, self._run(run_id), path)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return a table that ``log_table`` kept, of several runs below each other.

        Args:
            experiment_id: the experiment whose runs are meant.
            artifact_file: path below their artifacts.
            run_ids: only of these.
            extra_columns: what of the run is said in further columns, as ``search_runs`` calls it.

        Raises:
            ArtifactNotFound: none of the runs has it.
            InvalidValue: no suffix of a table, or a column that no run has.
            FormatError: it is no table.
        """
        runs = find_runs(self._project, Choice(experiments=(name_of(self._project, experiment_id),)))
        wanted = None if run_ids is None else set(run_ids)
        chosen = [run for run in runs if wanted is None or run.id in wanted]
        return load_tables(self._project, chosen, _checked(artifact_file), extra_columns or ())


def in_directory(artifacts: Iterable[Artifact], path: str | PurePath | None) -> list[FileInfo]:
    """Return what lies in a directory of a run's artifacts, or in all of them, by name.

    Args:
        artifacts: all of the run.
        path: the directory; None or an empty path for the top.
    """
    inside = f"{PurePath(path).as_posix().rstrip('/')}/" if path else ""
    found: dict[str, FileInfo] = {}
    for artifact in artifacts:
        name, slash, _ = artifact.path.removeprefix(inside).partition("/")
        if artifact.path.startswith(inside):
            place = f"{inside}{name}"
            found[place] = FileInfo(place, is_dir=bool(slash), file_size=None if slash else artifact.size)
    return [found[place] for place in sorted(found)]


def written_to(
    dst_path: str | Path | None, project: Project, run: Run, path: str | PurePath, at: str | None = None
) -> str:
    """Write an artifact of a run, a directory of them, or all (an empty path) to disk, and return where it is now.

    Args:
        dst_path: the directory; one in the temporary directory when None.
        project: where the run is.
        run: the run.
        path: below its artifacts.
        at: the commit that they are taken from; as they are now, when None.

    Raises:
        ArtifactNotFound: the run has none there.
        ArtifactError: a file is in the way, or its content is not here.
    """
    wanted = PurePath(path).as_posix() if path else ""
    chosen = choose(project, run, None if wanted in {"", "."} else wanted, at=at)
    directory = Path(tempfile.mkdtemp(prefix="gtrack-") if dst_path is None else dst_path)
    write_out(project, run, chosen, directory, at=at)
    return str((directory / wanted).resolve())


def _checked(path: str | PurePath) -> str:
    return check_artifact_path(path.as_posix() if isinstance(path, PurePath) else path)
