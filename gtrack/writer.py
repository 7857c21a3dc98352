"""ActiveRun: the writer of a live run."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from gtrack.capture.environment import redact_command
from gtrack.capture.hardware import Sampler
from gtrack.errors import CommitFailed, FormatError, GTrackError, InvalidName, InvalidValue, RunEnded, RunIsActive
from gtrack.formats import run_dir
from gtrack.formats.history import HIGHEST_STEP, LOWEST_STEP, RESERVED, RowEncoder, check_step, check_time, fold
from gtrack.formats.names import check_experiment, check_name, check_run_name, new_run_id, new_run_name
from gtrack.formats.params import ParamTree, plain_params
from gtrack.formats.values import check_number, final_status, free_text, mapping_of, text_tags
from gtrack.formats.yamlio import dumps
from gtrack.records import CodeState, Experiment, Run, Status, Summary
from gtrack.store import artifacts as files
from gtrack.store.live import EXPERIMENT_NEWS, JOINED, NAMED, OPEN, OWNER, PLACED, LiveDir, line
from gtrack.store.reopen import reopen
from gtrack.store.row_file import RowFile

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from gtrack.project import Project
    from gtrack.records import Input, Number, Value

_LOW, _HIGH = -sys.float_info.max, sys.float_info.max
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

    def __init__(self, project: Project | None, live: LiveDir, run: Run, clock_offset: float | None = None) -> None:
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
        self.tell: Callable[[str], object] | None = None  # hears what it could not be registered as
        self._started = run.started or datetime.now(timezone.utc)
        self._clock_offset = time.time() - _steady() if clock_offset is None else clock_offset
        self._encoder = RowEncoder()
        self._rows = RowFile(live.path / run_dir.HISTORY, live.path / OPEN if project is None else None)
        self._keys: set[str] = set()
        self._params = ParamTree(run.params)
        self._metrics: dict[str, Number] = dict(run.metrics)
        self._without_step = set(run.metrics)
        self._kinds = {name: one.summary for name, one in run.metric_definitions.items()}
        self._warned: set[str] = set()
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
        project.get_ready()
        words = command or [sys.executable, *sys.argv]
        clock_offset, started = time.time() - _steady(), datetime.now(timezone.utc)
        run = Run(
            id=new_run_id(),
            name=check_run_name(name) if name is not None else new_run_name(),
            experiment=check_experiment(experiment) if experiment is not None else project.config.experiment,
            status=Status.RUNNING,
            parent=parent,
            tags=text_tags(tags or {}, "start_run(tags=…)"),
            notes=free_text(notes, "notes"),
            started=started,
            user=str(project.identity()),
            host=socket.gethostname(),
            command=tuple(redact_command([word.encode(errors="replace").decode() for word in words])),
            code=code or project.code_state(),
        )
        active = cls(project, project.live.create(run), run, clock_offset)
        for mark, given in ((NAMED, name is not None), (PLACED, placed)):
            if given:
                active._live.mark(mark)
        active._live.write(OWNER, str(os.getpid()).encode())
        known = about or project.definition(run.experiment)
        if known is not None:
            active.describe_experiment(known)
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
        project.get_ready(resuming=True)
        alive = project.live.find(run_id)
        if alive is not None:
            if alive.is_alive():
                told = "is being written by another process; resume it when that has ended."
                raise RunIsActive(f"Run {run_id[:8]} {told}")
            failed = [found for found in project.recover() if found.run.id == run_id and found.error]
            if failed:
                raise failed[0].error or GTrackError(f"Run {run_id[:8]} cannot be recovered.")
        active = cls(project, *reopen(project.store, project.live, run_id, project.code_state()))
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
        live.join()
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
        if self._live.path.exists():
            return self._live.run()
        if self._project is None:
            raise GTrackError(
                f"Run {self.name} ({self.id[:8]}) was ended by the process that owns it: ask get_run() for it."
            )
        return self._project.store.run(self.id)

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
        self._add_params(plain_params(params, "log_params"), amend=False)

    def log_param(self, key: str, value: object) -> None:
        """Log one parameter; see ``log_params``."""
        self.log_params({key: value})

    def amend_params(self, params: Mapping[str, object]) -> None:
        """Set parameters to what the script really ran with, whatever was recorded before. For launchers.

        Raises:
            InvalidName: a name that cannot be written.
            InvalidValue: a value that cannot be written.
        """
        self._check_open("amend_params")
        self._add_params(plain_params(params, "amend_params"), amend=True)

    def _add_params(self, clean: Mapping[str, Value], *, amend: bool) -> None:
        with self._lock:
            changed = self._params.add(clean, amend=amend)
            if changed:
                self._live.append(run_dir.PARAMS, b"".join(line(key, value) for key, value in changed.items()))

    # Metrics

    def log_metric(
        self, key: str, value: Number, step: Number | None = None, timestamp: float | datetime | None = None
    ) -> None:
        """Log one value of a metric; see ``log_metrics``."""
        self.log_metrics({key: value}, step, timestamp)

    def log_metrics(  # noqa: C901 - called for every step of every training loop: a function more is a tenth of its time
        self, metrics: Mapping[str, Any], step: Any = None, timestamp: SupportsFloat | datetime | None = None
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
        try:
            for key, value in metrics.items():
                # Nearly every value is a finite float under a name that was seen before.
                if not (type(value) is float and _LOW <= value <= _HIGH and key in keys):
                    metrics = self._checked_metrics(metrics, step)
                    break
        except AttributeError:
            mapping_of(metrics, "log_metrics")
            raise
        if step is None:
            self._log_without_step(metrics)
        elif metrics:
            if type(step) is not int or not LOWEST_STEP <= step <= HIGHEST_STEP:
                step = check_step(step)
            at = _steady() + self._clock_offset if timestamp is None else check_time(timestamp)
            if self._pid != os.getpid():
                self._enter_child()
            try:
                self._rows.append(self._encoder.encode(step, at, metrics))
            except OSError as error:
                raise self._not_written(error) from error
            if self._without_step:
                self._leave_to_history(metrics)
        if self._kinds:
            with self._lock:
                fold(self._metrics, metrics, self._kinds)
        else:
            self._metrics.update(metrics)

    def log_rows(self, rows: Sequence[tuple[Number, float, Mapping[str, Number]]]) -> None:
        """Log rows of the history by one write: the step, the time in seconds since the epoch and the values of each."""
        self._check_open("log_rows")
        last = {name: value for _, _, values in rows for name, value in values.items()}
        self._checked_metrics(last, None)
        try:
            self._rows.append(b"".join(self._encoder.encode(step, at, values) for step, at, values in rows))
        except OSError as error:
            raise self._not_written(error) from error
        self._leave_to_history(last)
        self._metrics.update(last)  # with another summary than the last value the files are asked, see define_metric

    def _log_without_step(self, metrics: Mapping[str, Number]) -> None:
        self._check_open("log_metrics")
        if metrics:
            self._live.append(run_dir.METRICS, b"".join(line(key, value) for key, value in metrics.items()))
        self._without_step.update(metrics)

    def _leave_to_history(self, metrics: Mapping[str, Number]) -> None:
        """Say in the file that what was logged of these metrics without a step is no longer their last value."""
        names = self._without_step.intersection(metrics)
        if names:
            self._live.append(run_dir.METRICS, b"".join(line(name, None) for name in names))
            self._without_step -= names

    def _not_written(self, error: OSError) -> GTrackError:
        who, reason = f"Run {self.name} ({self.id[:8]})", error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            return RunEnded(f"{who} was ended by the process that owns it, or removed, with {self.directory}.")
        return CommitFailed(f"{who} cannot be written: {reason}. What it logged so far is in {self.directory}.")

    def _enter_child(self) -> None:
        """Become the run of a forked child: it logs, and what it logs only the files know; the parent ends the run."""
        self._lock = threading.RLock()  # another thread of the parent may have held the old one, and is not here
        self._pid, self._project, self._sampler = os.getpid(), None, None
        self._rows = RowFile(self._live.path / run_dir.HISTORY, self._live.path / OPEN)
        try:
            self._live.mark(JOINED)
        except OSError as error:
            raise self._not_written(error) from error

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
            self._keys.update(clean.keys() - RESERVED)
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
        if summary not in {"last", "min", "max"}:
            raise InvalidValue(f"summary of metric {name!r} is 'last', 'min' or 'max', not {summary!r}.")
        if goal not in {None, "minimize", "maximize"}:
            raise InvalidValue(f"goal of metric {name!r} is 'minimize', 'maximize' or None, not {goal!r}.")
        implied = {"min": "minimize", "max": "maximize"}.get(summary)
        direction = goal or implied
        with self._lock:
            self._kinds = {**self._kinds, name: Summary(summary)}
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
        clean = text_tags(tags, "set_tags")
        self._live.edit(lambda head: head.update(tags={**(head.get("tags") or {}), **clean}))

    def set_notes(self, notes: str | None) -> None:
        """Replace the notes.

        Raises:
            InvalidValue: no text.
        """
        self._check_open("set_notes")
        text = free_text(notes, "notes")
        self._live.edit(lambda head: head.update(notes=text))

    def rename(self, name: str) -> None:
        """Give the run the name that its script says, unless the command line gave it one.

        Raises:
            InvalidName: a name that cannot be written.
        """
        checked = check_run_name(name)
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
            if checked != self.experiment:  # what is noted there is about the other one
                (self.directory / EXPERIMENT_NEWS).unlink(missing_ok=True)
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
        self._live.check_open()

    def log_bytes(self, data: bytes, artifact_path: str) -> None:
        """Write ``data`` to ``artifact_path`` below the run's artifacts.

        Raises:
            InvalidPath: an unsafe ``artifact_path``.
        """
        self._check_open("log_bytes")
        files.add_bytes(self._live.artifacts, data, artifact_path)
        self._live.check_open()

    def log_input(self, one: Input) -> None:
        """Record a version of the data that goes into the run; the same name again replaces it.

        Raises:
            InvalidName: a name that cannot be written.
        """
        self._check_open("log_input")
        one = replace(one, name=check_name(one.name, "input"))

        def add(_head: dict[str, Any]) -> None:  # while this process alone edits: others may log inputs of the same run
            try:
                known = run_dir.decode_inputs(self._live.read(run_dir.INPUTS))
            except FormatError:
                known = ()
            inputs = {**{other.name: other for other in known}, one.name: one}
            self._live.write(run_dir.INPUTS, run_dir.encode_inputs(tuple(inputs.values())))

        self._live.edit(add)

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
        final = final_status(status)
        if self._pid != os.getpid():
            self._enter_child()
        with self._lock:
            if self._ended:
                return self.record()
            self._ended = True
            self._close_files()
            if self._project is None:
                if final is not Status.FINISHED:
                    self._live.edit(lambda head: head.update(status=final.value))
                return self.record()
            return self._commit(self._project, final, exit_code)

    def _close_files(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None
        self._rows.close()

    def _commit(self, project: Project, status: Status, exit_code: int | None) -> Run:
        try:
            if not (self.directory / run_dir.ENVIRONMENT).exists():
                self.write_environment(project.machine())
            run = self._live.finish(status, self._end_time(), exit_code, self._metrics)
            unkept = project.commit(self._live, run)
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
        project.tell(unkept, self.tell)
        return replace(run, live=False)

    def _check_open(self, verb: str) -> None:
        if self._ended:
            raise GTrackError(
                f"{verb}: run {self.name} ({self.id[:8]}) has ended. "
                f"Start another, or go on with it: start_run(run_id={self.id!r})."
            )
        if self._pid != os.getpid():
            self._enter_child()
        if not self.directory.is_dir():  # a lock would make it anew
            raise self._not_written(FileNotFoundError())

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
        text = "".join(traceback.format_exception(error))
        if isinstance(error, SystemExit):
            text = f"{error.code}\n" if isinstance(error.code, str) else ""
        if text and not self._ended:
            with suppress(GTrackError):  # the error of the block is the one to hear of
                self.append_output(text.encode(errors="replace"))
        return Status.KILLED if isinstance(error, KeyboardInterrupt) else Status.FAILED

    def __repr__(self) -> str:
        return f"<ActiveRun {self.name} {self.id[:8]} of {self.experiment}{' (ended)' if self._ended else ''}>"
