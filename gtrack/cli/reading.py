"""``gtrack show``: everything about one run."""

from __future__ import annotations

from typing import Annotated

import typer

from gtrack.cli.options import Json
from gtrack.cli.session import complete_run, examples, now, open_project, out, resolve, write
from gtrack.ops.report import report
from gtrack.render.data import report_data, to_json
from gtrack.render.report import write_report


def show(
    ctx: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", autocompletion=complete_run, help="The run [default: last].")
    ] = "last",
    json: Json = False,
) -> None:
    """Show everything about one run.

    Parameters, metrics with the course of each, inputs, tags, notes, artifacts and environment; of a run that failed also
    the end of its output.
    """
    project = open_project(ctx)
    found = report(project, resolve(project, run))
    if json:
        write(to_json(report_data(found)))
    else:
        write_report(out(), found, now())


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(epilog=examples("gtrack show", "gtrack show calm-otter-12", "gtrack show best:f1 --json | jq .params"))(
        show
    )
