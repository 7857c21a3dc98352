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
    """A file under ``artifacts/`` of a run: its path below that directory and its size in bytes."""

    path: str
    size: int
    lfs: bool = False


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

    def goal(self, metric: str) -> Goal | None:
        """Return which direction of ``metric`` is better: as defined, else as its name says, else None."""
        definition = self.metric_definitions.get(metric)
        if definition is not None and definition.goal is not None:
            return definition.goal
        return usual_goal(metric)


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
