"""ActiveRun: the writer of a live run."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtrack.capture.environment import capture, redact_command
from gtrack.capture.hardware import Sampler
from gtrack.errors import CommitFailed, GTrackError, InvalidName, InvalidValue, ParamConflict, RunIsActive
from gtrack.formats import run_dir
from gtrack.formats.history import RESERVED, RowEncoder
from gtrack.formats.names import check_experiment, check_name, new_run_id, new_run_name
from gtrack.formats.values import check_number, plain_value
from gtrack.formats.yamlio import dumps
from gtrack.records import CodeState, Experiment, Goal, MetricDefinition, Run, Status, Summary, flatten
from gtrack.store import artifacts as files
from gtrack.store.live import EXPERIMENT_NEWS, JOINED, NAMED, PLACED, LiveDir, fold, line

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from gtrack.project import Project
    from gtrack.records import Input, Number, Value

RUN_DIR_VARIABLE = "GTRACK_RUN_DIR"
"""Names the live directory of the run that ``gtrack run`` launched this process for."""

_LOW, _HIGH = -sys.float_info.max, sys.float_info.max
_MILLISECONDS = 1e11  # a time stamp above this is in milliseconds, as MLflow's are: seconds reach it in the year 5138
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # goes on while a laptop sleeps, which CLOCK_MONOTONIC does not


def _steady() -> float:
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class ActiveRun:
    """A run that is running: logs into its live directory and is committed when it ends.

    Safe for several threads. Every call is on disk (in the page cache: it survives SIGKILL) when it returns. In a forked child
    it still logs into the same run, but only the process that started the run ends it.

    Attributes:
        id: 32 hexadecimal digits.
        name: what people call it.
        experiment: the experiment that it belongs to.
        directory: its live directory.
    """

    def __init__(self, project: Project | None, live: LiveDir, run: Run) -> None:
        self.id = run.id
        self.name = run.name
        self.experiment = run.experiment
        self.parent = run.parent
        self.directory = live.path
        self._project = project
        self._live = live
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._ended = False
        self._started = run.started or datetime.now(timezone.utc)
        wall = time.time() if run.started is None or run.ended is not None else run.started.timestamp()
        self._clock_offset = wall - _steady()
        self._encoder = RowEncoder()
        self._history = -1
        self._torn = False
        self._keys: set[str] = set()
        self._params = dict(flatten(run.params))
        self._metrics: dict[str, Number] = dict(run.metrics)
        self._definitions: dict[str, MetricDefinition] = dict(run.metric_definitions)
        self._kinds = {name: one.summary for name, one in self._definitions.items()}
        self._warned: set[str] = set()
        self._inputs = {one.name: one for one in run.inputs}
        self._sampler: Sampler | None = None

    @classmethod
    def start(  # noqa: PLR0913 - each is one thing that a run has
        cls,
        project: Project,
        *,
        name: str | None = None,
        experiment: str | None = None,
        parent: str | None = None,
        tags: Mapping[str, object] | None = None,
        notes: str | None = None,
        command: Sequence[str] | None = None,
        code: CodeState | None = None,
        about: Experiment | None = None,
        placed: bool = False,
    ) -> Self:
        """Start a run in its own live directory.

        Args:
            project: where.
            name: its name; made up when None.
            experiment: its experiment; the project's default when None.
            parent: id of the parent run.
            tags: name to text; other values become text.
            notes: free text.
            command: what runs; this process's own command line when None.
            code: the code that it runs; recorded now (or as this process recorded it before) when None.
            about: what is newly known of the experiment.
            placed: whether ``experiment`` stays, whatever the launched script says.

        Raises:
            InvalidName: a name that cannot be written.
            CommitFailed: the live directory cannot be made.
        """
        run = Run(
            id=new_run_id(),
            name=check_name(name, "run") if name is not None else new_run_name(),
            experiment=check_experiment(experiment) if experiment is not None else project.config.experiment,
            status=Status.RUNNING,
            parent=parent,
            tags=_checked_tags(tags or {}),
            notes=_checked_notes(notes),
            started=datetime.now(timezone.utc),
            user=str(project.identity()),
            host=socket.gethostname(),
            command=tuple(redact_command([_printable(word) for word in (command or [sys.executable, *sys.argv])])),
            code=code or project.code_state(),
        )
        active = cls(project, project.live.create(run), run)
        for mark, given in ((NAMED, name is not None), (PLACED, placed)):
            if given:
                active._live.mark(mark)
        if about is not None:
            active.describe_experiment(about)
        active._say_what_was_left_out(run.code)
        active._sample(None)
        return active

    @classmethod
    def resume(cls, project: Project, run_id: str) -> Self:
        """Go on with a run that has ended: what is logged now is appended to what it has.

        Raises:
            RunNotFound: there is no such run.
            RunIsActive: another process is writing it.
        """
        alive = project.live.find(run_id)
        if alive is not None and alive.is_alive():
            raise RunIsActive(
                f"Run {run_id[:8]} is being written by another process; it can be resumed when that has ended."
            )
        if alive is not None:
            failed = [found for found in project.recover() if found.run.id == run_id and found.error]
            if failed:
                raise failed[0].error or GTrackError(f"Run {run_id[:8]} cannot be recovered.")
        run = project.store.run(run_id)
        code = project.code_state()
        session = {
            "at": datetime.now(timezone.utc),
            "previous_status": run.status.value,
            "previous_ended": run.ended,
            "previous_commit": run.code.commit,
        }
        running = replace(run, status=Status.RUNNING, ended=None, exit_code=None, code=code)
        live = project.live.create(running)
        try:
            for name in (
                run_dir.PARAMS,
                run_dir.METRICS,
                run_dir.HISTORY,
                run_dir.INPUTS,
                run_dir.SYSTEM,
                run_dir.OUTPUT,
            ):
                data = project.store.file(run_id, name)
                if data:
                    live.write(name, data)
            environment = project.store.file(run_id, run_dir.ENVIRONMENT)
            if environment:
                live.write(run_dir.ENVIRONMENT, environment)
            head = project.store.head(run_id)

            def reopen(now: dict[str, Any]) -> None:
                known = {key: value for key, value in head.items() if key not in now}
                now.update(known, resumed=[*(head.get("resumed") or []), session])

            live.edit(reopen)
        except BaseException:
            live.remove()
            raise
        active = cls(project, live, replace(running, ended=run.ended))
        active._sample(None)
        return active

    @classmethod
    def join(cls, directory: Path) -> Self:
        """Log into a live run that another process owns (``gtrack run`` of this script); it is ended by its owner.

        Raises:
            GTrackError: there is no live run at ``directory``.
        """
        live = LiveDir(directory)
        if not (directory / run_dir.RUN).exists():
            raise GTrackError(f"There is no live run at {directory}: it was ended or removed while this process ran.")
        live.mark(JOINED)
        return cls(None, live, live.run())

    @property
    def joined(self) -> bool:
        """Whether another process owns the run."""
        return self._project is None

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self._ended

    @property
    def live(self) -> LiveDir:
        """The live directory, with its marks."""
        return self._live

    def record(self) -> Run:
        """Return the run as it stands now."""
        return self._live.run()

    # Time

    def _now(self) -> float:
        return _steady() + self._clock_offset

    def _end_time(self) -> datetime:
        return max(datetime.fromtimestamp(self._now(), timezone.utc), self._started + timedelta(microseconds=1))

    # Parameters

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters: name to bool, int, float, text, None, or lists and mappings of these.

        Raises:
            InvalidName: a name that cannot be written.
            InvalidValue: a value that cannot be written.
            ParamConflict: a parameter that has another value already; none of ``params`` is logged then.
        """
        self._check_open("log_params")
        clean = {
            check_name(key, "parameter"): plain_value(value, f"parameter {key!r}") for key, value in params.items()
        }
        with self._lock:
            for key, value in flatten(clean):
                if key in self._params and not _same(self._params[key], value):
                    raise ParamConflict.of(key, self._params[key], value)
            self._append_params(clean)

    def amend_params(self, params: Mapping[str, object]) -> None:
        """Set parameters to what the script really ran with, whatever was recorded before. For launchers.

        Raises:
            InvalidName: a name that cannot be written.
            InvalidValue: a value that cannot be written.
        """
        clean = {
            check_name(key, "parameter"): plain_value(value, f"parameter {key!r}") for key, value in params.items()
        }
        with self._lock:
            self._append_params(clean)

    def _append_params(self, clean: Mapping[str, Value]) -> None:
        news = {
            key: value for key, value in clean.items() if key not in self._params or not _same(self._params[key], value)
        }
        if news:
            self._live.append(run_dir.PARAMS, b"".join(line(key, value) for key, value in news.items()))
            self._params.update(flatten(news))

    # Metrics

    def log_metrics(
        self, metrics: Mapping[str, Number], step: Number | None = None, timestamp: float | datetime | None = None
    ) -> None:
        """Log values of metrics, with a step as one row of the history, without one as the values that stand for the run.

        Args:
            metrics: name to number; numpy, pandas and torch scalars are taken as the numbers that they are.
            step: position on the x axis, an int or a float.
            timestamp: when; seconds (or MLflow's milliseconds) since the epoch or a datetime. Now, when None.

        Raises:
            InvalidName: a name that cannot be written.
            InvalidValue: a value that is no number, or does not fit a 64-bit float.
        """
        if self._ended:
            self._check_open("log_metrics")
        keys = self._keys
        for key, value in metrics.items():
            # Nearly every value is a finite float under a name that was seen before.
            if not (type(value) is float and _LOW <= value <= _HIGH and key in keys):
                metrics = self._checked_metrics(metrics, step)
                break
        if step is None:
            self._live.append(run_dir.METRICS, b"".join(line(key, value) for key, value in metrics.items()))
        elif metrics:
            if type(step) is not int:
                step = check_number(step, "step")
            at = _steady() + self._clock_offset if timestamp is None else _seconds(timestamp)
            self._append_row(self._encoder.encode(step, at, metrics))
        if self._kinds:
            with self._lock:
                fold(self._metrics, metrics, self._kinds)
        else:
            self._metrics.update(metrics)

    def _append_row(self, row: bytes) -> None:
        if self._history < 0 or self._pid != os.getpid():
            self._open_history()
        if self._torn:  # the disk was full in the middle of a row: its remains get a line of their own
            row = b"\n" + row
        written = os.write(self._history, row)
        self._torn = written < len(row)
        if self._torn:
            raise CommitFailed(
                f"The disk is full: a row of {self.name} was lost. Its other rows are in {self.directory}."
            )

    def _open_history(self) -> None:
        with self._lock:
            if self._pid != os.getpid():  # a forked child: what it logs only the file knows
                self._live.mark(JOINED)
                self._pid, self._project, self._history = os.getpid(), None, -1
            if self._history < 0:
                path = self.directory / run_dir.HISTORY
                self._history = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _checked_metrics(self, metrics: Mapping[str, object], step: object) -> dict[str, Number]:
        clean: dict[str, Number] = {}
        for key, value in metrics.items():
            name = check_name(key, "metric")
            if name in RESERVED and step is not None:
                raise InvalidName(
                    f"{name!r} is a column of its own in every history row; name the metric '{name}_value' or so."
                )
            number = check_number(value, f"metric {name!r}")
            if not _LOW <= number <= _HIGH and name not in self._warned:
                self._warned.add(name)
                warnings.warn(f"gtrack: metric {name!r} of run {self.name} is {number} at step {step}.", stacklevel=4)
            clean[name] = number
        with self._lock:
            self._keys.update(clean)
        return clean

    def define_metric(self, name: str, summary: str = "last", goal: str | None = None) -> None:
        """Say which value of a metric stands for the run, and which direction is better.

        Args:
            name: the metric.
            summary: ``last``, ``min`` or ``max``.
            goal: ``minimize``, ``maximize`` or None; follows from ``summary`` ``min`` or ``max`` when None.

        Raises:
            InvalidName: a name that cannot be written.
            InvalidValue: any other ``summary`` or ``goal``.
        """
        self._check_open("define_metric")
        name = check_name(name, "metric")
        if summary not in ("last", "min", "max"):
            raise InvalidValue(f"summary of metric {name!r} is 'last', 'min' or 'max', not {summary!r}.")
        if goal not in (None, "minimize", "maximize"):
            raise InvalidValue(f"goal of metric {name!r} is 'minimize', 'maximize' or None, not {goal!r}.")
        implied = {"min": "minimize", "max": "maximize"}.get(summary)
        direction = goal or implied
        definition = MetricDefinition(Summary(summary), Goal(direction) if direction else None)
        with self._lock:
            self._definitions[name] = definition
            self._kinds = {key: one.summary for key, one in self._definitions.items()}
            self._live.mark(JOINED)  # rows before the definition count too, and only the files have them
            entry = {"summary": summary, "goal": direction}
            self._live.edit(lambda head: head.setdefault("metric_definitions", {}).update({name: entry}))

    # Tags, notes, warnings

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags: name to text; other values become text.

        Raises:
            InvalidName: a name that cannot be written.
        """
        self._check_open("set_tags")
        clean = _checked_tags(tags)
        self._live.edit(lambda head: head.update(tags={**(head.get("tags") or {}), **clean}))

    def set_notes(self, notes: str | None) -> None:
        """Replace the notes.

        Raises:
            InvalidValue: no text.
        """
        self._check_open("set_notes")
        text = _checked_notes(notes)
        self._live.edit(lambda head: head.update(notes=text))

    def rename(self, name: str) -> None:
        """Give the run the name that its script says, unless the command line gave it one.

        Raises:
            InvalidName: a name that cannot be written.
        """
        checked = check_name(name, "run")
        if not self._live.has(NAMED):
            self.name = checked
            self._live.edit(lambda head: head.update(name=checked))

    def move(self, experiment: str) -> None:
        """Put the run into the experiment that its script says, unless the command line gave it one.

        Raises:
            InvalidName: a name that cannot be written.
        """
        checked = check_experiment(experiment)
        if not self._live.has(PLACED):
            self.experiment = checked
            self._live.edit(lambda head: head.update(experiment=checked))

    def describe_experiment(self, about: Experiment) -> None:
        """Say what the run's experiment is for; it is merged into the experiment when the run is committed."""
        self._live.write(EXPERIMENT_NEWS, run_dir.encode_experiment(about))

    def notice(self, text: str) -> None:
        """Note in the run what its reader should know (``warnings`` in ``run.yaml``)."""
        self._live.edit(lambda head: head.update(warnings=[*(head.get("warnings") or []), text]))

    def _say_what_was_left_out(self, code: CodeState) -> None:
        if code.left_out:
            shown = ", ".join(one.path for one in code.left_out[:5]) + (" …" if len(code.left_out) > 5 else "")
            many = len(code.left_out)
            self.notice(f"{many} {'path is' if many == 1 else 'paths are'} not in the code snapshot: {shown}.")

    # Artifacts and inputs

    def log_artifact(self, source: Path, artifact_path: str) -> None:
        """Copy a file to ``artifact_path`` below the run's artifacts.

        Raises:
            InvalidPath: an unsafe ``artifact_path``.
            ArtifactError: it is missing, no regular file, unreadable, or changed while it was copied.
        """
        self._check_open("log_artifact")
        files.add_file(self._live.artifacts, source, artifact_path)

    def log_bytes(self, data: bytes, artifact_path: str) -> None:
        """Write ``data`` to ``artifact_path`` below the run's artifacts.

        Raises:
            InvalidPath: an unsafe ``artifact_path``.
        """
        self._check_open("log_bytes")
        files.add_bytes(self._live.artifacts, data, artifact_path)

    def log_input(self, one: Input) -> None:
        """Record a version of the data that goes into the run; the same name again replaces it.

        Raises:
            InvalidName: a name that cannot be written.
        """
        self._check_open("log_input")
        with self._lock:
            self._inputs[check_name(one.name, "input")] = one
            self._live.write(run_dir.INPUTS, run_dir.encode_inputs(tuple(self._inputs.values())))

    def write_environment(self, environment: Mapping[str, Value]) -> None:
        """Write ``environment.yaml``."""
        self._live.write(run_dir.ENVIRONMENT, dumps(environment).encode())

    def append_output(self, data: bytes) -> None:
        """Append to ``output.log``."""
        self._live.append(run_dir.OUTPUT, data)

    def _sample(self, pid: int | None) -> None:
        if self._project is not None and self._project.config.system_interval > 0:
            self._sampler = Sampler(self._append_sample, self._project.config.system_interval, pid)
            self._sampler.start()

    def _append_sample(self, row: dict[str, Number]) -> None:
        at = self._now()
        self._live.append(run_dir.SYSTEM, self._encoder.encode(round(at - self._started.timestamp(), 3), at, row))

    def monitor(self, pid: int) -> None:
        """Sample the resources of another process and its children from now on."""
        if self._sampler is not None:
            self._sampler.stop()
        self._sample(pid)

    # The end

    def end(self, status: str | Status = Status.FINISHED, exit_code: int | None = None) -> Run:
        """End the run and commit it; a joined run is only left.

        Args:
            status: ``finished``, ``failed`` or ``killed`` (also MLflow's spelling in capitals).
            exit_code: of the process, when one was launched for the run.

        Returns:
            The run as it was committed.

        Raises:
            InvalidValue: any other status.
            CommitFailed: it is complete on disk, but not in git; ``gtrack recover`` finishes it.
        """
        final = _final_status(status)
        with self._lock:
            if self._ended:
                return (
                    self.record()
                    if self._live.path.exists() or self._project is None
                    else self._project.store.run(self.id)
                )
            self._ended = True
            self._close_files()
            if self._project is None or self._pid != os.getpid():
                if final is not Status.FINISHED:
                    self._live.edit(lambda head: head.update(status=final.value))
                return self.record()
            return self._commit(self._project, final, exit_code)

    def _close_files(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None
        if self._history >= 0:
            os.close(self._history)
            self._history = -1

    def _commit(self, project: Project, status: Status, exit_code: int | None) -> Run:
        try:
            if not (self.directory / run_dir.ENVIRONMENT).exists():
                self.write_environment(_environment(project))
            run = self._live.finish(status, self._end_time(), exit_code, self._metrics)
            project.store.commit(self._live, run)
        except OSError as error:
            self._live.release()
            raise CommitFailed(
                f"Run {self.name} ({self.id[:8]}) could not be finished: {error.strerror or error}. What it logged stays in "
                f"{self.directory}; when that is mended, 'gtrack recover' commits it."
            ) from error
        except GTrackError:
            self._live.release()
            raise
        self._live.remove()
        project.maintain()
        return run

    def _check_open(self, verb: str) -> None:
        if self._ended:
            raise GTrackError(
                f"{verb}: run {self.name} ({self.id[:8]}) has ended. "
                f"Start another, or go on with it: start_run(run_id={self.id!r})."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(self.status_of(error))

    def status_of(self, error: BaseException | None) -> Status:
        """Return how a block that ``error`` left has ended, and keep its traceback in ``output.log``."""
        if error is None or (isinstance(error, SystemExit) and not error.code):
            return Status.FINISHED
        if not isinstance(error, SystemExit) and not self._ended:
            self.append_output("".join(traceback.format_exception(error)).encode(errors="replace"))
        return Status.KILLED if isinstance(error, KeyboardInterrupt) else Status.FAILED

    def __repr__(self) -> str:
        return f"<ActiveRun {self.name} {self.id[:8]} of {self.experiment}{' (ended)' if self._ended else ''}>"


_environments: dict[tuple[str, ...], dict[str, Value]] = {}


def _environment(project: Project) -> dict[str, Value]:
    """Return what ``environment.yaml`` holds; a process's environment is looked at once."""
    variables = project.config.environment_variables
    if variables not in _environments:
        _environments[variables] = capture(variables)
    return _environments[variables]


def _same(one: Value, other: Value) -> bool:
    """Tell whether two values are written the same: 1 and True are not, nan and nan are."""
    return type(one) is type(other) and (one == other or repr(one) == repr(other) == "nan")


def _seconds(moment: object) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    seconds = float(check_number(moment, "timestamp"))
    return seconds / 1000 if seconds > _MILLISECONDS else seconds


def _checked_tags(tags: Mapping[str, object]) -> dict[str, str]:
    return {check_name(key, "tag"): str(plain_value(str(value), f"tag {key!r}")) for key, value in tags.items()}


def _checked_notes(notes: object) -> str | None:
    if notes is None or isinstance(notes, str):
        return None if notes is None else str(plain_value(notes, "notes"))
    raise InvalidValue(f"Notes are text, not {type(notes).__name__}.")


def _printable(word: str) -> str:
    return word.encode(errors="replace").decode()


def _final_status(status: object) -> Status:
    text = str(status).lower()
    for final in (Status.FINISHED, Status.FAILED, Status.KILLED):
        if text == final.value:
            return final
    raise InvalidValue(f"A run ends as 'finished', 'failed' or 'killed', not {status!r}.")
