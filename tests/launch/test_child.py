"""The launched child is Python as the script knows it: same names, same paths, same errors, same exit codes."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from gtrack.launch.plan import PLAN_VARIABLE
from tests.launch.launched import Launcher, Outcome

SEES = """
    import os, sys
    print(__name__, __file__, __doc__, __package__, __spec__, type(__loader__).__name__, __cached__)
    print(sys.argv, sys.path, sorted(name for name in globals() if name != "lr"))
    print(sys.modules["__main__"].__dict__ is globals(), __builtins__.__name__)
    print(sys.flags.safe_path if hasattr(sys.flags, "safe_path") else None, __annotations__)
"""


def fails_alike(launcher: Launcher, script: str, source: str, **given: str) -> Outcome:
    launcher.write(script, source)
    plain = launcher.python(script)
    outcome = launcher.run(script, given)
    assert outcome.exit_code == plain.returncode
    assert outcome.stderr == plain.stderr
    assert outcome.stdout == plain.stdout
    return outcome


@pytest.mark.parametrize("how", ["train.py", "./train.py", "sub/../train.py", "sub/link.py"])
def test_a_script_sees_what_python_shows(launcher: Launcher, how: str) -> None:
    launcher.write("train.py", SEES)
    (launcher.root / "sub").mkdir()
    (launcher.root / "sub" / "link.py").symlink_to("../train.py")
    assert launcher.run(how, args=["a", "--b"]).stdout == launcher.python(how, "a", "--b").stdout


def test_an_absolute_script_sees_what_python_shows(launcher: Launcher) -> None:
    script = str(launcher.write("train.py", SEES))
    assert launcher.run(script).stdout == launcher.python(script).stdout


@pytest.mark.quick
def test_constants_leave_no_trace_in_the_globals(launcher: Launcher) -> None:
    launcher.write("train.py", "lr = 0.1\nlr = 0.2\n" + SEES.replace("\n    ", "\n"))
    assert launcher.run("train.py", {"lr": "3"}).stdout == launcher.python("train.py").stdout


@pytest.mark.quick
def test_nothing_is_added_to_the_environment(launcher: Launcher) -> None:
    launcher.write(
        "train.py", f"lr = 1\nimport os\nprint({PLAN_VARIABLE!r} in os.environ, os.environ['GTRACK_GIVEN'])\n"
    )
    assert launcher.run("train.py", {"lr": "2"}).lines == ['False {"lr": 2}']


def test_a_module_beside_the_script_hides_gtracks_own(launcher: Launcher) -> None:
    launcher.write("yaml.py", "mine = True\n")
    launcher.write("child.py", "mine = True\n")
    launcher.write("filelock/__init__.py", "mine = True\n")
    launcher.write("difflib.py", "mine = True\n")
    source = (
        "lr = 1\nimport yaml, child, filelock, difflib\nprint(yaml.mine, child.mine, filelock.mine, difflib.mine)\n"
    )
    launcher.write("train.py", source)
    outcome = launcher.run("train.py", {"lr": "2"})
    assert (outcome.lines, outcome.params) == (["True True True True"], {"lr": 2})


def test_what_is_recorded_late_is_recorded_past_such_modules(launcher: Launcher) -> None:
    launcher.write("yaml.py", "mine = True\n")
    launcher.write(
        "train.py",
        """
        import sys, yaml
        import matplotlib.pyplot as plt
        plt.plot([1])
        plt.savefig("x.png")
        import yaml as again
        print(yaml.mine, again is yaml, sys.path[0])
        """,
    )
    outcome = launcher.run("train.py")
    assert (outcome.lines, list(outcome.artifacts)) == ([f"True True {launcher.root}"], ["figures/x.png"])


def test_a_safe_path_stays_safe(launcher: Launcher) -> None:
    launcher.write("train.py", SEES)
    launcher.write("yaml.py", "")
    launcher.env["PYTHONSAFEPATH"] = "1"
    assert launcher.run("train.py").stdout == launcher.python("train.py").stdout


def test_the_working_directory_is_not_searched_for_gtracks_imports(launcher: Launcher) -> None:
    launcher.write("typing.py", "raise SystemExit('the wrong one')\n")
    launcher.write("sub/train.py", "print('ran')\n")
    assert launcher.run("sub/train.py").lines == ["ran"]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return 1 / 0\n\nlr = 0.1\nf()\n",
        "lr = 0.1\ntry:\n    {}['x']\nexcept KeyError as error:\n    raise ValueError('chained') from error\n",
        "lr = 0.1\nthis is no python\n",
        "import no_such_module\n",
        "raise SystemExit('a message')\n",
        "raise SystemExit(3)\n",
        "raise SystemExit\n",
        "raise KeyboardInterrupt\n",
        "import os\nos._exit(4)\n",
        "lr = 0.1\nimport atexit, sys\natexit.register(print, 'at exit')\nsys.exit(5)\n",
        "lr = 0.1\nimport threading\nthreading.Timer(0.1, print, ['late']).start()\nprint('main')\n",
        "import sys\nsys.excepthook = lambda kind, error, trace: print(kind, error, trace.tb_lineno, trace.tb_next)\n1 / 0\n",
        "import warnings\nwarnings.warn('look')\n",
        "import sys, logging\nlogging.error('logged')\nprint('to stderr', file=sys.stderr)\n",
        "def f(n): return f(n + 1)\ntry:\n    f(0)\nexcept RecursionError: print('deep')\n",
        "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, A.__module__)\n",
        "import inspect\ndef f():\n    return 'here'\nlr = 1\nprint(inspect.getsource(f))\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
        "from dataclasses import dataclass\n@dataclass\nclass Config:\n    lr: float = 0.1\nprint(Config())\n",
        "import typing\nclass C:\n    x: 'int'\nprint(typing.get_type_hints(C))\n",
        "raise ExceptionGroup('both', [ValueError(1), TypeError(2)])\n" if sys.version_info >= (3, 11) else "1/0\n",
    ],
)
def test_a_script_ends_as_under_python(launcher: Launcher, source: str) -> None:
    fails_alike(launcher, "train.py", source)


def test_a_traceback_with_replaced_constants_shows_the_source(launcher: Launcher) -> None:
    source = "lr = 0.5\nlr = 0.1\ndef f():\n    return lr / 0\n\n\nf()\n"
    outcome = fails_alike(launcher, "train.py", source, lr="3")
    assert "line 4, in f\n    return lr / 0" in outcome.stderr
    assert outcome.params == {"lr": 0.1}


def test_a_failed_script_keeps_what_it_ran_with(launcher: Launcher) -> None:
    launcher.write("train.py", "lr = 0.1\nepochs = 2\nepochs = 3\nraise ValueError(lr)\nepochs = 4\n")
    outcome = launcher.run("train.py", {"lr": "0.5"})
    assert (outcome.exit_code, outcome.params) == (1, {"lr": 0.5, "epochs": 3})


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_script_keeps_what_it_ran_with(launcher: Launcher, how: signal.Signals) -> None:
    launcher.write(
        "train.py",
        "import sys, time\nlr = 0.1\nepochs = 2\nlr = 0.7\nprint('up', flush=True)\ntime.sleep(60)\nepochs = 9\n",
    )
    run, child = launcher.start(launcher.plan("train.py", "", [], {"epochs": "5", "lr": "0.3"}))
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.send_signal(how)
    outcome = launcher.outcome(run, child)
    assert outcome.exit_code == -how
    assert outcome.params == {"lr": 0.7, "epochs": 5}
    assert outcome.warnings == ["lr was given as 0.3 but line 4 set it to 0.7: the run ran with 0.7."]


@pytest.mark.parametrize("mechanism", ["argparse", "click"])
def test_a_killed_parser_script_keeps_what_it_ran_with(launcher: Launcher, mechanism: str) -> None:
    sources = {
        "argparse": "import argparse, time\np = argparse.ArgumentParser()\np.add_argument('--lr', type=float)\n"
        "p.add_argument('--n', default=3)\np.parse_args()\nprint('up', flush=True)\ntime.sleep(60)\n",
        "click": "import click, time\n@click.command()\n@click.option('--lr', type=float)\n@click.option('--n', default=3)\n"
        "def main(lr, n):\n    print('up', flush=True)\n    time.sleep(60)\nmain()\n",
    }
    launcher.write("train.py", sources[mechanism])
    run, child = launcher.start(launcher.plan("train.py", "", [], {"lr": "0.3"}))
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.kill()
    assert launcher.outcome(run, child).params == {"lr": 0.3, "n": 3}


PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/settings.py": "scale = 10\n",
    "pkg/train.py": """
        import sys
        from . import settings
        from .settings import scale
        lr = 0.1
        if __name__ == "__main__":
            print(lr, scale, __name__, __package__, __spec__.name, __file__, sys.argv, sys.path[0])
            print(__spec__.origin, __cached__, type(__loader__).__name__)
        """,
    "pkg/__main__.py": """
        import argparse
        from pkg.options import add
        parser = argparse.ArgumentParser()
        add(parser)
        print(parser.parse_args(), __spec__.name, __package__)
        """,
    "pkg/options.py": """
        def add(parser):
            parser.add_argument("--lr", type=float, default=0.1)
        """,
}


@pytest.mark.quick
def test_a_module_is_run_as_python_does(launcher: Launcher) -> None:
    for name, source in PACKAGE.items():
        launcher.write(name, source)
    plain = launcher.python("-m", "pkg.train", "a")
    outcome = launcher.run("pkg.train", module=True, args=["a"])
    assert (outcome.stdout, outcome.params) == (plain.stdout, {"lr": 0.1})
    assert launcher.run("pkg.train", {"lr": "0.5"}, module=True).stdout.startswith("0.5 10 __main__ pkg pkg.train ")


def test_a_package_is_run_as_python_does(launcher: Launcher) -> None:
    for name, source in PACKAGE.items():
        launcher.write(name, source)
    outcome = launcher.run("pkg", {"lr": "0.5"}, module=True)
    assert outcome.lines == ["Namespace(lr=0.5) pkg.__main__ pkg"]
    assert outcome.params == {"lr": 0.5}


@pytest.mark.parametrize("given", [{}, {"lr": "0.5"}])
def test_a_module_that_only_python_finds_has_its_parameters(launcher: Launcher, given: dict[str, str]) -> None:
    for name, source in PACKAGE.items():
        launcher.write(f"elsewhere/{name}", source)
    launcher.env["PYTHONPATH"] = os.pathsep.join([str(launcher.root / "elsewhere"), os.environ.get("PYTHONPATH", "")])
    assert launcher.found(module="pkg").open
    parser = launcher.run("pkg", given, module=True)
    constants = launcher.run("pkg.train", given, module=True)
    assert parser.params == constants.params == {"lr": float(given.get("lr", 0.1))}
    refused = launcher.run("pkg.train", {"lrr": "1"}, module=True)
    assert (refused.exit_code, refused.params) == (2, {})
    assert refused.stderr == "gtrack: pkg.train has no parameter 'lrr'. Did you mean 'lr'? It has: lr.\n"


@pytest.mark.parametrize("name", ["no_such", "pkg.no_such"])
def test_a_module_that_is_not_there(launcher: Launcher, name: str) -> None:
    launcher.write("pkg/__init__.py", "")
    outcome = launcher.run(name, module=True)
    assert outcome.exit_code == launcher.python("-m", name).returncode
    assert f"No module named {name}" in outcome.stderr


WORKERS = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    lr = 0.1
    sizes = (1, 2)
    def work(n):
        return n, lr, sizes, __name__
    def nested(n):
        with multiprocessing.get_context({method!r}).Pool(1) as pool:
            return pool.map(work, [n])
    class Item:
        pass
    if __name__ == "__main__":
        context = multiprocessing.get_context({method!r})
        with context.Pool(2) as pool:
            print(pool.map(work, [1, 2]))
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            print(list(pool.map(nested, [3])), type(pool.submit(Item).result()) is Item)
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("module", [False, True])
def test_worker_processes_have_the_given_constants(launcher: Launcher, method: str, module: bool) -> None:
    launcher.write("pkg/__init__.py", "")
    launcher.write("pkg/train.py", WORKERS.format(method=method))
    outcome = launcher.run("pkg.train" if module else "pkg/train.py", {"lr": "0.5", "sizes": "[3]"}, module=module)
    name = "__main__" if method == "fork" else "__mp_main__"
    assert outcome.stderr == ""
    assert outcome.lines == [
        f"[(1, 0.5, (3,), {name!r}), (2, 0.5, (3,), {name!r})]",
        f"[[(3, 0.5, (3,), {name!r})]] True",
    ]
    assert outcome.params == {"lr": 0.5, "sizes": [3]}


def test_a_spawned_process_finds_the_script_from_another_directory(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        lr = 0.1
        def work():
            print("lr", lr, __file__)
        if __name__ == "__main__":
            import os
            os.chdir("/")
            import multiprocessing
            process = multiprocessing.get_context("spawn").Process(target=work)
            process.start()
            process.join()
        """,
    )
    assert launcher.run("train.py", {"lr": "0.5"}).lines == [f"lr 0.5 {launcher.root / 'train.py'}"]


def test_a_forked_process_records_nothing(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        import argparse, os
        def parse(args):
            parser = argparse.ArgumentParser()
            parser.add_argument("--lr", type=float)
            return parser.parse_args(args)
        args = parse(None)
        if os.fork() == 0:
            args.lr = 9
            parse(["--lr", "8"])
        else:
            os.wait()
            print(args.lr)
        """,
    )
    outcome = launcher.run("train.py", {"lr": "0.5"})
    assert (outcome.lines, outcome.params, outcome.warnings) == (["0.5"], {"lr": 0.5}, [])


REFUSED = {
    "unknown": (
        "lrr: 1",
        [],
        "gtrack: train.py has no parameter 'lrr'. Did you mean 'lr'? It has: lr, opt_level.\n",
    ),
    "twice": (
        "lr: 1",
        ["--lr=2"],
        "gtrack: lr is given twice: with --param and with --lr=2 after --. Leave one of them out.\n",
    ),
    "null": ("lr: null", [], "gtrack: lr of train.py cannot be None: an option takes text, and its default is 0.1.\n"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_open_parser_refuses_in_one_line(launcher: Launcher, case: str) -> None:
    launcher.write(
        "train.py",
        """
        import argparse
        parser = argparse.ArgumentParser()
        for name in ("lr", "opt-level"):
            parser.add_argument(f"--{name}", type=float, default=0.1)
        parser.parse_args()
        print("ran")
        """,
    )
    given, args, message = REFUSED[case]
    name, _, text = given.partition(": ")
    outcome = launcher.run("train.py", {name: text}, args)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", message)
    assert outcome.params == {}


def test_a_parameter_of_another_subcommand_is_refused(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        import argparse
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        commands.add_parser("fit").add_argument("--lr")
        commands.add_parser("test").add_argument("--split")
        parser.parse_args()
        """,
    )
    outcome = launcher.run("train.py", {"lr": "1"}, ["test"])
    assert outcome.exit_code == 2
    assert outcome.stderr == "gtrack: lr belongs to another subcommand of train.py than the one that was run.\n"


def test_the_parsers_own_message_tells_what_is_wrong(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=lambda text: float(text))
        parser.add_argument("kind", choices=list("ab"))
        parser.parse_args()
        """,
    )
    wrong = launcher.run("train.py", {"lr": "fast", "kind": "a"})
    assert (wrong.exit_code, wrong.stderr.splitlines()[-1]) == (
        2,
        "train.py: error: argument --lr: invalid <lambda> value: 'fast'",
    )
    assert (
        launcher.run("train.py", {"kind": "c"})
        .stderr.splitlines()[-1]
        .startswith("train.py: error: argument --kind: invalid choice: 'c'")
    )


@pytest.mark.parametrize(
    ("given", "args", "says"),
    [
        ({"nope": "1"}, ["fit"], "gtrack: train.py has no parameter 'nope'. It has: debug, lr, split.\n"),
        ({"lr": "1"}, ["test"], "gtrack: lr belongs to another subcommand of train.py than 'test'.\n"),
        (
            {"lr": "1"},
            ["fit", "--lr", "2"],
            "gtrack: lr is given twice: with --param and with --lr after --. Leave one of them out.\n",
        ),
        ({"debug": "maybe"}, ["fit"], "gtrack: debug of train.py cannot be 'maybe': it is true or false.\n"),
    ],
)
def test_click_refuses_in_one_line(launcher: Launcher, given: dict[str, str], args: list[str], says: str) -> None:
    launcher.write(
        "train.py",
        """
        import click
        def options(*names):
            def decorate(function):
                for name in names:
                    function = click.option(name)(function)
                return function
            return decorate
        @click.group()
        @click.option("--debug", is_flag=True)
        def cli(debug): pass
        @cli.command()
        @options("--lr")
        def fit(lr): print("ran")
        @cli.command()
        @options("--split")
        def test(split): print("ran")
        cli()
        """,
    )
    assert launcher.found("train.py").open
    outcome = launcher.run("train.py", given, args)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", says)


def test_a_given_value_that_nobody_asks_for_is_said(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr")
        print("no parse")
        if not parser:
            parser.parse_args()
        """,
    )
    outcome = launcher.run("train.py", {"lr": "1"})
    assert (outcome.lines, outcome.params) == (["no parse"], {})
    assert outcome.warnings == ["lr was given, but train.py never asked for it: it ran without."]


def test_a_given_keyword_that_nobody_asks_for_is_said(launcher: Launcher) -> None:
    launcher.write(
        "train.py", "import gtrack\nsettings = {'lr': 1}\nsettings.pop('lr')\ngtrack.params(n=1, **settings)\n"
    )
    outcome = launcher.run("train.py", {"lr": "2", "n": "3"})
    assert outcome.params == {"n": 3}
    assert outcome.warnings == ["lr was given, but train.py never asked for it: it ran without."]


@pytest.mark.parametrize(
    ("given", "args", "said"),
    [
        ({"n": "x", "lr": "1"}, ["fit"], "invalid <lambda> value: 'x'"),
        ({"n": "1", "lr": "1"}, ["test"], "belongs to another subcommand"),
        ({"n": "1", "lr": "1"}, ["nope"], "invalid choice: 'nope'"),
        ({"lr": "1"}, ["fit", "--lr", "2"], "is given twice"),
        ({"lr": "1"}, ["--help"], ""),
    ],
)
def test_what_a_parser_refused_did_not_run_without_it(
    launcher: Launcher, given: dict[str, str], args: list[str], said: str
) -> None:
    launcher.write(
        "train.py",
        """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--n", type=lambda text: int(text))
        commands = parser.add_subparsers()
        commands.add_parser("fit").add_argument("--lr", type=float)
        commands.add_parser("test").add_argument("--split")
        print(parser.parse_args())
        """,
    )
    outcome = launcher.run("train.py", given, args)
    assert outcome.exit_code == (2 if said else 0)
    assert said in outcome.stderr
    assert (outcome.params, outcome.warnings) == ({}, [])


@pytest.mark.parametrize(
    ("given", "args", "said"),
    [
        ({"n": "x"}, ["fit"], "Invalid value for '--n'"),
        ({"lr": "1"}, ["test"], "belongs to another subcommand"),
        ({"lr": "1"}, ["nope"], "No such command 'nope'"),
        ({"lr": "1"}, ["fit", "--lr", "2"], "is given twice"),
        ({"lr": "1"}, ["--help"], ""),
    ],
)
def test_what_a_command_refused_did_not_run_without_it(
    launcher: Launcher, given: dict[str, str], args: list[str], said: str
) -> None:
    launcher.write(
        "train.py",
        """
        import click
        whole = click.INT
        @click.group()
        @click.option("--n", type=whole)
        def cli(n): pass
        @cli.command()
        @click.option("--lr", type=float)
        def fit(lr): print("ran")
        @cli.command()
        def test(): print("ran")
        cli()
        """,
    )
    outcome = launcher.run("train.py", given, args)
    assert outcome.exit_code == (2 if said else 0)
    assert said in outcome.stderr
    assert outcome.warnings == []


def test_what_gtrack_params_refused_did_not_run_without_it(launcher: Launcher) -> None:
    launcher.write("train.py", "import gtrack\ngtrack.params(n=1, lr=0.1)\n")
    outcome = launcher.run("train.py", {"lr": "fast"})
    assert (outcome.exit_code, outcome.params, outcome.warnings) == (1, {}, [])
    assert "'lr' is float (0.1); 'fast' is str" in outcome.stderr


def test_words_of_a_run_around_are_not_those_of_this_one(launcher: Launcher) -> None:
    launcher.env["GTRACK_GIVEN_TEXTS"] = '{"version": "007"}'
    launcher.write("train.py", "import gtrack\nprint(gtrack.params(version='1').version)\n")
    assert launcher.run("train.py").lines == ["1"]
    assert launcher.run("train.py", {"version": "1.0"}).lines == ["1.0"]


def test_a_librarys_parser_is_its_own(launcher: Launcher) -> None:
    launcher.write(
        "venv/site-packages/library.py",
        """
        import argparse
        def version(args):
            parser = argparse.ArgumentParser()
            parser.add_argument("--internal", default=1)
            return parser.parse_args(args)
        """,
    )
    launcher.write(
        "train.py",
        """
        import argparse, sys
        sys.path.append("venv/site-packages")
        import library
        print(library.version([]))
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr")
        print(parser.parse_args())
        """,
    )
    outcome = launcher.run("train.py", {"lr": "1"})
    assert outcome.lines == ["Namespace(internal=1)", "Namespace(lr='1')"]
    assert outcome.params == {"lr": "1"}


@pytest.mark.parametrize(
    "source",
    [
        "api_key = 'abc'\nhost = 'https://ana:abc@example.org/x'\nservice = {'token': 'abc', 'max_tokens': 5}\n",
        (
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--api-key', default='abc')\n"
            "p.add_argument('--host', default='https://ana:abc@example.org/x')\n"
            "p.set_defaults(service={'token': 'abc', 'max_tokens': 5})\np.parse_args()\n"
        ),
    ],
    ids=["constants", "argparse"],
)
def test_secrets_are_not_written_down(launcher: Launcher, source: str) -> None:
    launcher.write("train.py", source)
    params = launcher.run("train.py").params
    assert params == {
        "api_key": "***",
        "host": "https://example.org/x",
        "service": {"token": "***", "max_tokens": 5},
    }


def test_seeds_reach_every_generator(launcher: Launcher) -> None:
    launcher.write("train.py", "import random\nimport numpy as np\nprint(random.random(), np.random.rand())\n")
    first, again, other = (launcher.run("train.py", seed=seed).stdout for seed in (3, 3, 2**40))
    assert first == again != other


def test_the_child_imports_nothing_heavy(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        lr = 0.1
        import sys
        heavy = {"numpy", "pandas", "sklearn", "matplotlib", "torch", "click", "typer", "rich", "asyncio"}
        print(sorted(heavy & set(sys.modules)))
        """,
    )
    assert launcher.run("train.py", {"lr": "1"}, seed=1).lines == ["[]"]


def test_a_run_that_has_gone_does_not_stop_the_script(launcher: Launcher) -> None:
    launcher.write(
        "train.py",
        """
        import os, time
        lr = 0.1
        print("up", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
        lr = 0.3
        print(lr)
        """,
    )
    run, child = launcher.start(launcher.plan("train.py", "", [], {"lr": "0.2"}))
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    run.end("killed")
    launcher.write("go", "")
    assert child.communicate(timeout=30) == ("0.3\n", "")
    assert child.returncode == 0
