"""What every command stands on: the project that it works in, and where it writes.

rich is imported when something is drawn: what is written for programs does without.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gtrack.errors import CommitFailed, GTrackError
from gtrack.project import Project
from gtrack.records import Run
from gtrack.render.progress import ProgressLine
from gtrack.render.values import age, harmless, printable

if TYPE_CHECKING:
    from rich.console import Console

_OFFERED = 200


def examples(*lines: str) -> str:
    """Return the ``Examples:`` block that stands below the help of a command, its lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def directory(ctx: typer.Context) -> str | None:
    """Return what ``-C`` said, as an absolute path; None when it was not given."""
    found = ctx.find_root().params.get("directory")
    return str(Path.cwd() / str(found)) if found else None


def open_project(ctx: typer.Context, *, recover: bool = True) -> Project:
    """Open the project that ``-C``, ``GTRACK_REPO`` or the current directory names.

    Args:
        ctx: typer's context of the command.
        recover: commit the runs whose process has died, and say so on stderr.

    Raises:
        NotARepository: there is none.
        ConfigError: its settings are wrong.
    """
    project = Project.open(directory(ctx))
    ctx.call_on_close(project.close)
    if recover:
        for found in project.recover():
            name = f"{printable(found.run.name)} ({found.run.short_id})"
            if found.error is not None:
                # That a run could not be committed says of which run it is.
                is_told = isinstance(found.error, CommitFailed)
                note(str(found.error) if is_told else f"Run {name} could not be kept yet: {found.error}", "yellow")
            elif found.had_ended:
                note(f"Run {name} was complete but not committed; now it is, as {found.run.status}.")
            else:
                note(f"Run {name} had died; what it had written is kept, as {found.run.status}.")
            for problem in found.unkept:
                note(problem, "yellow")
    return project


def ready_index(project: Project, *, rebuild: bool = False) -> Project:
    """Bring the project's index up to date; on a terminal with a progress bar when that takes more than a second.

    Args:
        project: the project, which is also what is returned.
        rebuild: begin from nothing.
    """
    from rich.console import Console  # noqa: PLC0415 - see the module

    line = ProgressLine(Console(stderr=True), "Reading runs into the index")
    try:
        project.index.refresh(line.tell, rebuild=rebuild)
    finally:
        line.close()
    return project


def resolve(project: Project, ref: str) -> Run:
    """Return the run that ``ref`` names; where a name is several runs', say on stderr which one was taken.

    Raises:
        RunNotFound: none does.
        AmbiguousRun: it is a prefix of several ids.
    """
    run = project.resolve(ref)
    if project.references.said:
        note(project.references.said)
    return run


def out() -> Console:
    """Return stdout: with colours and a width when it is a terminal, plain otherwise; ``NO_COLOR`` is honoured."""
    from rich.console import Console  # noqa: PLC0415 - see the module

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def write(text: str) -> None:
    """Write text for a program to stdout as it is."""
    sys.stdout.write(text)


def write_bytes(data: bytes) -> None:
    """Write what a run or its author wrote to stdout: byte for byte to a pipe, without what could steer the terminal to one."""
    if sys.stdout.isatty():
        write(harmless(data.decode(errors="replace")))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def note(text: str, style: str = "dim") -> None:
    """Say something on stderr, where it is in nobody's way."""
    from rich.console import Console  # noqa: PLC0415 - see the module
    from rich.text import Text  # noqa: PLC0415 - see the module

    from gtrack.render.table import write_line  # noqa: PLC0415 - see the module

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    for line in text.splitlines():
        write_line(console, Text(printable(line), style))


def now() -> datetime:
    """Return the moment to which ages are counted."""
    return datetime.now(timezone.utc)


def complete_run(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Offer run names to the shell, the newest first, with what each one is; ids only once digits of one are typed."""
    from gtrack.ops.listing import newest_runs  # noqa: PLC0415 - only a shell that completes needs it

    try:
        runs = newest_runs(open_project(ctx, recover=False), _OFFERED)
    except GTrackError:  # a shell that completes must not be told of errors
        return []
    moment = now()
    told = [f"{run.experiment}, {run.status} {age(run.started, moment)}".strip() for run in runs]
    offered = dict(zip(["last"], told, strict=False))
    for run, text in zip(runs, told, strict=True):
        offered.setdefault(run.name, text)
        if incomplete:
            offered.setdefault(run.id[: max(len(incomplete), 8)], f"{run.name}, {text}")
    return [(printable(word), printable(text)) for word, text in offered.items() if word.startswith(incomplete)]
