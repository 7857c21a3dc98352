"""The files of a run directory <-> records.

Reading never fails as a whole: what is damaged becomes a sentence in ``Run.problems`` and the rest is read. A file that a newer
gtrack wrote is read as far as this one knows, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from gtrack.errors import FormatError
from gtrack.formats.history import fold
from gtrack.formats.yamlio import dumps, load_mapping, loads, parse_timestamp
from gtrack.records import (
    SCHEMA,
    CodeState,
    Experiment,
    Goal,
    Input,
    LeftOut,
    MetricDefinition,
    Run,
    Status,
    Summary,
)

if TYPE_CHECKING:
    from gtrack.records import Number, Value

RUN = "run.yaml"
PARAMS = "params.yaml"
METRICS = "metrics.yaml"
HISTORY = "history.yaml"
INPUTS = "inputs.yaml"
ENVIRONMENT = "environment.yaml"
SYSTEM = "system.yaml"
OUTPUT = "output.log"
EXPERIMENT = "experiment.yaml"
_FLAT = (PARAMS, METRICS)

EnumT = TypeVar("EnumT", Status, Goal, Summary)

ReadFile = Callable[[str], "bytes | None"]
"""Gives the bytes of a file of the run directory, None when it has no such file."""


def run_mapping(run: Run) -> dict[str, Any]:
    """Return what ``run.yaml`` holds for ``run``."""
    mapping: dict[str, Any] = {
        "schema": SCHEMA,
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "parent": run.parent,
        "status": run.status.value,
        "started": run.started,
        "ended": run.ended,
        "user": run.user,
        "host": run.host,
        "command": list(run.command),
        "exit_code": run.exit_code,
        "code": _code_mapping(run.code),
        "tags": dict(run.tags),
        "notes": run.notes,
    }
    if run.metric_definitions:
        mapping["metric_definitions"] = {
            name: {"summary": definition.summary.value, "goal": definition.goal.value if definition.goal else None}
            for name, definition in run.metric_definitions.items()
        }
    if run.warnings:
        mapping["warnings"] = list(run.warnings)
    return mapping


def _code_mapping(code: CodeState) -> dict[str, Any]:
    mapping: dict[str, Any] = {
        "commit": code.commit,
        "head": code.head,
        "branch": code.branch,
        "dirty": code.dirty,
        "remote": code.remote,
    }
    if code.left_out:
        mapping["left_out"] = [asdict(left) for left in code.left_out]
    return mapping


def encode_run(run: Run) -> bytes:
    """Return the bytes of ``run.yaml``."""
    return dumps(run_mapping(run)).encode()


def inputs_mapping(inputs: tuple[Input, ...]) -> dict[str, dict[str, Any]]:
    """Return what ``inputs.yaml`` holds: input name to what is known of it, absent facts left out."""
    return {
        one.name: {key: item for key, item in asdict(one).items() if key != "name" and item is not None and item != {}}
        for one in inputs
    }


def encode_inputs(inputs: tuple[Input, ...]) -> bytes:
    """Return the bytes of ``inputs.yaml``."""
    return dumps(inputs_mapping(inputs)).encode()


def decode_inputs(data: bytes | None) -> tuple[Input, ...]:
    """Return the inputs that an ``inputs.yaml`` names; none when there is nothing to read.

    Raises:
        FormatError: it is not a YAML mapping.
    """
    return _inputs(load_mapping(data, INPUTS)) if data else ()


def encode_experiment(experiment: Experiment) -> bytes:
    """Return the bytes of ``experiment.yaml``."""
    objective = experiment.objective
    return dumps(
        {
            "name": experiment.name,
            "created": experiment.created,
            "purpose": experiment.purpose,
            "tags": dict(experiment.tags),
            "objective": {"metric": objective[0], "goal": objective[1].value} if objective else None,
        }
    ).encode()


def decode_experiment(data: bytes | None, name: str) -> Experiment:
    """Return the experiment that an ``experiment.yaml`` describes; with nothing to read, one that is only a name.

    Raises:
        FormatError: it is not a YAML mapping.
    """
    found = load_mapping(data, f"{EXPERIMENT} of {name}") if data else {}
    return Experiment(
        name=name,
        created=parse_timestamp(found.get("created")),
        purpose=_text(found.get("purpose")),
        tags=_tags(found.get("tags")),
        objective=_objective(found.get("objective")),
    )


def _objective(found: Value) -> tuple[str, Goal] | None:
    if not isinstance(found, dict):
        return None
    metric, goal = _text(found.get("metric")), _enum(Goal, found.get("goal"))
    return (metric, goal or Goal.MAXIMIZE) if metric else None


class _Reader:
    """Reads the mappings of one run directory, gathering what is wrong with them."""

    def __init__(self, read: ReadFile, *, live: bool) -> None:
        self._read = read
        self._live = live
        self.problems: list[str] = []

    def data(self, file: str) -> bytes | None:
        """Return the bytes of a file; in a live directory without a last line that was cut off."""
        data = self._read(file)
        if self._live and file in _FLAT and data and not data.endswith(b"\n"):
            # `epochs: 10` may be the beginning of `epochs: 100`: nobody can tell, so it counts as lost.
            self.problems.append(f"{file}: the last line was cut off.")
            return data[: data.rfind(b"\n") + 1]
        return data

    def mapping(self, file: str, *, required: bool = False) -> dict[str, Value]:
        data = self.data(file)
        if data is None:
            if required:
                self.problems.append(f"{file} is missing.")
            return {}
        try:
            return load_mapping(data, file)
        except FormatError as error:
            self.problems.append(str(error))
            return self._line_by_line(data) if file in _FLAT else {}

    def _line_by_line(self, data: bytes) -> dict[str, Value]:
        """Save what can be saved of a flat file: every line that is a mapping by itself."""
        found: dict[str, Value] = {}
        for line in data.split(b"\n"):
            if line and not line.startswith((b" ", b"-")):
                try:
                    found.update(load_mapping(line, "line"))
                except FormatError:
                    continue  # the file's own problem is already noted
        return found

    def live_metrics(self, kinds: Mapping[str, Summary]) -> dict[str, Number]:
        """Return what the lines of a live ``metrics.yaml`` come to: it may have a line for every call, too many for YAML."""
        summary: dict[str, Number] = {}
        for at, line in enumerate((self.data(METRICS) or b"").split(b"\n"), start=1):
            if line in (b"", b"{}"):
                continue
            try:
                name, value = _metric_line(line)
            except (ValueError, FormatError):
                self.problems.append(f"{METRICS}: line {at} is no metric.")
                continue
            if value is not None:
                fold(summary, {name: value}, kinds)
            elif kinds.get(name, Summary.LAST) is Summary.LAST:
                summary.pop(name, None)
        return summary


def _metric_line(line: bytes) -> tuple[str, Number | None]:
    """Return name and value of a ``name: number`` line; None for ``name: null``, from where on the history tells it."""
    key, _, text = line.rpartition(b": ")
    if text == b"null":
        value: Value = None
    else:
        try:
            value = int(text)
        except ValueError:
            value = loads(text, METRICS) if text.startswith((b".", b"-.")) else float(text)
    name = loads(key, METRICS) if key.startswith(b'"') else key.decode()
    if not isinstance(name, str) or not name or not (value is None or isinstance(value, (int, float))):
        raise ValueError
    return name, value


def decode_run(read: ReadFile, run_id: str, experiment: str, *, live: bool = False) -> Run:
    """Return the run that a run directory holds, whatever is damaged in it.

    Args:
        read: gives the bytes of its files.
        run_id: the id that its path says; its path is believed over what ``run.yaml`` says.
        experiment: the experiment that its path says; empty when only ``run.yaml`` can tell (a live directory).
        live: whether it is a live directory. Its flat files have a line for every call: the last line of a parameter
            counts, the lines of a metric are summed up as its definition says. A last line without an end is no line.
    """
    reader = _Reader(read, live=live)
    head = reader.mapping(RUN, required=True)
    definitions = _definitions(head.get("metric_definitions"))
    if live:
        metrics = reader.live_metrics({name: one.summary for name, one in definitions.items()})
    else:
        metrics = _metrics(reader.mapping(METRICS), reader.problems)
    params = reader.mapping(PARAMS)
    inputs = reader.mapping(INPUTS)
    schema = head.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        reader.problems.append(f"written by a newer gtrack (schema {schema}); read as far as schema {SCHEMA} goes.")
    if head and _enum(Status, head.get("status")) is None:
        reader.problems.append(f"{RUN} has the unknown status {head.get('status')!r}.")
    if head.get("id") not in (None, run_id):
        reader.problems.append(f"{RUN} names another run, {head.get('id')!r}.")
    where = {"id": run_id, "experiment": experiment or _text(head.get("experiment")) or "default"}
    return run_of({**head, **where}, params, metrics, inputs, tuple(reader.problems), live=live)


def run_of(
    head: Mapping[str, Value],
    params: Mapping[str, Value],
    metrics: Mapping[str, Number],
    inputs: Mapping[str, Value],
    problems: tuple[str, ...] = (),
    *,
    live: bool = False,
) -> Run:
    """Return the run that the mappings of its files describe; what they lack, or have wrong, is left out.

    Args:
        head: ``run.yaml``, with an id and an experiment.
        params: ``params.yaml``.
        metrics: ``metrics.yaml``, numbers only.
        inputs: ``inputs.yaml``.
        problems: what could not be read.
        live: whether it is a live directory.
    """
    schema, exit_code, run_id = head.get("schema"), head.get("exit_code"), str(head["id"])
    return Run(
        id=run_id,
        name=_text(head.get("name")) or run_id[:8],
        experiment=str(head["experiment"]),
        parent=_text(head.get("parent")),
        status=_enum(Status, head.get("status")) or Status.KILLED,
        started=parse_timestamp(head.get("started")),
        ended=parse_timestamp(head.get("ended")),
        user=_text(head.get("user")),
        host=_text(head.get("host")),
        command=_texts(head.get("command")),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        code=_code(head.get("code")),
        tags=_tags(head.get("tags")),
        notes=_text(head.get("notes")),
        params=params,
        metrics=metrics,
        metric_definitions=_definitions(head.get("metric_definitions")),
        inputs=_inputs(inputs),
        warnings=_texts(head.get("warnings")),
        schema=schema if isinstance(schema, int) else SCHEMA,
        problems=problems,
        live=live,
    )


def _text(value: Value) -> str | None:
    return None if value is None or isinstance(value, (dict, list)) else str(value)


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _tags(value: Value) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: "" if item is None else str(item) for key, item in value.items()}


def _enum(kind: type[EnumT], value: Value) -> EnumT | None:
    return next((member for member in kind if member.value == value), None)


def _metrics(found: Mapping[str, Value], problems: list[str]) -> dict[str, Number]:
    metrics: dict[str, Number] = {}
    for name, value in found.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            metrics[name] = value
        else:
            problems.append(f"{METRICS}: {name!r} is no number: {value!r}.")
    return metrics


def _definitions(found: Value) -> dict[str, MetricDefinition]:
    if not isinstance(found, dict):
        return {}
    return {
        name: MetricDefinition(_enum(Summary, one.get("summary")) or Summary.LAST, _enum(Goal, one.get("goal")))
        for name, one in found.items()
        if isinstance(one, dict)
    }


def _code(found: Value) -> CodeState:
    if not isinstance(found, dict):
        return CodeState()
    left_out = found.get("left_out")
    return CodeState(
        commit=_text(found.get("commit")),
        head=_text(found.get("head")),
        branch=_text(found.get("branch")),
        dirty=found.get("dirty") is True,
        remote=_text(found.get("remote")),
        left_out=tuple(
            LeftOut(str(one.get("path")), _count(one.get("size")) or 0, _text(one.get("sha256")) or "")
            for one in (left_out if isinstance(left_out, list) else [])
            if isinstance(one, dict)
        ),
    )


def _count(value: Value) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _inputs(found: Mapping[str, Value]) -> tuple[Input, ...]:
    inputs = []
    for name, one in found.items():
        if isinstance(one, dict):
            schema = one.get("schema")
            inputs.append(
                Input(
                    name=name,
                    digest=_text(one.get("digest")) or "",
                    kind=_text(one.get("kind")) or "",
                    source=_text(one.get("source")),
                    size=_count(one.get("size")),
                    rows=_count(one.get("rows")),
                    columns=_count(one.get("columns")),
                    schema=schema if isinstance(schema, dict) else {},
                )
            )
    return tuple(inputs)
