"""Runs a command as if gtrack were not there, and keeps what it prints.

What the child writes goes byte for byte, as it comes, to where the user would have seen it and to a log. Each of its
two output streams is what gtrack's own is: a terminal (a pty of the same size) when that is one, a pipe otherwise. So
progress bars draw, colours show, and ``gtrack run x 2>errors.txt | less`` does what it says. When both are the same
terminal they share one pty, because only then the order of what goes to the one and to the other is kept, which a
progress bar on stderr with text on stdout depends on. Input is the child's own: gtrack never reads it.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import select
import selectors
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gtrack.launch.signals import Abandoned, Signals

GRACE = 1.0
"""Seconds that a process which the ended child left behind may go on to write to the child's output."""
TAIL_BYTES = 16 * 1024
QUIET = 0.2
"""Seconds without output after which a script counts as quiet."""

_CHUNK = 64 * 1024
_POLL = 0.05
"""Seconds between looks at the child where the system cannot wait for a process and its output at once."""


@dataclass(frozen=True)
class Console:
    """Where the user sees the child's output: file descriptors of ours, or None for nowhere (the log has it all)."""

    stdout: int | None = 1
    stderr: int | None = 2


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        exit_code: as a shell tells it: the child's own, or 128 plus the signal that it died of.
        signal: the signal that it died of; None when it exited.
        asked: the first signal that asked to stop it, by way of gtrack; None when nothing did.
        tail: the last bytes of its output.
        notices: what the user should know about its output, a sentence each.
    """

    exit_code: int
    signal: int | None
    asked: int | None
    tail: bytes
    notices: tuple[str, ...]


@dataclass(eq=False)
class _Stream:
    """One way from the child to us: ``source`` is our end of it, ``target`` where the user sees it."""

    name: str
    source: int
    target: int | None
    tapped: bool
    terminal: bool


class Child:
    """A running command whose output is followed; ``start`` makes one, ``follow`` must be called then."""

    def __init__(self, popen: subprocess.Popen[bytes], streams: Sequence[_Stream], signals: Signals) -> None:
        self._popen = popen
        self._streams = streams
        self._signals = signals
        self._open = set(streams)
        self._notices: list[str] = []
        self._tail = bytearray()
        self._log: int | None = None
        self._tap: Callable[[bytes], None] | None = None
        self._quiet: Callable[[], None] | None = None

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        console: Console,
        signals: Signals,
        inherited: Sequence[int] = (),
    ) -> Child:
        """Start ``command``.

        Args:
            command: the program (looked up on the ``PATH`` of ``env``) and its arguments.
            cwd: the working directory of the child.
            env: its whole environment. Unless its stdout is a terminal, ``PYTHONUNBUFFERED`` is added: a pipe would
                otherwise show what a Python program prints only when 8 KiB are full.
            console: where the user sees the output.
            signals: already entered; from now until the child's end they are passed on to it.
            inherited: open files that the child gets, under the same numbers.

        Raises:
            OSError: it cannot be started.
        """
        streams, stdout, stderr = _open_streams(console)
        environment = dict(env)
        if not next(stream.terminal for stream in streams if stream.tapped):
            environment.setdefault("PYTHONUNBUFFERED", "1")
        signals.hold()
        try:
            popen = subprocess.Popen(
                list(command), stdout=stdout, stderr=stderr, cwd=cwd, env=environment, pass_fds=inherited
            )
        except BaseException:
            signals.detach()
            for stream in streams:
                os.close(stream.source)
            raise
        finally:
            for fd in {stdout, stderr}:
                os.close(fd)
        child = cls(popen, streams, signals)
        signals.on_resize = child._resize
        signals.attach(popen)
        return child

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._popen.pid

    def follow(
        self, log: Path, tap: Callable[[bytes], None] | None = None, quiet: Callable[[], None] | None = None
    ) -> Ended:
        """Carry the child's output until it has ended, while its signals are passed on.

        Args:
            log: the file that all output is appended to, in order of arrival.
            tap: is called with what came on stdout (on a terminal that stderr shares: with both), piece by piece.
            quiet: is called when after a piece nothing came for ``QUIET`` seconds.
        """
        self._tap, self._quiet = tap, quiet
        try:
            self._open_log(log)
            self._carry()
        finally:
            self._close()
            self._signals.detach()
        status = self._popen.returncode
        died_of = -status if status < 0 else None
        return Ended(
            exit_code=status if died_of is None else 128 + died_of,
            signal=died_of,
            asked=self._signals.asked,
            tail=bytes(self._tail),
            notices=tuple(self._notices),
        )

    def _open_log(self, log: Path) -> None:
        try:
            self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            self._notices.append(f"output.log is missing: it could not be written ({error.strerror}).")

    def _close(self) -> None:
        for stream in self._open:
            os.close(stream.source)
        self._open.clear()
        if self._log is not None:
            os.close(self._log)
            self._log = None
        if self._popen.poll() is None:  # only when following it failed: it must not go on unseen
            self._popen.kill()
            self._popen.wait()

    def _carry(self) -> None:
        with contextlib.ExitStack() as cleanup:
            selector = cleanup.enter_context(selectors.DefaultSelector())
            for stream in self._streams:
                selector.register(stream.source, selectors.EVENT_READ, stream)
            exit_fd = _exit_fd(self._popen.pid)
            if exit_fd is not None:
                cleanup.callback(os.close, exit_fd)
                selector.register(exit_fd, selectors.EVENT_READ)
            if self._signals.wakeup is not None:
                selector.register(self._signals.wakeup, selectors.EVENT_READ, self._signals)
            ended = said = False
            while self._open and not ended:
                ready = selector.select(_POLL if exit_fd is None else QUIET if said else None)
                if self._copy_ready(ready, selector):
                    said = True
                elif said and not ready:
                    said = False
                    if self._quiet is not None:
                        self._quiet()
                ended = any(key.fd == exit_fd for key, _ in ready) or (
                    exit_fd is None and self._popen.poll() is not None
                )
            self._wait(exit_fd)
            if exit_fd is not None:
                selector.unregister(exit_fd)
            self._finish(selector)

    def _copy_ready(self, ready: Sequence[tuple[selectors.SelectorKey, int]], selector: selectors.BaseSelector) -> bool:
        """Carry what waits in the streams that are ready; return whether any was."""
        heard = False
        for key, _ in ready:
            if isinstance(key.data, Signals):
                key.data.awake()
            elif isinstance(key.data, _Stream):
                heard = True
                if not self._copy(key.data, _CHUNK):
                    selector.unregister(key.data.source)
                    os.close(key.data.source)
                    self._open.discard(key.data)
        return heard

    def _wait(self, exit_fd: int | None) -> None:
        # Not Popen.wait(): a signal handler that asks for the child's state would find its lock taken.
        while self._popen.poll() is None:
            if exit_fd is None:
                time.sleep(_POLL)
            else:
                wakeup = self._signals.wakeup
                select.select([exit_fd] if wakeup is None else [exit_fd, wakeup], [], [])
                self._signals.awake()

    def _finish(self, selector: selectors.BaseSelector) -> None:
        """Carry what the child wrote before it ended, and for a short while what others write in its name."""
        deadline = time.monotonic() + GRACE
        while self._open and (left := deadline - time.monotonic()) > 0:
            self._copy_ready(selector.select(left), selector)
        for stream in tuple(self._open):
            waiting = _readable_bytes(stream.source)
            while waiting > 0 and (count := self._copy(stream, waiting)):
                waiting -= count
        if self._open:
            self._notices.append(
                "A process that the command left behind still holds its output; what it writes from now on is not kept."
            )

    def _copy(self, stream: _Stream, size: int) -> int:
        """Carry at most ``size`` bytes of ``stream``; return how many, 0 at its end."""
        try:
            data = os.read(stream.source, size)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that a pty has no other end any more
                raise
            return 0
        if data:
            self._tail += data
            del self._tail[:-TAIL_BYTES]
            self._keep(data)
            self._show(stream, data)
            if stream.tapped and self._tap is not None:
                self._tap(data)
        return len(data)

    def _keep(self, data: bytes) -> None:
        if self._log is None:
            return
        try:
            _write_all(self._log, data)
        except OSError as error:
            os.close(self._log)
            self._log = None
            self._notices.append(f"output.log is incomplete: it could not be written ({error.strerror}).")

    def _show(self, stream: _Stream, data: bytes) -> None:
        if stream.target is None:
            return
        try:
            self._signals.leave_write = True
            try:
                _write_all(stream.target, data)
            finally:
                self._signals.leave_write = False
        except Abandoned:
            stream.target = None
        except OSError as error:
            stream.target = None
            why = "its reader has gone" if error.errno in {errno.EPIPE, errno.EIO} else error.strerror
            self._notices.append(f"{stream.name} was not shown to its end ({why}); output.log has all of it.")

    def _resize(self) -> None:
        for stream in self._open:
            if stream.terminal and stream.target is not None:
                _copy_size(stream.target, stream.source)


def _open_streams(console: Console) -> tuple[list[_Stream], int, int]:
    """Return the streams to follow, and what the child gets as its stdout and stderr."""
    if _same_terminal(console.stdout, console.stderr):
        stream, end = _open_stream("output", console.stdout, tapped=True)
        return [stream], end, end
    out, out_end = _open_stream("stdout", console.stdout, tapped=True)
    err, err_end = _open_stream("stderr", console.stderr, tapped=False)
    return [out, err], out_end, err_end


def _same_terminal(first: int | None, second: int | None) -> bool:
    if first is None or second is None or not os.isatty(first) or not os.isatty(second):
        return False
    return os.fstat(first).st_rdev == os.fstat(second).st_rdev


def _open_stream(name: str, target: int | None, *, tapped: bool) -> tuple[_Stream, int]:
    if target is not None and os.isatty(target):
        try:
            source, end = os.openpty()
        except OSError:  # a container without /dev/pts has none to give: a pipe still carries everything
            pass
        else:
            _copy_modes(target, end)
            _copy_size(target, source)
            return _Stream(name, source, target, tapped, terminal=True), end
    source, end = os.pipe()
    return _Stream(name, source, target, tapped, terminal=False), end


def _copy_modes(terminal: int, pty: int) -> None:
    """Make ``pty`` like ``terminal``, but let the bytes be: the real terminal adds its carriage returns itself."""
    modes = termios.tcgetattr(terminal)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(pty, termios.TCSANOW, modes)


def _copy_size(terminal: int, pty: int) -> None:
    with contextlib.suppress(OSError):  # a terminal that has just gone has no size
        fcntl.ioctl(pty, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))


def _exit_fd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, where the system has that (Linux >= 5.3)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _readable_bytes(fd: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # somebody else who has this pipe or terminal made it so
            select.select([], [fd], [])


def signal_name(signum: int) -> str:
    """Return the name of a signal: ``SIGTERM``; its number when it has none (real-time signals)."""
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"
