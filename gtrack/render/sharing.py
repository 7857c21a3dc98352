"""What was pushed and pulled, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural, size
from gtrack.render.table import DIM, write_line
from gtrack.render.values import iso, printable

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.sharing.pull import Pulled
    from gtrack.ops.sharing.push import Counted, Pushed
    from gtrack.ops.sharing.take_in import TakenIn
    from gtrack.registry.travel import Travelled
    from gtrack.store.merge.outcome import Conflict
    from gtrack.store.purge import PurgeRecord

_SHOWN = 10


def write_pulled(console: Console, pulled: Pulled) -> None:
    """Write what came from a remote, and what it means for what is here."""
    for line in pulled_lines(pulled):
        write_line(console, Text(printable(line)))
    if pulled.large:
        what = f"{plural(pulled.large, 'large artifact')} ({size(pulled.large_bytes)})"
        write_line(console, Text(f"{what} came by name only: 'gtrack get RUN' fetches them.", DIM))


def write_pushed(console: Console, pushed: Pushed) -> None:
    """Write what a remote got, after what came from there on the way."""
    if pushed.pulled is not None and _is_news(pushed.pulled):
        write_pulled(console, pushed.pulled)
    what = [*_runs(pushed.runs), *_tags(pushed.tags)]
    if pushed.large:
        what.append(f"{plural(pushed.large, 'large artifact')} ({size(pushed.large_bytes)})")
    if what:
        text = f"Pushed {', '.join(what)} to {pushed.remote}"
    elif pushed.commits:
        text = f"Pushed to {pushed.remote}, which had the runs already"
    else:
        text = f"{pushed.remote} has everything {'else ' if pushed.tags.problems else ''}that is here"
    write_line(console, Text(printable(text)))


def problems_of(pulled: Pulled | None, pushed: Pushed | None = None) -> list[str]:
    """Return what a person has to know, or to do, a sentence or more each; for stderr."""
    found = list(_refused(pulled.taken)) if pulled is not None and pulled.taken is not None else []
    if pulled is not None and pulled.taken is not None:
        found += came_back(pulled.taken.came_back)
        found += _damaged(pulled)
    # What conflicts when it is pulled is solved when it is pushed, or is told there.
    tags = pushed.tags if pushed is not None else pulled.tags if pulled is not None else None
    if pushed is not None:
        found += [one.told(pushed.remote) for one in pushed.tags.renamed]
    found += tags.problems if tags is not None else ()
    if pushed is not None and pushed.lacking:
        found.append(_lacking(pushed))
    return found


def _lacking(pushed: Pushed) -> str:
    count, remote = len(pushed.lacking), pushed.remote
    head = (
        f"{plural(count, 'large artifact')} {'is' if count == 1 else 'are'} neither here nor with {remote}, so nobody can have "
        f"{'it' if count == 1 else 'them'} from there. 'gtrack push' in the clone that logged {'it' if count == 1 else 'them'} "
        "sends the content:"
    )
    lines = [f"{one.path} of run {one.run_id[:8]} ({size(one.pointer.size)})" for one in pushed.lacking]
    more = [f"  … and {count - _SHOWN} more"] if count > _SHOWN else []
    return "\n".join([head, *(f"  {line}" for line in lines[:_SHOWN]), *more])


def came_back(run_ids: Sequence[str]) -> list[str]:
    """Return what is to be told of runs that a purge took away and that are back; nothing when there are none."""
    if not run_ids:
        return []
    more = f" and {len(run_ids) - _SHOWN} more" if len(run_ids) > _SHOWN else ""
    named = ", ".join(run_id[:8] for run_id in run_ids[:_SHOWN])
    said = f"Purged, and back with all that it had, as it was changed meanwhile, or is a model version here: {named}{more}."
    return [f"{said} What nobody needs goes by 'gtrack rm' and the next purge."]


def pulled_lines(pulled: Pulled) -> Iterator[str]:
    """Return what is told of a pull, a line each."""
    taken = pulled.taken
    if not pulled.has_runs:
        yield f"{pulled.remote} has no runs yet"
    if taken is None:
        return
    if taken.purges:
        yield from _purged(pulled.remote, taken)
    tags = _tags(pulled.tags)
    runs = [plural(len(taken.runs), "run")] if taken.runs and taken.backup is None else []
    if runs or tags:
        verb = "Merged" if taken.merged else "Pulled"
        yield f"{verb} {', '.join([*runs, *tags])} from {pulled.remote}"
    elif taken.merged:
        yield f"Merged with {pulled.remote}, which had nothing else"
    elif not taken.purges:
        yield f"{pulled.remote} has nothing new"
    yield from conflicts(taken)


def _purged(remote: str, taken: TakenIn) -> Iterator[str]:
    for one in taken.purges:
        what = plural(len(one.run_ids), "run")
        yield f"{one.who} purged {what} of {remote} on {one.when:%Y-%m-%d %H:%M} UTC; {_became(one, taken)}"
    if taken.replayed:
        yield f"{plural(taken.replayed, 'run')} that only you had came on top of what is left"
    if taken.backup is not None:
        yield f"What was here before is kept for now: {taken.backup}"


def _became(purge: PurgeRecord, taken: TakenIn) -> str:
    """Return what became here of the runs that a purge took."""
    count, here = len(purge.run_ids), len(set(taken.still_here).intersection(purge.run_ids))
    if not here:
        return f"{'it is' if count == 1 else 'they are'} gone here, too"
    if here == count:
        return f"{'it is' if count == 1 else 'they are'} here all the same"
    return f"{here:,} of them {'is' if here == 1 else 'are'} here all the same, the others are gone here, too"


def conflicts(taken: TakenIn) -> Iterator[str]:
    """Return what is to be told of what both sides had changed, a line each."""
    values = [one for one in taken.conflicts if not one.is_of_removal]
    removed = [one for one in taken.conflicts if one.is_of_removal]
    if values:
        yield f"{plural(len(values), 'value')} had been changed on both sides; the newest was kept:"
        yield from _shown([f"{_where(one)}: {one.what}: kept {one.kept}, lost {one.lost}" for one in values])
    if removed:
        yield f"Removed on one side and changed on the other, so kept ({len(removed):,}):"
        yield from _shown([f"{_where(one)}: {one.what}" for one in removed])


def _shown(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_SHOWN])
    if len(lines) > _SHOWN:
        yield f"  … and {len(lines) - _SHOWN} more, named in the merge commit"


def _where(one: Conflict) -> str:
    return f"{one.experiment} {one.run_id[:8]}".strip()


def _refused(taken: TakenIn) -> Iterator[str]:
    if not taken.refused:
        return
    lines = [f"  {one.path}: {one.reason}" for one in taken.refused[:_SHOWN]]
    if len(taken.refused) > _SHOWN:
        lines.append(f"  … and {len(taken.refused) - _SHOWN} more, named in the merge commit")
    head = f"Refused, and left out of what was taken ({len(taken.refused):,}), as gtrack never writes such:"
    yield "\n".join([head, *lines])


def _damaged(pulled: Pulled) -> Iterator[str]:
    for one in pulled.damaged[:_SHOWN]:
        name = f"{one.experiment}/{one.name} ({one.run_id[:8]})"
        yield f"Run {name} came and cannot be read: {one.problem} See gtrack verify {one.run_id[:8]}."
    if len(pulled.damaged) > _SHOWN:
        yield f"{plural(len(pulled.damaged) - _SHOWN, 'more run')} cannot be read; 'gtrack verify' names them."


def _is_news(pulled: Pulled) -> bool:
    taken = pulled.taken
    return pulled.tags.tags > 0 or (taken is not None and bool(taken.runs or taken.merged or taken.purges))


def _runs(runs: Counted) -> list[str]:
    told = [plural(runs.added, "run")] if runs.added else []
    told += [f"changes of {plural(runs.changed, 'run')}"] if runs.changed else []
    return told + ([f"the removal of {plural(runs.removed, 'run')}"] if runs.removed else [])


def _tags(tags: Travelled) -> list[str]:
    told = [plural(tags.versions, "model version")] if tags.versions else []
    other = tags.tags - tags.versions
    return told + ([plural(other, "registry tag")] if other else [])


def pulled_data(pulled: Pulled) -> dict[str, Any]:
    """Return what ``pull --json`` gives."""
    taken = pulled.taken
    return {
        "remote": pulled.remote,
        "has_runs": pulled.has_runs,
        "runs": list(taken.runs) if taken else [],
        "merged": taken.merged if taken else False,
        "versions": pulled.tags.versions,
        "tags": pulled.tags.tags,
        "large": {"objects": pulled.large, "bytes": pulled.large_bytes},
        "conflicts": [vars(one) for one in (taken.conflicts if taken else ())],
        "refused": [vars(one) for one in (taken.refused if taken else ())],
        "purges": [
            {"runs": list(one.run_ids), "who": one.who, "when": iso(one.when)}
            for one in (taken.purges if taken else ())
        ],
        "backup": taken.backup if taken else None,
        "replayed": taken.replayed if taken else 0,
        "came_back": list(taken.came_back) if taken else [],
        "still_here": list(taken.still_here) if taken else [],
        "damaged": [vars(one) for one in pulled.damaged],
        "problems": list(pulled.tags.problems),
    }


def pushed_data(pushed: Pushed) -> dict[str, Any]:
    """Return what ``push --json`` and ``sync --json`` give."""
    return {
        "remote": pushed.remote,
        "runs": {"added": pushed.runs.added, "changed": pushed.runs.changed, "removed": pushed.runs.removed},
        "moved": pushed.commits,
        "versions": pushed.tags.versions,
        "tags": pushed.tags.tags,
        "large": {
            "objects": pushed.large,
            "bytes": pushed.large_bytes,
            "lacking": [
                {"run": one.run_id, "path": one.path, "sha256": one.pointer.oid, "bytes": one.pointer.size}
                for one in pushed.lacking
            ],
        },
        "renumbered": [vars(one) for one in pushed.tags.renamed],
        "tries": pushed.tries,
        "problems": list(pushed.tags.problems),
        "pulled": pulled_data(pushed.pulled) if pushed.pulled is not None else None,
    }
