"""Put a committed run back into a live directory, so that it goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from gtrack.errors import FormatError, RunIsActive
from gtrack.formats import run_dir
from gtrack.formats.history import RESERVED, fold, parse_rows
from gtrack.formats.yamlio import dumps
from gtrack.records import Status
from gtrack.store.live import SINCE
from gtrack.store.liveness import EXIT, ExitNote, exit_text

if TYPE_CHECKING:
    from gtrack.records import CodeState, Number, Run
    from gtrack.store.live import LiveDir, LiveStore
    from gtrack.store.runs import RunStore

_TRIES = 20
_ROW_FILES = (run_dir.HISTORY, run_dir.SYSTEM)
_OTHER_FILES = (run_dir.PARAMS, run_dir.INPUTS, run_dir.OUTPUT, run_dir.ENVIRONMENT)


def reopen(
    store: RunStore, live_store: LiveStore, run_id: str, code: CodeState, note: ExitNote | None = None
) -> tuple[LiveDir, Run]:
    """Return a live directory, owned by this process, that holds what a committed run has; and the run as it is now.

    Its artifacts stay where they are. What it was before is noted in ``run.yaml`` under ``resumed``.

    Args:
        store: where it is committed.
        live_store: where it goes.
        run_id: the run.
        code: the code that goes on with it.
        note: how it shall have ended when this process dies before it ends it; ``killed``, when None.

    Raises:
        RunNotFound: there is no such run.
        RunIsActive: it has a live directory.
        CommitFailed: the live directory cannot be made.
    """
    for _ in range(_TRIES):
        taken = _Taken(store, run_id, code, note)
        live = live_store.create_from(run_id, taken.files)
        if taken.running is not None and store.tree(run_id) == taken.tree:
            return live, taken.running
        live.remove()  # somebody who had it before us was still committing
    raise RunIsActive(f"Run {run_id[:8]} is being written by others again and again; try again.")


class _Taken:
    """What was taken of a committed run, and the tree that it was taken from."""

    def __init__(self, store: RunStore, run_id: str, code: CodeState, note: ExitNote | None) -> None:
        self._facts = store, run_id, code, note
        self.tree = ""
        self.running: Run | None = None

    def files(self) -> dict[str, bytes]:
        """Take it."""
        store, run_id, *_ = self._facts
        since = store.tip()  # first: what comes to the run after that is merged with it when it ends
        self.tree = store.tree(run_id)
        files, self.running = _files(*self._facts)
        return {**files, SINCE: f"{since}\n".encode()}


def _files(store: RunStore, run_id: str, code: CodeState, note: ExitNote | None) -> tuple[dict[str, bytes], Run]:
    """Return what a live directory holds of a committed run, and the run as it is then."""
    run = store.run(run_id)
    running = replace(run, status=Status.RUNNING, ended=None, exit_code=None, code=code)
    kept = ((name, store.file(run_id, name)) for name in (*_OTHER_FILES, *_ROW_FILES))
    files = {name: data for name, data in kept if data is not None}  # an empty one too: a script that printed nothing
    files.update((name, _whole_lines(data)) for name, data in files.items() if name in (run_dir.PARAMS, *_ROW_FILES))
    own = _not_from_history(run, files.get(run_dir.HISTORY, b""))
    if own:
        files[run_dir.METRICS] = dumps(own).encode()
    if note is not None:
        files[EXIT] = exit_text(note)
    files[run_dir.RUN] = dumps(_head(store, run, running)).encode()
    return files, running


def _whole_lines(data: bytes) -> bytes:
    """End the last line, which a crash may have torn: what comes now begins one of its own."""
    return data if data.endswith(b"\n") or not data else data + b"\n"


def _not_from_history(run: Run, history: bytes) -> dict[str, Number]:
    """Return the metrics that say more than the rows do; the others follow from the rows, also when a definition changes."""
    kinds = {name: one.summary for name, one in run.metric_definitions.items()}
    told: dict[str, Number] = {}
    for row in parse_rows(history)[0]:
        fold(told, {name: value for name, value in row.items() if name not in RESERVED}, kinds)
    return {name: value for name, value in run.metrics.items() if repr(told.get(name)) != repr(value)}


def _head(store: RunStore, run: Run, running: Run) -> dict[str, Any]:
    """Return what ``run.yaml`` says while the run goes on, with what it was before; keys that nobody knows here stay."""
    try:
        head = store.head(run.id)
    except FormatError:  # a damaged head is written anew from what could be read of it
        head = {}
    now = run_dir.run_mapping(running)
    session = {
        "at": datetime.now(timezone.utc),
        "previous_status": run.status.value,
        "previous_ended": run.ended,
        "previous_commit": run.code.commit,
    }
    known = {key: value for key, value in head.items() if key not in now}
    return {**now, **known, "resumed": [*(head.get("resumed") or []), session]}
