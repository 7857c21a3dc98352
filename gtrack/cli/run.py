"""``gtrack run``: run a script, a module or any command as a run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from gtrack.cli.session import directory, examples, note, open_project
from gtrack.errors import GTrackError, UsageError
from gtrack.formats.words import plural
from gtrack.launch.given import read_given
from gtrack.launch.launch import LaunchRequest, LaunchResult, launch
from gtrack.launch.parameters import discover
from gtrack.launch.process import Console, signal_name
from gtrack.launch.signals import Stopped
from gtrack.launch.target import Target
from gtrack.records import Status
from gtrack.render.values import duration, metric, printable

_AFTER = "gtrack.after"
_MOST_METRICS = 8
_OPTIONS = (
    *("--module", "--param", "--params-file", "--experiment", "--name", "--tag", "--notes", "--input", "--artifacts"),
    *("--metrics-file", "--seed", "--no-snapshot", "--require-clean", "--no-scan", "--no-figures", "--autolog"),
    *("--quiet",),
)
_STYLES = {Status.FINISHED: "bold green", Status.FAILED: "bold red", Status.KILLED: "bold yellow"}


class _RunCommand(typer.core.TyperCommand):
    """Keeps what stands after ``--`` apart: it is not gtrack's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" in args:
            cut = args.index("--")
            ctx.meta[_AFTER] = args[cut + 1 :]
            args = args[:cut]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        return ["[OPTIONS]", "SCRIPT | -m NAME", "[-- ARGS...]"]


def run(
    ctx: typer.Context,
    script: Annotated[str | None, typer.Argument(metavar="[SCRIPT]", help="The Python script to run.")] = None,
    extra: Annotated[list[str] | None, typer.Argument(metavar="", hidden=True)] = None,
    module: Annotated[
        str | None, typer.Option("--module", "-m", metavar="NAME", help="Run a module or package, as python -m does.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="Set a parameter of the script; a YAML scalar or list."
        ),
    ] = None,
    params_file: Annotated[
        Path | None,
        typer.Option("--params-file", metavar="FILE", help="Set the parameters that a YAML or JSON file holds."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="The experiment that the run belongs to.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The name of the run  [default: one is made up].")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="Tag the run.")] = None,
    notes: Annotated[str | None, typer.Option("--notes", metavar="TEXT", help="Write notes on the run.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="[NAME=]PATH", help="Record the version of a data file or directory."),
    ] = None,
    artifacts: Annotated[
        list[str] | None,
        typer.Option("--artifacts", metavar="GLOB", help="Keep the files that match when the script has ended."),
    ] = None,
    metrics_file: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics-file", metavar="FILE", help="Take metrics from a JSON, YAML or CSV file that it writes."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Seed Python's, numpy's and torch's random generators.")
    ] = None,
    no_snapshot: Annotated[
        bool, typer.Option("--no-snapshot", help="Do not commit uncommitted changes as the run's code.")
    ] = False,
    require_clean: Annotated[
        bool, typer.Option("--require-clean", help="Refuse to run when there are uncommitted changes.")
    ] = False,
    no_scan: Annotated[
        bool, typer.Option("--no-scan", help="Do not take 'name: number' lines of the output for metrics.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Do not keep matplotlib figures.")] = False,
    autolog: Annotated[
        bool,
        typer.Option("--autolog", help="Record every fit of scikit-learn: parameters, metrics, figures, the model."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing at the end but what went wrong.")] = False,
) -> None:
    """Run a script, a module or a command as a run.

    The script needs no change. Its parameters are those of gtrack.params(), argparse, click or typer, else its
    module-level constants. Without SCRIPT, what follows -- is the command to run. The exit code is the script's.
    """
    after = ctx.meta.get(_AFTER)
    target = _target(script, extra or [], module, after)
    if target.command and (param or params_file):
        raise UsageError(
            "--param needs a Python script whose parameters gtrack can find. Give them to the command itself, or run "
            "its script: gtrack run SCRIPT --param name=value"
        )
    _look_elsewhere(target, directory(ctx))
    request = LaunchRequest(
        target=target,
        cwd=Path.cwd(),
        given=read_given(param or [], params_file),
        name=name,
        experiment=experiment,
        tags=_tags(tag or []),
        notes=notes,
        inputs=inputs or [],
        artifacts=artifacts or [],
        metrics_files=metrics_file or [],
        snapshot=not no_snapshot,
        require_clean=require_clean,
        seed=seed,
        scan=not no_scan,
        figures=not no_figures,
        autolog=autolog,
    )
    try:
        result = launch(open_project(ctx), request, _console())
    except Stopped as stopped:
        raise typer.Exit(128 + stopped.signum) from None
    try:
        _show(result, quiet=quiet)
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, SystemExit):
        # Nobody reads it. The exit code stays the script's: what is still to be flushed goes nowhere without a fuss.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if result.signal == signal.SIGINT:
        _die_interrupted()
    raise typer.Exit(result.exit_code)


def _console() -> Console:
    # Where gtrack itself was started without a stdout, its number soon belongs to some file of ours.
    return Console(1 if sys.stdout is not None else None, 2 if sys.stderr is not None else None)


def _target(script: str | None, extra: list[str], module: str | None, after: list[str] | None) -> Target:
    words = [*([script] if script is not None else []), *extra]
    for at, word in enumerate(words):
        if word.startswith("-") and word != "-":
            raise UsageError(_unknown_option(words[at:], [*extra, *(after or [])], script, module))
    if module is not None:
        extra = words
    if extra:
        rest = _spelled([*extra, *(after or [])])
        if module is None and script is not None and not Path(script).exists() and shutil.which(script) is not None:
            raise UsageError(_as_command(script, [*extra, *(after or [])]))
        what = f"-m {module}" if module is not None else script
        raise UsageError(f"{extra[0]!r} is not gtrack's. Put it after --: gtrack run {what} -- {rest}")
    if script is not None or module is not None:
        return Target(script=script, module=module, args=after or [])
    if not after:
        raise UsageError("What is to be run? gtrack run SCRIPT, gtrack run -m MODULE, or gtrack run -- COMMAND")
    return Target(command=after)


def _look_elsewhere(target: Target, place: str | None) -> None:
    """Refuse a script that is not here but in the directory of ``-C``: that one says where the run goes, not what is run."""
    if target.script is None or place is None or (Path.cwd() / target.script).exists():
        return
    there = Path(place) / target.script
    if there.is_file():
        raise UsageError(
            f"There is no script {target.script} here, but one in {place}: -C says which repository the run goes to, and "
            f"the script is looked for here. To run that one: gtrack -C {shlex.quote(place)} run "
            f"{shlex.quote(os.path.relpath(there))}, or run it from {place}."
        )


def _spelled(words: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _as_command(program: str, words: list[str]) -> str:
    """Return what to say to a program, with its arguments, where a script is expected."""
    said = f"There is no script {program}. To run it as a command: gtrack run -- {_spelled([program, *words])}"
    if re.fullmatch(r"(?:.*/)?python[0-9.]*", program) and words and words[0].endswith(".py"):
        script = _spelled(words[:1]) + (f" -- {_spelled(words[1:])}" if words[1:] else "")
        return f"{said}, or its script, whose parameters are recorded: gtrack run {script}"
    return said


def _unknown_option(found: list[str], extra: list[str], script: str | None, module: str | None) -> str:
    """Return what to say to an option that is not gtrack's.

    Args:
        found: the option and the words after it.
        extra: all words after the script.
        script: what stands where the script is expected, which may be the option itself.
        module: what ``-m`` names.
    """
    named = script if script is not None and not script.startswith("-") else None
    if named is not None and module is None and not Path(named).exists() and shutil.which(named) is not None:
        return _as_command(named, extra)
    word = found[0]
    option, _, value = word.partition("=")
    close = get_close_matches(option, _OPTIONS, n=1, cutoff=0.75)
    if close:
        return f"gtrack run has no option {word}. Did you mean {close[0]}?"
    what = f"-m {module}" if module is not None else named or "SCRIPT"
    said = f"gtrack run has no option {word}. If it is the script's, put it after --: gtrack run {what} -- "
    said += _spelled(extra if named is not None else found if module is not None else [word])
    value = value or next(iter(found[1:2]), "")
    parameter = _parameter(named, option) if module is None else None
    if parameter is not None and value and not value.startswith("-"):
        said += f"\nOr as a parameter: gtrack run {what} --param {shlex.quote(f'{parameter}={value}')}"
    return said


def _parameter(script: str | None, option: str) -> str | None:
    """Return the name of the parameter that the script has for an option; None when it has none."""
    if script is None or not Path(script).is_file():
        return None
    with suppress(GTrackError, OSError):  # what is wrong with the script, running it tells
        found = discover(Path.cwd() / script, [])
        for name in (option.lstrip("-"), option.lstrip("-").replace("-", "_")):
            spec = found.find(name)
            if spec is not None:
                return spec.name
    return None


def _tags(words: list[str]) -> dict[str, str]:
    tags = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--tag takes KEY=VALUE, not {word!r}.")
        tags[key] = value
    return tags


def _show(result: LaunchResult, *, quiet: bool) -> None:
    """Say on stderr what became of the run: stdout is the script's alone."""
    run = result.run
    if result.open_line and os.isatty(2):
        os.write(2, b"\n")
    if not quiet:
        how = f" by {signal_name(result.signal)}" if result.signal is not None else ""
        code = f" with exit code {result.exit_code}" if run.status is Status.FAILED else ""
        head = f"{printable(run.name)}  {run.short_id}  {run.status}{how}{code}  {duration(run.duration)}"
        note(head.rstrip(), _STYLES.get(run.status, "bold"))
        if run.metrics:
            shown = [f"{printable(key)} {metric(number)}" for key, number in list(run.metrics.items())[:_MOST_METRICS]]
            more = len(run.metrics) - len(shown)
            note("  " + "  ".join(shown) + (f"  and {plural(more, 'more metric')}" if more else ""), "")
    for notice in result.notices:
        note(f"  Note: {printable(notice)}", "yellow")
    if run.status is not Status.FINISHED and not quiet:
        note(f"  'gtrack log {printable(run.name)}' has its output.")


def _die_interrupted() -> None:
    # As the script did. A shell that runs this in a loop ends the loop only when Ctrl-C ended the command; the code that it
    # shows is 130.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        cls=_RunCommand,
        context_settings={"ignore_unknown_options": True},
        epilog=examples(
            "gtrack run train.py --param n_estimators=100 --param 'layers=[64, 32]'",
            "gtrack run train.py -p lr=1e-3 --input data/train.csv -- --verbose",
            "gtrack run -m package.train --seed 7 --tag team=vision",
            "gtrack run --artifacts 'out/**/*.png' -- make figures",
        ),
    )(run)
