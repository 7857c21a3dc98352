"""``gtrack diff``: what differs between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from gtrack.cli.options import Code, Csv, Everything, Json, Markdown, one_format
from gtrack.cli.patches import write_patches
from gtrack.cli.session import complete_run, examples, note, now, open_project, out, resolve, write
from gtrack.errors import FormatError, UsageError
from gtrack.ops import code as codes
from gtrack.ops.compare import compare
from gtrack.project import Project
from gtrack.records import Run, Value
from gtrack.render.comparison import write_comparison
from gtrack.render.comparison_markdown import comparison_markdown
from gtrack.render.data import (
    comparison_csv,
    comparison_data,
    to_json,
)
from gtrack.render.values import printable


def diff(
    ctx: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            autocompletion=complete_run,
            help="Two or more; the first is what the others are compared with.",
        ),
    ],
    everything: Everything = False,
    code: Code = False,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Show what differs between runs.

    Parameters, metrics with their change, inputs, tags, environment, packages and code. Green, or a triangle that points
    up, is better in the sense of the metric's goal; red, or one that points down, is worse.
    """
    one_format(json=json, csv=csv, markdown=markdown)
    if code and (json or csv or markdown):
        raise UsageError("--code writes a patch: leave --json, --csv and --markdown away.")
    project = open_project(ctx)
    found = _different_runs(project, runs)
    if code:
        write_patches(project.repo, found)
        return
    comparison = compare(found, [_environment(project, run) for run in found])
    changes = [codes.code_change(project.repo, found[0], run) for run in found[1:]]
    if json:
        write(to_json(comparison_data(comparison, changes, everything=everything)))
    elif csv:
        write(comparison_csv(comparison, everything=everything))
    elif markdown:
        write(comparison_markdown(comparison, changes, everything=everything))
    else:
        write_comparison(out(), comparison, changes, now(), everything=everything)


def _different_runs(project: Project, refs: list[str]) -> list[Run]:
    if len(refs) < 2:
        raise UsageError("diff compares two runs or more: gtrack diff A B.")
    found: dict[str, tuple[str, Run]] = {}
    for ref in refs:
        run = resolve(project, ref)
        if run.id in found:
            raise UsageError(f"{found[run.id][0]!r} and {ref!r} are the same run, {run.name} ({run.short_id}).")
        found[run.id] = ref, run
    return [run for _, run in found.values()]


def _environment(project: Project, run: Run) -> Mapping[str, Value]:
    try:
        return project.environment(run.id)
    except FormatError as error:
        note(f"{printable(run.name)}: {error}", "yellow")
        return {}


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        epilog=examples(
            "gtrack diff last~1 last",
            "gtrack diff best:f1 last --code",
            "gtrack diff 6f1c 09ab 77de --markdown > comparison.md",
        )
    )(diff)
