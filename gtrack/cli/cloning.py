"""``gtrack clone``: a working copy with all runs, and with artifacts when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.session import directory, examples, note, out
from gtrack.errors import UsageError
from gtrack.ops.sharing.clone import LIMIT, clone
from gtrack.render.cloning import write_cloned
from gtrack.render.progress import ProgressStages


def clone_command(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The repository: a URL, or a path.", show_default=False)],
    target: Annotated[
        str | None,
        typer.Argument(metavar="[DIR]", help="Where to [default: called as the repository, in the current directory]."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Bring all artifacts, too.")] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit",
            metavar="SIZE",
            help=f"Leave files from this size up with the remote: 100k, 1m [default: {LIMIT}].",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Clone a repository with the history of all its runs.

    The code is checked out and the history of the runs is there, with parameters, metrics and the registry: what lists,
    searches and compares needs no network. Figures, models and other large files stay with the remote; 'gtrack get', or
    whatever else reads one, fetches it. Git LFS files are left as pointers ('git lfs pull' brings those of the code).
    """
    if full and limit is not None:
        raise UsageError("--full leaves nothing out, so it does not go with --limit.")
    chosen = None if full else limit or LIMIT
    line = ProgressStages(Console(stderr=True))
    start = directory(ctx)
    try:
        made = clone(url, target, start=Path(start) if start else None, limit=chosen, tell=line.tell)
    finally:
        line.close()
    write_cloned(out(), made)
    for text in made.notes:
        note(text, "yellow")


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        "clone",
        epilog=examples(
            "gtrack clone https://example.org/team/churn.git",
            "gtrack clone git@example.org:team/churn.git work --limit 1m",
            "gtrack clone /shared/churn.git --full",
        ),
    )(clone_command)
