"""Write how the code of runs differs."""

from __future__ import annotations

from gtrack.cli.session import note, out, write_bytes
from gtrack.git.repo import Repository
from gtrack.ops import code as codes
from gtrack.records import Run
from gtrack.render.comparison import run_titles


def write_patches(repo: Repository, runs: list[Run]) -> None:
    """Write the patches from the code of the first run to that of each other one."""
    console = out()
    colour = console.is_terminal and not console.no_color and console.color_system is not None
    titles = run_titles(runs)
    for title, run in zip(titles[1:], runs[1:], strict=True):
        change = codes.code_change(repo, runs[0], run)
        if change.problem:
            note(f"The code of {titles[0]} and {title} cannot be compared: {change.problem}.", "yellow")
        elif not change.files:
            note(f"{titles[0]} and {title} ran the same code.")
        if len(runs) > 2:
            note(f"{titles[0]} → {title}", "bold")
        write_bytes(codes.patch(repo, runs[0], run, colour=colour))
