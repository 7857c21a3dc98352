"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from gtrack.cli.session import complete_run
from gtrack.errors import UsageError

_ON_A_SCREEN = 30

RunRef = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=complete_run, help="The run: see 'gtrack --help'.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Write CSV.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Write GitHub-flavoured Markdown.")]
Count = Annotated[
    int | None,
    typer.Option(
        "-n", metavar="N", min=0, help="How many at the most, 0 for all [default: 30 on a terminal, else all]."
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Show what is the same, too.")]
Code = Annotated[bool, typer.Option("--code", help="Show the code as a patch, and nothing else.")]
Where = Annotated[
    str | None,
    typer.Option("--where", "-w", metavar="FILTER", help="Only the runs that it takes: 'metrics.f1 > 0.9'."),
]


def one_format(*, json: bool, csv: bool, markdown: bool) -> None:
    """Refuse two formats at once.

    Raises:
        UsageError: two were asked for.
    """
    asked = [name for name, wanted in (("--json", json), ("--csv", csv), ("--markdown", markdown)) if wanted]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} exclude each other.")


def shown_limit(count: int | None, *, for_a_screen: bool) -> int | None:
    """Return how many lines to show when ``count`` was asked for: 0 means all, None what fits a screen, if it is one."""
    return count or (None if count == 0 or not for_a_screen else _ON_A_SCREEN)
