"""The command ``gtrack``: global options, and what becomes of errors.

Exit codes: 0 done; 1 an expected failure, told in one message; 2 wrong usage; 3 a bug of gtrack, with the path of its log;
130 interrupted. ``gtrack run`` ends with the exit code of what it ran.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from gtrack.cli.session import note
from gtrack.errors import GTrackError
from gtrack.version import __version__

BUG = 3
INTERRUPTED = 130
_AGAIN = "Interrupted: nothing was lost; run it again."
_WHEN_INTERRUPTED = {
    "push": _AGAIN,
    "pull": _AGAIN,
    "sync": _AGAIN,
    "clone": "Interrupted: a directory that is there is a whole clone, and lacks its index alone; else run it again.",
}

_COMMANDS = {
    "gtrack.cli.run": ("run",),
    "gtrack.cli.reading": ("ls", "show", "diff", "log", "get", "status"),
    "gtrack.cli.watching": ("watch",),
    "gtrack.cli.searching": ("best", "experiments", "index"),
    "gtrack.cli.plotting": ("plot",),
    "gtrack.cli.models": ("models",),
    "gtrack.cli.registering": ("register", "promote", "demote", "deprecate"),
    "gtrack.cli.verifying": ("verify",),
    "gtrack.cli.auditing": ("audit", "doctor"),
    "gtrack.cli.cloning": ("clone",),
    "gtrack.cli.sharing": ("push", "pull", "sync"),
    "gtrack.cli.retention": ("gc", "rm", "restore", "pin"),
    "gtrack.cli.editing": ("tag", "note", "init", "recover"),
}
"""Which module has which commands, in the order of ``gtrack --help``."""


def application(command: str | None = None) -> typer.Typer:
    """Return the command line.

    Args:
        command: the one that is wanted: only its module is imported, which saves the others a quarter of their start.
            The whole command line, when None or unknown.
    """
    app = typer.Typer(
        name="gtrack",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its help draws boxes, and takes four times as long to import
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for module in [name for name, commands in _COMMANDS.items() if command in commands] or _COMMANDS:
        import_module(module).register(app)
    return app


def _command(args: list[str]) -> str | None:
    """Return the command that the arguments begin with, after ``-C DIR``; None when it takes a parser to tell."""
    at = 2 if args[:1] == ["-C"] else 0
    return args[at] if len(args) > at else None


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gtrack {__version__}")
        raise typer.Exit


def _options(
    directory: Annotated[
        str | None,
        typer.Option("-C", metavar="DIR", help="Work in the repository that DIR is in, not the current one."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Track machine learning experiments in the git repository that holds their code.

    RUN, wherever a command takes it, is an id or the beginning of one, a run's name, 'last', 'last~2' (the second before
    it; nested runs do not count), 'best:METRIC' or 'best:METRIC:min'.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code; ``args`` are those of this process when None."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="replace")
    words = sys.argv[1:] if args is None else args
    code = _run(words)
    told = _WHEN_INTERRUPTED.get(_command(words) or "")
    if code == INTERRUPTED and told is not None:
        _tell(told, "yellow")
    sys.exit(_flush(code))


def _run(args: list[str]) -> int:
    try:
        application(_command(args))(args=args, prog_name="gtrack")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BrokenPipeError:
        return 1
    except GTrackError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.filename is None and error.errno is None:
            return _bug(args)
        _say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return 1
    except Exception:  # noqa: BLE001 - the last line of defence: whatever it is becomes a log and exit code 3
        return _bug(args)
    return 0


def _say(message: str) -> None:
    _tell(f"Error: {message}", "red")


def _tell(text: str, style: str) -> None:
    try:
        note(text, style)
    except BrokenPipeError:
        _discard()


def _bug(args: list[str]) -> int:
    """Write the log of an error that nobody expected and say where it is."""
    error = sys.exc_info()[1]
    about = f"gtrack {__version__}, Python {platform.python_version()}, {platform.platform()}\narguments: {args}\n\n"
    path = _write_log(about + traceback.format_exc())
    what = " ".join(f"{type(error).__name__}: {error}".split())
    _say(f"this is a bug in gtrack ({what}). {f'Its log is {path}.' if path else traceback.format_exc()}")
    return BUG


def _write_log(text: str) -> Path | None:
    name = f"gtrack-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for place in (_cache_directory, lambda: Path(tempfile.gettempdir())):
        try:
            path = place() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
        except (OSError, RuntimeError):  # a full disk, or a user without a home
            continue
    return None


def _cache_directory() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(chosen, "gtrack") if chosen else Path.home() / ".cache" / "gtrack"


def _flush(code: int) -> int:
    """Write out what is still kept back, so that a full disk is told and a closed pipe is not."""
    if sys.stdout is None:  # closed before gtrack began
        return code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard()
        return code or 1
    except OSError as error:
        _say(f"the output could not be written: {error.strerror or error}")
        _discard()
        return code or 1
    return code


def _discard() -> None:
    """Point stdout at nothing: Python flushes it once more at exit, and would complain."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
