"""``gtrack log``, ``get``: what a run wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.options import RunRef
from gtrack.cli.session import examples, note, open_project, resolve, write_bytes
from gtrack.errors import UsageError
from gtrack.formats.words import size
from gtrack.ops.get import Written, bring, choose, write_out
from gtrack.ops.report import last_lines, output
from gtrack.render.progress import ProgressStages
from gtrack.render.values import printable


def log(
    ctx: typer.Context,
    run: RunRef,
    lines: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="Only the last N lines.")] = None,
) -> None:
    """Print what a run wrote to stdout and stderr."""
    project = open_project(ctx)
    found = resolve(project, run)
    data = output(project, found.id)
    if not data:
        note(
            f"Nothing is kept of the output of {printable(found.name)}: 'gtrack run' keeps it, a run of its own does not."
        )
    elif lines is not None:
        write_bytes("".join(f"{line}\n" for line in last_lines(data, lines)).encode())
    else:
        write_bytes(data)


def get(
    ctx: typer.Context,
    run: RunRef,
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="An artifact, or a folder of them [default: all].")
    ] = None,
    directory: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="Where to write; - writes one artifact to stdout.")
    ] = ".",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace files that are there and differ.")] = False,
) -> None:
    """Write artifacts of a run out as files.

    Each file is written below DIR under its own path. A file that is there and differs is kept, unless --force. What is not
    here is fetched: large files from the store or LFS server that they were pushed to.
    """
    project = open_project(ctx)
    found = resolve(project, run)
    artifacts = choose(project, found, path)
    if directory == "-" and len(artifacts) != 1:
        raise UsageError(f"Only one artifact can be written to stdout, and there are {len(artifacts)}: name one.")
    stages = ProgressStages(Console(stderr=True))
    try:
        bring(project, found, artifacts, tell=stages.tell)
    finally:
        stages.close()
    if directory == "-":
        content = project.artifact(found.id, artifacts[0].path)
        sys.stdout.flush()
        for piece in content.chunks():
            sys.stdout.buffer.write(piece)
        return
    write_out(project, found, artifacts, Path(directory), force=force, tell=_tell_written)


def _tell_written(one: Written) -> None:
    note(f"{one.path} ({size(one.path.stat().st_size)}{'' if one.changed else ', already there'})", "none")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(epilog=examples("gtrack log last", "gtrack log calm-otter-12 -n 20"))(log)
    app.command(
        epilog=examples(
            "gtrack get last",
            "gtrack get calm-otter-12 figures -o report",
            "gtrack get best:f1 scores.json -o - | jq .f1",
        )
    )(get)
