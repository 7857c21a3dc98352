"""Read the history of a branch in a process of its own, while this one looks at the files: Python computes on one core.

The process is started as a program, as those that help to build the index are (``gtrack.store.index_read`` says why).
"""

from __future__ import annotations

import gc
import marshal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.git.repo import Repository
from gtrack.ops.checks.append_only import History, read_history
from gtrack.ops.checks.faults import Fault
from gtrack.ops.checks.findings import Severity
from gtrack.ops.checks.run_code import Own

if TYPE_CHECKING:
    from collections.abc import Callable


@contextmanager
def history_beside(repo: Repository, tip: str) -> Iterator[Callable[[], History]]:
    """Start to read the history, and give the function that waits for it; what was not waited for ends with the block.

    Args:
        repo: the repository.
        tip: the newest commit of the branch.

    Raises:
        GTrackError: by the function, when the process stopped.
    """
    command = [sys.executable, "-m", __name__, str(repo.root or repo.git_dir), tip]
    process = Popen(command, stdin=DEVNULL, stdout=PIPE, start_new_session=True)

    def result() -> History:
        out, _ = process.communicate()
        if process.returncode != 0:
            raise GTrackError("The process that read the history of the runs branch stopped; try again.")
        return _decoded(out)

    try:
        yield result
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()


def _decoded(data: bytes) -> History:
    commits, own, is_cut, unread, unread_trees, faults = marshal.loads(data)  # noqa: S302 - what our own child wrote
    return History(
        commits=commits,
        own={run_id: Own(*fields) for run_id, fields in own.items()},
        is_cut=is_cut,
        unread=unread,
        unread_trees=unread_trees,
        faults=[Fault(Severity(severity), *fields) for severity, *fields in faults],
    )


def _encoded(history: History) -> bytes:
    own = {run_id: (one.commit, one.taken, one.is_back) for run_id, one in history.own.items()}
    faults = [
        (one.severity.value, one.about, one.text, one.remedy, one.commit, one.who, one.when) for one in history.faults
    ]
    return marshal.dumps((history.commits, own, history.is_cut, history.unread, history.unread_trees, faults))


def _work(root: str, tip: str) -> None:
    gc.disable()
    repo = Repository.find(Path(root))
    sys.stdout.buffer.write(_encoded(read_history(repo, tip, lambda *_: None)))
    repo.objects.close()


if __name__ == "__main__":
    _work(*sys.argv[1:])
