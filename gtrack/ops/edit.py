"""Change what is said about a run, while it runs or afterwards: its tags, its notes, its name, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from gtrack.errors import RunEnded, RunIsActive, UsageError, nearest
from gtrack.formats.names import check_name, check_run_name
from gtrack.formats.values import final_status, plain_value
from gtrack.project import Project
from gtrack.records import Run, Status

_COMMIT_SECONDS = 10.0


def edit_tags(project: Project, run: Run, tags: Mapping[str, str], remove: Collection[str] = ()) -> Run:
    """Set and remove tags; a commit of its own on the runs branch when the run has ended.

    Raises:
        InvalidName: a tag name that cannot be written.
        InvalidValue: a tag value that cannot be written.
        UsageError: a tag to remove that the run does not have, or that is also set.
        GitError: git refuses.
    """
    clean = {check_name(key, "tag"): str(plain_value(value, f"tag {key!r}")) for key, value in tags.items()}
    for key in remove:
        if key in clean:
            raise UsageError(f"The tag {key!r} cannot be set and removed at once.")
        if key not in run.tags:
            has = f"It has: {', '.join(run.tags)}." if run.tags else "It has none."
            raise UsageError(f"Run {run.name} has no tag {key!r}.{nearest(key, run.tags)} {has}")
    wanted = {key: value for key, value in {**run.tags, **clean}.items() if key not in remove}
    if wanted == run.tags:
        return run

    def change(head: dict[str, Any]) -> None:
        kept = head.get("tags") or {}
        head["tags"] = {key: value for key, value in {**kept, **clean}.items() if key not in remove}

    return _edit(project, run, change, "tagged")


def edit_notes(project: Project, run: Run, text: str, *, append: bool = False) -> Run:
    """Replace the notes of a run, or add to them as a paragraph of their own; an empty text removes them.

    Raises:
        InvalidValue: a text that cannot be written.
        GitError: git refuses.
    """
    clean = str(plain_value(text.strip("\n"), "notes"))

    def change(head: dict[str, Any]) -> None:
        old = str(head.get("notes") or "").strip("\n")
        head["notes"] = (f"{old}\n\n{clean}" if append and old else clean) or None

    return _edit(project, run, change, "noted")


def edit_name(project: Project, run: Run, name: str) -> Run:
    """Call a run something else; it stays the run of its id.

    Raises:
        InvalidName: a name that cannot be written.
        GitError: git refuses.
    """
    checked = check_run_name(name)
    return _edit(project, run, lambda head: head.update(name=checked), "renamed")


def edit_end(project: Project, run: Run, status: str | Status | None, ended: datetime | None = None) -> Run:
    """Say of a run that has ended how it really ended, and when; None leaves it as it is.

    Raises:
        InvalidValue: no run ends so.
        RunIsActive: it has not ended.
        GitError: git refuses.
    """
    final = run.status if status is None else final_status(status)
    if project.live.find(run.id) is not None:
        raise RunIsActive(f"Run {run.name} ({run.short_id}) has not ended: whoever writes it says how it ends.")
    moment = ended or run.ended
    if (final, moment) == (run.status, run.ended):
        return run

    def change(head: dict[str, Any]) -> None:
        head.update(status=final.value, ended=moment)

    return project.store.edit(run.id, change, f"said to be {final}")


def _edit(project: Project, run: Run, change: Callable[[dict[str, Any]], None], what: str) -> Run:
    live = project.live.find(run.id)
    if live is not None:
        try:
            live.edit(change)
            return live.run()
        except RunEnded:
            if not live.wait_until_gone(_COMMIT_SECONDS):
                raise RunEnded(
                    f"Run {run.name} ({run.short_id}) has ended, and is not committed yet; 'gtrack recover' commits it."
                ) from None
            # What is to be changed is on the branch now.
    return project.store.edit(run.id, change, what)
