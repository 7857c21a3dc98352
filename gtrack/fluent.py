"""The verbs that every user of this field knows: thin functions over the run that is active here.

Each thread and each asyncio task has its own stack of active runs. A verb in a place that has none logs into the run that
``gtrack run`` launched the process for; else, when no run is open anywhere in the process, it opens one that ends with the
process, so a script of three lines is a whole run. Where other threads have runs open and this one has none, it is an error:
nothing is ever logged into a run by guess.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gtrack.capture.data import describe
from gtrack.capture.tables import table_to_bytes
from gtrack.charts import figure_to_bytes, image_to_png
from gtrack.errors import GTrackError, InvalidValue, NoActiveRun, RunIsActive
from gtrack.formats.names import check_artifact_path, check_experiment
from gtrack.formats.values import plain_value
from gtrack.formats.yamlio import dumps
from gtrack.project import Project, initialise
from gtrack.records import Experiment, Run, Status
from gtrack.store.artifacts import walk
from gtrack.store.live import API
from gtrack.tracking import RUN_DIR_VARIABLE, ActiveRun

if TYPE_CHECKING:
    from gtrack.records import Input, Number

GIVEN_VARIABLE = "GTRACK_GIVEN"
"""Holds the parameters that ``gtrack run`` was given, as JSON."""
EXPERIMENT_VARIABLE = "GTRACK_EXPERIMENT"


class FluentRun(ActiveRun):
    """An active run that the verbs of this module see: a context manager that also takes it off the stack.

    A block that raises ends the run as ``failed`` (``killed`` for KeyboardInterrupt), with the traceback in ``output.log``,
    and the exception goes on.
    """

    def end(self, status: str | Status = Status.FINISHED, exit_code: int | None = None) -> Run:
        """End the run and commit it, after the children that were left open inside it; see ``ActiveRun.end``."""
        stack = _stack.get()
        if self in stack:
            at = stack.index(self)
            for left_open in reversed(stack[at + 1 :]):
                left_open.end(status)
            _stack.set(stack[:at])
        with _process.lock:
            _process.open.pop(self.id, None)
            if _process.default is self:
                _process.default = None
        return super().end(status, exit_code)


class _Process:
    """What the verbs of one process share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.projects: dict[str, Project] = {}
        self.experiment: Experiment | None = None
        self.open: dict[str, FluentRun] = {}
        self.default: FluentRun | None = None
        self.launched: FluentRun | None = None
        self.launched_taken = False
        self.last_id: str | None = None
        self.pid = os.getpid()


_process = _Process()
_stack: ContextVar[tuple[FluentRun, ...]] = ContextVar("gtrack_runs", default=())


def _project() -> Project:
    start = os.environ.get("GTRACK_REPO") or str(Path.cwd())
    with _process.lock:
        project = _process.projects.get(start)
        if project is None:
            project = _process.projects[start] = Project.open(start)
            if project.repo.root is not None:
                _recover(project)
    return project


def _recover(project: Project) -> None:
    for found in project.recover():
        if found.error is not None:
            print(f"gtrack: {found.error}", file=sys.stderr)  # noqa: T201 - a note to the person, not a result


def init(path: str | Path | None = None) -> Path:
    """Make ``path`` (the current directory) a project: a git repository if it is none, with `.gtrack/config.yaml`.

    Returns:
        The top of its working tree.

    Raises:
        GTrackError: it cannot be made one.
    """
    repo = initialise(Path(path or os.environ.get("GTRACK_REPO") or Path.cwd())).repo
    with _process.lock:
        _process.projects.clear()
    return repo.root or repo.git_dir


def set_experiment(name: str, purpose: str | None = None, tags: Mapping[str, object] | None = None) -> Experiment:
    """Make ``name`` the experiment of the runs that this process starts from now on.

    Args:
        name: the experiment.
        purpose: what it is for; kept with it on the runs branch.
        tags: name to text, kept likewise.

    Raises:
        InvalidName: it cannot name an experiment.
    """
    texts = {str(key): str(value) for key, value in (tags or {}).items()}
    experiment = Experiment(check_experiment(name), purpose=purpose, tags=texts)
    with _process.lock:
        _process.experiment = experiment
    return experiment


def start_run(
    run_name: str | None = None,
    experiment: str | None = None,
    nested: bool = False,
    run_id: str | None = None,
    tags: Mapping[str, object] | None = None,
    notes: str | None = None,
    parent_run_id: str | None = None,
) -> FluentRun:
    """Start a run and make it the active one; use it in a ``with`` statement, or call ``end_run`` later.

    Under ``gtrack run`` the first call goes on with the run that was launched.

    Args:
        run_name: its name; made up when None.
        experiment: its experiment; that of ``set_experiment``, else the project's default, when None.
        nested: make it a child of the run that is active here.
        run_id: a reference to a run that has ended, to go on with: what is logged is appended.
        tags: name to text.
        notes: free text.
        parent_run_id: make it a child of this run; so a child started in a worker thread names its parent.

    Raises:
        RunIsActive: a run is active here and ``nested`` is False, or another process is writing ``run_id``.
        NotARepository: there is no git repository here.
        RunNotFound: no such ``run_id`` or ``parent_run_id``.
    """
    stack = _stack.get()
    current = stack[-1] if stack else None
    if current is not None and not nested and parent_run_id is None:
        raise RunIsActive(
            f"Run {current.name} ({current.id[:8]}) is active here. "
            "End it with end_run(), or start a child: start_run(nested=True)."
        )
    if run_id is not None:
        active = FluentRun.resume(_project(), _project().resolve(run_id).id)
        _amend(active, tags, notes)
    else:
        active = _fresh_run(current, run_name, experiment, tags, notes, parent_run_id, nested=nested)
    _register(active)
    _stack.set((*stack, active))
    return active


def _fresh_run(
    current: FluentRun | None,
    name: str | None,
    experiment: str | None,
    tags: Mapping[str, object] | None,
    notes: str | None,
    parent_run_id: str | None,
    *,
    nested: bool,
) -> FluentRun:
    launched = _launched()
    parent = current.id if nested and current is not None else None
    if parent_run_id is not None:
        parent = parent_run_id if parent_run_id in _process.open else _project().resolve(parent_run_id).id
    elif nested and current is None and launched is not None and _process.launched_taken:
        parent = launched.id
    chosen = experiment or (_process.experiment.name if _process.experiment else None)
    if launched is not None and parent is None and _take_launched():
        if name is not None:
            launched.rename(name)
        _place(launched, chosen)
        _amend(launched, tags, notes)
        return launched
    if chosen is None and parent is not None and current is not None:
        chosen = current.experiment
    return _new_run(name, chosen, parent, tags, notes)


def _new_run(
    name: str | None, experiment: str | None, parent: str | None, tags: Mapping[str, object] | None, notes: str | None
) -> FluentRun:
    launched = _process.launched
    return FluentRun.start(
        _project(),
        name=name,
        experiment=experiment or os.environ.get(EXPERIMENT_VARIABLE),
        parent=parent,
        tags=tags,
        notes=notes,
        about=_news(experiment),
        code=launched.record().code if launched is not None else None,
    )


def _news(experiment: str | None) -> Experiment | None:
    """Return what ``set_experiment`` said of this experiment, when it said more than its name."""
    about = _process.experiment
    says_more = about is not None and about.name == experiment and (about.purpose or about.tags)
    return about if says_more else None


def _place(launched: FluentRun, experiment: str | None) -> None:
    if experiment is not None:
        launched.move(experiment)
        about = _news(launched.experiment)
        if about is not None:
            launched.describe_experiment(about)


def _launched() -> FluentRun | None:
    """Return the run that ``gtrack run`` launched this process for, joined at the first call."""
    directory = os.environ.get(RUN_DIR_VARIABLE)
    with _process.lock:
        if _process.launched is None and directory and Path(directory).is_dir():
            _process.launched = FluentRun.join(Path(directory))
            _process.launched.live.mark(API)
        return _process.launched


def _take_launched() -> bool:
    """Tell whether the launched run is still free, and take it: it is the process's first run and no other's."""
    with _process.lock:
        free = not _process.launched_taken
        _process.launched_taken = True
        return free


def _amend(active: FluentRun, tags: Mapping[str, object] | None, notes: str | None) -> None:
    if tags:
        active.set_tags(tags)
    if notes is not None:
        active.set_notes(notes)


def _register(active: FluentRun) -> None:
    with _process.lock:
        if not _process.open:
            atexit.register(_end_all)
        _process.open[active.id] = active
        _process.last_id = active.id


def end_run(status: str = "finished") -> Run | None:
    """End the active run and commit it; do nothing when there is none.

    Args:
        status: ``finished``, ``failed`` or ``killed``.

    Raises:
        CommitFailed: it is complete on disk but not in git; ``gtrack recover`` finishes it.
    """
    active = active_run()
    return None if active is None else active.end(status)


def _end_all() -> None:
    """End what the process left open, at its exit: as failed when an exception ended it, else as finished."""
    if os.getpid() != _process.pid:
        return
    # Python leaves the exception that ends a process here; at an interactive prompt it is one that ended nothing.
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    for active in reversed(list(_process.open.values())):
        try:
            active.end(active.status_of(error))
        except GTrackError as problem:
            print(f"gtrack: {problem}", file=sys.stderr)  # noqa: T201 - at exit nobody else can say it


def active_run() -> FluentRun | None:
    """Return the run that the verbs log into here, None when there is none yet."""
    stack = _stack.get()
    if stack:
        return stack[-1]
    return _process.default


def last_active_run() -> Run | None:
    """Return the run that this process started last, as it stands now; None when it started none."""
    return None if _process.last_id is None else get_run(_process.last_id)


def _active(verb: str) -> FluentRun:
    stack = _stack.get()
    if stack:
        return stack[-1]
    if _process.default is not None:
        return _process.default
    return _default(verb)


def _default(verb: str) -> FluentRun:
    """Return the run of a place that has started none: the launched one, or one that lasts as long as the process."""
    launched = _launched()
    with _process.lock:
        if _process.default is not None:
            return _process.default
        if launched is not None and _take_launched():
            _process.default = launched
            _place(launched, _process.experiment.name if _process.experiment else None)
        elif _process.open:
            names = ", ".join(run.name for run in _process.open.values())
            raise NoActiveRun(
                f"{verb}: no run is active in this thread, and it is not clear which open run is meant ({names}). "
                "Call it on the run itself (run.log_metrics(…)), or start a run in this thread: start_run(parent_run_id=…)."
            )
        else:
            _process.default = _new_run(
                None, _process.experiment.name if _process.experiment else None, None, None, None
            )
        _register(_process.default)
        return _process.default


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
    _active("log_param").log_params({key: value})


def log_params(params: Mapping[str, object]) -> None:
    """Log several parameters of the active run, all or none; see ``log_param``."""
    _active("log_params").log_params(params)


def log_metric(key: str, value: Number, step: Number | None = None, timestamp: float | datetime | None = None) -> None:
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
    _active("log_metric").log_metrics({key: value}, step, timestamp)


def log_metrics(
    metrics: Mapping[str, Number], step: Number | None = None, timestamp: float | datetime | None = None
) -> None:
    """Log values of several metrics at one step, as one row; see ``log_metric``."""
    stack = _stack.get()
    (stack[-1] if stack else _active("log_metrics")).log_metrics(metrics, step, timestamp)


def define_metric(name: str, summary: str = "last", goal: str | None = None) -> None:
    """Say which value of a metric stands for the run (``last``, ``min``, ``max``) and which direction is better.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: another ``summary``, or a ``goal`` other than ``minimize`` and ``maximize``.
    """
    _active("define_metric").define_metric(name, summary, goal)


def log_artifact(path: str | Path, artifact_path: str | None = None) -> None:
    """Copy a file into the run's artifacts.

    Args:
        path: the file.
        artifact_path: the directory below the artifacts that it goes into, as in MLflow.

    Raises:
        ArtifactError: it is missing, no file, or changed while it was copied.
        InvalidPath: an unsafe ``artifact_path``.
    """
    source = Path(path)
    _active("log_artifact").log_artifact(source, _below(artifact_path, source.name))


def log_artifacts(directory: str | Path, artifact_path: str | None = None) -> None:
    """Copy everything in a directory into the run's artifacts; see ``log_artifact``."""
    active, found = _active("log_artifacts"), list(walk(Path(directory)))
    for inside, _ in found:
        check_artifact_path(_below(artifact_path, inside))
    for inside, path in found:
        active.log_artifact(path, _below(artifact_path, inside))


def _below(directory: str | None, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}" if directory else name


def log_figure(figure: object, artifact_file: str) -> None:
    """Keep a figure as an artifact: matplotlib, or anything with ``savefig``, ``write_image`` or ``write_html``.

    Args:
        figure: the figure; it is left open and unchanged.
        artifact_file: path below the artifacts, such as ``figures/roc.png``; its suffix says the format.

    Raises:
        InvalidValue: it is no figure.
        InvalidPath: an unsafe path.
    """
    check_artifact_path(artifact_file)
    data, path = figure_to_bytes(figure, artifact_file)
    _active("log_figure").log_bytes(data, path)


def log_image(image: object, artifact_file: str) -> None:
    """Keep an image as a PNG.

    Args:
        image: PIL image, or array of H×W, H×W×1, H×W×3 or H×W×4, uint8 or float in [0, 1].
        artifact_file: path below the artifacts, such as ``samples/0.png``.

    Raises:
        InvalidValue: another shape, type or range.
        InvalidPath: an unsafe path.
    """
    check_artifact_path(artifact_file)
    _active("log_image").log_bytes(image_to_png(image), artifact_file)


def log_text(text: str, artifact_file: str) -> None:
    """Keep a text as an artifact, in UTF-8.

    Raises:
        InvalidValue: no text.
        InvalidPath: an unsafe path.
    """
    if not isinstance(text, str):
        raise InvalidValue(f"log_text takes text, not {type(text).__name__}.")
    _active("log_text").log_bytes(text.encode(errors="replace"), artifact_file)


def log_dict(dictionary: Mapping[str, Any], artifact_file: str) -> None:
    """Keep a mapping as YAML, or as JSON when the path ends in ``.json``.

    Raises:
        InvalidValue: it holds what cannot be written.
        InvalidPath: an unsafe path.
    """
    check_artifact_path(artifact_file)
    try:
        as_json = artifact_file.lower().endswith(".json")
        text = (
            json.dumps(dictionary, indent=2, ensure_ascii=False) + "\n"
            if as_json
            else dumps(_plain_mapping(dictionary))
        )
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"log_dict({artifact_file!r}): {error}.") from error
    _active("log_dict").log_bytes(text.encode(), artifact_file)


def _plain_mapping(dictionary: object) -> dict[str, Any]:
    value = plain_value(dictionary, "dictionary")
    if not isinstance(value, dict):
        raise InvalidValue(f"log_dict takes a mapping, not {type(dictionary).__name__}.")
    return value


def log_table(data: object, artifact_file: str) -> None:
    """Keep a table (DataFrame, mapping of columns, list of rows) as CSV, JSON or parquet, as the path's suffix says.

    Raises:
        InvalidValue: it is no table, or the suffix is another.
        InvalidPath: an unsafe path.
    """
    check_artifact_path(artifact_file)
    _active("log_table").log_bytes(table_to_bytes(data, artifact_file), artifact_file)


def log_input(data: object, name: str | None = None, source: str | None = None) -> Input:
    """Record which data went into the run: digest, rows, columns and schema, not the data itself.

    Args:
        data: path of a file or directory, DataFrame, or array.
        name: what the run calls it; the file's name, or ``data``, when None.
        source: where it comes from, a path or URI.

    Raises:
        ArtifactError: a path that cannot be read.
        InvalidValue: data of another kind.
    """
    one = describe(data, name, source)
    _active("log_input").log_input(one)
    return one


def set_tag(key: str, value: object) -> None:
    """Set one tag of the active run; the value becomes text.

    Raises:
        InvalidName: a name that cannot be written.
    """
    _active("set_tag").set_tags({key: value})


def set_tags(tags: Mapping[str, object]) -> None:
    """Set several tags of the active run; see ``set_tag``."""
    _active("set_tags").set_tags(tags)


def set_notes(notes: str | None) -> None:
    """Replace the notes of the active run.

    Raises:
        InvalidValue: no text.
    """
    _active("set_notes").set_notes(notes)


def params(**defaults: Any) -> SimpleNamespace:
    """Return the parameters of this script: what ``gtrack run --param`` gave over ``defaults``; logged as what it runs with.

    ``p = gtrack.params(lr=0.01, epochs=10)`` gives ``p.lr`` and ``p.epochs``. A given value takes the type of its default
    where it can: an int for a float becomes a float, a list for a tuple a tuple.

    Raises:
        InvalidValue: a default that cannot be written, or a given value of another kind.
    """
    given = json.loads(os.environ.get(GIVEN_VARIABLE) or "{}")
    values = {key: _like(given[key], default, key) if key in given else default for key, default in defaults.items()}
    _active("params").log_params(values)
    return SimpleNamespace(**values)


def _like(value: Any, default: Any, key: str) -> Any:
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    numeric = isinstance(default, (int, float)) and not isinstance(default, bool)
    if (numeric or isinstance(default, bool)) and isinstance(value, str):
        raise InvalidValue(f"Parameter {key!r} is {type(default).__name__} ({default!r}); {value!r} is text.")
    return value


def get_run(ref: str) -> Run:
    """Return a run by reference: id, unique prefix, name, ``last``, ``last~2``, ``best:f1``.

    Raises:
        RunNotFound: none answers to it.
        AmbiguousRun: several do.
    """
    return _process.open[ref].record() if ref in _process.open else _project().resolve(ref)


def get_artifact(ref: str, path: str) -> bytes:
    """Return the content of an artifact.

    Args:
        ref: the run, as for ``get_run``.
        path: path below its artifacts.

    Raises:
        RunNotFound: no such run.
        ArtifactNotFound: it has no such artifact.
    """
    return _project().artifact_bytes(get_run(ref).id, path)
