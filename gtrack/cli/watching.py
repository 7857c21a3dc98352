"""``gtrack watch``: the running runs, live."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gtrack.cli.options import Json
from gtrack.cli.session import examples, now, open_project, out, write
from gtrack.ops.watch import watch
from gtrack.project import Project
from gtrack.render.data import to_json
from gtrack.render.watching import watch_data, write_watch


def watch_(
    ctx: typer.Context,
    interval: Annotated[
        float, typer.Option("--interval", "-i", metavar="SECONDS", min=0.1, help="Seconds between two looks.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Watch the running runs until Ctrl-C.

    Shown are the progress of each (when a parameter such as epochs says how many steps there are), the last value of each
    metric and its course. Without a terminal, and with --json, it is one look.
    """
    project, console = open_project(ctx), out()
    if json:
        write(to_json(watch_data(watch(project))))
    elif not console.is_terminal:
        write_watch(console, watch(project), now())
    else:
        _watch(project, console, interval)


def _watch(project: Project, console: Console, interval: float) -> None:
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        try:
            while True:
                live.update(_drawn(project, console), refresh=True)
                time.sleep(interval)
        except KeyboardInterrupt:  # how one stops watching
            live.update(_drawn(project, console), refresh=True)


def _drawn(project: Project, console: Console) -> Text:
    with console.capture() as capture:
        write_watch(console, watch(project), now())
    return Text.from_ansi(capture.get().rstrip("\n"), no_wrap=True)


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(name="watch", epilog=examples("gtrack watch", "gtrack watch --interval 5"))(watch_)
