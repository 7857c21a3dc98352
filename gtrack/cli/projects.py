"""``gtrack init``, ``recover``: begin a project, and put it in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gtrack.cli.session import directory, examples, note, open_project, write
from gtrack.errors import CommitFailed, GTrackError, UsageError
from gtrack.formats.words import plural
from gtrack.ops.ci_files import Host, write_ci_file
from gtrack.ops.server.init import branch_at, initialise_server
from gtrack.project import Project, initialise
from gtrack.render.values import printable


def init(
    ctx: typer.Context,
    where: Annotated[
        str | None, typer.Argument(metavar="[DIR]", help="The directory [default: the current one].")
    ] = None,
    ci: Annotated[
        Host | None,
        typer.Option("--ci", help="Write the file, too, that checks pull requests there and applies what was merged."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="PATH.git",
            help="Make this bare repository instead, or take the one that is there, and give it the hook that guards it.",
        ),
    ] = None,
) -> None:
    """Make a directory a gtrack project.

    It becomes a git repository when it is none; what is there stays as it is. This writes .gtrack/config.yaml and
    .gtrack/.gitignore, and commits nothing.
    """
    base = Path(directory(ctx) or Path.cwd())
    if server is not None:
        if where is not None or ci is not None:
            raise UsageError("--server makes a bare repository and nothing else: give it alone.")
        _serve(base, base / server)
        return
    project = initialise(base / where if where else base)
    write(f"{project.repo.root} is a gtrack project. Runs will be on the branch {project.config.branch}.\n")
    if ci is not None:
        _write_ci(project, ci)
    note("Next: commit .gtrack, then 'gtrack run SCRIPT.py'.")


def _serve(here: Path, path: Path) -> None:
    made = initialise_server(path, branch_at(here))
    what = "is a new bare repository" if made.created else "has the hook now"
    write(
        f"{made.path} {what}. It guards the runs and the model registry by the settings on {made.default or 'its HEAD'}.\n"
    )
    note(f"Next: git remote add origin {made.path}, or its URL, and push {made.default or 'the default branch'} first.")


def _write_ci(project: Project, host: Host) -> None:
    found = write_ci_file(project.repo, host)
    if found.written:
        write(f"{found.path} checks what pull requests propose, and makes the tags after the merge. Commit it, too.\n")
        if not found.source:
            note("Say in it first, as GTRACK, what pip installs gtrack from.", "none")
    else:
        note(f"{found.path} is there already and stays as it is. To have it anew, remove it first.", "yellow")
    if found.include:
        note("For it to count, .gitlab-ci.yml must say:", "none")
        note(found.include, "none")


def recover(ctx: typer.Context) -> None:
    """Commit the runs whose process has died.

    Every command does this by itself; this one says what became of each, and fails when one could not be kept.
    """
    project = open_project(ctx, recover=False)
    failed = 0
    recovered = project.recover()
    for found in recovered:
        name = f"{printable(found.run.name)} ({found.run.short_id})"
        if found.error is None:
            write(f"{name}  {found.run.status}\n")
        else:
            failed += 1
            # That a run could not be committed says of which run it is.
            is_told = isinstance(found.error, CommitFailed)
            note(str(found.error) if is_told else f"{name}  not committed: {found.error}", "red")
        for problem in found.unkept:
            note(problem, "yellow")
    if not recovered:
        note("No run is to be recovered.")
    if failed:
        raise GTrackError(f"{plural(failed, 'run')} could not be committed; nothing of them is lost.")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        epilog=examples(
            "gtrack init",
            "gtrack init ../another-project",
            "gtrack init --ci github",
            "gtrack init --server /srv/git/churn.git",
        )
    )(init)
    app.command(epilog=examples("gtrack recover"))(recover)
