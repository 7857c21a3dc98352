"""`gtrack run`: a run around a script or a command that need not know of it."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from gtrack.errors import CommitFailed, GTrackError, UsageError
from gtrack.formats import run_dir
from gtrack.formats.names import check_experiment, check_run_name
from gtrack.launch.collect import check_patterns, keep_artifacts, read_inputs
from gtrack.launch.given import Given, fit_given
from gtrack.launch.joined import shown
from gtrack.launch.metrics_file import MetricsFile
from gtrack.launch.parameters import discover, discover_module
from gtrack.launch.plan import PLAN_VARIABLE, LaunchPlan
from gtrack.launch.process import Child, Console, Ended
from gtrack.launch.scan import Row, Scanner, last_lines
from gtrack.launch.signals import Signals, Stopped
from gtrack.launch.target import Target
from gtrack.project import Project
from gtrack.records import Input, Number, Run, Status, Value
from gtrack.store.live import API
from gtrack.store.liveness import ExitNote, note_exit, read_exit, reserve_exit
from gtrack.variables import EXPERIMENT_VARIABLE, GIVEN_VARIABLE, REPO_VARIABLE, RUN_DIR_VARIABLE
from gtrack.writer import ActiveRun

TAIL_LINES = 15

_MAX_SEED = 2**32 - 1
_IMPORTS_GTRACK = re.compile(rb"^[ \t]*(?:import|from)[ \t]+gtrack\b", re.MULTILINE)


@dataclass(frozen=True)
class LaunchRequest:
    """What is to be run, and how.

    Attributes:
        target: the script, module or command.
        cwd: its working directory.
        given: parameters for it.
        name: of the run; made up when None.
        experiment: of the run; when None, that of ``GTRACK_EXPERIMENT``, else of the directory ``experiments/<name>/`` that
            the script is in, else the project's.
        tags: name to text.
        notes: free text.
        inputs: data whose versions are recorded before it starts: paths, or ``name=path``.
        artifacts: patterns of files that are kept when it has ended, relative to ``cwd``.
        metrics_files: files with metrics that it is expected to write, relative to ``cwd``.
        snapshot: whether a dirty working tree is committed as the run's code.
        require_clean: refuse to run when the working tree is dirty.
        seed: of Python's hashing and the random generators of Python, numpy and torch.
        scan: whether ``name: number`` lines of its stdout become metrics.
        figures: whether matplotlib figures are kept.
        autolog: whether what the script does with scikit-learn is recorded.
    """

    target: Target
    cwd: Path
    given: Given = field(default_factory=Given)
    name: str | None = None
    experiment: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: str | None = None
    inputs: Sequence[str] = ()
    artifacts: Sequence[str] = ()
    metrics_files: Sequence[str] = ()
    snapshot: bool = True
    require_clean: bool = False
    seed: int | None = None
    scan: bool = True
    figures: bool = True
    autolog: bool = False


@dataclass(frozen=True)
class LaunchResult:
    """What became of it.

    Attributes:
        run: as it was committed.
        exit_code: as a shell tells it: the script's own, or 128 plus the signal that it died of.
        signal: the signal that it died of; None when it exited.
        tail: the last lines of its output.
        notices: what the user should know, a sentence each.
        open_line: whether its output ended in the middle of a line.
    """

    run: Run
    exit_code: int
    signal: int | None
    tail: tuple[str, ...]
    notices: tuple[str, ...]
    open_line: bool


@dataclass(frozen=True)
class _Prepared:
    """Everything that could be refused has been looked at."""

    request: LaunchRequest
    plan: LaunchPlan | None
    seed_is_parameter: bool
    experiment: str | None
    inputs: Sequence[Input]
    patterns: Sequence[str]
    metrics_files: Sequence[MetricsFile]


def launch(project: Project, request: LaunchRequest, console: Console = Console()) -> LaunchResult:  # noqa: B008 - frozen
    """Run the target as a run of ``project`` and commit it.

    What it prints streams to ``console`` and into the run; signals that reach this process reach it. It returns when the
    target has ended in whatever way.

    Args:
        project: where the run is kept.
        request: what to run.
        console: where the user sees its output.

    Raises:
        UsageError: the request is wrong; nothing was started, and there is no run.
        CommitFailed: it ran, but the run is not in git; ``gtrack recover`` finishes it.
        Stopped: a signal came before it was started.
    """
    prepared = _prepare(project, request)
    with Signals() as signals:
        run = _start_run(project, prepared)
        try:
            return _run(project, prepared, run, console, signals)
        except BaseException as error:
            if not run.ended:
                with signals.blocked():
                    note = read_exit(run.directory)
                    status = Status.KILLED if isinstance(error, KeyboardInterrupt) else Status.FAILED
                    run.end(*((note.status, note.exit_code) if note is not None else (status,)))
            raise


def _prepare(project: Project, request: LaunchRequest) -> _Prepared:
    if request.name is not None:
        check_run_name(request.name)
    if request.seed is not None and not 0 <= request.seed <= _MAX_SEED:
        raise UsageError(f"--seed is a whole number from 0 to {_MAX_SEED}, not {request.seed}.")
    request.target.check(request.cwd, project)
    plan, seed_is_parameter = _plan(project, request)
    patterns = check_patterns(request.artifacts, request.cwd)
    experiment = (
        request.experiment or os.environ.get(EXPERIMENT_VARIABLE) or request.target.experiment(project, request.cwd)
    )
    if experiment is not None:
        check_experiment(experiment)
    if request.require_clean:
        _require_clean(project)
    inputs = read_inputs(request.inputs, request.cwd)
    metrics_files = [MetricsFile(request.cwd / name, name) for name in request.metrics_files]
    return _Prepared(request, plan, seed_is_parameter, experiment, inputs, patterns, metrics_files)


def _plan(project: Project, request: LaunchRequest) -> tuple[LaunchPlan | None, bool]:
    """Return what the child is told, and whether the script has a parameter called ``seed``."""
    target = request.target
    if target.command:
        if request.autolog:
            raise UsageError("--autolog needs a Python script or module: gtrack run --autolog SCRIPT")
        return None, False
    roots = [project.repo.root] if project.repo.root is not None else []
    if target.script is not None:
        parameters = discover(request.cwd / target.script, roots)
    else:
        path = [request.cwd, *map(Path, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        parameters = discover_module(str(target.module), path, roots)
    given = fit_given(request.given, parameters, target.name, target.args)
    plan = LaunchPlan(
        script=target.script,
        module=target.module,
        args=list(target.args),
        given=given.values,
        texts=given.texts,
        mechanism=parameters.mechanism,
        figures=request.figures,
        seed=request.seed,
        autolog=request.autolog,
    )
    return plan, parameters.find("seed") is not None


def _require_clean(project: Project) -> None:
    state = project.worktree()
    changed = [*state.changed, *state.untracked]
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise UsageError(f"The working tree is not clean: {shown}. Commit, or leave --require-clean out.")


def _start_run(project: Project, prepared: _Prepared) -> ActiveRun:
    request = prepared.request
    tags = dict(request.tags)
    if request.seed is not None and prepared.seed_is_parameter:
        tags.setdefault("seed", str(request.seed))
    run = ActiveRun.start(
        project,
        name=request.name,
        experiment=prepared.experiment,
        parent=_parent(project),
        tags=tags,
        notes=request.notes,
        command=request.target.spelled(),
        code=project.code_state(take_snapshot=request.snapshot),
        placed=request.experiment is not None,
    )
    for one in prepared.inputs:
        run.log_input(one)
    return run


def _parent(project: Project) -> str | None:
    """Return the run whose script started this one, when it is one of this project's."""
    directory = os.environ.get(RUN_DIR_VARIABLE)
    name = Path(directory).name if directory else ""
    return name if name and project.live.find(name) is not None else None


def _run(project: Project, prepared: _Prepared, run: ActiveRun, console: Console, signals: Signals) -> LaunchResult:
    request = prepared.request
    _reserve_exit(run)
    try:
        with closing(run.live.script_lock()) as lock:
            child = Child.start(
                _command(prepared),
                cwd=request.cwd,
                env=_environment(project, prepared, run),
                console=console,
                signals=signals,
                inherited=(lock.number,),
            )
    except OSError as error:
        with signals.blocked():
            run.end(Status.FAILED, 127 if isinstance(error, FileNotFoundError) else 126)
        raise GTrackError(f"{request.target.name} cannot be started: {error.strerror}.") from error
    run.monitor(child.pid)
    background = _Background(project, prepared, run)
    scan = _Scan(run, hold=_mentions_gtrack(request)) if request.scan else None
    output = run.directory / run_dir.OUTPUT
    ended = child.follow(output, scan.feed, scan.rest) if scan is not None else child.follow(output)
    note_exit(run.directory, ExitNote(_status(ended), ended.exit_code, datetime.now(timezone.utc)))
    notices = [*ended.notices, *background.join(), *_collect(prepared, run, scan)]
    return _end(project, run, ended, notices, signals)


def _reserve_exit(run: ActiveRun) -> None:
    try:
        reserve_exit(run.directory)
    except OSError as error:
        raise CommitFailed(f"Run {run.name} cannot be written to {run.directory}: {error.strerror}.") from error


def _status(ended: Ended) -> Status:
    if ended.signal is not None or ended.asked is not None:
        return Status.KILLED
    return Status.FINISHED if ended.exit_code == 0 else Status.FAILED


def _command(prepared: _Prepared) -> list[str]:
    if prepared.plan is None:
        return list(prepared.request.target.command)
    return prepared.plan.command(sys.executable)


def _environment(project: Project, prepared: _Prepared, run: ActiveRun) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != PLAN_VARIABLE}
    environment[RUN_DIR_VARIABLE] = str(run.directory.absolute())
    environment[REPO_VARIABLE] = str(project.repo.root)
    plan = prepared.plan
    environment[GIVEN_VARIABLE] = json.dumps(dict(plan.given) if plan is not None else {})
    if plan is not None:
        environment[PLAN_VARIABLE] = plan.to_json()
    if prepared.request.seed is not None:
        environment["PYTHONHASHSEED"] = str(prepared.request.seed)
    return environment


def _launched(project: Project, prepared: _Prepared) -> dict[str, Value]:
    """Return what ``run.yaml`` holds under ``launch``: with ``command`` it says how to do the same again."""
    request, plan = prepared.request, prepared.plan
    given = plan.given if plan is not None else {}
    launched: dict[str, Value] = {
        "directory": Path(os.path.relpath(request.cwd, project.repo.root)).as_posix(),
        "given": {name: shown(name, value) for name, value in given.items()},
    }
    return launched if request.seed is None else {**launched, "seed": request.seed}


class _Background:
    """What is done while the script runs, so that nobody waits for it: how it was launched and where is recorded."""

    def __init__(self, project: Project, prepared: _Prepared, run: ActiveRun) -> None:
        self._project = project
        self._prepared = prepared
        self._run = run
        self._notices: list[str] = []
        self._thread = threading.Thread(target=self._work, name="gtrack-environment", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            launched = _launched(self._project, self._prepared)
            self._run.live.edit(lambda head: head.update(launch=launched))
            self._run.write_environment(self._project.machine())
        except (GTrackError, OSError) as error:
            self._notices.append(f"The environment was not recorded: {error}")

    def join(self) -> list[str]:
        self._thread.join()
        return self._notices


class _Scan:
    """Logs the metrics that the script prints, until something is wrong with that."""

    def __init__(self, run: ActiveRun, *, hold: bool) -> None:
        self._run = run
        self._scanner: Scanner | None = Scanner(self._log_plain, self._log_rows, lambda: run.live.has(API), hold=hold)
        self.notices: list[str] = []

    def _log_plain(self, values: dict[str, Number]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a value is nan, the script has printed itself
            self._run.log_metrics(values)

    def _log_rows(self, rows: list[Row]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._run.log_rows(rows)

    def feed(self, data: bytes) -> None:
        self._guarded(lambda scanner: scanner.feed(data))

    def rest(self) -> None:
        self._guarded(Scanner.rest)

    def close(self) -> None:
        self._guarded(Scanner.close)

    def _guarded(self, do: Callable[[Scanner], None]) -> None:
        if self._scanner is not None:
            try:
                do(self._scanner)
            except (GTrackError, OSError) as error:
                self._scanner = None
                self.notices.append(f"Metrics that the script printed are missing: {error}")


def _mentions_gtrack(request: LaunchRequest) -> bool:
    """Tell whether the script is likely to log by itself, sooner or later."""
    return any(_IMPORTS_GTRACK.search(source) for source in request.target.sources(request.cwd))


def _collect(prepared: _Prepared, run: ActiveRun, scan: _Scan | None) -> list[str]:
    notices = []
    try:
        if scan is not None:
            scan.close()
            notices += scan.notices
        notices += _keep_seed(prepared, run)
        for file in prepared.metrics_files:
            notices += file.log(run)
        notices += keep_artifacts(run, prepared.patterns, prepared.request.cwd)
    except Stopped:
        notices.append("Stopped before all metrics and artifacts were taken in.")
    return notices


def _keep_seed(prepared: _Prepared, run: ActiveRun) -> list[str]:
    """Record ``--seed`` as a parameter, unless the script has one of that name. At the end: only then that is certain."""
    seed = prepared.request.seed
    if seed is None or prepared.seed_is_parameter:
        return []
    try:
        if "seed" not in run.live.without_history().params:
            run.amend_params({"seed": seed})
        elif "seed" not in prepared.request.tags:
            run.set_tags({"seed": seed})
    except (GTrackError, OSError) as error:
        return [f"--seed {seed} is not recorded: {error}"]
    return []


def _end(project: Project, run: ActiveRun, ended: Ended, notices: Sequence[str], signals: Signals) -> LaunchResult:
    status = _status(ended)
    unsaid: list[str] = []
    with signals.blocked():
        for notice in notices:
            try:
                run.notice(notice)
            except (GTrackError, OSError):  # a full disk, most likely: the run is to end all the same, if it can
                unsaid.append(notice)
        said = run.live.without_history().status
        if status is Status.FINISHED and said is not Status.RUNNING:
            status = said  # the script ended its run so, and then itself well
        project.repo.objects.close()  # a git that was started before the child has died of the Ctrl-C that ended the child
        run.tell = unsaid.append
        final = run.end(status, ended.exit_code)
    return LaunchResult(
        run=final,
        exit_code=ended.exit_code,
        signal=ended.signal,
        tail=tuple(last_lines(ended.tail, TAIL_LINES)),
        notices=(*final.warnings, *unsaid),
        open_line=not ended.tail.endswith((b"\n", b"\r")) and ended.tail != b"",
    )
