"""Models that a run shall be registered as once it is committed: until then there is no commit to tag.

They are kept in the live directory, in a file whose name begins with a dot, so it is never committed itself. Whoever commits
the run registers them: the process that ran it, ``gtrack run``, or the one that finds it dead.
"""

from __future__ import annotations

import json
import shlex
import warnings
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from gtrack.errors import GTrackError
from gtrack.formats.names import check_artifact_path
from gtrack.registry.tag_names import check_bump, check_model, check_version
from gtrack.store.live import PROMISES

if TYPE_CHECKING:
    from gtrack.records import Run
    from gtrack.registry.registry import Registry
    from gtrack.store.live import LiveDir


@dataclass(frozen=True)
class Promise:
    """What a run shall be registered as: see ``Registry.register``."""

    name: str
    artifact: str
    bump: str = "major"
    version: str | None = None
    reason: str | None = None


def promise(
    live: LiveDir,
    name: str,
    artifact: str,
    *,
    bump: str = "major",
    version: str | None = None,
    reason: str | None = None,
) -> None:
    """Keep that a run shall be registered when it is committed; for a name that was promised before, the last artifact counts.

    Args:
        live: the run's live directory; any process may write it.
        name: the model.
        artifact: path of the model below the artifacts of the run.
        bump: as for ``Registry.register``.
        version: likewise.
        reason: likewise.

    Raises:
        InvalidName: ``name`` or ``version`` is outside the grammar, which the message shows.
        UsageError: another ``bump``.
        InvalidPath: an unsafe ``artifact``.
        GTrackError: the live directory cannot be written.
    """
    one = _checked(Promise(name, artifact, bump, version, reason))
    before = next((other for other in promised(live) if other.name == one.name), None)
    if before is not None and before.artifact != one.artifact:
        warnings.warn(
            f"gtrack: run {live.id[:8]} was to be registered as {one.name} by its artifact {before.artifact!r}; now it will be "
            f"by {one.artifact!r}: a run is one version of a model.",
            stacklevel=3,
        )
    live.append(PROMISES, f"{json.dumps(asdict(one))}\n".encode())


def _checked(one: Promise) -> Promise:
    return replace(
        one,
        name=check_model(one.name),
        artifact=check_artifact_path(one.artifact),
        bump=check_bump(one.bump),
        version=None if one.version is None else check_version(one.version),
    )


def promised(live: LiveDir) -> list[Promise]:
    """Return what was promised, the last word on each name; a line that was cut off while it was written is left out."""
    found: dict[str, Promise] = {}
    for line in (live.read(PROMISES) or b"").splitlines():
        try:
            one = _checked(Promise(**json.loads(line)))
        except (ValueError, TypeError):
            continue
        found[one.name] = one
    return list(found.values())


def fulfil(registry: Registry, live: LiveDir, run: Run, commit: str | None = None) -> tuple[str, ...]:
    """Register what was promised of a run that is committed now. A failure is told, and is no failure of the run.

    Args:
        registry: where.
        live: its live directory, still there.
        run: the run as it was committed.
        commit: its run commit, when it is known.

    Returns:
        What could not be registered: a sentence each, with the command that does it later.
    """
    failed = []
    try:
        wanted = promised(live)
    except OSError as error:
        return (f"What run {run.short_id} was to be registered as cannot be read: {error.strerror or error}.",)
    for one in wanted:
        try:
            registry.register(
                one.name, run.id, one.artifact, bump=one.bump, version=one.version, reason=one.reason, commit=commit
            )
        except (GTrackError, OSError) as error:
            again = (
                f"gtrack register {run.short_id} --model {shlex.quote(one.name)} --artifact {shlex.quote(one.artifact)}"
            )
            failed.append(
                f"Run {run.name} is kept, but not registered as {one.name}: {error} When that is mended: {again}"
            )
    return tuple(failed)
