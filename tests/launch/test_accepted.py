"""Given values that a parser would refuse for certain are refused before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from gtrack.errors import UsageError
from gtrack.formats.yamlio import parse_value
from gtrack.launch.given import Given, fit_given
from gtrack.launch.parameters import discover

ARGPARSE = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", "-l", type=float, default=0.1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--layers", type=int, nargs="+")
    parser.add_argument("--kind", choices=["sgd", "adam", "on"])
    parser.add_argument("--depth", type=int, choices=(18, 50))
    parser.add_argument("--scale", type=lambda text: float(text), choices=[1.0])
    parser.add_argument("--model", choices=list("ab"))
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("data", choices=["x", "y"])
    parser.parse_args()
    """

SUBCOMMANDS = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", "--number", type=int)
    commands = parser.add_subparsers()
    fit, test = commands.add_parser("fit"), commands.add_parser("test")
    fit.add_argument("--size", type=int)
    test.add_argument("--size", choices=["s", "l"])
    fit.add_argument("-n", "--name")
    parser.parse_args()
    """

HANDS_ON = """
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    parser.parse_args()
    """

CLICK = """
    import click
    @click.command()
    @click.option("--lr", default=0.1)
    @click.option("--epochs", type=click.INT)
    @click.option("--depth", type=click.IntRange(1, 5))
    @click.option("--kind", type=click.Choice(["sgd", "Adam"], case_sensitive=False))
    @click.option("--exact", type=click.Choice(["sgd", "Adam"]))
    @click.option("--size", type=int, nargs=2)
    @click.option("--tag", multiple=True)
    def main(**options): ...
    main()
    """

TYPER = """
    import typer
    from typing import Annotated, Optional
    def main(
        lr: float = 0.1,
        epochs: Annotated[int, typer.Option("--epochs", "-e")] = 3,
        seed: Optional[int] = None,
        own: Annotated[int, typer.Option(parser=len)] = 3,
        cache: bool = True,
    ): ...
    typer.run(main)
    """


def fitted(tmp_path: Path, source: str, texts: Mapping[str, str], args: str = "") -> Given:
    (tmp_path / "train.py").write_text(dedent(source))
    values = {name: parse_value(text) for name, text in texts.items()}
    return fit_given(Given(values, texts), discover(tmp_path / "train.py", []), "train.py", args.split())


@pytest.mark.parametrize(
    ("source", "name", "text", "said"),
    [
        (ARGPARSE, "lr", "fast", "lr of train.py is a number and cannot be 'fast'."),
        (ARGPARSE, "l", "true", "l of train.py is a number and cannot be 'true'."),
        (ARGPARSE, "epochs", "2.5", "epochs of train.py is a whole number and cannot be '2.5'."),
        (ARGPARSE, "layers", "[1, x]", "layers of train.py is a whole number and cannot be 'x'."),
        (ARGPARSE, "kind", "rms", "kind of train.py cannot be 'rms'. It is one of: sgd, adam, on."),
        (ARGPARSE, "depth", "34", "depth of train.py cannot be '34'. It is one of: 18, 50."),
        (ARGPARSE, "data", "z", "data of train.py cannot be 'z'. It is one of: x, y."),
        (SUBCOMMANDS, "number", "x", "number of train.py is a whole number and cannot be 'x'."),
        (CLICK, "lr", "fast", "lr of train.py is a number and cannot be 'fast'."),
        (CLICK, "epochs", "x", "epochs of train.py is a whole number and cannot be 'x'."),
        (CLICK, "depth", "x", "depth of train.py is a whole number and cannot be 'x'."),
        (CLICK, "kind", "rms", "kind of train.py cannot be 'rms'. It is one of: sgd, Adam."),
        (CLICK, "exact", "adam", "exact of train.py cannot be 'adam'. It is one of: sgd, Adam."),
        (CLICK, "size", "[1, x]", "size of train.py is a whole number and cannot be 'x'."),
        (TYPER, "lr", "fast", "lr of train.py is a number and cannot be 'fast'."),
        (TYPER, "epochs", "1.5", "epochs of train.py is a whole number and cannot be '1.5'."),
    ],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, source: str, name: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        fitted(tmp_path, source, {name: text})
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("source", "name", "text"),
    [
        (ARGPARSE, "lr", "1"),
        (ARGPARSE, "lr", "nan"),
        (ARGPARSE, "lr", "null"),
        (ARGPARSE, "epochs", "1e3"),
        (ARGPARSE, "layers", "[1, 2]"),
        (ARGPARSE, "layers", "3"),
        (ARGPARSE, "kind", "on"),
        (ARGPARSE, "depth", "18"),
        (ARGPARSE, "scale", "2"),
        (ARGPARSE, "model", "c"),
        (ARGPARSE, "fast", "true"),
        (SUBCOMMANDS, "size", "s"),
        (SUBCOMMANDS, "size", "3"),
        (CLICK, "lr", "1"),
        (CLICK, "kind", "adam"),
        (CLICK, "size", "[1, 2]"),
        (CLICK, "tag", "[a, b]"),
        (TYPER, "epochs", "1e3"),
        (TYPER, "seed", "x"),
        (TYPER, "own", "x"),
    ],
)
def test_what_may_be_right_is_left_to_the_parser(tmp_path: Path, source: str, name: str, text: str) -> None:
    assert fitted(tmp_path, source, {name: text}).values == {name: parse_value(text)}


@pytest.mark.parametrize(
    ("source", "name", "args", "option"),
    [
        (ARGPARSE, "lr", "x --lr 2", "--lr"),
        (ARGPARSE, "lr", "x --lr=2", "--lr=2"),
        (ARGPARSE, "lr", "x -l 2", "-l"),
        (CLICK, "lr", "--lr 2", "--lr"),
        (TYPER, "lr", "--lr 2", "--lr"),
        (TYPER, "epochs", "-e 2", "-e"),
        (TYPER, "cache", "--no-cache", "--no-cache"),
        (SUBCOMMANDS, "number", "--number=1 fit", "--number=1"),
    ],
)
def test_a_value_that_is_given_twice_is_refused(tmp_path: Path, source: str, name: str, args: str, option: str) -> None:
    with pytest.raises(UsageError) as error:
        fitted(tmp_path, source, {name: "1"}, args)
    assert str(error.value) == (
        f"{name} is given twice: with --param and with {option} after --. Leave one of them out."
    )


@pytest.mark.parametrize(
    ("source", "name", "args"),
    [
        (ARGPARSE, "lr", "x -- --lr"),
        (ARGPARSE, "lr", "x --epochs 2"),
        (SUBCOMMANDS, "number", "fit -n x"),
        (HANDS_ON, "lr", "other.py --lr 3"),
        (CLICK, "tag", "--tag a"),
    ],
)
def test_what_may_be_given_beside_is_left_to_the_parser(tmp_path: Path, source: str, name: str, args: str) -> None:
    assert fitted(tmp_path, source, {name: "1"}, args).values == {name: 1}
