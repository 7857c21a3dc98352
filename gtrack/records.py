"""What gtrack knows about a run, as frozen values: no I/O, no behaviour beyond looking at themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TypeAlias

Scalar: TypeAlias = "bool | int | float | str | None"
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
Number: TypeAlias = "int | float"

SCHEMA = 1
"""The version of the run format that this gtrack writes."""
_ACTIVE = "active"
DELETED = "deleted"
TRIAL_STATE = "optuna.state"
"""The tag of a run that is a trial of a study: ``COMPLETE``, ``PRUNED`` or ``FAIL``."""
MLFLOW_STAGES = ("staging", "production", "archived")
"""The stages that MLflow knows, of which a version is in one at a time there; taken in any case, written small."""


class Status(str, Enum):
    """Where a run is in its life."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"

    def __str__(self) -> str:
        return self.value


class Goal(str, Enum):
    """Which direction of a metric is better."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def __str__(self) -> str:
        return self.value


class Summary(str, Enum):
    """Which of a metric's values stands for the run in ``metrics.yaml``."""

    LAST = "last"
    MIN = "min"
    MAX = "max"

    def __str__(self) -> str:
        return self.value


_LESS_IS_BETTER = frozenset({"loss", "error", "err", "mae", "mse", "rmse", "mape", "perplexity", "wer", "cer", "fid"})
_MORE_IS_BETTER = frozenset(
    {
        "accuracy",
        "acc",
        "f1",
        "auc",
        "precision",
        "recall",
        "r2",
        "score",
        "map",
        "iou",
        "dice",
        "bleu",
        "rouge",
        "ndcg",
    }
)


def usual_goal(metric: str) -> Goal | None:
    """Return the direction in which everybody wants a metric of this name, or None when the name does not say.

    The name is cut at anything that is not a letter or a digit: ``val/roc_auc`` is an ``auc``, ``test_loss`` a ``loss``.
    """
    words = "".join(c if c.isalnum() else " " for c in metric.lower()).split()
    for word in reversed(words):
        if word in _LESS_IS_BETTER:
            return Goal.MINIMIZE
        if word in _MORE_IS_BETTER:
            return Goal.MAXIMIZE
    return None


def milliseconds(moment: datetime | None) -> int | None:
    """Return a moment as MLflow tells it: whole milliseconds since the epoch."""
    return None if moment is None else int(moment.timestamp() * 1000)


def is_of_training(metric: str) -> bool:
    """Tell whether a metric is one of those that autologging computes on the training data: they say less than others."""
    return metric.startswith("training_")


@dataclass(frozen=True)
class MetricDefinition:
    """How a metric is summarised and which direction is better (``define_metric``)."""

    summary: Summary = Summary.LAST
    goal: Goal | None = None


@dataclass(frozen=True)
class LeftOut:
    """An untracked file that was too large for the snapshot commit, or that git cannot take (then ``sha256`` is empty)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class CodeState:
    """The code that a run ran.

    Attributes:
        commit: the code commit: HEAD when clean, else the snapshot commit; None when there is no code.
        head: HEAD when the run started; None in a repository with no commit yet.
        branch: the branch that was checked out; None for a detached HEAD.
        dirty: whether the working tree differed from HEAD.
        remote: where the code comes from, without credentials.
        left_out: untracked files that are not in the snapshot.
    """

    commit: str | None = None
    head: str | None = None
    branch: str | None = None
    dirty: bool = False
    remote: str | None = None
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Input:
    """A version of the data that went into a run.

    Attributes:
        name: what the run calls it (``train``).
        digest: ``sha256:…`` over the content.
        kind: ``file``, ``directory``, ``dataframe`` or ``array``.
        source: where it came from: a path or URI.
        size: bytes of the content.
        rows: number of rows (first dimension), when it has rows.
        columns: number of columns (product of the other dimensions), when it has columns.
        schema: column name to type, when it has named columns; for an array ``{"dtype": …, "shape": …}``.
    """

    name: str
    digest: str
    kind: str
    source: str | None = None
    size: int | None = None
    rows: int | None = None
    columns: int | None = None
    schema: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A file under ``artifacts/`` of a run.

    Attributes:
        path: below that directory.
        size: in bytes; None when it stayed with the remote of a partial clone, which does not know it either.
        lfs: whether git has a Git LFS pointer to it.
        here: whether its content is in this clone; told of what Git LFS has.
    """

    path: str
    size: int | None
    lfs: bool = False
    here: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Experiment:
    """A named set of runs with a purpose.

    Attributes:
        objective: the metric that decides, with its direction.
    """

    name: str
    created: datetime | None = None
    purpose: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    objective: tuple[str, Goal] | None = None

    @property
    def experiment_id(self) -> str:
        """The name: an experiment has no other id."""
        return self.name

    @property
    def artifact_location(self) -> str:
        """Where its runs lie on the runs branch, with what they kept."""
        return f"experiments/{self.name}"

    @property
    def lifecycle_stage(self) -> str:
        """``active``: one that was deleted is only in the history of the runs branch."""
        return _ACTIVE

    @property
    def creation_time(self) -> int | None:
        """When it was created, in milliseconds since the epoch."""
        return milliseconds(self.created)


@dataclass(frozen=True)
class RunInfo:
    """What a run is, under the names and in the units of MLflow.

    Attributes:
        run_id: 32 hexadecimal digits.
        run_name: what people call it.
        experiment_id: the name of its experiment.
        status: in capitals, ``FINISHED``.
        start_time: milliseconds since the epoch.
        end_time: the same; None while it runs.
        artifact_uri: ``runs:/<run id>``.
        user_id: who made it.
        lifecycle_stage: ``active``; ``deleted`` of one that was deleted since.
    """

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    start_time: int | None = None
    end_time: int | None = None
    artifact_uri: str = ""
    user_id: str | None = None
    lifecycle_stage: str = _ACTIVE


@dataclass(frozen=True)
class RunData:
    """What a run holds, under the names of MLflow.

    Attributes:
        params: dotted name to value; values keep their types.
        metrics: name to the value that stands for the run.
        tags: name to text, and what MLflow keeps in tags of its own (``mlflow.runName``, ``mlflow.parentRunId`` …).
    """

    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, Number] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run, as it is written in its run directory.

    Attributes:
        id: 32 hexadecimal digits.
        params: as logged; may nest (``flat_params`` gives dotted names).
        metrics: the summary value of each metric (the last one unless defined otherwise).
        metric_definitions: what ``define_metric`` said.
        live: whether the run is still only in its live directory.
        warnings: what gtrack noticed while the run ran, one sentence each.
        problems: what is damaged in the run directory, one sentence each; empty when all is well.
        schema: the version of the format that the run was written with.
    """

    id: str
    name: str
    experiment: str
    status: Status
    started: datetime | None = None
    ended: datetime | None = None
    parent: str | None = None
    user: str | None = None
    host: str | None = None
    command: tuple[str, ...] = ()
    exit_code: int | None = None
    code: CodeState = CodeState()
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: str | None = None
    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, Number] = field(default_factory=dict)
    metric_definitions: Mapping[str, MetricDefinition] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    live: bool = False
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    schema: int = SCHEMA

    def __repr__(self) -> str:
        return f"<Run {self.name} {self.id[:8]} of {self.experiment}, {self.status}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the run in one line, its parameters and its metrics below."""
        began = f", {self.started:%Y-%m-%d %H:%M} UTC" if self.started else ""
        took = f", {self.duration:.1f} s" if self.duration is not None else ""
        head = (
            f"<b>{_html(self.name)}</b> <code>{_html(self.short_id)}</code> of {_html(self.experiment)}: {self.status}"
        )
        tables = [("Parameters", self.flat_params), ("Metrics", self.metrics), ("Tags", self.tags)]
        cells = "".join(_html_table(title, values) for title, values in tables if values)
        return f"<div>{head}{began}{took}</div><table><tr>{cells}</tr></table>"

    @property
    def short_id(self) -> str:
        """The first 8 digits of the id."""
        return self.id[:8]

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()

    @property
    def flat_params(self) -> dict[str, Value]:
        """The parameters with nested names joined by dots: ``{"optimizer.lr": 0.1}``."""
        return dict(flatten(self.params))

    @property
    def info(self) -> RunInfo:
        """What it is, as scripts written for MLflow ask: ``run.info.run_id``."""
        return RunInfo(
            run_id=self.id,
            run_name=self.name,
            experiment_id=self.experiment,
            status=self.status.value.upper(),
            start_time=milliseconds(self.started),
            end_time=milliseconds(self.ended),
            artifact_uri=f"runs:/{self.id}",
            user_id=self.user,
        )

    @property
    def data(self) -> RunData:
        """What it holds, as scripts written for MLflow ask: ``run.data.metrics["f1"]``."""
        kept_in_tags = {
            "mlflow.runName": self.name,
            "mlflow.user": self.user,
            "mlflow.parentRunId": self.parent,
            "mlflow.note.content": self.notes,
            "mlflow.source.name": " ".join(self.command),
            "mlflow.source.git.commit": self.code.commit,
            "mlflow.source.git.branch": self.code.branch,
        }
        tags = {name: text for name, text in kept_in_tags.items() if text}
        return RunData(self.flat_params, dict(self.metrics), {**tags, **self.tags})

    def to_dictionary(self) -> dict[str, dict[str, object]]:
        """Return ``info`` and ``data`` as plain mappings."""
        return {"info": dict(vars(self.info)), "data": dict(vars(self.data))}

    def goal(self, metric: str) -> Goal | None:
        """Return which direction of ``metric`` is better: as defined, else as its name says, else None."""
        definition = self.metric_definitions.get(metric)
        if definition is not None and definition.goal is not None:
            return definition.goal
        return usual_goal(metric)


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model: an annotated tag on the commit of the run that made it.

    Attributes:
        name: the model.
        version: 1, 2, 3 …
        semver: the same as a semantic version, ``v3.0.0``.
        tag: the tag that registered it.
        commit: the run commit that the tag is on; empty while the run still goes on.
        run_id: the run that made it; None when the tag is on a commit that is no run's.
        artifact: path of the model below the artifacts of the run.
        stages: the stages that it is in, the one that it came into last at the end.
        created: when it was registered.
        user: who registered it.
        experiment: the experiment of the run.
        metrics: some metrics of the run, as they were then.
        reason: why, when a reason was given.
        updated: when a tag last said something about it.
        registered: whether it was not taken back.
    """

    name: str
    version: int
    tag: str
    semver: str
    commit: str = ""
    run_id: str | None = None
    artifact: str | None = None
    stages: tuple[str, ...] = ()
    created: datetime | None = None
    user: str | None = None
    experiment: str | None = None
    metrics: Mapping[str, Number] = field(default_factory=dict)
    reason: str | None = None
    updated: datetime | None = None
    registered: bool = True

    def __repr__(self) -> str:
        stages = f" in {', '.join(self.stages)}" if self.stages else ""
        return f"<ModelVersion {self.version} of {self.name}, {self.semver}{stages}>"

    @property
    def current_stage(self) -> str:
        """The stage in MLflow's sense and spelling: ``Production``, ``Staging``, ``Archived`` or ``None``."""
        known = [stage for stage in self.stages if stage in MLFLOW_STAGES]
        return known[-1].capitalize() if known else "None"

    @property
    def aliases(self) -> list[str]:
        """The stages that MLflow would call aliases."""
        return [stage for stage in self.stages if stage not in MLFLOW_STAGES]

    @property
    def source(self) -> str | None:
        """Where the model lies: ``runs:/<run id>/<artifact>``; None when it came from no run."""
        return f"runs:/{self.run_id}/{self.artifact}" if self.run_id and self.artifact else None

    @property
    def status(self) -> str:
        """``READY``; ``PENDING_REGISTRATION`` while the run that makes it still goes on."""
        return "READY" if self.commit else "PENDING_REGISTRATION"

    @property
    def description(self) -> str:
        """The reason, under MLflow's name; empty without one."""
        return self.reason or ""

    @property
    def user_id(self) -> str | None:
        """Who registered it, under MLflow's name."""
        return self.user

    @property
    def creation_timestamp(self) -> int | None:
        """When it was registered, in milliseconds since the epoch."""
        return milliseconds(self.created)

    @property
    def last_updated_timestamp(self) -> int | None:
        """When a tag last said something about it, in milliseconds since the epoch."""
        return milliseconds(self.updated)


@dataclass(frozen=True)
class RegisteredModel:
    """A name under which versions are registered.

    Attributes:
        name: the model.
        versions: those that are registered, in their order.
        stages: stage to the numbers of the versions in it, the one that came into it last at the end.
        withdrawn: versions that were registered and taken back.
        deprecated: whether the model was retired, and nothing said of it since.
        created: when its first version was registered.
        updated: when a tag last said something about it.
    """

    name: str
    versions: tuple[ModelVersion, ...] = ()
    stages: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    withdrawn: tuple[ModelVersion, ...] = ()
    deprecated: bool = False
    created: datetime | None = None
    updated: datetime | None = None

    def __repr__(self) -> str:
        many = len(self.versions)
        return f"<RegisteredModel {self.name}, {many} {'version' if many == 1 else 'versions'}>"

    @property
    def latest(self) -> ModelVersion | None:
        """The version with the highest number; None when there is none."""
        return self.versions[-1] if self.versions else None

    @property
    def latest_versions(self) -> list[ModelVersion]:
        """The newest version of each of MLflow's stages, and of those that are in none of them."""
        newest = {one.current_stage: one for one in self.versions}
        return sorted(newest.values(), key=lambda one: one.version)

    @property
    def aliases(self) -> dict[str, int]:
        """What MLflow would call aliases: every other stage, and the number of the version in it."""
        return {stage: numbers[-1] for stage, numbers in self.stages.items() if numbers and stage not in MLFLOW_STAGES}

    @property
    def creation_timestamp(self) -> int | None:
        """When its first version was registered, in milliseconds since the epoch."""
        return milliseconds(self.created)

    @property
    def last_updated_timestamp(self) -> int | None:
        """When a tag last said something about it, in milliseconds since the epoch."""
        return milliseconds(self.updated)

    def in_stage(self, stage: str) -> ModelVersion | None:
        """Return the version that came into ``stage`` last and is in it; None when none is."""
        numbers = self.stages.get(stage)
        return next((one for one in self.versions if numbers and one.version == numbers[-1]), None)


@dataclass(frozen=True)
class History:
    """The rows of ``history.yaml``, by column.

    Attributes:
        steps: the step of each row.
        times: seconds since the epoch (UTC) of each row.
        columns: metric name to one value per row, None where the row has no such metric.
        torn: whether the last row was cut off while it was written (it is not among the rows).
        damaged: numbers (from 1) of the lines that are no rows.
    """

    steps: Sequence[Number] = ()
    times: Sequence[float | None] = ()
    columns: Mapping[str, Sequence[Number | None]] = field(default_factory=dict)
    torn: bool = False
    damaged: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.steps)

    def series(self, metric: str) -> list[tuple[Number, Number]]:
        """Return ``(step, value)`` for each row that has ``metric``, in the order of logging."""
        values = self.columns.get(metric)
        if values is None:
            return []
        return [(step, value) for step, value in zip(self.steps, values, strict=True) if value is not None]


def _html(text: object) -> str:
    """Return text that HTML shows as it is (the module ``html`` would be imported for this alone)."""
    for mark, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        text = str(text).replace(mark, name)
    return str(text)


def _html_table(title: str, values: Mapping[str, Value]) -> str:
    rows = "".join(
        f'<tr><td style="text-align: left">{_html(name)}</td><td>{_html(_shown(value))}</td></tr>'
        for name, value in values.items()
    )
    style = "vertical-align: top"
    return f'<td style="{style}"><table><tr><th colspan="2">{title}</th></tr>{rows}</table></td>'


def _shown(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def flatten(tree: Mapping[str, Value], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield the leaves of a nested mapping with dotted names; an empty mapping is a leaf."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
