"""``gtrack verify``: whether what the registry says is so."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.reading import Json
from gtrack.cli.session import examples, open_project, out, write
from gtrack.errors import GTrackError
from gtrack.ops.verify_registry import verify_registry
from gtrack.render.data import to_json
from gtrack.render.progress import ProgressLine
from gtrack.render.values import plural
from gtrack.render.verification import verification_data, write_verification


def verify(
    ctx: typer.Context,
    registry: Annotated[
        bool, typer.Option("--registry", help="Verify the model registry; so it is without this option, too.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Take the tags as they are now for the known state, whatever was changed or removed."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Verify that the model registry is what it says.

    Every tag is understood, annotated and called as it says itself; its commit, run and artifact are there and agree with
    what it says; no number is missing; signatures hold; nothing was changed or removed since the last time. Promotions that
    the stages would not have today are notes. The exit code is 1 when there are errors.
    """
    del registry
    project = open_project(ctx)
    line = ProgressLine(Console(stderr=True), "Verifying signatures")
    try:
        found = verify_registry(project, accept=accept, progress=line.tell)
    finally:
        line.close()
    if json:
        write(to_json(verification_data(found)))
    else:
        write_verification(out(), found)
    if found.errors:
        raise GTrackError(f"The registry has {plural(len(found.errors), 'error')}.")


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        epilog=examples(
            "gtrack verify --registry", "gtrack verify --json > verification.json", "gtrack verify --accept"
        )
    )(verify)
