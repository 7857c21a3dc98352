"""What a new clone has, in two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.render.table import write_line
from gtrack.render.values import printable

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.sharing.clone import Cloned


def write_cloned(console: Console, made: Cloned) -> None:
    """Write where the clone is, and what is here of the remote's."""
    write_line(console, Text(f"Cloned {printable(made.url)} into {printable(str(made.path))}"))
    here = ", ".join((plural(made.experiments, "experiment"), plural(made.runs, "run"), plural(made.models, "model")))
    later = "; artifacts come when they are asked for" if made.partial else ""
    write_line(console, Text(f"{here}{later}"))
