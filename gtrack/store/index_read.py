"""Read run directories in bulk for the index: in this process, or in several when there are very many.

The other processes are started as programs (``python -m gtrack.store.index_read``), not by ``multiprocessing``: that would
import the user's script a second time wherever it has no main guard.
"""

from __future__ import annotations

import gc
import marshal
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.formats import run_dir
from gtrack.formats.run_dir import decode_run
from gtrack.git.repo import Repository
from gtrack.store.branch import BranchReader, Location
from gtrack.store.index_rows import Rows, rows_of

if TYPE_CHECKING:
    from gtrack.git.trees import Entry

CHUNK = 500
_MANY = 6000  # from here on a second process saves more than its start takes
_MOST_WORKERS = 4
_FILES = (run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS, run_dir.HISTORY)


def read_rows(repo: Repository, locations: Sequence[Location]) -> Iterator[list[Rows]]:
    """Yield the rows of the runs at ``locations``, some hundred runs at a time, in any order.

    Raises:
        GTrackError: git or a process that helps stopped.
    """
    workers = min(_MOST_WORKERS, os.cpu_count() or 1) if len(locations) >= _MANY and sys.executable else 1
    if workers > 1:
        yield from _read_together(repo, locations, workers)
        return
    for at in range(0, len(locations), CHUNK):
        yield read_chunk(repo, locations[at : at + CHUNK])


def read_chunk(repo: Repository, locations: Sequence[Location]) -> list[Rows]:
    """Return the rows of some runs, by two exchanges with git."""
    branch = BranchReader(repo, None)
    directories = [
        {entry.name: entry for entry in entries} for entries in branch.trees([one.tree for one in locations])
    ]
    wanted = [{name: directory[name].oid for name in _FILES if _is_file(directory, name)} for directory in directories]
    blobs = repo.objects.many([oid for files in wanted for oid in files.values()])
    found = []
    for location, directory, files in zip(locations, directories, wanted, strict=True):
        data = {name: blob.data if (blob := next(blobs)) else None for name in files}
        run = decode_run(data.get, location.id, location.experiment)
        environment = directory[run_dir.ENVIRONMENT].oid if _is_file(directory, run_dir.ENVIRONMENT) else None
        found.append(rows_of(run, location.tree, environment, data.get(run_dir.HISTORY)))
    return found


def _is_file(directory: dict[str, Entry], name: str) -> bool:
    return name in directory and directory[name].is_file


def _read_together(repo: Repository, locations: Sequence[Location], workers: int) -> Iterator[list[Rows]]:
    command = [sys.executable, "-m", __name__, str(repo.root or repo.git_dir)]
    processes = [Popen(command, stdin=PIPE, stdout=PIPE, start_new_session=True) for _ in range(workers)]
    try:
        for number, process in enumerate(processes):
            share = [(one.id, one.experiment, one.tree) for one in locations[number::workers]]
            with _stream(process.stdin) as stdin:
                marshal.dump(share, stdin)
        waiting = list(processes)
        while waiting:
            for process in list(waiting):
                rows = _next(process)
                if rows is None:
                    waiting.remove(process)
                else:
                    yield rows
    finally:
        for process in processes:
            process.kill()
            _stream(process.stdout).close()
            process.wait()


def _next(process: Popen[bytes]) -> list[Rows] | None:
    """Return what a process read next, None when it is done."""
    try:
        found = marshal.load(_stream(process.stdout))  # noqa: S302 - what our own child wrote
    except (EOFError, ValueError, TypeError) as error:
        raise GTrackError("A process that helped to read the runs stopped; try again.") from error
    return None if found is None else [Rows(*fields) for fields in found]


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise GTrackError("A process was started without a pipe.")
    return stream


def _work(root: str) -> None:
    """Read the locations that come in, and write their rows."""
    gc.disable()  # nothing here refers in circles, and looking for such took a tenth of the time
    repo = Repository.find(Path(root))
    locations = [Location(*fields) for fields in marshal.load(sys.stdin.buffer)]  # noqa: S302 - from our own parent
    out = sys.stdout.buffer
    for at in range(0, len(locations), CHUNK):
        rows = read_chunk(repo, locations[at : at + CHUNK])
        marshal.dump([(one.run, one.body, one.params, one.metrics, one.tags, one.inputs) for one in rows], out)
        out.flush()
    marshal.dump(None, out)
    out.flush()
    repo.objects.close()


if __name__ == "__main__":
    _work(sys.argv[1])
