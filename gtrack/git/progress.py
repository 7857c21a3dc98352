"""Run a git command that moves many objects, and tell how far it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from select import select
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from threading import Thread
from typing import IO

Tell = Callable[[str, int, int], None]
"""Is told what git is doing, in its own words, and how much of how much is done."""

RECEIVING = "Receiving objects"
"""What git calls it when objects come."""
_COUNT = re.compile(r"(?:remote: )?(?P<what>[A-Z][A-Za-z ]+):\s+\d+% \((?P<done>\d+)/(?P<total>\d+)\)")
_PROGRESS = re.compile(r"(?:remote: )?[A-Z][A-Za-z ]+:\s+(?:\d+%|\d+(?:, done)?)|(?:remote: )?Total \d|Cloning into ")
_LINE_ENDS = re.compile(rb"[\r\n]")
_CLEAN_UP_SECONDS = 20.0


def run_telling(
    command: Sequence[str], env: Mapping[str, str], tell: Tell, stdin: bytes | None = None
) -> tuple[int, str]:
    """Run git, which was given ``--progress``, and return its exit code and what else it wrote to stderr.

    It runs as long as it takes: what is no more than slow goes on. When this process is interrupted, git is asked to stop
    and given the time to take away what it has begun.

    Args:
        command: git and its arguments.
        env: its whole environment.
        tell: is told how far it is.
        stdin: what it reads.
    """
    code, _, said = run_answering(command, env, tell, stdin)
    return code, said


def run_answering(
    command: Sequence[str],
    env: Mapping[str, str],
    tell: Tell,
    stdin: bytes | None = None,
    *,
    silence: float | None = None,
) -> tuple[int, bytes, str]:
    """Run git as ``run_telling`` does, and return also what it wrote to stdout, between the two.

    Args:
        command: git and its arguments.
        env: its whole environment.
        tell: is told how far it is.
        stdin: what it reads.
        silence: the seconds without any sign of life after which it is ended; it then has the exit code -1. None: never.
    """
    source = DEVNULL if stdin is None else PIPE
    out: list[bytes] = []
    with Popen(command, stdin=source, stdout=PIPE, stderr=PIPE, env=env) as process:
        try:
            if stdin is not None and process.stdin is not None:
                # git reads all of it before it says much, but a pipe holds little of either
                Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
            reader = Thread(target=_read, args=(process.stdout, out), daemon=True)
            reader.start()
            said = _follow(process.stderr, tell, silence)
            if said is None:
                _stop(process)
                return -1, b"", f"no answer within {silence:.0f} s"
            process.wait()
            reader.join()
        except BaseException:
            _stop(process)
            raise
    return process.returncode, b"".join(out), "\n".join(said)


def _read(pipe: IO[bytes] | None, into: list[bytes]) -> None:
    with suppress(OSError, ValueError):  # closed, as git was ended
        while pipe is not None and (chunk := pipe.read(65536)):
            into.append(chunk)


def _feed(pipe: IO[bytes], data: bytes) -> None:
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:  # git has ended, and says why
        return


def _follow(stream: IO[bytes] | None, tell: Tell, silence: float | None) -> list[str] | None:
    """Return what git said beside how far it is; None when it has said nothing for too long."""
    said: list[str] = []
    rest = b""
    while stream is not None:
        if silence is not None and not select([stream], [], [], silence)[0]:
            return None
        chunk = os.read(stream.fileno(), 65536)
        if not chunk:
            break
        *lines, rest = _LINE_ENDS.split(rest + chunk)
        for line in lines:
            _take(line, said, tell)
    _take(rest, said, tell)
    return said


def _take(line: bytes, said: list[str], tell: Tell) -> None:
    text = line.decode(errors="replace").rstrip()
    count = _COUNT.match(text)
    if count:
        tell(count["what"], int(count["done"]), int(count["total"]))
    elif text and not _PROGRESS.match(text):
        said.append(text)


def _stop(process: Popen[bytes]) -> None:
    """Have git end and take away what it has begun; then end what it had started, which might write on meanwhile."""
    import psutil  # takes 20 ms

    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(_CLEAN_UP_SECONDS)
    except (TimeoutExpired, KeyboardInterrupt):
        process.kill()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, _CLEAN_UP_SECONDS)
