"""Push each run as soon as it is committed, in a process of its own that nobody waits for.

Whoever wants a push leaves a mark, ``.git/gtrack/auto-push.wanted``, and starts ``gtrack push --auto``; that one holds
``auto-push.lock`` while it pushes, and goes round again as long as it finds a mark. So there is one at a time for a
repository, and no run is forgotten. What came of each round stands in ``auto-push.log``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import TYPE_CHECKING

from gtrack.store.locks import file_lock
from gtrack.variables import GIVEN_TEXTS_VARIABLE, GIVEN_VARIABLE, RUN_DIR_VARIABLE

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_LINES = 100
_LONGEST = 2000
_FAILED, _DONE = "failed", "done"
# What ``gtrack run`` says to the script that it launched is not for what that starts.
_OF_THE_SCRIPT = (RUN_DIR_VARIABLE, GIVEN_VARIABLE, GIVEN_TEXTS_VARIABLE)


@dataclass(frozen=True)
class Failure:
    """A push that failed, and was not followed by one that did not.

    Attributes:
        when: when it was.
        message: why.
    """

    when: datetime
    message: str


class AutoPush:
    """The pushes that follow runs, of one repository.

    Args:
        repo: the repository.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._directory = repo.common_dir / "gtrack"
        self._mark = self._directory / "auto-push.wanted"
        self._lock = self._directory / "auto-push.lock"
        self._log = self._directory / "auto-push.log"

    def want(self) -> None:
        """Ask for a push, and see to it that somebody carries it out; wait for nothing, and never fail."""
        try:
            self._directory.mkdir(exist_ok=True)
            self._mark.touch()
            lock = file_lock(self._lock, 0)
            if lock is None:  # somebody pushes, and looks for the mark afterwards
                return
            lock.release()
            self._start()
        except (OSError, NotImplementedError) as error:
            self.note_failure(f"it could not be started: {error}")

    def _start(self) -> None:
        env = {name: value for name, value in os.environ.items() if name not in _OF_THE_SCRIPT}
        place = str(self._repo.root or self._repo.git_dir)
        command = [sys.executable, "-m", "gtrack", "-C", place, "push", "--quiet", "--auto"]
        # The package may be importable here only by a path that the script has set.
        source = str(Path(__file__).parents[2])
        env["PYTHONPATH"] = os.pathsep.join(one for one in (env.get("PYTHONPATH"), source) if one)
        # The shell lets go of it at once, so that nobody here has a child to wait for.
        words = ["sh", "-c", '"$@" &', "sh", *command]
        with Popen(words, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=env, cwd="/", start_new_session=True):
            return

    def rounds(self) -> Iterator[None]:
        """Yield once for each round that is to be carried out, while the lock is held; nothing when another process does it."""
        while self._mark.exists():
            with self._turn() as mine:
                if not mine:
                    return
                while self._mark.exists():
                    self._mark.unlink(missing_ok=True)
                    yield
            # Whoever has left a mark since has seen the lock held.

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        lock = file_lock(self._lock, 0)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def note_failure(self, message: str) -> None:
        """Keep why a round failed."""
        self._note(f"{_FAILED}\t{' '.join(message.split())[:_LONGEST]}")

    def note_done(self) -> None:
        """Keep that a round was carried out."""
        self._note(_DONE)

    def _note(self, what: str) -> None:
        with suppress(OSError):  # a full disk, say; a run is not to fail by that
            moment = datetime.now(timezone.utc).isoformat(timespec="seconds")
            lines = [*self._lines()[-_LINES + 1 :], f"{moment}\t{what}"]
            temporary = self._log.with_suffix(".log.new")
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="replace")
            temporary.replace(self._log)

    def _lines(self) -> list[str]:
        try:
            return self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def last_failure(self) -> Failure | None:
        """Return the failure of the last round; None when it succeeded, or there was none."""
        when, _, rest = (self._lines() or [""])[-1].partition("\t")
        state, _, message = rest.partition("\t")
        if state != _FAILED:
            return None
        try:
            return Failure(datetime.fromisoformat(when), message)
        except ValueError:  # somebody has edited the log
            return None
