"""Change what is said about a run, while it runs or afterwards: its tags and its notes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from gtrack.errors import UsageError, nearest
from gtrack.formats.names import check_name
from gtrack.formats.values import plain_value
from gtrack.project import Project
from gtrack.records import Run


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


def _edit(project: Project, run: Run, change: Callable[[dict[str, Any]], None], what: str) -> Run:
    live = project.live.find(run.id)
    if live is not None:
        try:
            live.edit(change)
            return live.run()
        except FileNotFoundError:
            if live.path.exists():
                raise
            # It ended and was committed meanwhile: what is to be changed is on the branch now.
    return project.store.edit(run.id, change, what)
