"""``gtrack status``: where things stand."""

from __future__ import annotations

import typer

from gtrack.cli.options import Json
from gtrack.cli.session import examples, now, open_project, out, write
from gtrack.ops.status import status as status_of
from gtrack.render.data import (
    status_data,
    to_json,
)
from gtrack.render.status import write_status


def status(ctx: typer.Context, json: Json = False) -> None:
    """Show where things stand.

    The repository, its runs by status, live runs, and what a run would record now.
    """
    found = status_of(open_project(ctx))
    if json:
        write(to_json(status_data(found)))
    else:
        write_status(out(), found, now())


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(epilog=examples("gtrack status", "gtrack -C ../other status --json"))(status)
