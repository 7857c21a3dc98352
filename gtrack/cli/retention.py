"""``gtrack gc``, ``rm``, ``restore``, ``pin``: what goes, by rules and by hand, what stays, and what comes back."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.options import Json, shown_limit
from gtrack.cli.session import complete_run, examples, note, now, open_project, out, ready_index, resolve, write
from gtrack.errors import UsageError
from gtrack.formats.words import plural
from gtrack.git.refs import list_refs
from gtrack.ops import remove
from gtrack.ops.retention.apply import Applied, apply_retention
from gtrack.ops.retention.backups import Expired, expire_backups
from gtrack.ops.retention.plan import RetentionPlan, plan_retention
from gtrack.ops.retention.purge import Purge, check_remotes, purge
from gtrack.ops.retention.rules import parse_rules
from gtrack.project import Project
from gtrack.render.data import to_json
from gtrack.render.progress import ProgressLine
from gtrack.render.retention import (
    done_data,
    plan_data,
    removed_data,
    write_done,
    write_expired,
    write_plan,
    write_purge,
    write_removed,
)
from gtrack.render.values import printable

_RESTORABLE = 20

Runs = Annotated[
    list[str], typer.Argument(metavar="RUN", autocompletion=complete_run, help="The runs: see 'gtrack --help'.")
]
Count = Annotated[
    int | None,
    typer.Option("-n", metavar="N", min=0, help="How many to show, 0 for all [default: 30 on a terminal, else all]."),
]


def gc(
    ctx: typer.Context,
    apply: Annotated[
        bool, typer.Option("--apply", help="Remove these runs, by one commit; 'gtrack restore --last' undoes it.")
    ] = False,
    purge_: Annotated[
        bool, typer.Option("--purge", help="Remove these runs, and all that were removed, from the history, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Purge, or delete of the store, without asking.")] = False,
    no_remote: Annotated[
        bool, typer.Option("--no-remote", help="Purge without asking the remotes whether they have more runs.")
    ] = False,
    store: Annotated[
        bool,
        typer.Option(
            "--store", help="Show what of the store of large artifacts no commit needs any more; --apply deletes that."
        ),
    ] = False,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="With --store: also what no purge here has named; it may be another project's."),
    ] = False,
    others: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="PATH", help="With --store: keep also what the project at PATH needs of it."),
    ] = None,
    count: Count = None,
    json: Json = False,
) -> None:
    """Show which runs the retention rules would remove; or do it.

    The rules are in .gtrack/config.yaml, under retention. What runs, is in the registry, is pinned, or is the
    parent of a run that is kept stays, whatever they say.

    --purge writes the runs branch anew, so that the bytes of removed runs go, keeps a backup of it for
    retention.backup_days, and says how to publish it. Commits of code and registry tags stay as they are.

    --store looks at the store of large artifacts (artifacts.remote) instead of at runs: what purged runs had there, and
    nothing needs any more, here or on any remote. LFS servers let no client delete anything.
    """
    if not store and (unknown or others):
        raise UsageError("--unknown and --with belong to --store.")
    if store:
        if purge_ or no_remote:
            raise UsageError(
                "--store frees the space of what was purged. First: gtrack gc --purge, gtrack push --purged."
            )
        # What moves large artifacts is not imported by the commands that need none of it.
        from gtrack.cli.store_space import Wish, free_store  # noqa: PLC0415

        limit = shown_limit(count, for_a_screen=out().is_terminal)
        wish = Wish(apply=apply, unknown=unknown, others=others or (), yes=yes, limit=limit, json=json)
        free_store(open_project(ctx), wish)
        return
    project = ready_index(open_project(ctx))
    moment = now()
    if purge_ and not no_remote:
        check_remotes(project)
    plan = plan_retention(project, parse_rules(project.config.retention), moment)
    console = out()
    if not json:
        write_plan(console, plan, moment, shown_limit(count, for_a_screen=console.is_terminal), purging=purge_)
    if purge_:
        _ask(project, plan, yes=yes)
    applied = apply_retention(project, plan, moment) if apply or purge_ else None
    start = time.perf_counter()
    purged = _purge(project, moment) if purge_ else None
    seconds = time.perf_counter() - start
    expired = expire_backups(project, moment) if apply or purge_ else None
    if json:
        write(to_json({**plan_data(plan), **done_data(applied, purged, expired)}))
        return
    _tell(project, plan, applied, purging=purge_)
    if purge_:
        gone = {one.run_id for one in applied.removed} if applied is not None else set()
        before = len(set(purged.run_ids) - gone) if purged is not None else 0
        write_purge(console, purged, project.config.branch, project.config.backup_days, seconds, before=before)
        _tell_remotes(project, purged)
    if expired is not None:
        _tell_expired(project, expired)


def _ask(project: Project, plan: RetentionPlan, *, yes: bool) -> None:
    """Ask whether to purge, and end when the answer is no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("--purge rewrites the runs branch. Where nobody can be asked, it takes --yes as well.")
    earlier = remove.removed_since_purge(project)
    parts = [plural(len(plan.going), "run")] if plan.going else []
    parts += [f"{plural(earlier, 'run')} removed before"] if earlier else []
    if parts:
        question = f"Take {' and '.join(parts)} out of the history of {project.config.branch}?"
        typer.confirm(question, err=True, abort=True)


def _purge(project: Project, moment: datetime) -> Purge | None:
    line = ProgressLine(Console(stderr=True), "Writing the branch anew")
    try:
        return purge(project, moment, line.tell)
    finally:
        line.close()


def _tell(project: Project, plan: RetentionPlan, applied: Applied | None, *, purging: bool) -> None:
    if applied is not None and (applied.commit is not None or not purging):
        write_done(out(), applied, project.config.branch)
        if applied.commit is not None:
            note(f"'gtrack restore --commit {applied.commit[:10]}' undoes that.")
    elif applied is None and plan.going:
        note("Nothing was removed. 'gtrack gc --apply' does it, and 'gtrack restore --last' undoes that.")
    elif not plan.rules:
        note("There are no rules. They go to .gtrack/config.yaml, under retention; see docs/retention.md.")


def _tell_expired(project: Project, expired: Expired) -> None:
    write_expired(out(), expired)
    if expired.dropped and project.config.artifacts_remote is not None:
        note("What is left of purged runs in the store of large artifacts, 'gtrack gc --store' shows.")


def _tell_remotes(project: Project, purged: Purge | None) -> None:
    if purged is None:
        return
    suffix = f"/{project.config.branch}"
    for ref in list_refs(project.repo, "refs/remotes/"):
        if ref.endswith(suffix):
            remote = printable(ref.removeprefix("refs/remotes/").removesuffix(suffix))
            note(f"{remote} still has what was purged. To publish the new branch: gtrack push --purged {remote}")


def rm(
    ctx: typer.Context,
    runs: Runs,
    with_children: Annotated[
        bool, typer.Option("--with-children", help="Remove the runs that are nested in them, too.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Remove also what is in the model registry, or pinned.")
    ] = False,
) -> None:
    """Remove runs from the runs branch, by one commit.

    The history of the branch still has them: 'gtrack restore --last' brings them back, until 'gtrack gc --purge' takes
    them out of it. A run that has nested runs is refused without --with-children.
    """
    project = ready_index(open_project(ctx))
    found = [resolve(project, run) for run in runs]
    for one in remove.remove_all(project, found, with_children=with_children, force=force):
        write(f"{printable(one.name)} ({one.run_id[:8]})  removed\n")
    note("'gtrack restore --last' brings back what was removed.")


def restore(
    ctx: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]", help="Ids of removed runs, beginnings of ids, or names."),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="All runs that the last removal took away, by one commit.")
    ] = False,
    commit: Annotated[
        str | None,
        typer.Option("--commit", metavar="COMMIT", help="All runs that this commit removed, by one commit."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="COMMIT", help="RUN as this commit of the branch has it, also when it was not removed."
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", metavar="N", min=0, help="How many to list, 0 for all [default: 20 on a terminal]."),
    ] = None,
    json: Json = False,
) -> None:
    """Bring removed runs back as they were, or list those.

    Without RUN, --last or --commit it lists what can be restored. What 'gtrack gc --purge' took away comes from its
    backup, while that is there.
    """
    project = open_project(ctx)
    ways = bool(runs) + last + (commit is not None)
    if ways > 1:
        raise UsageError("RUN, --last and --commit are three ways to say which runs: one of them.")
    if at is not None and not runs:
        raise UsageError("--at takes the RUN that shall be as it was.")
    if ways and (json or count is not None):
        raise UsageError("--json and -n are for the list of what was removed.")
    if not ways:
        _list_removed(project, count, json=json)
        return
    if last or commit is not None:
        found = remove.restore_of(project, commit) if commit is not None else remove.restore_last(project)
    else:
        found = [
            remove.restore_removed(project, ref) if at is None else remove.restore_at(project, ref, at)
            for ref in runs or ()
        ]
    for run in found:
        write(f"{printable(run.name)} ({run.short_id})  restored\n")


def _list_removed(project: Project, count: int | None, *, json: bool) -> None:
    console = out()
    shown_by_itself = _RESTORABLE if console.is_terminal and not json else None
    found, total = remove.removed(project, count or (None if count == 0 else shown_by_itself))
    if json:
        write(to_json(removed_data(found)))
        return
    if found:
        write_removed(console, found, now())
    if len(found) < total:
        note(f"{plural(total - len(found), 'more run')}; -n 0 shows all")
    elif not found:
        note("No run was removed here that could be restored.")


def pin(
    ctx: typer.Context,
    runs: Runs,
    unpin: Annotated[bool, typer.Option("--unpin", help="Let them go again.")] = False,
) -> None:
    """Pin runs, so that no retention rule removes them.

    The tag 'pinned' says so; 'gtrack show' shows it.
    """
    project = open_project(ctx)
    for ref in runs:
        run = remove.pin(project, resolve(project, ref), pinned=not unpin)
        write(f"{printable(run.name)} ({run.short_id})  {'unpinned' if unpin else 'pinned'}\n")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        epilog=examples(
            "gtrack gc",
            "gtrack gc --apply",
            "gtrack gc --purge --yes",
            "gtrack gc --store",
            "gtrack gc --json | jq '.freed'",
        )
    )(gc)
    app.command(epilog=examples("gtrack rm calm-otter-12", "gtrack rm last~1 last --with-children"))(rm)
    app.command(
        epilog=examples(
            "gtrack restore",
            "gtrack restore calm-otter-12 6f1c2a9b",
            "gtrack restore --last",
            "gtrack restore calm-otter-12 --at 1a2b3c4d5e^1",
        )
    )(restore)
    app.command(epilog=examples("gtrack pin best:f1", "gtrack pin calm-otter-12 --unpin"))(pin)
