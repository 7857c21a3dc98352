"""``gtrack show``: everything about one run on one screen."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from gtrack.formats.words import plural, size
from gtrack.ops.listing import list_runs
from gtrack.ops.report import RunReport
from gtrack.records import Artifact, CodeState, Input, Number, Run, Value
from gtrack.render.listing import listing_columns, status_cell
from gtrack.render.table import DIM, HEAD, Cell, Column, write_line, write_pairs, write_table
from gtrack.render.values import age, cut_middle, duration, metric, moment, printable, sparkline, value

if TYPE_CHECKING:
    from rich.console import Console


WARNING = "yellow"
_INDENT = 2
_LABEL = 10
_SPARK = 24
_SHORT = 16
_MANY = 20
_DIGEST = 19  # "sha256:" and 12 digits
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


def write_report(console: Console, report: RunReport, now: datetime, zone: tzinfo | None = None) -> None:
    """Write one run.

    Args:
        console: where.
        report: the run with all that belongs to it.
        now: ages are counted to it.
        zone: moments are told in it; None for this machine's.
    """
    run = report.run
    _title(console, run)
    for label, text, style in _facts(report, now, zone):
        write_fact(console, label, text, style)
    write_params(console, run.flat_params)
    write_metrics(console, report)
    write_inputs(console, run.inputs)
    _children(console, report.children, now)
    _artifacts(console, report.artifacts)
    _tail(console, report)


def _title(console: Console, run: Run) -> None:
    status = status_cell(run, terminal=console.is_terminal)
    exited = f" (exit code {run.exit_code})" if run.exit_code else ""
    name, experiment = printable(run.name), printable(run.experiment)
    if console.is_terminal:
        room = max(console.width - cell_len(status.text + exited) - 4, _SHORT)
        name = cut_middle(name, max(room - cell_len(experiment), room // 2))
        experiment = cut_middle(experiment, max(room - cell_len(name), 0))
    write_line(console, Text.assemble((name, HEAD), "  ", (status.text + exited, status.style), "  ", experiment))


def _facts(report: RunReport, now: datetime, zone: tzinfo | None) -> Iterator[tuple[str, str, str]]:
    run = report.run
    yield "id", run.id, "yellow"
    if run.started is not None:
        took = f", took {duration(run.duration)}" if run.ended is not None else ""
        yield "started", f"{moment(run.started, zone)} ({age(run.started, now)}){took}", ""
    who = " on ".join(printable(part) for part in (run.user, run.host) if part)
    yield "by", who, ""
    yield "command", printable(shlex.join(run.command)), ""
    yield "code", printable(_code(run.code)), ""
    for left in run.code.left_out:
        what = size(left.size) if left.sha256 else "git cannot take it"
        yield "", f"not in the snapshot: {printable(left.path)} ({what})", WARNING
    if run.parent:
        name = f"{printable(report.parent.name)} " if report.parent else ""
        yield "parent", f"{name}({printable(run.parent[:8])})", ""
    yield "tags", "  ".join(f"{printable(key)}={printable(text)}" for key, text in run.tags.items()), ""
    yield "env", environment_text(report.environment), ""
    for number, line in enumerate((run.notes or "").strip().splitlines()):
        yield "" if number else "notes", printable(line), ""
    for warning in run.warnings:
        yield "warning", printable(warning), WARNING
    for problem in run.problems:
        yield "damage", printable(problem), "bold red"


def write_fact(console: Console, label: str, text: str, style: str) -> None:
    """Write one line of the head, continued below itself where it is wider than the terminal."""
    if not text:
        return
    start = _INDENT + _LABEL
    line = Text(" " * _INDENT)
    line.append(label.ljust(_LABEL), DIM)
    if not console.is_terminal:
        line.append(text)
        write_line(console, line)
        return
    pieces = Text(text, style).wrap(console, max(console.width - start, 10))
    for number, piece in enumerate(pieces):
        piece.rstrip()
        write_line(console, Text.assemble(line if number == 0 else " " * start, piece))


def _code(code: CodeState) -> str:
    if code.commit is None:
        return ""
    branch = f" on {printable(code.branch)}" if code.branch else ""
    if not code.dirty:
        return f"{code.commit[:10]}{branch}"
    if code.head is None:
        return f"{code.commit[:10]}{branch}, a snapshot before the first commit"
    if code.commit == code.head:
        return f"{code.commit[:10]}{branch}, without the uncommitted changes"
    return f"{code.commit[:10]}, a snapshot of uncommitted changes to {code.head[:10]}{branch}"


def environment_text(environment: Mapping[str, Value]) -> str:
    """Return an environment in one line: Python, system, processor, memory, GPUs, number of packages."""
    parts = []
    python, system, cpu = (_mapping(environment, key) for key in ("python", "platform", "cpu"))
    if "version" in python:
        parts.append(f"Python {python['version']}")
    if system:
        parts.append(" ".join(str(system[key]) for key in ("system", "machine") if key in system))
    if "logical" in cpu:
        parts.append(plural(_count(cpu.get("usable", cpu["logical"])), "CPU"))
    memory = environment.get("memory_bytes")
    if isinstance(memory, int):
        parts.append(f"{size(memory)} memory")
    gpus = environment.get("gpu")
    found = gpus if isinstance(gpus, list) else []
    parts += [str(gpu["name"]) for gpu in found if isinstance(gpu, dict) and "name" in gpu]
    packages = _mapping(environment, "packages")
    if packages:
        parts.append(plural(len(packages), "package"))
    return printable(", ".join(parts))


def _mapping(environment: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    found = environment.get(key)
    return found if isinstance(found, dict) else {}


def _count(found: Value) -> int:
    return found if isinstance(found, int) else 0


def write_heading(console: Console, title: str, more: str) -> None:
    """Write the line above a section, with what says how much it is."""
    write_line(console)
    write_line(console, Text.assemble((title, HEAD), (f" ({more})", DIM)))


def write_params(console: Console, params: Mapping[str, Value]) -> None:
    """Write parameters, as many beside each other as fit."""
    if params:
        write_heading(console, "Parameters", str(len(params)))
        write_pairs(console, [(printable(name), Cell(value(found), "cyan")) for name, found in params.items()], _INDENT)


def write_metrics(console: Console, report: RunReport) -> None:
    """Write the metrics of a run, with the course of each where there is a history."""
    metrics = report.run.metrics
    if not metrics:
        return
    write_heading(console, "Metrics", str(len(metrics)))
    courses = [[number for _, number in report.history.series(name)] for name in metrics]
    columns = [
        Column("", [Cell(printable(name)) for name in metrics], keep=5, least=_SHORT),
        Column("value", [Cell(metric(number), "bold cyan") for number in metrics.values()], right=True, keep=4),
    ]
    if any(courses):
        columns += [
            Column("history", [Cell(sparkline(course, _SPARK), "cyan") for course in courses], keep=3),
            Column("min", [Cell(_extreme(min, course)) for course in courses], right=True, keep=2),
            Column("max", [Cell(_extreme(max, course)) for course in courses], right=True, keep=2),
            Column("points", [Cell(str(len(course) or "")) for course in courses], right=True, keep=1),
        ]
    write_table(console, columns, head=any(map(bool, courses)), indent=_INDENT)


def _extreme(choose: Callable[[Iterable[Number]], Number], course: Sequence[Number]) -> str:
    numbers = [number for number in course if number == number]  # noqa: PLR0124 - NaN is no extreme
    return metric(choose(numbers)) if numbers else ""


def write_inputs(console: Console, inputs: Sequence[Input]) -> None:
    """Write what went into a run."""
    if not inputs:
        return
    write_heading(console, "Inputs", str(len(inputs)))
    whole = not console.is_terminal
    columns = [
        Column("", [Cell(printable(one.name)) for one in inputs], keep=5, least=_SHORT),
        Column(
            "", [Cell(printable(one.digest if whole else one.digest[:_DIGEST]), "yellow") for one in inputs], keep=4
        ),
        Column("", [Cell(shape(one)) for one in inputs], keep=3),
        Column("", [Cell(size(one.size) if one.size is not None else "") for one in inputs], right=True, keep=2),
        Column("", [Cell(printable(one.source or "")) for one in inputs], keep=1, least=_SHORT),
    ]
    write_table(console, columns, head=False, indent=_INDENT)


def shape(given: Input) -> str:
    """Return rows and columns of an input (``1,797 rows, 64 columns``), else what kind it is."""
    parts = [plural(given.rows, "row")] if given.rows is not None else []
    parts += [plural(given.columns, "column")] if given.columns is not None else []
    return ", ".join(parts) or printable(given.kind)


def _children(console: Console, children: Sequence[Run], now: datetime) -> None:
    """Write the nested runs as ``gtrack ls`` would."""
    if not children:
        return
    write_heading(console, "Nested runs", str(len(children)))
    limit = _MANY if console.is_terminal and len(children) > _MANY + 1 else None
    listing = list_runs(children, limit=limit)
    write_table(console, listing_columns(listing, now, terminal=console.is_terminal), indent=_INDENT)
    if listing.more:
        more = len(children) - len(listing.runs)
        write_line(console, Text(f"{' ' * _INDENT}… and {more} more; --json, or a pipe, shows all", DIM))


def _artifacts(console: Console, artifacts: Sequence[Artifact]) -> None:
    if not artifacts:
        return
    known = [artifact.size for artifact in artifacts if artifact.size is not None]
    away = f"{len(artifacts) - len(known)} not here" if len(known) < len(artifacts) else ""
    told = [str(len(artifacts)), size(sum(known)) if known else "", away]
    write_heading(console, "Artifacts", ", ".join(filter(None, told)))
    shown = artifacts[:_MANY] if console.is_terminal and len(artifacts) > _MANY + 1 else artifacts
    columns = [
        Column("", [Cell(printable(artifact.path)) for artifact in shown], keep=2, least=_SHORT),
        Column("", [_size(artifact.size) for artifact in shown], right=True, keep=1),
    ]
    if any(artifact.lfs for artifact in shown):
        columns.append(Column("", [Cell(_lfs(artifact), DIM) for artifact in shown]))
    write_table(console, columns, head=False, indent=_INDENT)
    if len(shown) < len(artifacts):
        more = len(artifacts) - len(shown)
        write_line(console, Text(f"{' ' * _INDENT}… and {more} more; --json, or a pipe, shows all", DIM))


def _lfs(artifact: Artifact) -> str:
    return "" if not artifact.lfs else "LFS" if artifact.here or artifact.size is None else "LFS, not here"


def _size(count: int | None) -> Cell:
    return Cell("not here", DIM) if count is None else Cell(size(count))


def _tail(console: Console, report: RunReport) -> None:
    command = f"'gtrack log {printable(report.run.name)}'"
    if report.output_away:
        write_heading(console, "Output", f"not here; {command} fetches it")
    if not report.tail:
        return
    write_heading(console, "Output", f"the end of it; {command} shows all")
    for line in report.tail:
        write_line(console, " " * _INDENT + printable(_ESCAPES.sub("", line).expandtabs()))
