"""The verbs that every user of this field knows: thin functions over the run that is active here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, SupportsFloat

from gtrack.capture.data import describe
from gtrack.capture.tables import table_to_bytes
from gtrack.charts import figure_to_bytes, image_to_png
from gtrack.errors import InvalidValue
from gtrack.fluent.active import active, get_run, project_here, stack_here
from gtrack.fluent.late import writing
from gtrack.formats.names import check_artifact_path
from gtrack.formats.params import over_default
from gtrack.formats.values import plain_value
from gtrack.formats.yamlio import dumps
from gtrack.store.artifacts import check_source, walk
from gtrack.variables import GIVEN_TEXTS_VARIABLE, GIVEN_VARIABLE

if TYPE_CHECKING:
    from gtrack.records import Input
    from gtrack.writer import ActiveRun


def log_param(key: str, value: object, synchronous: bool | None = None) -> None:  # noqa: ARG001 - taken as MLflow has it
    """Log one parameter of the active run.

    Args:
        key: its name.
        value: bool, int, float, text, None, or lists and mappings of these; numpy scalars too.
        synchronous: taken as MLflow has it, without effect: a call is on disk when it returns.

    Raises:
        ParamConflict: it has another value already.
        InvalidName: a name that cannot be written.
        InvalidValue: a value that cannot be written.
    """
    active("log_param").log_params({key: value})


def log_params(
    params: Mapping[str, object],
    synchronous: bool | None = None,  # noqa: ARG001 - taken as MLflow has it
    run_id: str | None = None,
) -> None:
    """Log several parameters of the active run, all or none.

    Args:
        params: name to value, as for ``log_param``; a mapping as a value nests, ``opt.lr`` is then the ``lr`` in ``opt``.
        synchronous: as for ``log_param``.
        run_id: as for ``log_metric``.

    Raises:
        ParamConflict: one has another value already.
        InvalidName: a name that cannot be written.
        InvalidValue: a value that cannot be written.
    """
    with _run("log_params", run_id) as run:
        run.log_params(params)


def log_metric(
    key: str,
    value: SupportsFloat,
    step: SupportsFloat | None = None,
    timestamp: SupportsFloat | datetime | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
) -> None:
    """Log one value of a metric.

    Args:
        key: its name.
        value: a number; nan and inf are kept, with a warning.
        step: position on the x axis; without one the value stands for the run and makes no history.
        timestamp: seconds (or milliseconds) since the epoch, or a datetime; now, when None.
        synchronous: taken as MLflow has it, without effect: a call is on disk when it returns.
        run_id: the run; the active one when None. One that has ended is committed anew, and keeps when and how it ended.
        model_id: None: a metric belongs to a run here, not to a model.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: no number, or a ``model_id``.
    """
    if run_id is None and model_id is None:
        active("log_metric").log_metrics({key: value}, step, timestamp)
    else:
        log_metrics({key: value}, step, timestamp, synchronous, run_id, model_id)


def log_metrics(
    metrics: Mapping[str, SupportsFloat],
    step: SupportsFloat | None = None,
    timestamp: SupportsFloat | datetime | None = None,
    synchronous: bool | None = None,  # noqa: ARG001 - taken as MLflow has it
    run_id: str | None = None,
    model_id: str | None = None,
) -> None:
    """Log values of several metrics at one step, as one row.

    Args:
        metrics: name to number.
        step: as for ``log_metric``.
        timestamp: as for ``log_metric``.
        synchronous: as for ``log_metric``.
        run_id: as for ``log_metric``.
        model_id: as for ``log_metric``.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: no number, or a ``model_id``.
    """
    if run_id is not None or model_id is not None:
        if model_id is not None:
            raise InvalidValue(
                f"A metric belongs to a run here, not to the model {model_id!r}: leave model_id out; its run has both."
            )
        with _run("log_metrics", run_id) as run:
            run.log_metrics(metrics, step, timestamp)
        return
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


def log_artifact(
    local_path: str | Path, artifact_path: str | PurePath | None = None, run_id: str | None = None
) -> None:
    """Copy a file into the run's artifacts.

    Args:
        local_path: the file.
        artifact_path: the directory below the artifacts that it goes into, as in MLflow.
        run_id: the run; the active one when None. One that has ended is committed anew, and keeps when and how it ended.

    Raises:
        ArtifactError: it is missing, no file, or changed while it was copied.
        InvalidPath: an unsafe ``artifact_path``.
    """
    source = Path(local_path)
    check_source(source)
    with _run("log_artifact", run_id) as run:
        run.log_artifact(source, below(artifact_path, source.name))


def log_artifacts(
    local_dir: str | Path, artifact_path: str | PurePath | None = None, run_id: str | None = None
) -> None:
    """Copy everything in a directory into the run's artifacts, under the same paths.

    Args:
        local_dir: the directory.
        artifact_path: as for ``log_artifact``.
        run_id: as for ``log_artifact``.

    Raises:
        ArtifactError: it is no directory, or something in it cannot be taken; nothing of it is copied then.
        InvalidPath: an unsafe path.
    """
    found = [(below(artifact_path, inside), path) for inside, path in walk(Path(local_dir))]
    for inside, _ in found:
        check_artifact_path(inside)
    with _run("log_artifacts", run_id) as run:
        for inside, path in found:
            run.log_artifact(path, inside)


def log_stream(stream: IO[bytes], artifact_file: str | PurePath, run_id: str | None = None) -> None:
    """Keep what a binary stream gives as an artifact.

    Args:
        stream: read from where it stands to its end.
        artifact_file: path below the artifacts, such as ``model.bin``.
        run_id: as for ``log_artifact``.

    Raises:
        InvalidValue: no binary stream.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    data = stream.read() if hasattr(stream, "read") else None
    if not isinstance(data, bytes):
        raise InvalidValue(f"log_stream takes a stream of bytes, not {type(stream).__name__}.")
    _keep("log_stream", data, artifact_file, run_id)


@contextmanager
def _run(verb: str, run_id: str | None) -> Iterator[ActiveRun]:
    """Give the run that a verb logs into: that of an id, else the active one."""
    if run_id is None:
        yield active(verb)
    else:
        with writing(run_id) as run:
            yield run


def _keep(verb: str, data: bytes, artifact_file: str, run_id: str | None) -> None:
    with _run(verb, run_id) as run:
        run.log_bytes(data, artifact_file)


def below(directory: str | PurePath | None, name: str) -> str:
    """Return the path of an artifact in a directory below the artifacts."""
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


def log_image(
    image: object, artifact_file: str | PurePath | None = None, key: str | None = None, step: int | None = None
) -> None:
    """Keep an image as a PNG.

    Args:
        image: PIL image, or array of H×W, H×W×1, H×W×3 or H×W×4, uint8 or float in [0, 1].
        artifact_file: path below the artifacts, such as ``samples/0.png``.
        key: instead of a path, the name of a series of images: they are ``images/<key>/<step>.png``.
        step: position in the series; 0 when None.

    Raises:
        InvalidValue: another shape, type or range, or not just one of a path and a key.
        InvalidPath: an unsafe path.
    """
    path = image_path(artifact_file, key, step)
    active("log_image").log_bytes(image_to_png(image), path)


def image_path(artifact_file: str | PurePath | None, key: str | None, step: int | None) -> str:
    """Return where an image is kept: at a path, or as one of a series.

    Raises:
        InvalidValue: not just one of a path and a key.
        InvalidPath: an unsafe path.
    """
    if (artifact_file is None) is (key is None):
        raise InvalidValue("log_image takes either artifact_file, a path, or key, the name of a series of images.")
    return check_artifact_path(f"images/{key}/{step or 0:06d}.png" if artifact_file is None else _path(artifact_file))


def log_text(text: str, artifact_file: str | PurePath, run_id: str | None = None) -> None:
    """Keep a text as an artifact, in UTF-8.

    Args:
        text: the text.
        artifact_file: path below the artifacts, such as ``report.md``.
        run_id: as for ``log_artifact``.

    Raises:
        InvalidValue: no text.
        InvalidPath: an unsafe path.
    """
    if not isinstance(text, str):
        raise InvalidValue(f"log_text takes text, not {type(text).__name__}.")
    _keep("log_text", text.encode(errors="replace"), check_artifact_path(_path(artifact_file)), run_id)


def log_dict(dictionary: Mapping[str, Any], artifact_file: str | PurePath, run_id: str | None = None) -> None:
    """Keep a mapping as YAML, or as JSON when the path ends in ``.json``.

    Args:
        dictionary: names to bools, numbers, texts, None, lists and mappings; numpy scalars too.
        artifact_file: path below the artifacts, such as ``config.yaml``.
        run_id: as for ``log_artifact``.

    Raises:
        InvalidValue: it holds what cannot be written.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    _keep("log_dict", dict_to_bytes(dictionary, artifact_file), artifact_file, run_id)


def dict_to_bytes(dictionary: Mapping[str, Any], path: str) -> bytes:
    """Return a mapping as YAML, or as JSON when the path ends in ``.json``.

    Raises:
        InvalidValue: it holds what cannot be written, or is none.
    """
    try:
        as_json = path.lower().endswith(".json")
        text = (
            json.dumps(dictionary, indent=2, ensure_ascii=False, default=lambda value: plain_value(value, "dictionary"))
            + "\n"
            if as_json
            else dumps(_plain_mapping(dictionary))
        )
    except InvalidValue:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"log_dict({path!r}): {error}.") from error
    return text.encode(errors="replace")


def _plain_mapping(dictionary: object) -> dict[str, Any]:
    value = plain_value(dictionary, "dictionary")
    if not isinstance(value, dict):
        raise InvalidValue(f"log_dict takes a mapping, not {type(dictionary).__name__}.")
    return value


def log_table(data: object, artifact_file: str | PurePath, run_id: str | None = None) -> None:
    """Keep a table as CSV, TSV, JSON or parquet.

    Args:
        data: DataFrame, mapping of columns, or list of rows.
        artifact_file: path below the artifacts, such as ``scores.csv``; its suffix says the format.
        run_id: as for ``log_artifact``.

    Raises:
        InvalidValue: it is no table, or the suffix is another.
        InvalidPath: an unsafe path.
    """
    artifact_file = check_artifact_path(_path(artifact_file))
    _keep("log_table", table_to_bytes(data, artifact_file), artifact_file, run_id)


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


def set_tag(key: str, value: object, synchronous: bool | None = None) -> None:  # noqa: ARG001 - taken as MLflow has it
    """Set one tag of the active run; one of that name that it has is replaced.

    Args:
        key: its name.
        value: becomes text.
        synchronous: as for ``log_param``.

    Raises:
        InvalidName: a name that cannot be written.
    """
    active("set_tag").set_tags({key: value})


def set_tags(tags: Mapping[str, object], synchronous: bool | None = None) -> None:  # noqa: ARG001 - taken as MLflow has it
    """Set several tags of the active run.

    Args:
        tags: name to value, as for ``set_tag``.
        synchronous: as for ``log_param``.

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
