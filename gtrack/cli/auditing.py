"""``gtrack audit``: who did what and when; ``gtrack doctor``: whether all that gtrack stands on is well."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.options import Json, shown_limit
from gtrack.cli.session import complete_run, directory, examples, now, open_project, out, write
from gtrack.errors import GTrackError, UsageError
from gtrack.formats.words import plural
from gtrack.ops.checks.audit import Wanted, audit, check_named, run_named, since_of, until_of
from gtrack.ops.checks.doctor import examine
from gtrack.render.audit import audit_data, write_audit
from gtrack.render.data import to_json
from gtrack.render.doctor import diagnosis_data, write_diagnosis
from gtrack.render.progress import ProgressStages
from gtrack.variables import REPO_VARIABLE

Count = Annotated[
    int | None,
    typer.Option("-n", metavar="N", min=0, help="How many to show, 0 for all [default: 30 on a terminal, else all]."),
]


def audit_(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="What was done since then: 2026-11-01, 2w, yesterday.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="What was done until then.")] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            autocompletion=complete_run,
            help="To this run, which may have been removed (by id or name).",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="WHO", help="By somebody: a part of the name or address.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="In this experiment; may be a pattern.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="To this registered model; the registry alone.")
    ] = None,
    count: Count = None,
    json: Json = False,
) -> None:
    """Show who did what to runs and models, and when.

    Created, edited, removed, restored, merged, purged, registered, promoted: the newest first. It is told by
    the commits of the runs branch and the tags of the registry, which say who made them; who signs them can prove it.
    Dates are in this machine's time zone unless they name another.
    """
    project = open_project(ctx)
    local = now().astimezone()
    console = out()
    limit = shown_limit(count, for_a_screen=console.is_terminal and not json)
    wanted = Wanted(
        since=since_of(since, local) if since else None,
        until=until_of(until, local) if until else None,
        run=run_named(project, run) if run else None,
        user=user,
        experiment=experiment,
        model=model,
    )
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise UsageError(f"--until {until} is not after --since {since}: nothing can be between them.")
    found = audit(project, wanted, None if limit is None else limit + 1)
    if not found:
        check_named(project, wanted)
    shown = found[:limit]
    if json:
        write(to_json(audit_data(shown)))
    else:
        write_audit(console, shown, more=len(found) > len(shown))


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Examine what gtrack stands on, and say what mends it.

    That is git, settings, identity, remotes, Git LFS, index, locks, dead runs, size, disk. Nothing is
    changed, and nothing is fetched. The exit code is 1 when something is broken (✗); what is only worth knowing (!)
    does not count.
    """
    stages = ProgressStages(Console(stderr=True))
    try:
        found = examine(Path(directory(ctx) or os.environ.get(REPO_VARIABLE) or Path.cwd()), stages.tell)
    finally:
        stages.close()
    if json:
        write(to_json(diagnosis_data(found)))
    else:
        write_diagnosis(out(), found)
    if found.broken:
        raise GTrackError(f"{plural(len(found.broken), 'thing')} to mend.")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        "audit",
        epilog=examples(
            "gtrack audit",
            "gtrack audit --since 2w --user ana",
            "gtrack audit --run calm-otter-12",
            "gtrack audit --model churn --json",
            "gtrack audit --since 2026-11-01 --until 2026-11-08 -n 0",
        ),
    )(audit_)
    app.command(epilog=examples("gtrack doctor", "gtrack doctor --json"))(doctor)
