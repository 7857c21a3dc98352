"""The command ``gtrack``: what is asked for, and what becomes of errors.

Exit codes: 0 done; 1 an expected failure, told in one message; 2 wrong usage; 3 a bug of gtrack, with the path of its log;
130 interrupted. ``gtrack run`` ends with the exit code of what it ran.

Nothing is imported here that not every call needs: ``gtrack --version`` is answered without typer, which takes as long to
import as ten Pythons take to start.
"""

from __future__ import annotations

import gc
import os
import sys

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


def _command(args: list[str]) -> str | None:
    """Return the command that the arguments begin with, after ``-C DIR``; None when it takes a parser to tell."""
    at = 2 if args[:1] == ["-C"] else 0
    return args[at] if len(args) > at else None


def _typed() -> list[str]:
    """Return the words before the one that the shell wants completed; none when it wants nothing."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return line.split(" ")[1:-1] if "_GTRACK_COMPLETE" in os.environ else []


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code; ``args`` are those of this process when None."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="replace")
    words = sys.argv[1:] if args is None else args
    code = _version() if words == ["--version"] else _run(words, is_process=args is None)
    told = _WHEN_INTERRUPTED.get(_command(words) or "")
    if code == INTERRUPTED and told is not None:
        _tell(told, "yellow")
    sys.exit(_flush(code))


def _version() -> int:
    sys.stdout.write(f"gtrack {__version__}\n")
    return 0


def _run(args: list[str], *, is_process: bool) -> int:
    from gtrack.errors import GTrackError  # noqa: PLC0415 - see above

    try:
        gc.disable()  # nothing that is imported is garbage, and to look for some takes a sixth of the start
        try:
            from gtrack.cli.commands import parser  # noqa: PLC0415 - see above

            run = parser(_command(_typed() or args))
        finally:
            if is_process:  # then it all stays to the end, and is never looked at again
                gc.freeze()
            gc.enable()
        run(args=args, prog_name="gtrack")
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
    from gtrack.cli.session import note  # noqa: PLC0415 - see above

    try:
        note(text, style)
    except BrokenPipeError:
        _discard()


def _bug(args: list[str]) -> int:
    from gtrack.cli.bug import describe  # noqa: PLC0415 - the libraries that a report needs

    _say(describe(args))
    return BUG


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
