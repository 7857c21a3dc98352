"""The whole command line, for `make docs`: typer writes docs/cli.md from it."""

from __future__ import annotations

from gtrack.cli.commands import application

app = application()
