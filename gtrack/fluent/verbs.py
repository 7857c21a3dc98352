"""The verbs that every user of this field knows: thin functions over the run that is active here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, SupportsFloat

from gtrack.capture.data import describe
from gtrack.capture.tables import table_to_bytes
from gtrack.charts import figure_to_bytes, image_to_png
from gtrack.errors import InvalidValue
from gtrack.fluent.active import active, get_run, project_here, stack_here
from gtrack.formats.names import check_artifact_path
from gtrack.formats.params import over_default
from gtrack.formats.values import plain_value
from gtrack.formats.yamlio import dumps
from gtrack.store.artifacts import check_source, walk
from gtrack.variables import GIVEN_TEXTS_VARIABLE, GIVEN_VARIABLE

if TYPE_CHECKING:
    from gtrack.records import Input


def log_param(key: str, value: object) -> None:
    """Log one parameter of the active run.

    Args:
        key: its name.
        value: bool, int, float, text, None, or lists and mappings of these; numpy scalars too.

    Raises:
        ParamConflict: it has another value already.
        InvalidName: a name that cannot be written.
        InvalidValue: a value that cannot be written.
    """
    active("log_param").log_params({key: value})


def log_params(params: Mapping[str, object]) -> None:
    """Log several parameters of the active run, all or none.

    Args:
        params: name to value, as for ``log_param``; a mapping as a value nests, ``opt.lr`` is then the ``lr`` in ``opt``.

    Raises:
        ParamConflict: one has another value already.
        InvalidName: a name that cannot be written.
        InvalidValue: a value that cannot be written.
    """
    active("log_params").log_params(params)


def log_metric(
    key: str, value: SupportsFloat, step: SupportsFloat | None = None, timestamp: SupportsFloat | datetime | None = None
) -> None:
    """Log one value of a metric.

    Args:
        key: its name.
        value: a number; nan and inf are kept, with a warning.
        step: position on the x axis; without one the value stands for the run and makes no history.
        timestamp: seconds (or milliseconds) since the epoch, or a datetime; now, when None.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: no number.
    """
    active("log_metric").log_metrics({key: value}, step, timestamp)


def log_metrics(
    metrics: Mapping[str, SupportsFloat],
    step: SupportsFloat | None = None,
    timestamp: SupportsFloat | datetime | None = None,
) -> None:
    """Log values of several metrics at one step, as one row.

    Args:
        metrics: name to number.
        step: as for ``log_metric``.
        timestamp: as for ``log_metric``.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: no number.
    """
    stack = stack_here.get()
    (stack[-1] if stack and not stack[-1].ended else active("log_metrics")).log_metrics(metrics, step, timestamp)


def define_metric(name: str, summary: str = "last", goal: str | None = None) -> None:
    """Say which value of a metric stands for the run and which direction is better, also of values logged before.

    Args:
        name: the metric.
        summary: ``last``, ``min`` or ``max``.
        goal: ``minimize``, ``maximize`` or None; follows from ``min`` or ``max`` when None.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: another ``summary``, or a ``goal`` other than ``minimize`` and ``maximize``.
    """
    active("define_metric").define_metric(name, summary, goal)


def log_artifact(path: str | Path, artifact_path: str | PurePath | None = None) -> None:
    """Copy a file into the run's artifacts.

    Args:
        path: the file.
        artifact_path: the directory below the artifacts that it goes into, as in MLflow.

    Raises:
        ArtifactError: it is missing, no file, or changed while it was copied.
        InvalidPath: an unsafe ``artifact_path``.
    """
    source = Path(path)
    check_source(source)
    active("log_artifact").log_artifact(source, _below(artifact_path, source.name))


def log_artifacts(directory: str | Path, artifact_path: str | PurePath | None = None) -> None:
    """Copy everything in a directory into the run's artifacts, under the same paths.

    Args:
        directory: the directory.
        artifact_path: as for ``log_artifact``.

    Raises:
        ArtifactError: it is no directory, or something in it cannot be taken; nothing of it is copied then.
        InvalidPath: an unsafe path.
    """
    found = [(_below(artifact_path, inside), path) for inside, path in walk(Path(directory))]
    for inside, _ in found:
        check_artifact_path(inside)
    into = active("log_artifacts")
    for inside, path in found:
        into.log_artifact(path, inside)


def _below(directory: str | PurePath | None, name: str) -> str:
    return f"{_path(directory).rstrip('/')}/{name}" if directory else name


def _path(path: str | PurePath) -> str:
    """Return an artifact path as text; what is none is told apart where it is checked."""
    return path.as_posix() if isinstance(path, PurePath) else path


def log_figure(figure: object, artifact_file: str | PurePath) -> None:
    """Keep a figure as an artifact: matplotlib, or anything with ``savefig``, ``write_image`` or ``write_html``.

    Args:
        figure: the figure; it is left open and unchanged.
        artifact_file: path below the artifacts, such as ``figures/roc.png``; its suffix says the format.

    Raises:
        InvalidValue: it is no figure.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    data, path = figure_to_bytes(figure, artifact_file)
    active("log_figure").log_bytes(data, path)


def log_image(image: object, artifact_file: str | PurePath) -> None:
    """Keep an image as a PNG.

    Args:
        image: PIL image, or array of H×W, H×W×1, H×W×3 or H×W×4, uint8 or float in [0, 1].
        artifact_file: path below the artifacts, such as ``samples/0.png``.

    Raises:
        InvalidValue: another shape, type or range.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    active("log_image").log_bytes(image_to_png(image), artifact_file)


def log_text(text: str, artifact_file: str | PurePath) -> None:
    """Keep a text as an artifact, in UTF-8.

    Args:
        text: the text.
        artifact_file: path below the artifacts, such as ``report.md``.

    Raises:
        InvalidValue: no text.
        InvalidPath: an unsafe path.
    """
    if not isinstance(text, str):
        raise InvalidValue(f"log_text takes text, not {type(text).__name__}.")
    active("log_text").log_bytes(text.encode(errors="replace"), check_artifact_path(_path(artifact_file)))


def log_dict(dictionary: Mapping[str, Any], artifact_file: str | PurePath) -> None:
    """Keep a mapping as YAML, or as JSON when the path ends in ``.json``.

    Args:
        dictionary: names to bools, numbers, texts, None, lists and mappings; numpy scalars too.
        artifact_file: path below the artifacts, such as ``config.yaml``.

    Raises:
        InvalidValue: it holds what cannot be written.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    try:
        as_json = artifact_file.lower().endswith(".json")
        text = (
            json.dumps(dictionary, indent=2, ensure_ascii=False, default=lambda value: plain_value(value, "dictionary"))
            + "\n"
            if as_json
            else dumps(_plain_mapping(dictionary))
        )
    except InvalidValue:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"log_dict({artifact_file!r}): {error}.") from error
    active("log_dict").log_bytes(text.encode(errors="replace"), artifact_file)


def _plain_mapping(dictionary: object) -> dict[str, Any]:
    value = plain_value(dictionary, "dictionary")
    if not isinstance(value, dict):
        raise InvalidValue(f"log_dict takes a mapping, not {type(dictionary).__name__}.")
    return value


def log_table(data: object, artifact_file: str | PurePath) -> None:
    """Keep a table as CSV, TSV, JSON or parquet.

    Args:
        data: DataFrame, mapping of columns, or list of rows.
        artifact_file: path below the artifacts, such as ``scores.csv``; its suffix says the format.

    Raises:
        InvalidValue: it is no table, or the suffix is another.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    active("log_table").log_bytes(table_to_bytes(data, artifact_file), artifact_file)


def log_input(data: object, name: str | None = None, source: str | Path | None = None) -> Input:
    """Record which data went into the run: digest, rows, columns and schema, not the data itself.

    Args:
        data: path of a file or directory, DataFrame, or array.
        name: what the run calls it; the file's name, or ``data``, when None.
        source: where it comes from, a path or URI.

    Raises:
        ArtifactError: a path that cannot be read.
        InvalidValue: data of another kind.
        InvalidName: a name that cannot be written.

    Returns:
        What is recorded.
    """
    one = describe(data, name, os.fspath(source) if source is not None else None)
    active("log_input").log_input(one)
    return one


def set_tag(key: str, value: object) -> None:
    """Set one tag of the active run; one of that name that it has is replaced.

    Args:
        key: its name.
        value: becomes text.

    Raises:
        InvalidName: a name that cannot be written.
    """
    active("set_tag").set_tags({key: value})


def set_tags(tags: Mapping[str, object]) -> None:
    """Set several tags of the active run.

    Args:
        tags: name to value, as for ``set_tag``.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: no mapping.
    """
    active("set_tags").set_tags(tags)


def set_notes(notes: str | None) -> None:
    """Replace the notes of the active run.

    Args:
        notes: free text, several lines as a rule; None takes them away.

    Raises:
        InvalidValue: no text.
    """
    active("set_notes").set_notes(notes)


def params(**defaults: Any) -> SimpleNamespace:
    """Return the parameters of this script: what ``gtrack run --param`` gave over ``defaults``; logged as what it runs with.

    ``p = gtrack.params(lr=0.01, epochs=10)`` gives ``p.lr`` and ``p.epochs``. A given value takes the type of its default
    where it can: an int for a float becomes a float, a list for a tuple a tuple, a number for text what was typed. A given
    ``opt.lr`` sets the ``lr`` in a default ``opt`` that is a mapping.

    Args:
        defaults: name to the value that holds when none is given; a mapping nests.

    Raises:
        InvalidValue: a default that cannot be written, or a given value of another kind.
        ParamConflict: one was logged with another value before.
    """
    given = json.loads(os.environ.get(GIVEN_VARIABLE) or "{}")
    texts = json.loads(os.environ.get(GIVEN_TEXTS_VARIABLE) or "{}")
    values = {key: over_default(given, default, key, texts) for key, default in defaults.items()}
    active("params").log_params(values)
    return SimpleNamespace(**values)


def get_artifact(ref: str, path: str | PurePath) -> bytes:
    """Return the content of an artifact.

    Args:
        ref: the run, as for ``get_run``.
        path: path below its artifacts.

    Returns:
        Its bytes.

    Raises:
        RunNotFound: no such run.
        ArtifactNotFound: it has no such artifact.
    """
    return project_here().artifact_bytes(get_run(ref).id, _path(path))
