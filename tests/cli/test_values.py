"""What is taken plainly is what typer would have made of it, and all else is typer's."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer
import typer.main
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gtrack.cli.values import take_plainly


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


def outcome(words: list[str], *, plainly: bool) -> object:
    """Return what a command is called with for some words, or what typer says of them."""
    app, found = typer.Typer(rich_markup_mode=None, add_completion=False), []

    @app.command()
    def command(
        name: str,
        more: Annotated[list[str] | None, typer.Argument()] = None,
        count: Annotated[int | None, typer.Option("-n", min=1, max=50)] = None,
        limit: Annotated[int, typer.Option("-l")] = 5,
        share: Annotated[float, typer.Option("-s")] = 1.0,
        colour: Annotated[Colour | None, typer.Option("-c")] = None,
        tags: Annotated[list[str] | None, typer.Option("-t")] = None,
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        found.append((name, more, count, limit, share, colour, tags, loud))

    parser = typer.main.get_command(app)
    if plainly:
        take_plainly(parser)
    try:
        parser(args=words, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - whatever typer raises for words that are wrong
        return type(error).__name__, str(error), getattr(error, "exit_code", None)
    return repr(found)


WORDS = st.sampled_from(
    "a -n -l -s -c -t --loud 1 007 51 -1 1.5 1e1 +3 1_0 ٣ red RED blue b= '' é nan 99999999999999999999 -- x\ny".split(
        " "
    )
)


@settings(max_examples=40)
@given(st.lists(WORDS | st.text(max_size=3), max_size=6))
@example([])
@example(["a", "b", "c", "-t", "x", "-t", "y", "-c", "red", "--loud"])
@example(["a", "-n", "50"])
@example(["a", "-n", "0"])
@example(["a", "-n", "51"])
@example(["a", "-n", "٣"])
@example(["a", "-l", "007"])
@example(["a", "-c", "RED"])
@example(["", "-t", ""])
def test_a_value_is_what_typer_makes_of_it(words: list[str]) -> None:
    assert outcome(words, plainly=True) == outcome(words, plainly=False)
