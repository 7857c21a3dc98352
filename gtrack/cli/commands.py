"""All commands of ``gtrack``, and the options that stand before them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Annotated

import typer
import typer.main

from gtrack.cli.values import take_plainly
from gtrack.version import __version__

_COMMANDS = {
    "gtrack.cli.run": ("run",),
    "gtrack.cli.listing": ("ls",),
    "gtrack.cli.reading": ("show",),
    "gtrack.cli.comparing": ("diff",),
    "gtrack.cli.getting": ("log", "get"),
    "gtrack.cli.standing": ("status",),
    "gtrack.cli.watching": ("watch",),
    "gtrack.cli.searching": ("best", "experiments", "index"),
    "gtrack.cli.plotting": ("plot",),
    "gtrack.cli.models": ("models",),
    "gtrack.cli.registering": ("register", "promote", "demote", "deprecate"),
    "gtrack.cli.verifying": ("verify",),
    "gtrack.cli.auditing": ("audit", "doctor"),
    "gtrack.cli.cloning": ("clone",),
    "gtrack.cli.sharing": ("push", "pull", "sync"),
    "gtrack.cli.retention": ("gc", "rm", "restore", "pin"),
    "gtrack.cli.editing": ("tag", "note"),
    "gtrack.cli.projects": ("init", "recover"),
}
"""Which module has which commands, in the order of ``gtrack --help``."""


def application(command: str | None = None) -> typer.Typer:
    """Return the command line.

    Args:
        command: the one that is wanted: only its module is imported, which saves the others a quarter of their start.
            The whole command line, when None or unknown.
    """
    app = typer.Typer(
        name="gtrack",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its help draws boxes, and takes four times as long to import
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for module in [name for name, commands in _COMMANDS.items() if command in commands] or _COMMANDS:
        import_module(module).register(app)
    return app


def parser(command: str | None) -> Callable[..., object]:
    """Return what runs a command line, and ends with ``SystemExit`` or with whatever went wrong.

    Args:
        command: the one that it begins with, see ``application``.
    """
    made = typer.main.get_command(application(command))
    take_plainly(made)
    return made


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gtrack {__version__}")
        raise typer.Exit


def _options(
    directory: Annotated[
        str | None,
        typer.Option("-C", metavar="DIR", help="Work in the repository that DIR is in, not the current one."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Track machine learning experiments in the git repository that holds their code.

    RUN, wherever a command takes it, is an id or the beginning of one, a run's name, 'last', 'last~2' (the second before
    it; nested runs do not count), 'best:METRIC' or 'best:METRIC:min'.
    """
