"""Records as JSON and CSV, for programs.

What cannot be said in JSON is said in text, as protobuf's JSON mapping does: ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
Moments are ISO 8601 in UTC with microseconds, durations seconds, sizes bytes.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gtrack.ops.compare import ABSENT
from gtrack.ops.listing import all_columns, column_value
from gtrack.records import Input
from gtrack.render.values import iso

if TYPE_CHECKING:
    from gtrack.ops.code import CodeChange
    from gtrack.ops.compare import Comparison, InputRow, MetricRow, Row
    from gtrack.ops.listing import Listing
    from gtrack.ops.report import RunReport
    from gtrack.ops.status import StatusReport
    from gtrack.records import Artifact, CodeState, Run


def to_json(what: object) -> str:
    """Return plain values as indented JSON, ending with a newline."""
    return json.dumps(_plain(what), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _plain(what: object) -> object:
    if isinstance(what, float) and not math.isfinite(what):
        return "NaN" if math.isnan(what) else "Infinity" if what > 0 else "-Infinity"
    if isinstance(what, Mapping):
        return {key: _plain(item) for key, item in what.items()}
    if isinstance(what, (list, tuple)):
        return [_plain(item) for item in what]
    return what


def run_data(run: Run) -> dict[str, Any]:
    """Return what ``ls --json`` gives of each run."""
    return {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status.value,
        "live": run.live,
        "started": iso(run.started) or None,
        "ended": iso(run.ended) or None,
        "duration": run.duration,
        "parent": run.parent,
        "user": run.user,
        "host": run.host,
        "command": list(run.command),
        "exit_code": run.exit_code,
        "code": _code_data(run.code),
        "tags": dict(run.tags),
        "notes": run.notes,
        "params": dict(run.params),
        "metrics": dict(run.metrics),
        "inputs": [_input_data(one) for one in run.inputs],
        "warnings": list(run.warnings),
        "problems": list(run.problems),
    }


def _code_data(code: CodeState) -> dict[str, Any]:
    return {
        "commit": code.commit,
        "head": code.head,
        "branch": code.branch,
        "dirty": code.dirty,
        "remote": code.remote,
        "left_out": [{"path": left.path, "size": left.size, "sha256": left.sha256 or None} for left in code.left_out],
    }


def _input_data(given: Input) -> dict[str, Any]:
    return {**vars(given), "schema": dict(given.schema)}


def report_data(report: RunReport) -> dict[str, Any]:
    """Return what ``show --json`` gives: the run with its history, artifacts and environment."""
    history = report.history
    return {
        **run_data(report.run),
        "children": [run_data(child) for child in report.children],
        "artifacts": [artifact_data(artifact) for artifact in report.artifacts],
        "history": {
            "step": list(history.steps),
            "time": list(history.times),
            "metrics": {name: list(values) for name, values in history.columns.items()},
        },
        "environment": dict(report.environment),
    }


def artifact_data(artifact: Artifact) -> dict[str, Any]:
    """Return path, size and storage of an artifact."""
    here = artifact.here and artifact.size is not None
    return {"path": artifact.path, "size": artifact.size, "lfs": artifact.lfs, "here": here}


def comparison_data(comparison: Comparison, code: Sequence[CodeChange], *, everything: bool) -> dict[str, Any]:
    """Return what ``diff --json`` gives; values are by run id, and a run that has no such thing is not among them."""
    ids = [run.id for run in comparison.runs]

    def rows(found: Sequence[Row]) -> dict[str, Any]:
        return {
            row.name: {run_id: value for run_id, value in zip(ids, row.values, strict=True) if value is not ABSENT}
            for row in found
            if everything or row.differs
        }

    return {
        "runs": [
            {"id": run.id, "name": run.name, "experiment": run.experiment, "status": run.status.value}
            for run in comparison.runs
        ],
        "params": rows(comparison.params),
        "metrics": {
            row.name: {
                "goal": row.goal.value if row.goal else None,
                "values": {i: value for i, value in zip(ids, row.values, strict=True) if value is not None},
                "changes": {i: vars(change) for i, change in zip(ids, row.changes, strict=True) if change is not None},
            }
            for row in comparison.metrics
            if everything or row.differs
        },
        "inputs": {
            row.name: {i: _input_data(value) for i, value in zip(ids, row.values, strict=True) if value is not None}
            for row in comparison.inputs
            if everything or row.differs
        },
        "tags": rows(comparison.tags),
        "environment": rows(comparison.environment),
        "packages": rows(comparison.packages),
        "code": {run_id: _change_data(change) for run_id, change in zip(ids[1:], code, strict=True)},
    }


def comparison_csv(comparison: Comparison, *, everything: bool) -> str:
    """Return what ``diff --csv`` gives: a line for each thing that differs, a column for each run, headed by its id."""
    sections: list[tuple[str, Sequence[Row | MetricRow | InputRow]]] = [
        ("params", comparison.params),
        ("metrics", comparison.metrics),
        ("inputs", comparison.inputs),
        ("tags", comparison.tags),
        ("environment", comparison.environment),
        ("packages", comparison.packages),
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["section", "name", *(run.id for run in comparison.runs)])
    for section, rows in sections:
        for row in rows:
            if everything or row.differs:
                cells = [value.digest if isinstance(value, Input) else value for value in row.values]
                writer.writerow([section, row.name, *map(_csv_cell, cells)])
    return file.getvalue()


def _change_data(change: CodeChange) -> dict[str, Any]:
    return {
        "base": change.base,
        "commit": change.commit,
        "problem": change.problem,
        "files": [vars(file) for file in change.files],
    }


def status_data(status: StatusReport) -> dict[str, Any]:
    """Return what ``status --json`` gives."""
    worktree, waiting = status.worktree, status.waiting
    failure = waiting.failure if waiting is not None else None
    return {
        "root": status.root,
        "runs_branch": status.runs_branch,
        "experiment": status.experiment,
        "runs": dict(status.counts),
        "live": [run_data(run) for run in status.live],
        "worktree": None
        if worktree is None
        else {
            "head": worktree.head,
            "branch": worktree.branch,
            "changed": list(worktree.changed),
            "untracked": list(worktree.untracked),
            "dirty_submodules": list(worktree.dirty_submodules),
        },
        "waiting": None
        if waiting is None
        else {
            "remote": waiting.remote,
            "new": waiting.new,
            "changed": waiting.changed,
            "removed": waiting.removed,
            "failure": None if failure is None else {"when": iso(failure.when), "message": failure.message},
        },
    }


def to_csv(listing: Listing) -> str:
    """Return a listing as CSV (RFC 4180, but lines end as on Unix); all that is known of the runs unless columns were chosen."""
    columns = listing.columns if listing.chosen else all_columns(listing.runs)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.path for column in columns])
    for run in listing.runs:
        writer.writerow([_csv_cell(column_value(run, column)) for column in columns])
    return file.getvalue()


def rows_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return flat mappings as CSV, of which the first one says the columns."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = list(rows[0]) if rows else []
    writer.writerows([names] if names else [])
    writer.writerows([_csv_cell(row[name]) for name in names] for row in rows)
    return file.getvalue()


def _csv_cell(value: object) -> str:
    if value is ABSENT or value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return json.dumps(_plain(value), ensure_ascii=False)
    return value if isinstance(value, str) else repr(value)
