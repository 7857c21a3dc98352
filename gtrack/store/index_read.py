"""Read run directories in bulk for the index: in this process, or in several when there are very many.

The other processes are started as programs (``python -m gtrack.store.index_read``), not by ``multiprocessing``: that would
import the user's script a second time wherever it has no main guard.
"""

from __future__ import annotations

import gc
import marshal
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, NamedTuple

from gtrack.errors import GTrackError
from gtrack.formats import run_dir
from gtrack.formats.run_dir import decode_run
from gtrack.git.repo import Repository
from gtrack.store.branch import BranchReader, Location
from gtrack.store.index_rows import Rows, metric_rows, rows_before_history
from gtrack.store.lacking import fetch_metadata, lacking_metadata

if TYPE_CHECKING:
    from gtrack.git.trees import Entry
    from gtrack.records import Run

CHUNK = 500
_MANY = 6000  # from here on a second process saves more than its start takes
_MOST_WORKERS = 4
_FILES = (run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS, run_dir.HISTORY)


_LATE = frozenset({run_dir.HISTORY, run_dir.ENVIRONMENT})
"""The files of a run that are not needed to begin with it."""
_HEAD_FILES = tuple(name for name in _FILES if name not in _LATE)
_BEGUN = 10
"""So many chunks each process begins with, at the most, and holds until the histories are here."""


def read_rows(
    repo: Repository, locations: Sequence[Location], progress: Callable[[int, int], None] | None = None
) -> Iterator[list[Rows]]:
    """Yield the rows of the runs at ``locations``, some hundred runs at a time, in any order.

    What a partial clone lacks of them is fetched before; where these are histories, all else is read meanwhile.

    Args:
        repo: the repository.
        locations: where the runs lie.
        progress: is told how many files of how many have come.

    Raises:
        GTrackError: git or a process that helps stopped, or what is lacking cannot be fetched.
    """
    workers = min(_MOST_WORKERS, os.cpu_count() or 1) if len(locations) >= _MANY and sys.executable else 1
    if workers > 1:
        yield from _read_together(repo, locations, workers, progress)
        return
    fetch_metadata(repo, lacking_metadata(repo, locations), progress)
    for at in range(0, len(locations), CHUNK):
        yield read_chunk(repo, locations[at : at + CHUNK])


def read_chunk(repo: Repository, locations: Sequence[Location]) -> list[Rows]:
    """Return the rows of some runs, by three exchanges with git."""
    return _ended(repo, _begun(repo, locations))


class _Begun(NamedTuple):
    """A run of which all but its history was read: the rows, the run, and the id of its history."""

    rows: Rows
    run: Run
    history: str | None


def _begun(repo: Repository, locations: Sequence[Location]) -> list[_Begun]:
    branch = BranchReader(repo, None)
    directories = [
        {entry.name: entry for entry in entries} for entries in branch.trees([one.tree for one in locations])
    ]
    wanted = [
        {name: directory[name].oid for name in _HEAD_FILES if _is_file(directory, name)} for directory in directories
    ]
    blobs = repo.objects.many([oid for files in wanted for oid in files.values()])
    found = []
    for location, directory, files in zip(locations, directories, wanted, strict=True):
        data = {name: blob.data if (blob := next(blobs)) else None for name in files}
        run = decode_run(data.get, location.id, location.experiment)
        environment, history = (
            directory[name].oid if _is_file(directory, name) else None
            for name in (run_dir.ENVIRONMENT, run_dir.HISTORY)
        )
        found.append(_Begun(rows_before_history(run, location.tree, environment), run, history))
    return found


def _ended(repo: Repository, begun: Sequence[_Begun]) -> list[Rows]:
    histories = repo.objects.many([one.history for one in begun if one.history is not None])
    for one in begun:
        blob = next(histories) if one.history is not None else None
        one.rows.metrics.extend(metric_rows(one.run, blob.data if blob else None))
    return [one.rows for one in begun]


def _is_file(directory: dict[str, Entry], name: str) -> bool:
    return name in directory and directory[name].is_file


def _read_together(
    repo: Repository, locations: Sequence[Location], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[list[Rows]]:
    command = [sys.executable, "-m", __name__, str(repo.root or repo.git_dir)]
    processes = [Popen(command, stdin=PIPE, stdout=PIPE, start_new_session=True) for _ in range(workers)]
    try:
        for number, process in enumerate(processes):
            share = [(one.id, one.experiment, one.tree) for one in locations[number::workers]]
            _tell(process, share)
        lacking = lacking_metadata(repo, locations)
        for process in processes:
            _tell(process, _BEGUN if lacking.blobs and lacking.names <= _LATE else 0)
        fetch_metadata(repo, lacking, progress)
        for process in processes:
            _stream(process.stdin).close()  # says that all is here
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


def _tell(process: Popen[bytes], what: int | list[tuple[str, str, str]]) -> None:
    marshal.dump(what, _stream(process.stdin))
    _stream(process.stdin).flush()


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
    """Read the locations that come in, and write their rows once the end of stdin says that all of their files are here."""
    gc.disable()  # nothing here refers in circles, and looking for such took a tenth of the time
    repo = Repository.find(Path(root))
    locations = [Location(*fields) for fields in marshal.load(sys.stdin.buffer)]  # noqa: S302 - from our own parent
    count = marshal.load(sys.stdin.buffer)  # noqa: S302 - likewise
    chunks = [locations[at : at + CHUNK] for at in range(0, len(locations), CHUNK)]
    begun = [_begun(repo, chunk) for chunk in chunks[:count]]
    sys.stdin.buffer.read()
    out = sys.stdout.buffer
    for at, chunk in enumerate(chunks):
        rows = _ended(repo, begun[at] if at < count else _begun(repo, chunk))
        marshal.dump([(one.run, one.body, one.params, one.metrics, one.tags, one.inputs) for one in rows], out)
        out.flush()
    marshal.dump(None, out)
    out.flush()
    repo.objects.close()


if __name__ == "__main__":
    _work(sys.argv[1])
