"""``gtrack tag``, ``note``: change what is said of runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gtrack.cli.options import RunRef
from gtrack.cli.session import examples, note, open_project, resolve, write
from gtrack.errors import UsageError
from gtrack.ops.edit import edit_notes, edit_tags
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
