"""Which run the verbs log into, and how it starts and ends.

Each thread and each asyncio task has its own stack of active runs. A verb in a place that has none logs into the run that
``gtrack run`` launched the process for; else, when no run is open anywhere in the process, it opens one that ends with the
process, so a script of three lines is a whole run. The first ``start_run()`` after that in the same thread goes on with it.
Where other threads have runs open and this one has none, it is an error: nothing is ever logged into a run by guess.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError, InvalidValue, NoActiveRun, RunIsActive
from gtrack.fluent.compatible import CompatibleRun
from gtrack.formats.mlflow_tags import split_tags
from gtrack.formats.names import check_experiment
from gtrack.formats.values import final_status, free_text, text_tags
from gtrack.ops.experiment import FIRST_ID, name_of
from gtrack.project import Project, initialise
from gtrack.records import Experiment, Run, Status
from gtrack.store.live import API, OWNER
from gtrack.variables import EXPERIMENT_VARIABLE, REPO_VARIABLE, RUN_DIR_VARIABLE

if TYPE_CHECKING:
    from typing import NoReturn

_NOT_OF_METRICS = frozenset(
    "params log_param log_params log_input set_tag set_tags delete_tag set_notes get_artifact_uri log_artifact log_artifacts "
    "log_text log_dict log_figure log_image log_table".split()
)
"""Verbs that say nothing of how metrics come: a script that calls no others may print them."""


class FluentRun(CompatibleRun):
    """An active run that the verbs of this package see: a context manager that also takes it off the stack.

    A block that raises ends the run as ``failed`` (``killed`` for KeyboardInterrupt), with the traceback in ``output.log``,
    and the exception goes on.
    """

    def end(self, status: str | Status = Status.FINISHED, exit_code: int | None = None) -> Run:
        """End the run and commit it, after the children that were left open inside it; see ``ActiveRun.end``.

        Args:
            status: ``finished``, ``failed`` or ``killed``.
            exit_code: of the process, when one was launched for the run.

        Raises:
            InvalidValue: any other status; the run goes on.
            CommitFailed: it is complete on disk, but not in git; ``gtrack recover`` finishes it.
        """
        final = final_status(status)
        stack = stack_here.get()
        above = stack[stack.index(self) + 1 :] if self in stack else ()
        try:
            _run_hooks(self.id)
            if above:
                above[0].end(final)
        finally:
            stack_here.set(tuple(run for run in stack_here.get() if run is not self))
            with process.lock:
                process.open.pop(self.id, None)
                process.inherited.pop(self.id, None)
                if process.default is self:
                    process.default = None
            run = super().end(final, exit_code)
        return run


class _Process:
    """What the verbs of one process share.

    Attributes:
        place: where ``set_tracking_uri`` said that the repository is.
        sampling: whether the runs that it starts sample the machine, where the project's settings say so.
        open: the runs that this process started and has not ended, by id.
        inherited: those of the process that it was forked from.
        default: the run that a verb opened where none was active.
        joined: runs of other processes that ``propagate`` handed to this one, by id.
        hooks: what is still to be done before a run ends, by its id; see ``before_end``.
        before_questions: what is to be done before the project is asked anything; see ``lingering``.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.projects: dict[str, Project] = {}
        self.experiment: Experiment | None = None
        self.place: str | None = None
        self.sampling = True
        self.open: dict[str, FluentRun] = {}
        self.inherited: dict[str, FluentRun] = {}
        self.joined: dict[str, FluentRun] = {}
        self.hooks: dict[str, list[Callable[[], object]]] = {}
        self.before_questions: list[Callable[[], None]] = []
        self.default: FluentRun | None = None
        self.default_thread = 0
        self.launched: FluentRun | None = None
        self.launched_taken = False
        self.told = False
        self.last: FluentRun | None = None
        self.exit_watched_by = 0
        self.exit_error: SystemExit | None = None

    def after_fork(self) -> None:
        """Know the runs of the parent for what they are; another thread of it may have held the lock, and is not here."""
        self.lock = threading.RLock()
        self.inherited, self.open = {**self.inherited, **self.open}, {}
        self.hooks = {}
        self.exit_error = None


@dataclass(frozen=True)
class Handed:
    """The run that ``propagate`` handed to this thread or task.

    Attributes:
        id: the run's.
        name: likewise.
        experiment: likewise.
        run: what logs into it here; None when it has ended before it came here.
    """

    id: str
    name: str
    experiment: str
    run: FluentRun | None


process = _Process()
stack_here: ContextVar[tuple[FluentRun, ...]] = ContextVar("gtrack_runs", default=())
handed_here: ContextVar[Handed | None] = ContextVar("gtrack_handed", default=None)
os.register_at_fork(after_in_child=process.after_fork)


def project_here() -> Project:
    """Return the project of ``set_tracking_uri``, else of ``GTRACK_REPO``, else of the current directory."""
    return project_at(process.place or os.environ.get(REPO_VARIABLE) or str(Path.cwd()))


def project_at(start: str) -> Project:
    """Return the project that a directory is in; its dead runs are recovered when it is opened.

    Raises:
        NotARepository: it is in none.
        ConfigError: its settings are wrong.
    """
    for do in process.before_questions:
        do()
    with process.lock:
        project = process.projects.get(start)
        if project is None:
            project = process.projects[start] = Project.open(start)
            if project.repo.root is not None:
                _recover(project)
    return project


def _recover(project: Project) -> None:
    for found in project.recover():
        for problem in (*([found.error] if found.error is not None else []), *found.unkept):
            print(f"gtrack: {problem}", file=sys.stderr)  # noqa: T201 - a note to the person, not a result


def init(path: str | Path | None = None) -> Path:
    """Make a directory a project: a git repository if it is none, with `.gtrack/config.yaml`.

    Args:
        path: the directory; the current one when None.

    Returns:
        The top of its working tree.

    Raises:
        GTrackError: it cannot be made one.
    """
    repo = initialise(Path(path or os.environ.get(REPO_VARIABLE) or Path.cwd())).repo
    with process.lock:
        process.projects.clear()
    return repo.root or repo.git_dir


def set_experiment(
    name: str | None = None,
    purpose: str | None = None,
    tags: Mapping[str, object] | None = None,
    experiment_name: str | None = None,
    experiment_id: str | None = None,
) -> Experiment:
    """Make ``name`` the experiment of the runs that this process starts from now on.

    A run that a verb opened by itself goes there too; one that ``start_run`` started stays where it is.

    Args:
        name: the experiment.
        purpose: what it is for; kept with it on the runs branch.
        tags: name to text, kept likewise.
        experiment_name: MLflow's word for ``name``.
        experiment_id: another one: the id of an experiment is its name.

    Raises:
        InvalidName: it cannot name an experiment.
        InvalidValue: a purpose that is no text, or two experiments at once.
    """
    name = _one_experiment("set_experiment", name, experiment_name, experiment_id)
    said = {"purpose": free_text(purpose, "purpose"), "tags": text_tags(tags or {}, "set_experiment(tags=…)")}
    experiment = Experiment(check_experiment(name), **said)  # type: ignore[arg-type]
    with process.lock:
        process.experiment = experiment
        if process.default is not None:
            _place(process.default, experiment.name)
    return experiment


def _one_experiment(verb: str, *given: str | None) -> str | None:
    """Return the experiment that is meant, however it was said; an id is a name, but for MLflow's ``0``.

    Raises:
        InvalidValue: two were named.
    """
    names = dict.fromkeys(one for one in given if one is not None)
    if len(names) > 1:
        raise InvalidValue(f"{verb} was given two experiments: {', '.join(map(repr, names))}.")
    for name in names:
        return name_of(project_here(), name) if name == FIRST_ID else name
    return None


def start_run(  # noqa: PLR0913, PLR0917 - what a run can begin with, under the names that this field knows
    run_name: str | None = None,
    experiment: str | None = None,
    nested: bool = False,
    run_id: str | None = None,
    tags: Mapping[str, object] | None = None,
    notes: str | None = None,
    parent_run_id: str | None = None,
    experiment_id: str | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> FluentRun:
    """Start a run and make it the active one; use it in a ``with`` statement, or call ``end_run`` later.

    Under ``gtrack run`` the first call goes on with the run that was launched. After a verb that opened a run by itself, the
    first call goes on with that one.

    Args:
        run_name: its name; made up when None. A run that is gone on with by ``run_id`` keeps its own.
        experiment: its experiment; when None, that of ``set_experiment``, for a child that of its parent, else the
            project's default. A run that is gone on with by ``run_id`` stays where it is.
        nested: make it a child of the run that is active here.
        run_id: a reference to a run that has ended, to go on with: what is logged is appended.
        tags: name to text.
        notes: free text.
        parent_run_id: make it a child of this run; so a child started in a worker thread names its parent.
        experiment_id: MLflow's word for ``experiment``: the id of an experiment is its name.
        description: MLflow's word for ``notes``.
        log_system_metrics: False samples nothing of the machine; else the project's settings say whether and how often.

    Raises:
        RunIsActive: a run is active here and ``nested`` is False, or ``run_id`` is still being written.
        NotARepository: there is no git repository here.
        RunNotFound: no such ``run_id`` or ``parent_run_id``.
        InvalidName: a name that cannot be written.
        InvalidValue: two experiments at once.
    """
    said = split_tags(text_tags(tags or {}, "start_run(tags=…)"))
    experiment = _one_experiment("start_run", experiment, experiment_id)
    tags = said.tags
    run_name = said.name if run_name is None else run_name
    notes = next((text for text in (notes, description, said.notes) if text is not None), None)
    parent_run_id = said.parent if parent_run_id is None else parent_run_id
    current = _top()
    if current is not None and not nested and parent_run_id is None:
        raise RunIsActive(
            f"Run {current.name} ({current.id[:8]}) is active here. "
            "End it with end_run(), or start a child: start_run(nested=True)."
        )
    if run_id is not None:
        active = _resumed(run_id)
        _amend(active, tags, notes)
    else:
        parent, its_experiment = _parent(parent_run_id, nested=nested)
        first = _take_first() if parent is None else None
        chosen = experiment or _chosen_experiment()
        if first is not None:
            if run_name is not None:
                first.rename(run_name)
            _place(first, chosen)
            _amend(first, tags, notes)
            active = first
        else:
            active = _new_run(run_name, chosen or its_experiment, parent, tags, notes)
    if log_system_metrics is False or not process.sampling:
        active.stop_sampling()
    register(active)
    process.last = active
    stack_here.set((*stack_here.get(), active))
    return active


def _resumed(run_id: str) -> FluentRun:
    project = project_here()
    found = run_id if run_id in process.open else project.resolve(run_id).id
    if found in process.open:
        active = process.open[found]
        if active.detached:
            active.detached = False
            return active
        raise RunIsActive(
            f"Run {active.name} ({found[:8]}) is open in this process: log into it by the object that start_run() returned, "
            "or start a child of it: start_run(parent_run_id=…)."
        )
    return FluentRun.resume(project, found)


def _parent(parent_run_id: str | None, *, nested: bool) -> tuple[str | None, str | None]:
    """Return the id and the experiment of the run that a new one is a child of; None and None when it is nobody's."""
    found: FluentRun | Handed | Run | None = None
    if parent_run_id is not None:
        found = process.open.get(parent_run_id) or project_here().resolve(parent_run_id)
    elif nested:
        found = _top() or handed_here.get() or process.default
        if found is None and (launched := _launched()) is not None and process.launched_taken:
            found = launched
    return (None, None) if found is None else (found.id, found.experiment)


def _take_first() -> FluentRun | None:
    """Return the run that is already there for the first ``start_run()``: a verb's in this thread, or the launched one."""
    launched = _launched()
    with process.lock:
        default = process.default
        if default is not None and process.default_thread == threading.get_ident():
            process.default = None
            _say_used(default)
            return default
    if launched is not None:
        _say_used(launched)
    return launched if launched is not None and _take_launched() else None


def _chosen_experiment() -> str | None:
    return process.experiment.name if process.experiment else None


def _new_run(
    name: str | None, experiment: str | None, parent: str | None, tags: Mapping[str, object] | None, notes: str | None
) -> FluentRun:
    launched = process.launched
    return FluentRun.start(
        project_here(),
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
    about = process.experiment
    says_more = about is not None and about.name == experiment and (about.purpose or about.tags)
    return about if says_more else None


def _place(active: FluentRun, experiment: str | None) -> None:
    if experiment is not None:
        active.move(experiment)
        about = _news(active.experiment)
        if about is not None:
            active.describe_experiment(about)


def _launched() -> FluentRun | None:
    """Return the run that ``gtrack run`` launched this process for, joined at the first call."""
    directory = os.environ.get(RUN_DIR_VARIABLE)
    with process.lock:
        if process.launched is None and directory and Path(directory).is_dir():
            process.launched = FluentRun.join(Path(directory))
        return process.launched


def _of_parent_process(verb: str) -> FluentRun | None:
    """Return the run of the process that this one is a multiprocessing worker of, joined; None where there is none.

    Raises:
        NoActiveRun: it has several.
    """
    library = sys.modules.get("multiprocessing")
    parent = library.parent_process() if library is not None else None
    if parent is None or process.open:
        return None
    its = [live for live in project_here().live.directories() if live.read(OWNER) == str(parent.pid).encode()]
    if len(its) > 1:
        raise NoActiveRun(
            f"{verb}: no run is active in this worker process, and the process that started it has {len(its)} open. "
            "Hand the worker the id of one, and start a child: start_run(parent_run_id=…)."
        )
    return FluentRun.join(its[0].path) if its else None


def _take_launched() -> bool:
    """Tell whether the launched run is still free, and take it: it is the process's first run and no other's."""
    with process.lock:
        free = not process.launched_taken
        process.launched_taken = True
        return free


def _amend(active: FluentRun, tags: Mapping[str, object] | None, notes: str | None) -> None:
    if tags:
        active.set_tags(tags)
    if notes is not None:
        active.set_notes(notes)


def register(active: FluentRun) -> None:
    """Have a run ended with this process, when nobody ends it before."""
    with process.lock:
        if process.exit_watched_by != os.getpid():
            _watch_exit()
        process.open[active.id] = active
        process.exit_error = None


def _watch_exit() -> None:
    """Have what is left open ended when this process ends, and learn how it ends."""
    if not process.exit_watched_by:
        atexit.register(_end_all)
        # Python tells nobody what sys.exit() was called with; an exception it leaves in sys.last_value.
        original = sys.exit

        def noted_exit(status: object = None, /) -> NoReturn:
            if threading.current_thread() is threading.main_thread():
                process.exit_error = SystemExit(status)
            original(status)  # type: ignore[arg-type]

        sys.exit = noted_exit
    workers = sys.modules.get("multiprocessing.util")
    if workers is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
        # A worker that was forked ends by os._exit, which knows no atexit.
        workers.Finalize(None, _end_all, exitpriority=0)
    process.exit_watched_by = os.getpid()


def _end_all() -> None:
    """End what the process left open, at its exit: as failed when an exception or a code other than 0 ended it."""
    # Python leaves the exception that ends a process here; at an interactive prompt it is one that ended nothing.
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None) or sys.exc_info()[1] or process.exit_error
    for run_id in process.hooks.keys() - process.open.keys():  # of runs that other processes end
        _run_hooks(run_id)
    for active in reversed(list(process.open.values())):
        try:
            active.end(active.status_of(error))
        except GTrackError as problem:
            print(f"gtrack: {problem}", file=sys.stderr)  # noqa: T201 - at exit nobody else can say it


def before_end(run: FluentRun, do: Callable[[], object]) -> None:
    """Have ``do`` called once, just before this process ends a run, and at its own exit when another process ends the run.

    Args:
        run: the run.
        do: may log into the run; it must not raise.
    """
    with process.lock:
        process.hooks.setdefault(run.id, []).append(do)
        if process.exit_watched_by != os.getpid():
            _watch_exit()


def _run_hooks(run_id: str) -> None:
    with process.lock:
        hooks = process.hooks.pop(run_id, ())
    for do in hooks:
        do()


def end_run(status: str = "finished") -> Run | None:
    """End the active run and commit it; do nothing when there is none.

    Args:
        status: ``finished``, ``failed`` or ``killed``.

    Raises:
        InvalidValue: any other status.
        CommitFailed: it is complete on disk but not in git; ``gtrack recover`` finishes it.
    """
    active = active_run()
    return None if active is None else active.end(status)


def _top() -> FluentRun | None:
    """Return the run that was started last in this thread or task and not ended, by whichever thread or task."""
    stack = stack_here.get()
    if stack and stack[-1].ended:
        stack = tuple(run for run in stack if not run.ended)
        stack_here.set(stack)
    return stack[-1] if stack else None


def active_run() -> FluentRun | None:
    """Return the run that the verbs log into here, None when there is none yet."""
    return _top() or (process.default if handed_here.get() is None else None)


def last_active_run() -> Run | None:
    """Return the run that this process started last, as it stands now; None when it started none."""
    return None if process.last is None else process.last.record()


def get_run(ref: str) -> Run:
    """Return a run by reference.

    Args:
        ref: id, unique prefix of an id, name (the newest of that name), ``last``, ``last~2``, ``best:f1``.

    Raises:
        RunNotFound: none answers to it.
        AmbiguousRun: several do.
        InvalidValue: it is no text.
    """
    if not isinstance(ref, str):
        raise InvalidValue(f"A run reference is text, such as a run's id or name, not {type(ref).__name__}.")
    return process.open[ref].record() if ref in process.open else project_here().resolve(ref)


def active(verb: str) -> FluentRun:
    """Return the run that ``verb`` logs into, opened now where there is none.

    Raises:
        NoActiveRun: this thread has none, and others have.
    """
    run = _top()
    if run is None:
        _refuse_after_handed(verb)
        run = process.default or _default(verb)
    if run is process.launched and verb not in _NOT_OF_METRICS:
        _say_used(run)
    return run


def _refuse_after_handed(verb: str) -> None:
    """Refuse to look for another run where one was handed to: that one has ended.

    Raises:
        NoActiveRun: one was.
    """
    handed = handed_here.get()
    if handed is not None:
        raise NoActiveRun(
            f"{verb}: run {handed.name} ({handed.id[:8]}), which propagate() handed to this thread, has ended. "
            "Log inside a child of it, which may come later: start_run(nested=True)."
        )


def _say_used(run: FluentRun) -> None:
    """Tell the launcher that the script logs by itself, so that its output is not searched for metrics."""
    if run is process.launched and not process.told:
        process.told = True
        run.live.mark(API)


def _default(verb: str) -> FluentRun:
    """Return the run of a place that has started none: the launched one, or one that lasts as long as the process."""
    launched = _launched()
    with process.lock:
        if process.default is not None:
            return process.default
        elsewhere = [run for run in (*process.open.values(), *process.inherited.values()) if not run.detached]
        if launched is not None and _take_launched():
            process.default = launched
            _place(launched, _chosen_experiment())
        elif (parents := _of_parent_process(verb)) is not None:
            process.default = parents
        elif elsewhere:
            names = ", ".join(run.name for run in elsewhere)
            raise NoActiveRun(
                f"{verb}: no run is active in this thread, and it is not clear which open run is meant ({names}). "
                "Call it on the run itself (run.log_metrics(…)), or start a run in this thread: start_run(parent_run_id=…)."
            )
        else:
            process.default = _new_run(None, _chosen_experiment(), None, None, None)
        process.default_thread = threading.get_ident()
        register(process.default)
        process.last = process.default
        return process.default
