"""``gtrack models show MODEL@VERSION``: where a version comes from, where it went, and how it is used."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural, size
from gtrack.models.info import PYTHON_FUNCTION
from gtrack.models.schema import Column as SchemaColumn
from gtrack.models.schema import Schema
from gtrack.ops.lineage import Lineage, ModelFiles
from gtrack.ops.model_stages import Stay
from gtrack.ops.report import RunReport
from gtrack.records import CodeState, Run
from gtrack.render.data import artifact_data, run_data
from gtrack.render.model_history import signature_cell, signature_data, signature_text
from gtrack.render.models import stage_cell, version_data, version_name, when, who
from gtrack.render.report import (
    WARNING,
    environment_text,
    write_fact,
    write_heading,
    write_inputs,
    write_metrics,
    write_params,
)
from gtrack.render.table import DIM, HEAD, Cell, Column, write_line, write_table
from gtrack.render.values import age, duration, iso, moment, printable

if TYPE_CHECKING:
    from rich.console import Console

_INDENT = 2
_LABEL = 10
_FEW = 5
_SHORT = 12
_ANYWHERE = "URL"


def write_lineage(console: Console, found: Lineage, now: datetime, zone: tzinfo | None = None) -> None:
    """Write where a version comes from.

    Args:
        console: where.
        found: the version with all that is known of it.
        now: ages are counted to it.
        zone: moments are told in it; None for this machine's.
    """
    version = found.version
    title = Text.assemble((f"{printable(version.name)} {version_name(version)}", HEAD))
    for at, stage in enumerate(version.stages):
        cell = stage_cell(stage)
        title.append(", " if at else "  ").append(cell.text, cell.style)
    write_line(console, title)
    for label, text, style in _facts(found, now, zone, whole=not console.is_terminal):
        write_fact(console, label, text, style)
    if found.run is not None:
        write_params(console, found.run.flat_params)
        write_metrics(console, RunReport(found.run, history=found.history))
        write_inputs(console, found.run.inputs)
    _write_model(console, found)
    _write_stays(console, found, now)
    _write_use(console, found)


def _facts(found: Lineage, now: datetime, zone: tzinfo | None, *, whole: bool) -> Iterator[tuple[str, str, str]]:
    version = found.version
    digits = None if whole else 10
    yield "tag", f"{printable(version.tag)} on {version.commit[:digits]}", ""
    by = f" by {printable(version.user)}" if version.user else ""
    yield "tagged", f"{_when(version.created, now, zone)}{by}".strip(), ""
    yield "why", printable(version.reason or ""), ""
    yield "signature", signature_text(found.signature), signature_cell(found.signature).style
    if found.run is not None:
        yield from _of_run(found, found.run, now, zone, whole=whole)
    elif version.run_id is not None:
        yield "run", f"{version.run_id[: None if whole else 8]} of {printable(version.experiment or 'unknown')}", ""
    for problem in found.problems:
        yield "problem", printable(problem), WARNING


def _of_run(
    found: Lineage, run: Run, now: datetime, zone: tzinfo | None, *, whole: bool
) -> Iterator[tuple[str, str, str]]:
    run_id = run.id if whole else run.short_id
    yield "run", f"{printable(run.name)} ({run_id}), {run.status}, of {printable(run.experiment)}", ""
    took = f", took {duration(run.duration)}" if run.ended is not None else ""
    yield "started", f"{_when(run.started, now, zone)}{took}" if run.started else "", ""
    yield "by", " on ".join(printable(part) for part in (run.user, run.host) if part), ""
    yield "command", printable(shlex.join(run.command)), ""
    yield "code", printable(_code(run.code, whole=whole)), ""
    if run.code.commit is not None:
        missing = "(what its author wrote of it is not in this clone)"
        yield "", printable(found.subject) if found.subject is not None else missing, ""
    yield "remote", printable(run.code.remote or ""), ""
    yield "env", environment_text(found.environment), ""


def _when(at: datetime | None, now: datetime, zone: tzinfo | None) -> str:
    return f"{moment(at, zone)} ({age(at, now)})" if at is not None else ""


def _code(code: CodeState, *, whole: bool) -> str:
    if code.commit is None:
        return "none was recorded"
    digits = None if whole else 10
    branch = f" on {printable(code.branch)}" if code.branch else ""
    if not code.dirty:
        return f"{code.commit[:digits]}{branch}, clean"
    if code.head is None:
        return f"{code.commit[:digits]}{branch}, dirty: a snapshot before the first commit"
    if code.commit == code.head:
        return f"{code.commit[:digits]}{branch}, dirty: without the uncommitted changes"
    return f"{code.commit[:digits]}, dirty: a snapshot of changes to {code.head[:digits]}{branch}"


def _write_model(console: Console, found: Lineage) -> None:
    model, path = found.model, found.version.artifact
    if not model.files or path is None:
        return
    large = "not all here" if model.size is None else size(model.size)
    write_heading(console, "Model", f"{printable(path)}, {large} in {plural(len(model.files), 'file')}")
    write_fact(console, "flavours", flavours_text(model), "")
    if model.signature is not None:
        write_fact(console, "takes", schema_text(model.signature.inputs), "")
        write_fact(console, "gives", schema_text(model.signature.outputs), "")
        params = ", ".join(f"{printable(one.name)}: {printable(one.type)}" for one in model.signature.params)
        write_fact(console, "params", params, "")


def flavours_text(model: ModelFiles) -> str:
    """Return the flavours of a model, each with the version of its library; the one that every model has comes last."""
    told = sorted(model.flavours.items(), key=lambda item: item[0] == PYTHON_FUNCTION)
    return ", ".join(printable(f"{name} {version}".rstrip()) for name, version in told)


def schema_text(schema: Schema) -> str:
    """Return one side of a signature in short: all of a few columns, the first of many and how many there are."""
    told = [_spec(spec) for spec in schema[:_FEW]]
    if len(schema) <= _FEW:
        return ", ".join(told)
    noun = "column" if isinstance(schema[0], SchemaColumn) else "tensor"
    return f"{plural(len(schema), noun)}: {', '.join(told[:3])} …"


def _spec(spec: object) -> str:
    if isinstance(spec, SchemaColumn):
        kind = spec.type if spec.required else f"{spec.type} (optional)"
    else:
        shape = ", ".join("any" if length == -1 else str(length) for length in getattr(spec, "shape", ()))
        kind = f"{getattr(spec, 'dtype', '')} tensor ({shape})"
    name = getattr(spec, "name", None)
    return printable(kind if name is None else f"{name}: {kind}")


def _write_stays(console: Console, found: Lineage, now: datetime) -> None:
    if not found.stays:
        return
    terminal = console.is_terminal
    there = sum(stay.left is None for stay in found.stays)
    write_heading(console, "Stages", f"{there} now" if there else "none now")
    stays = list(reversed(found.stays))
    columns = [
        Column("stage", [stage_cell(stay.stage) for stay in stays], keep=5, least=_SHORT),
        Column("since", [Cell(when(stay.entered.time, now, terminal=terminal)) for stay in stays], keep=4),
        Column("until", [_until(stay, now, terminal=terminal) for stay in stays], keep=3),
        Column("by", [Cell(who(stay.entered.user, terminal=terminal)) for stay in stays], keep=2, least=_SHORT),
    ]
    if any(stay.entered.reason for stay in stays):
        reasons = [Cell(printable(stay.entered.reason or "")) for stay in stays]
        columns.append(Column("why", reasons, keep=1, least=_SHORT, names=False))
    write_table(console, columns, indent=_INDENT)


def _until(stay: Stay, now: datetime, *, terminal: bool) -> Cell:
    return Cell("now", "green") if stay.left is None else Cell(when(stay.left.time, now, terminal=terminal), DIM)


def _write_use(console: Console, found: Lineage) -> None:
    write_line(console)
    write_line(console, Text("Use", HEAD))
    for label, text in uses(found).items():  # as they are: a command that is wrapped cannot be copied
        write_line(console, Text.assemble(" " * _INDENT, (label.ljust(_LABEL), DIM), printable(text)))


def uses(found: Lineage) -> Mapping[str, str]:
    """Return how a version is loaded in Python and deployed by git alone."""
    url = shlex.quote(found.url) if found.url else _ANYWHERE
    told = {"deploy": f"git clone --depth 1 --branch {shlex.quote(found.version.tag)} {url}"}
    if found.run is None or not found.model.flavours:
        return told
    return {
        "load": f'gtrack.load_model("{found.uri}")',
        "predict": f"gtrack models predict {found.uri} --input new.csv",
        **told,
    }


def lineage_data(found: Lineage) -> dict[str, Any]:
    """Return what ``models show MODEL@VERSION --json`` gives."""
    model = found.model
    return {
        "model": found.version.name,
        **version_data(found.version),
        "signature": signature_data(found.signature),
        "history": [_stay_data(stay) for stay in found.stays],
        "lineage": {
            "run": run_data(found.run) if found.run else None,
            "environment": dict(found.environment),
            "subject": found.subject,
            "files": [artifact_data(one) for one in model.files],
            "flavours": dict(model.flavours),
            "signature": _signature_data(model),
        },
        "uri": found.uri,
        "url": found.url,
        "problems": list(found.problems),
    }


def _signature_data(model: ModelFiles) -> dict[str, Any] | None:
    if model.signature is None:
        return None
    return {
        "inputs": [spec.to_json() for spec in model.signature.inputs],
        "outputs": [spec.to_json() for spec in model.signature.outputs],
        "params": [param.to_json() for param in model.signature.params],
    }


def _stay_data(stay: Stay) -> dict[str, Any]:
    return {
        "stage": stay.stage,
        "since": iso(stay.entered.time) or None,
        "until": iso(stay.left.time) or None if stay.left else None,
        "user": stay.entered.user,
        "reason": stay.entered.reason,
        "tag": stay.entered.tag,
    }
