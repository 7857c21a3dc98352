"""The shapes of scripts that ``gtrack run --param`` knows, each as a real script run by the real child.

A case is a script, what is given to it, what it then prints, and the parameters that the run holds: what it really ran with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.launch.launched import Launcher


@dataclass(frozen=True)
class Shape:
    """A script, what it is given, and what comes of it."""

    name: str
    script: str
    prints: str
    params: Mapping[str, Any]
    given: Mapping[str, str] = field(default_factory=dict)
    args: Sequence[str] = ()
    mechanism: str = "constants"
    warns: Sequence[str] = ()
    neighbours: Mapping[str, str] = field(default_factory=dict)


CONSTANTS = [
    Shape(
        "every literal type, nothing given",
        """
        whole = 3
        real = 0.5
        small = 1e-05
        negative = -2
        text = "adam"
        yes = True
        nothing = None
        pair = (1, -2.5)
        many = [1, "two", None]
        mapping = {"lr": 0.1, "nested": {"deep": [1]}, 3: "three"}
        choice = {"b", "a"}
        annotated: int = 7
        bare: int
        power = 2 ** 10
        empty = []
        print(whole, real, pair)
        """,
        "3 0.5 (1, -2.5)",
        {
            "whole": 3,
            "real": 0.5,
            "small": 1e-05,
            "negative": -2,
            "text": "adam",
            "yes": True,
            "nothing": None,
            "pair": [1, -2.5],
            "many": [1, "two", None],
            "mapping": {"lr": 0.1, "nested": {"deep": [1]}, "3": "three"},
            "choice": ["a", "b"],
            "annotated": 7,
            "power": 1024,
            "empty": [],
        },
    ),
    Shape(
        "every literal type, all given",
        """
        whole = 3
        real = 0.5
        negative = -2
        text = "adam"
        yes = True
        nothing = None
        pair = (1, -2.5)
        many = [1, "two", None]
        floats = [0.1, 0.2]
        choice = {"b", "a"}
        annotated: float = 7.0
        print(whole, real, negative, text, yes, nothing, pair, many, floats, sorted(choice), annotated)
        """,
        "4 1.0 5 1.10 False 8 (3, 4) ['x'] [1.0, 2.0] ['c'] 0.25",
        {
            "whole": 4,
            "real": 1.0,
            "negative": 5,
            "text": "1.10",
            "yes": False,
            "nothing": 8,
            "pair": [3, 4],
            "many": ["x"],
            "floats": [1.0, 2.0],
            "choice": ["c"],
            "annotated": 0.25,
        },
        given={
            "whole": "4",
            "real": "1",
            "negative": "5",
            "text": "1.10",
            "yes": "false",
            "nothing": "8",
            "pair": "[3, 4]",
            "many": "[x]",
            "floats": "[1, 2]",
            "choice": "[c]",
            "annotated": "0.25",
        },
    ),
    Shape(
        "a key of a mapping",
        """
        optimizer = {"name": "sgd", "lr": 0.1, "schedule": {"gamma": 0.9, "steps": [1, 2]}}
        print(optimizer)
        """,
        "{'name': 'sgd', 'lr': 1.0, 'schedule': {'gamma': 0.5, 'steps': [1, 2]}}",
        {"optimizer": {"name": "sgd", "lr": 1.0, "schedule": {"gamma": 0.5, "steps": [1, 2]}}},
        given={"optimizer.lr": "1", "optimizer.schedule.gamma": "0.5"},
    ),
    Shape(
        "under the main guard",
        """
        epochs = 10
        def train(lr):
            return epochs, lr
        if __name__ == "__main__":
            lr = 0.1
            print(*train(lr))
        """,
        "2 0.5",
        {"epochs": 2, "lr": 0.5},
        given={"epochs": "2", "lr": "0.5"},
    ),
    Shape(
        "derived values follow what was given",
        """
        batch = 8
        steps = batch * 100
        print(steps)
        """,
        "1600",
        {"batch": 16},
        given={"batch": "16"},
    ),
    Shape(
        "a given value that a later line overwrites",
        """
        lr = 0.1
        epochs = 3
        lr = 0.5
        print(lr)
        """,
        "0.5",
        {"lr": 0.5, "epochs": 3},
        given={"lr": "0.01"},
        warns=["lr was given as 0.01 but line 4 set it to 0.5: the run ran with 0.5."],
    ),
    Shape(
        "two literals, nothing given: the last counts",
        """
        lr = 0.1
        lr = 0.5
        print(lr)
        """,
        "0.5",
        {"lr": 0.5},
    ),
    Shape(
        "a given value that a loop overwrites",
        """
        lr = 0.1
        for lr in [0.2, 0.3]:
            pass
        print(lr)
        """,
        "0.3",
        {"lr": 0.3},
        given={"lr": "0.01"},
        warns=[
            "lr was given as 0.01 but line 3 set it to 0.2: the run ran with 0.2.",
            "lr was given as 0.01 but line 3 set it to 0.3: the run ran with 0.3.",
        ],
    ),
    Shape(
        "a given value that a function overwrites",
        """
        lr = 0.1
        def load():
            global lr
            lr = 0.7
        load()
        print(lr)
        """,
        "0.7",
        {"lr": 0.7},
        given={"lr": "0.01"},
        warns=["lr was given as 0.01 but line 5 set it to 0.7: the run ran with 0.7."],
    ),
    Shape(
        "a given key that a later line overwrites",
        """
        optimizer = {"lr": 0.1, "momentum": 0.9}
        optimizer["lr"] = 0.5
        print(optimizer)
        """,
        "{'lr': 0.5, 'momentum': 0.8}",
        {"optimizer": {"lr": 0.5, "momentum": 0.8}},
        given={"optimizer.lr": "0.01", "optimizer.momentum": "0.8"},
        warns=["optimizer.lr was given as 0.01 but line 3 set it to 0.5: the run ran with 0.5."],
    ),
    Shape(
        "a given value that the script goes on from",
        """
        lr = 0.5
        for epoch in range(2):
            lr *= 0.5
        print(lr)
        """,
        "0.25",
        {"lr": 1.0},
        given={"lr": "1"},
        warns=["lr was given as 1.0 and line 4 goes on from there: it is 0.25 at the end, 1.0 is recorded."],
    ),
    Shape(
        "what a parameter goes on from is recorded, nothing given",
        """
        LR = 1
        lr = 0.5
        N_EPOCHS = 10
        N_EPOCHS += 1
        LR = float(LR)
        optimizer = {"lr": 0.1, "momentum": 0.9}
        momentum = 0.9
        def decay():
            global momentum
            momentum = momentum / 2
        for epoch in range(3):
            lr = lr * 0.5
            optimizer["lr"] *= 0.1
            decay()
        print(lr, N_EPOCHS)
        """,
        "0.0625 11",
        {"LR": 1, "lr": 0.5, "N_EPOCHS": 10, "optimizer": {"lr": 0.1, "momentum": 0.9}, "momentum": 0.9},
    ),
    Shape(
        "what a parameter goes on from is recorded, given",
        """
        N_EPOCHS = 10
        N_EPOCHS += 1
        optimizer = {"lr": 0.1, "momentum": 0.9, "name": "sgd"}
        optimizer["name"] = "adam"
        momentum = 0.9
        def decay():
            global momentum
            momentum = momentum / 2
            optimizer["lr"] = optimizer["lr"] / 2
        decay()
        print(N_EPOCHS, optimizer, momentum)
        """,
        "6 {'lr': 0.5, 'momentum': 0.9, 'name': 'adam'} 0.25",
        {"N_EPOCHS": 5, "optimizer": {"lr": 1.0, "momentum": 0.9, "name": "adam"}, "momentum": 0.5},
        given={"N_EPOCHS": "5", "optimizer.lr": "1", "momentum": "0.5", "optimizer.name": "x"},
        warns=[
            "N_EPOCHS was given as 5 and line 3 goes on from there: it is 6 at the end, 5 is recorded.",
            "optimizer.name was given as 'x' but line 5 set it to 'adam': the run ran with 'adam'.",
            "optimizer.lr was given as 1.0 and line 10 goes on from there: it is 0.5 at the end, 1.0 is recorded.",
            "momentum was given as 0.5 and line 9 goes on from there: it is 0.25 at the end, 0.5 is recorded.",
        ],
    ),
    Shape(
        "a literal that a later line puts in place of one, before the script goes on from it",
        """
        lr = 0.1
        lr = 0.5
        for epoch in range(3):
            lr *= 0.5
        print(lr)
        """,
        "0.0625",
        {"lr": 0.5},
        given={"lr": "0.2"},
        warns=[
            "lr was given as 0.2 but line 3 set it to 0.5: the run ran with 0.5.",
        ],
    ),
    Shape(
        "variables are no parameters",
        """
        import math
        lr = 0.1
        total = 0
        losses = []
        history = {"loss": []}
        best = None
        pi = 3
        pi = math.pi
        _private = 1
        __version__ = "1.0"
        done = False
        for step in range(3):
            total += step
            losses.append(step)
            history["loss"].append(step)
            done = True
            count = 1
        with open(__file__) as file:
            best = file.readline()
        counter = 0
        def tick():
            global counter
            counter += 1
        def local():
            losses = []
            names = []
            names.append(1)
        names = ["kept"]
        squares = [n for n in range(3)]
        n = 5
        print(lr)
        """,
        "0.1",
        {"lr": 0.1, "names": ["kept"], "n": 5},
    ),
    Shape(
        "a variable is recorded when it is given",
        """
        total = 0
        lr = 0.1
        total += 1
        print(total)
        """,
        "6",
        {"total": 5, "lr": 0.1},
        given={"total": "5"},
        warns=["total was given as 5 and line 4 goes on from there: it is 6 at the end, 5 is recorded."],
    ),
    Shape(
        "either branch of a condition",
        """
        big = False
        if big:
            device = "cuda"
        else:
            device = "cpu"
        try:
            import no_such_module
            backend = "fast"
        except ImportError:
            backend = "slow"
        print(device, backend)
        """,
        "cpu slow",
        {"big": False, "device": "cpu", "backend": "slow"},
    ),
    Shape(
        "either branch of a condition, given",
        """
        big = False
        if big:
            device = "cuda"
        else:
            device = "cpu"
        print(device)
        """,
        "mps",
        {"big": False, "device": "mps"},
        given={"device": "mps"},
    ),
    Shape(
        "several names in one statement",
        """
        width, height = 10, 20
        first = second = 1
        [left, right] = ["l", "r"]
        print(width, height, first, second, left, right)
        """,
        "10 30 1 2 x r",
        {"width": 10, "height": 30, "first": 1, "second": 2, "left": "x", "right": "r"},
        given={"height": "30", "second": "2", "left": "x"},
    ),
    Shape(
        "the future, a docstring and an encoding",
        '''
        # -*- coding: latin-1 -*-
        """What it does."""
        from __future__ import annotations
        lr: "float" = 0.1
        def f(x: Undefined): ...
        print(__doc__, lr)
        ''',
        "What it does. 0.2",
        {"lr": 0.2},
        given={"lr": "0.2"},
    ),
    Shape(
        "exported from a notebook",
        """
        # coding: utf-8
        # In[1]:
        get_ipython().run_line_magic('matplotlib', 'inline')
        get_ipython().system('pip install nothing')
        lr = 0.1
        # In[2]:
        get_ipython().run_cell_magic('time', '', 'doubled = lr * 2\\n')
        lines = get_ipython().getoutput('ls')
        display(doubled, lines)
        """,
        "1.0 []",
        {"lr": 0.5},
        given={"lr": "0.5"},
    ),
    Shape(
        "asks whether it is a notebook",
        """
        lr = 0.1
        try:
            get_ipython()
            where = "notebook"
        except NameError:
            where = "script"
        print(where)
        """,
        "script",
        {"lr": 0.1, "where": "script"},
    ),
    Shape(
        "settings that code executes over them",
        """
        lr = 0.1
        exec("lr = 0.9")
        print(lr)
        """,
        "0.9",
        {"lr": 0.9},
        given={"lr": "0.2"},
        warns=["lr was given as 0.2 but the script set it to 0.9: the run ran with 0.9."],
    ),
]

ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
"""

PARSERS = [
    Shape(
        "argparse: nothing given",
        ARGPARSE
        + """
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--name")
print(parser.parse_args())
""",
        "Namespace(lr=0.1, name=None)",
        {"lr": 0.1, "name": None},
        mechanism="argparse",
    ),
    Shape(
        "argparse: every kind of option",
        ARGPARSE
        + """
from pathlib import Path
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("-e", "--epochs", type=int, default=1)
parser.add_argument("-s", type=int)
parser.add_argument("--learning_rate_decay", "--decay", dest="gamma", type=float)
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
parser.add_argument("--fast", action="store_true")
parser.add_argument("--no-cache", dest="cache", action="store_false")
parser.add_argument("--amp", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--layers", nargs="+", type=int)
parser.add_argument("--size", nargs=2, type=int)
parser.add_argument("--note", nargs="?", const="c")
parser.add_argument("--tag", action="append")
parser.add_argument("--more", action="extend", nargs="*")
parser.add_argument("-v", "--verbose", action="count", default=0)
parser.add_argument("--mode", action="store_const", const="slow")
parser.add_argument("--shuffle", type=bool, default=True)
parser.add_argument("--version-tag", default="v0")
parser.add_argument("--out", type=Path, default=Path("out"))
parser.add_argument("--required", required=True)
parser.add_argument("--callback", type=lambda text: print, default=print)
a = parser.parse_args()
print(a.lr, a.batch_size, a.epochs, a.s, a.gamma, a.optimizer, a.fast, a.cache, a.amp, a.layers, a.size, a.note, a.tag, a.more)
print(a.verbose, a.mode, a.shuffle, a.version_tag, a.out, a.required)
""",
        "-1.0 16 1000 3 0.5 adam True False False [1, 2] [3, 4] n ['a', 'b'] ['x', 'y']\n2 slow False 007 o x",
        {
            "lr": -1.0,
            "batch_size": 16,
            "epochs": 1000,
            "s": 3,
            "gamma": 0.5,
            "optimizer": "adam",
            "fast": True,
            "cache": False,
            "amp": False,
            "layers": [1, 2],
            "size": [3, 4],
            "note": "n",
            "tag": ["a", "b"],
            "more": ["x", "y"],
            "verbose": 2,
            "mode": "slow",
            "shuffle": False,
            "version_tag": "007",
            "out": "o",
            "required": "x",
        },
        given={
            "lr": "-1",
            "batch-size": "16",
            "epochs": "1e3",
            "s": "3",
            "decay": "0.5",
            "optimizer": "adam",
            "fast": "true",
            "cache": "false",
            "amp": "false",
            "layers": "[1, 2]",
            "size": "[3, 4]",
            "note": "n",
            "tag": "[a, b]",
            "more": "[x, y]",
            "verbose": "2",
            "mode": "slow",
            "shuffle": "false",
            "version_tag": "007",
            "out": "o",
            "required": "x",
        },
        mechanism="argparse",
    ),
    Shape(
        "argparse: flags that stay as they are, and one by its option's name",
        ARGPARSE
        + """
parser.add_argument("--fast", action="store_true")
parser.add_argument("--no-cache", dest="cache", action="store_false")
parser.add_argument("--tag", action="append")
print(parser.parse_args())
""",
        "Namespace(fast=False, cache=False, tag=None)",
        {"fast": False, "cache": False, "tag": None},
        given={"fast": "false", "no_cache": "true", "tag": "null"},
        mechanism="argparse",
    ),
    Shape(
        "argparse: positionals by name, the others in order",
        ARGPARSE
        + """
parser.add_argument("source")
parser.add_argument("target", choices=["x", "y"])
parser.add_argument("rest", nargs="*")
parser.add_argument("--files", nargs="+")
print(parser.parse_args())
""",
        "Namespace(source='a', target='y', rest=['b', 'c'], files=['f', 'g'])",
        {"source": "a", "target": "y", "rest": ["b", "c"], "files": ["f", "g"]},
        given={"target": "y", "files": "[f, g]"},
        args=["a", "b", "c"],
        mechanism="argparse",
    ),
    Shape(
        "argparse: subcommands",
        ARGPARSE
        + """
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--paths", nargs="+")
commands = parser.add_subparsers(dest="command", required=True)
train = commands.add_parser("train")
train.add_argument("--lr", type=float, default=0.1)
deep = train.add_subparsers(dest="how").add_parser("deep")
deep.add_argument("--layers", type=int, default=1)
deep.add_argument("--units", nargs="+", type=int)
evaluate = commands.add_parser("evaluate")
evaluate.add_argument("--split", default="test")
train.set_defaults(func=print)
a = parser.parse_args()
print(a.seed, a.paths, a.command, a.lr, a.how, a.layers, a.units)
import sys
print(sys.argv[1:])
""",
        "5 ['p', 'q'] train 0.5 deep 3 [7, 8]\n"
        "['--paths', 'p', 'q', '--seed=5', 'train', '--lr=0.5', 'deep', '--layers=3', '--units', '7', '8']",
        {
            "seed": 5,
            "paths": ["p", "q"],
            "command": "train",
            "lr": 0.5,
            "how": "deep",
            "layers": 3,
            "units": [7, 8],
        },
        given={"seed": "5", "paths": "[p, q]", "lr": "0.5", "layers": "3", "units": "[7, 8]"},
        args=["train", "deep"],
        mechanism="argparse",
    ),
    Shape(
        "argparse: many values before a subcommand, and the subcommand itself given",
        ARGPARSE
        + """
parser.add_argument("--paths", nargs="+")
commands = parser.add_subparsers(dest="command")
commands.add_parser("train").add_argument("--lr", type=float, default=0.1)
print(parser.parse_args())
""",
        "Namespace(paths=['p', 'q'], command='train', lr=0.1)",
        {"paths": ["p", "q"], "command": "train", "lr": 0.1},
        given={"paths": "[p, q]", "command": "train"},
        mechanism="argparse",
    ),
    Shape(
        "argparse: what the script changes afterwards",
        ARGPARSE
        + """
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--workers", type=int)
parser.add_argument("--device", default="auto")
args = parser.parse_args()
args.lr = 0.5
args.device = "cpu"
args.added = 1
print(args.lr)
""",
        "0.5",
        {"lr": 0.01, "workers": 3, "device": "auto"},
        given={"lr": "0.01", "workers": "3"},
        mechanism="argparse",
        warns=["lr was given as 0.01 and is 0.5 at the end: the script changed it."],
    ),
    Shape(
        "argparse: a value that the training goes on from",
        ARGPARSE
        + """
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--decay", type=float, default=0.5)
args = parser.parse_args()
for epoch in range(3):
    args.lr *= 0.5
    args.decay *= 0.9
print(args.lr)
""",
        "0.125",
        {"lr": 1.0, "decay": 0.5},
        given={"lr": "1"},
        mechanism="argparse",
        warns=["lr was given as 1 and is 0.125 at the end: the script changed it."],
    ),
    Shape(
        "argparse: two parsers one after the other",
        """
        import argparse
        first = argparse.ArgumentParser(add_help=False)
        first.add_argument("--config", default="base")
        known, rest = first.parse_known_args()
        second = argparse.ArgumentParser(parents=[first])
        second.add_argument("--lr", type=float, default=0.1)
        second.add_argument("--tag", action="append")
        second.add_argument("--x", action="store_true")
        args = second.parse_args()
        print(known.config, rest, args)
        """,
        "other ['--x'] Namespace(config='other', lr=0.5, tag=['t'], x=True)",
        {"config": "other", "lr": 0.5, "tag": ["t"], "x": True},
        given={"config": "other", "lr": "0.5", "tag": "[t]"},
        args=["--x"],
        mechanism="argparse",
    ),
    Shape(
        "argparse: given as a list of arguments",
        ARGPARSE
        + """
import sys
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--n", type=int, default=1)
args, unknown = parser.parse_known_args(sys.argv[1:])
again = parser.parse_args([])
print(args, unknown, again)
""",
        "Namespace(lr=0.5, n=2) ['--rest'] Namespace(lr=0.5, n=1)",
        {"lr": 0.5, "n": 1},
        given={"lr": "0.5"},
        args=["--n", "2", "--rest"],
        mechanism="argparse",
    ),
    Shape(
        "argparse: intermixed",
        ARGPARSE
        + """
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("command")
parser.add_argument("rest", nargs="*", type=int)
print(parser.parse_intermixed_args())
""",
        "Namespace(lr=0.5, command='do', rest=[1, 2])",
        {"lr": 0.5, "command": "do", "rest": [1, 2]},
        given={"lr": "0.5"},
        args=["do", "1", "2"],
        mechanism="argparse",
    ),
    Shape(
        "argparse: the parser is built in a module beside the script",
        """
        from cli import arguments
        lr = 0.3
        print(arguments())
        """,
        "Namespace(lr=0.5)",
        {"lr": 0.5},
        given={"lr": "0.5"},
        mechanism="argparse",
        neighbours={
            "cli.py": """
                import argparse
                def arguments():
                    parser = argparse.ArgumentParser()
                    parser.add_argument("--lr", type=float, default=0.1)
                    return parser.parse_args()
                """
        },
    ),
    Shape(
        "constants, though a module beside the script has a parser of its own",
        """
        from other import helper
        lr = 0.3
        def main():
            print(lr, helper())
        main()
        """,
        "0.5 1",
        {"lr": 0.5},
        given={"lr": "0.5"},
        neighbours={
            "other.py": """
                import argparse
                def helper():
                    return 1
                def main():
                    parser = argparse.ArgumentParser()
                    parser.add_argument("--lr")
                    parser.parse_args()
                if __name__ == "__main__":
                    main()
                """
        },
    ),
    Shape(
        "click: options, flags and arguments",
        """
        import click
        @click.command()
        @click.option("--lr", type=float, default=0.1)
        @click.option("-n", "--batch-size", "batch", type=int, default=8)
        @click.option("--shout/--no-shout", default=True)
        @click.option("--fast", is_flag=True)
        @click.option("--upper", "case", flag_value="upper", default=None)
        @click.option("--lower", "case", flag_value="lower")
        @click.option("-v", "--verbose", count=True)
        @click.option("--tag", multiple=True)
        @click.option("--size", nargs=2, type=int)
        @click.option("--kind", type=click.Choice(["a", "b"]))
        @click.option("--code", default="x")
        @click.option("--password", prompt=True, hide_input=True)
        @click.argument("source")
        @click.argument("rest", nargs=-1)
        def main(lr, batch, shout, fast, case, verbose, tag, size, kind, code, password, source, rest):
            print(lr, batch, shout, fast, case, verbose, tag, size, kind, code, password, source, rest)
        if __name__ == "__main__":
            main()
        """,
        "-0.5 16 False True lower 3 ('a', 'b') (1, 2) b 007 p s ('x', 'y')",
        {
            "lr": -0.5,
            "batch": 16,
            "shout": False,
            "fast": True,
            "case": "lower",
            "verbose": 3,
            "tag": ["a", "b"],
            "size": [1, 2],
            "kind": "b",
            "code": "007",
            "source": "s",
            "rest": ["x", "y"],
        },
        given={
            "lr": "-0.5",
            "batch-size": "16",
            "shout": "false",
            "fast": "true",
            "case": "lower",
            "verbose": "3",
            "tag": "[a, b]",
            "size": "[1, 2]",
            "kind": "b",
            "code": "007",
            "password": "p",
            "source": "s",
        },
        args=["x", "y"],
        mechanism="click",
    ),
    Shape(
        "click: nothing given, flags by their other name",
        """
        import click
        @click.command()
        @click.option("--lr", type=float, default=0.1)
        @click.option("--cache/--no-cache", default=True)
        def main(lr, cache):
            print(lr, cache)
        main()
        """,
        "0.1 False",
        {"lr": 0.1, "cache": False},
        given={"no-cache": "true"},
        mechanism="click",
    ),
    Shape(
        "click: groups in groups",
        """
        import click
        @click.group()
        @click.option("--debug/--no-debug", default=False)
        @click.option("--level", default=1)
        def cli(debug, level):
            print(debug, level)
        @cli.group()
        @click.option("--seed", default=0)
        def train(seed):
            print(seed)
        @train.command()
        @click.option("--lr", default=0.1)
        @click.option("--level", default=2)
        def deep(lr, level):
            print(lr, level)
        @cli.command()
        @click.option("--split", default="test")
        def evaluate(split):
            print(split)
        cli()
        """,
        "True 1\n7\n0.5 2",
        {"debug": True, "level": 1, "seed": 7, "lr": 0.5, "deep.level": 2},
        given={"debug": "true", "seed": "7", "lr": "0.5"},
        args=["train", "deep"],
        mechanism="click",
    ),
    Shape(
        "typer: a function",
        """
        import typer
        def main(data: str, lr: float = 0.1, epochs: int = 1, fast: bool = False, tags: list[str] = []):
            print(data, lr, epochs, fast, tags)
        if __name__ == "__main__":
            typer.run(main)
        """,
        "d 0.5 1000 True ['a', 'b']",
        {"data": "d", "lr": 0.5, "epochs": 1000, "fast": True, "tags": ["a", "b"]},
        given={"data": "d", "lr": "0.5", "epochs": "1e3", "fast": "true", "tags": "[a, b]"},
        mechanism="typer",
    ),
    Shape(
        "typer: an app with commands, a callback and annotated options",
        """
        import enum
        from pathlib import Path
        from typing import Annotated, Optional
        import typer
        class Kind(str, enum.Enum):
            small = "s"
            large = "l"
        app = typer.Typer()
        @app.callback()
        def common(verbose: Annotated[int, typer.Option("--verbose", "-v", count=True)] = 0):
            print(verbose)
        @app.command()
        def train(
            context: typer.Context,
            data: Annotated[Path, typer.Argument()],
            lr: Annotated[float, typer.Option("--learning-rate", "-l", min=0)] = 0.1,
            kind: Kind = Kind.small,
            name: Optional[str] = None,
            cache: bool = True,
            size: tuple[int, int] = (1, 2),
        ):
            print(data, lr, kind.value, name, cache, size)
        @app.command()
        def evaluate(split: str = typer.Option("test", "--split")):
            print(split)
        app()
        """,
        "2\nd.csv 0.5 l None False (3, 4)",
        {"verbose": 2, "data": "d.csv", "lr": 0.5, "kind": "l", "name": None, "cache": False, "size": [3, 4]},
        given={"verbose": "2", "learning_rate": "0.5", "kind": "l", "cache": "false", "size": "[3, 4]"},
        args=["train", "d.csv"],
        mechanism="typer",
    ),
    Shape(
        "gtrack.params",
        """
        import gtrack
        DEFAULTS = {"epochs": 3, "name": "x"}
        p = gtrack.params(lr=0.1, betas=(0.9, 0.99), **DEFAULTS)
        print(p.lr, p.betas, p.epochs, p.name)
        """,
        "1.0 (0.5, 0.6) 3 y",
        {"lr": 1.0, "betas": [0.5, 0.6], "epochs": 3, "name": "y"},
        given={"lr": "1", "betas": "[0.5, 0.6]", "name": "y"},
        mechanism="gtrack.params",
    ),
    Shape(
        "gtrack.params with mappings and texts",
        """
        import gtrack
        BASE = "1"
        OPT = {"lr": 3, "name": "sgd"}
        p = gtrack.params(opt=OPT, model={"depth": len(BASE), "tag": "a"}, version=BASE, note="x", path="p")
        print(p.opt, p.model, p.version, p.note, p.path)
        """,
        "{'lr': 5, 'name': '1.10'} {'depth': 4, 'tag': 'true'} 007 0x1F 8",
        {
            "opt": {"lr": 5, "name": "1.10"},
            "model": {"depth": 4, "tag": "true"},
            "version": "007",
            "note": "0x1F",
            "path": "8",
        },
        given={
            "opt.lr": "5",
            "opt.name": "1.10",
            "model.depth": "4",
            "model.tag": "true",
            "version": "007",
            "note": "0x1F",
            "path": "'8'",
        },
        mechanism="gtrack.params",
    ),
    Shape(
        "gtrack.params under another name, before a parser",
        """
        import argparse
        from gtrack import params as settings
        p = settings(lr=0.1, batch_size=4)
        print(p.lr, p.batch_size, argparse.ArgumentParser().parse_args())
        """,
        "0.1 8 Namespace()",
        {"lr": 0.1, "batch_size": 8},
        given={"batch-size": "8"},
        mechanism="gtrack.params",
    ),
    Shape(
        "no parameters at all",
        """
        print("done")
        """,
        "done",
        {},
        mechanism="none",
    ),
]


@pytest.mark.parametrize("shape", [*CONSTANTS, *PARSERS], ids=lambda shape: shape.name)
def test_what_is_recorded_is_what_ran(launcher: Launcher, shape: Shape) -> None:
    launcher.write("train.py", shape.script)
    for name, source in shape.neighbours.items():
        launcher.write(name, source)
    outcome = launcher.run("train.py", shape.given, shape.args)
    assert outcome.stderr == "" or "skipped" in outcome.stderr
    assert outcome.stdout.rstrip("\n") == shape.prints
    assert outcome.exit_code == 0
    assert outcome.params == shape.params
    assert list(outcome.params) == list(shape.params) or shape.mechanism == "constants"
    assert list(outcome.warnings) == list(shape.warns)
    assert launcher.found("train.py").mechanism == shape.mechanism


@pytest.mark.parametrize("shape", [one for one in CONSTANTS if not one.warns], ids=lambda shape: shape.name)
def test_what_is_recorded_has_the_type_of_what_ran(launcher: Launcher, shape: Shape) -> None:
    launcher.write("train.py", shape.script)
    params = launcher.run("train.py", shape.given, shape.args).params
    assert repr(dict(params)) == repr({name: shape.params[name] for name in params})
