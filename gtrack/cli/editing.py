"""``gtrack tag``, ``note``, ``init``, ``recover``: change what is said of runs, set up, put in order."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gtrack.cli.reading import RunRef
from gtrack.cli.session import directory, examples, note, open_project, resolve, write
from gtrack.errors import CommitFailed, GTrackError, UsageError
from gtrack.formats.words import plural
from gtrack.ops.ci_files import Host, write_ci_file
from gtrack.ops.edit import edit_notes, edit_tags
from gtrack.ops.server.init import branch_at, initialise_server
from gtrack.project import Project, initialise
from gtrack.render.values import harmless, printable


def tag(
    ctx: typer.Context,
    run: RunRef,
    pairs: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Tags to set.")] = None,
    delete: Annotated[list[str] | None, typer.Option("--delete", "-d", metavar="KEY", help="A tag to remove.")] = None,
) -> None:
    """Set, remove or print tags of a run.

    With nothing to set or remove, its tags are printed. It works while the run runs and afterwards, when it
    makes a commit of its own on the runs branch.
    """
    tags = dict(_pair(text) for text in pairs or [])
    project = open_project(ctx)
    found = resolve(project, run)
    if tags or delete:
        found = edit_tags(project, found, tags, delete or [])
    for key, value in found.tags.items():
        write(f"{printable(key)}={printable(value)}\n")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} is no tag; write KEY=VALUE, or -d KEY to remove one.")
    return key, value


def note_(
    ctx: typer.Context,
    run: RunRef,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The notes; - reads them from stdin, '' removes them.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", "-a", help="Add a paragraph instead of replacing the notes.")
    ] = False,
) -> None:
    """Write the notes of a run, or print them.

    It works while the run runs and afterwards. Without TEXT the notes are printed.
    """
    project = open_project(ctx)
    found = resolve(project, run)
    if text is None:
        if found.notes:
            write(f"{harmless(found.notes)}\n")
        return
    if text == "-":
        text = sys.stdin.read()
        if not text.strip():
            raise UsageError("There are no notes on stdin. To remove the notes give an empty text: gtrack note RUN ''.")
    found = edit_notes(project, found, text, append=append)
    note(f"Notes of {printable(found.name)} ({found.short_id}) {'written' if found.notes else 'removed'}.")


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
    app.command(epilog=examples("gtrack tag last team=vision stage=trial", "gtrack tag calm-otter-12 -d stage"))(tag)
    app.command(
        name="note",
        epilog=examples(
            "gtrack note last 'Class weights balanced.'",
            "gtrack note calm-otter-12 --append - < findings.txt",
        ),
    )(note_)
    app.command(
        epilog=examples(
            "gtrack init",
            "gtrack init ../another-project",
            "gtrack init --ci github",
            "gtrack init --server /srv/git/churn.git",
        )
    )(init)
    app.command(epilog=examples("gtrack recover"))(recover)
