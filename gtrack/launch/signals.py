"""What becomes of the signals that reach gtrack while it runs somebody else's process.

The child stays in gtrack's own process group, as under ``time`` or ``nice``: Ctrl-Z, background jobs, ``input()`` and
``getpass`` then work as they do without gtrack, and killing the job kills both. But a signal may have reached the child
already: Ctrl-C of a terminal, ``timeout`` and a batch system stopping a job signal every process, ``kill PID`` only
gtrack. Sent twice, it would break the clean-up that the first one began; never sent, the script would not stop. A
*witness* tells the two apart: a ``cat`` that waits for input in the same process group and does nothing about signals.
When it has died of the signal, everyone got it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_WITNESS_PATIENCE = 0.15
"""Seconds that the witness may take to die: the kernel signals a whole group at once, a batch system one by one."""
_SAME_PRESS = 0.25
"""Seconds within which two SIGINT are one: wrappers pass on a Ctrl-C that the terminal has already sent to everyone."""


class Stopped(KeyboardInterrupt):
    """A signal asked gtrack to stop while no child could take it.

    Attributes:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Abandoned(Exception):
    """The user wants out of a write to a terminal or pipe that nobody reads."""


class Signals:
    """Passes signals on to the child, from entering the context until leaving it.

    Before a child is attached, a signal raises ``Stopped`` where the program stands. While it runs, the first SIGINT
    reaches it as SIGINT, the second also as SIGTERM, the third kills it with all its children; SIGTERM, SIGHUP and
    SIGQUIT reach it as they are. After it was detached, signals are only noted, so that the run gets committed; the
    third SIGINT raises ``Stopped``. Outside the main thread, where Python takes no signals, it does nothing.

    Attributes:
        received: the signals that asked to stop, in order.
        on_resize: called when the terminal's size has changed.
        leave_write: set while an endless write may be left by ``Abandoned``.
        wakeup: a file descriptor that becomes readable with each signal; None where no signals are taken. Who waits in
            the system waits for it as well: Python runs no handler for a signal that came just before the wait began.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.on_resize: Callable[[], None] | None = None
        self.leave_write = False
        self.wakeup: int | None = None
        self._wakers: tuple[int, int] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._held: list[int] | None = None
        self._over = False
        self._witness: subprocess.Popen[bytes] | None = None
        self._previous: dict[signal.Signals, Any] = {}
        self._last_press = float("-inf")

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.wakeup, waker = os.pipe()
            os.set_blocking(self.wakeup, False)
            os.set_blocking(waker, False)
            self._wakers = waker, signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
            for signum in (*_STOPPING, signal.SIGWINCH):
                # nohup and the background jobs of a script ignore signals on purpose; the child inherits that.
                if signal.getsignal(signum) is not signal.SIG_IGN:
                    handler = self._resized if signum == signal.SIGWINCH else self._stop
                    self._previous[signum] = signal.signal(signum, handler)
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous.clear()
        if self.wakeup is not None and self._wakers is not None:
            waker, before = self._wakers
            signal.set_wakeup_fd(before)
            os.close(waker)
            os.close(self.wakeup)
            self.wakeup = self._wakers = None

    def awake(self) -> None:
        """Take back what made ``wakeup`` readable: the handlers have run."""
        if self.wakeup is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wakeup, 4096)

    def hold(self) -> None:
        """Keep signals until the child that is being started is attached."""
        self._held = []

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Pass signals on to ``child`` from now on, those that were held first."""
        self._child = child
        held, self._held = self._held, None
        if self._previous:
            self._witness = _call_witness()
        for signum in held or ():
            child.send_signal(signum)

    def detach(self) -> None:
        """Pass nothing on any more: the child has ended, or was never started."""
        self._over = True
        self._child = self._held = None
        self.on_resize = None
        if self._witness is not None:
            _dismiss(self._witness)
            self._witness = None

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Let no signal in, neither here nor into processes that are started meanwhile: git ends on a Ctrl-C as well."""
        if not self._previous:
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def asked(self) -> int | None:
        """The first signal that asked to stop while the child ran; None when there was none."""
        return self.received[0] if self.received else None

    def _stop(self, signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGINT:
            now = time.monotonic()
            if now - self._last_press < _SAME_PRESS:
                return
            self._last_press = now
        self.received.append(signum)
        presses = self.received.count(signal.SIGINT) if signum == signal.SIGINT else 0
        if self._held is not None:
            self._held.append(signum)
        elif self._child is not None:
            self._pass_on(self._child, signum, presses)
        elif not self._over or presses >= 3:
            raise Stopped(signum)

    def _pass_on(self, child: subprocess.Popen[bytes], signum: int, presses: int) -> None:
        everyone = self._reached_everyone(signum)
        if presses == 2:
            child.terminate()
        elif presses >= 3:
            kill_family(child)
            if self.leave_write:
                raise Abandoned
        elif not everyone:
            child.send_signal(signum)

    def _reached_everyone(self, signum: int) -> bool:
        witness = self._witness
        if witness is None:
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            witness.wait(_WITNESS_PATIENCE)
        if witness.returncode is None:
            return False
        _dismiss(witness)
        self._witness = _call_witness()
        return witness.returncode == -signum

    def _resized(self, _signum: int, _frame: FrameType | None) -> None:
        if self.on_resize is not None:
            self.on_resize()
        if self._child is not None:
            # The terminal's own SIGWINCH came before the pty had the new size.
            self._child.send_signal(signal.SIGWINCH)


def kill_family(child: subprocess.Popen[bytes]) -> None:
    """Kill ``child`` and everything that it started and that still has it as an ancestor."""
    import psutil

    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _call_witness() -> subprocess.Popen[bytes] | None:
    quiet = subprocess.DEVNULL
    try:
        # Its input ends with gtrack, so it never stays behind. A core dump on SIGQUIT is not the user's to find.
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, cwd="/")
    except OSError:
        return None  # without a witness each signal is passed on: twice is better than never


def _dismiss(witness: subprocess.Popen[bytes]) -> None:
    if witness.stdin is not None:
        with contextlib.suppress(OSError):
            witness.stdin.close()
    if witness.poll() is None:
        witness.kill()
        witness.wait()
