from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gtrack.errors import InvalidValue, UnknownParameter
from gtrack.launch.parameters import ScriptParameters, discover, discover_module
from gtrack.records import Value


def found(tmp_path: Path, source: str, **neighbours: str) -> ScriptParameters:
    for name, text in neighbours.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))
    (tmp_path / "train.py").write_text(dedent(source))
    return discover(tmp_path / "train.py", [tmp_path])


CONSTANTS = """
lr = 0.1
epochs = 3
name = "x"
fast = False
betas = (0.9, 0.99)
optimizer = {"lr": 0.1, "inner": {"gamma": 1}}
anything = None
total = 0
total += 1
"""


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("lr", 1, 1.0),
        ("lr", 0.5, 0.5),
        ("epochs", 1000.0, 1000),
        ("epochs", 2.5, 2.5),
        ("epochs", None, None),
        ("name", "y", "y"),
        ("fast", True, True),
        ("fast", 1, True),
        ("betas", [1, 0.5], [1.0, 0.5]),
        ("anything", [1], [1]),
        ("anything", "x", "x"),
        ("optimizer", {"lr": 1}, {"lr": 1}),
        ("optimizer.lr", 1, 1.0),
        ("optimizer.inner.gamma", 2, 2),
        ("total", 5, 5),
    ],
)
def test_a_constant_takes_what_fits(tmp_path: Path, name: str, value: Value, becomes: Value) -> None:
    checked = found(tmp_path, CONSTANTS).check({name: value}, "train.py")
    assert checked == {name: becomes}
    assert type(checked[name]) is type(becomes)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lr", "fast", "lr of train.py is a number (0.1) and cannot be a text ('fast')."),
        ("lr", True, "lr of train.py is a number (0.1) and cannot be true or false (True)."),
        ("lr", [1], "lr of train.py is a number (0.1) and cannot be a list ([1])."),
        ("epochs", "3", "epochs of train.py is a number (3) and cannot be a text ('3')."),
        (
            "name",
            3,
            "name of train.py is a text ('x') and cannot be a number (3). Put it in quotes if you mean the text.",
        ),
        ("fast", "yes", "fast of train.py is true or false (False) and cannot be a text ('yes'). Give true or false."),
        ("fast", 2, "fast of train.py is true or false (False) and cannot be a number (2). Give true or false."),
        (
            "betas",
            3,
            "betas of train.py is a list ((0.9, 0.99)) and cannot be a number (3). Give it in brackets: [1, 2].",
        ),
        ("optimizer.lr", "x", "optimizer.lr of train.py is a number (0.1) and cannot be a text ('x')."),
        ("optimizer.inner", 3, "optimizer.inner of train.py is a mapping ({'gamma': 1}) and cannot be a number (3)."),
    ],
)
def test_a_constant_refuses_what_cannot_be_meant(tmp_path: Path, name: str, value: Value, message: str) -> None:
    with pytest.raises(InvalidValue) as error:
        found(tmp_path, CONSTANTS).check({name: value}, "train.py")
    assert str(error.value) == message


def test_a_text_constant_takes_the_words_as_they_were_typed(tmp_path: Path) -> None:
    parameters = found(tmp_path, CONSTANTS)
    assert parameters.check({"name": 1.1}, "train.py", {"name": "1.10"}) == {"name": "1.10"}
    assert parameters.check({"name": True}, "train.py", {"name": "yes"}) == {"name": "yes"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [("lrr", " Did you mean 'lr'?"), ("optimizer.l", " Did you mean 'optimizer.lr'?"), ("zzz", ""), ("_private", "")],
)
def test_an_unknown_constant_names_the_nearest(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(UnknownParameter) as error:
        found(tmp_path, CONSTANTS).check({name: 1}, "train.py")
    assert str(error.value) == (
        f"train.py has no parameter {name!r}.{hint} "
        "It has: lr, epochs, name, fast, betas, optimizer.lr, optimizer.inner.gamma, anything."
    )


def test_a_script_without_parameters_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownParameter, match=r"It has no parameters that gtrack can set\.$"):
        found(tmp_path, "print('x')").check({"lr": 1}, "train.py")


PARSER = """
import argparse
parser = argparse.ArgumentParser()
group = parser.add_argument_group("more")
group.add_argument("-l", "--learning-rate", dest="lr", type=float, default=0.1)
parser.add_argument("--fast", action="store_true")
parser.add_argument("--no-cache", dest="cache", action="store_false")
parser.add_argument("data")
parser.add_argument("--version", action="version", version="1")
parser.parse_args()
"""


def test_options_are_read_from_the_source(tmp_path: Path) -> None:
    parameters = found(tmp_path, PARSER)
    assert (parameters.mechanism, parameters.open) == ("argparse", False)
    assert list(parameters.parameters) == ["lr", "fast", "cache", "data"]
    lr = parameters.parameters["lr"]
    assert (lr.default, lr.kind, lr.line, lr.aliases) == (0.1, "float", 5, ("l", "learning-rate"))
    assert parameters.check({"learning_rate": 1, "no_cache": True}, "train.py") == {"lr": 1, "no_cache": True}


@pytest.mark.parametrize(
    "more",
    [
        "for name in names: parser.add_argument(f'--{name}')",
        "parser.add_argument(*names)",
        "add = parser.add_argument",
        "from library import add_options\nadd_options(parser)",
        "import library\nlibrary.Trainer.add_argparse_args(parser)",
        "from library import base\nchild = argparse.ArgumentParser(parents=[base])",
        "from library import HfArgumentParser\nHfArgumentParser(object)",
    ],
)
def test_a_parser_that_the_source_does_not_show_whole_is_open(tmp_path: Path, more: str) -> None:
    assert found(tmp_path, f"{PARSER}\nnames = []\n{more}\n").open


@pytest.mark.parametrize(
    "more",
    [
        "def add(parser): parser.add_argument('--x')\nadd(parser)",
        "print(parser)\nvars(parser.parse_args())",
        "from neighbour import add_options\nadd_options(parser)",
        "from neighbour import Model\nModel.add(parser)",
        "import neighbour as n\nn.Model.add(parser)",
        "class P(argparse.ArgumentParser):\n    def __init__(self): super().__init__(); self.add_argument('--x')\n",
    ],
)
def test_a_parser_that_the_sources_show_whole_is_closed(tmp_path: Path, more: str) -> None:
    neighbour = """
        def add_options(parser):
            parser.add_argument("--x")
        class Model:
            @staticmethod
            def add(parser):
                add_options(parser)
        """
    parameters = found(tmp_path, f"{PARSER}\n{more}\n", neighbour=neighbour)
    assert not parameters.open
    assert ("x" in parameters.parameters) == ("print" not in more)


@pytest.mark.parametrize(
    ("source", "mechanism"),
    [
        ("import cli\ncli.run()", "argparse"),
        ("from pkg.deep import run\nrun()", "argparse"),
        ("from pkg import run\nrun()", "argparse"),
        ("from pkg import *\nrun()", "argparse"),
        ("def main():\n    from cli import run\n    run()", "argparse"),
        ("import cli\nlr = 1\ncli.other()", "constants"),
        ("import click\nlr = 1\nclick.echo('x')", "constants"),
        ("import typer\nlr = 1\ntyper.echo('x')", "constants"),
        ("import optparse\nlr = 1\noptparse.OptionParser().parse_args()", "constants"),
        ("import click as c\n@c.command()\ndef main(): ...", "click"),
        ("from click import command\n@command()\ndef main(): ...", "click"),
        ("import typer\ntyper.run(print)", "typer"),
        ("import gtrack as g\ng.params(lr=1)", "gtrack.params"),
        ("def params(**k): ...\nlr = 1\nparams(lr=1)", "constants"),
        ("lr =", "none"),
        ("x = 1\0", "none"),
        ("", "none"),
    ],
)
def test_the_first_mechanism_that_fits(tmp_path: Path, source: str, mechanism: str) -> None:
    parser = "import argparse\ndef run():\n    return argparse.ArgumentParser().parse_args()\ndef other(): ...\n"
    neighbours = {"cli": parser, "pkg/__init__": "from .deep import run\n", "pkg/deep": parser}
    assert found(tmp_path, source, **neighbours).mechanism == mechanism


def test_a_module_that_is_not_in_the_repository_is_open(tmp_path: Path) -> None:
    parameters = discover_module("http.server", [tmp_path], [tmp_path])
    assert (parameters.mechanism, parameters.open) == ("none", True)
    assert parameters.check({"x": 1}, "http.server") == {"x": 1}


def test_a_package_is_its_main_module(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "__main__.py").write_text("lr = 0.1\n")
    (tmp_path / "pkg" / "other.py").write_text("n = 1\n")
    assert list(discover_module("pkg", [tmp_path], []).parameters) == ["lr"]
    assert list(discover_module("pkg.other", [tmp_path], []).parameters) == ["n"]


def test_keywords_of_params_are_read(tmp_path: Path) -> None:
    parameters = found(tmp_path, "import gtrack\nD = {'n': 1}\ngtrack.params(lr=0.1, batch_size=f(), **D)\n")
    assert not parameters.open
    assert {name: spec.default for name, spec in parameters.parameters.items()} == {
        "lr": 0.1,
        "batch_size": None,
        "n": 1,
    }
    assert parameters.check({"batch-size": "x"}, "train.py") == {"batch_size": "x"}
    assert found(tmp_path, "import gtrack\ngtrack.params(**load())\n").open


def test_keys_of_mappings_are_keywords_too(tmp_path: Path) -> None:
    source = """
        import gtrack
        O = {"lr": 3}
        gtrack.params(opt=O, m={"d": f(), "e": {"x": 1}}, any=load(), n=1, **{"k": {"z": 1}})
        """
    parameters = found(tmp_path, source)
    assert list(parameters.parameters) == ["opt", "opt.lr", "m", "m.d", "m.e", "m.e.x", "any", "n", "k", "k.z"]
    given: dict[str, Value] = {"opt.lr": 5, "m.d": 1, "m.e.x": 2, "any.thing": 3, "k.z": 4}
    assert parameters.check(given, "train.py") == given
    for name in ("opt.l", "m.x", "n.x", "other.x"):
        with pytest.raises(UnknownParameter, match=r"It has: opt, opt\.lr, m, m\.d, "):
            parameters.check({name: 1}, "train.py")


def test_modules_that_import_each_other_end(tmp_path: Path) -> None:
    parser = "import argparse\nimport {other}\nargparse.ArgumentParser().add_argument('--{other}')\n"
    parameters = found(tmp_path, "import a\n", a=parser.format(other="b"), b=parser.format(other="a"))
    assert sorted(parameters.parameters) == ["a", "b"]
