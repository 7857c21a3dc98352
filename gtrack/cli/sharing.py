"""``gtrack push``, ``gtrack pull`` and ``gtrack sync``: runs and registry to a git host and from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.options import Json
from gtrack.cli.session import examples, note, now, open_project, out, write
from gtrack.errors import GTrackError, UsageError
from gtrack.git.progress import Tell
from gtrack.git.remotes import without_secrets
from gtrack.ops.sharing.auto_push import carry_out as carry_out_auto_push
from gtrack.ops.sharing.pull import Pulled
from gtrack.ops.sharing.pull import pull as pull_runs
from gtrack.ops.sharing.push import Pushed
from gtrack.ops.sharing.push import push as push_runs
from gtrack.ops.sharing.remote_branch import chosen_remote
from gtrack.project import Project
from gtrack.render.data import to_json
from gtrack.render.progress import ProgressStages
from gtrack.render.sharing import (
    came_back,
    conflicts,
    problems_of,
    pulled_data,
    pushed_data,
    write_pulled,
    write_pushed,
)
from gtrack.render.values import printable

Remote = Annotated[
    str | None,
    typer.Argument(
        metavar="REMOTE", help="Name or URL of the remote [default: origin, or the only one].", show_default=False
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")]


def push(
    ctx: typer.Context,
    remote: Remote = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option("--experiment", "-e", metavar="NAME", help="Push the runs of this experiment alone; repeatable."),
    ] = None,
    purged: Annotated[
        bool, typer.Option("--purged", help="Publish what 'gtrack gc --purge' has made of the branch.")
    ] = False,
    auto: Annotated[bool, typer.Option("--auto", hidden=True)] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Publish runs, model versions and large artifacts on a remote.

    What others have pushed meanwhile is merged with what is here, and it is tried again when somebody was quicker. Nothing
    of the code is pushed but what the runs ran on.
    """
    project = open_project(ctx, recover=not auto)
    if auto:
        carry_out_auto_push(project)
        return
    if purged:
        if experiment:
            raise UsageError("--purged publishes the whole branch, so it does not go with --experiment.")
        _push_purged(project, chosen_remote(project, remote), quiet=quiet, json=json)
        return
    with _progress(quiet=quiet or json) as tell:
        pushed = push_runs(project, remote, experiments=experiment or (), tell=tell)
    _tell_pushed(pushed, quiet=quiet, json=json)


def pull(
    ctx: typer.Context,
    remote: Remote = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-rewrite",
            help="Merge a runs branch that was rewritten there, or is another project's: nothing that is here is lost.",
        ),
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Bring the runs and the registry of a remote here.

    Runs of both sides are kept; where one run was edited on both, it is merged field by field. Large artifacts come when
    they are asked for ('gtrack get'). The code is left to git.
    """
    project = open_project(ctx)
    with _progress(quiet=quiet or json) as tell:
        pulled = pull_runs(project, remote, accept_rewrite=accept, tell=tell)
    if json:
        write(to_json(pulled_data(pulled)))
    elif not quiet:
        write_pulled(out(), pulled)
    else:
        _tell_conflicts(pulled)
    for problem in problems_of(pulled):
        note(problem, "yellow")
    _check_something_taken(pulled)


def sync(ctx: typer.Context, remote: Remote = None, quiet: Quiet = False, json: Json = False) -> None:
    """Pull from a remote and push to it.

    Afterwards both have the same runs and the same registry.
    """
    project = open_project(ctx)
    with _progress(quiet=quiet or json) as tell:
        pushed = push_runs(project, remote, pulling=True, tell=tell)
    _tell_pushed(pushed, quiet=quiet, json=json)


def _tell_pushed(pushed: Pushed, *, quiet: bool, json: bool) -> None:
    if json:
        write(to_json(pushed_data(pushed)))
    elif not quiet:
        write_pushed(out(), pushed)
    elif pushed.pulled is not None:
        _tell_conflicts(pushed.pulled)
    for problem in problems_of(pushed.pulled, pushed):
        note(problem, "yellow")
    if pushed.tags.problems:
        raise GTrackError(f"Not everything of the registry could be pushed to {pushed.remote}.")


def _tell_conflicts(pulled: Pulled) -> None:
    for line in conflicts(pulled.taken) if pulled.taken is not None else ():
        note(line, "yellow")


def _check_something_taken(pulled: Pulled) -> None:
    taken = pulled.taken
    if taken is not None and taken.refused and not taken.runs:
        raise GTrackError(f"Nothing of {pulled.remote} could be taken.")


def _push_purged(project: Project, remote: str, *, quiet: bool, json: bool) -> None:
    # What purges is as much again as all that pushes.
    from gtrack.ops.retention.purge import push_purged  # noqa: PLC0415
    from gtrack.render.retention import when_bytes_go  # noqa: PLC0415
    from gtrack.store.purge import backups  # noqa: PLC0415

    with _progress(quiet=quiet or json) as tell:
        pushed = push_purged(project, remote, tell)
    remote = without_secrets(remote)
    if json:
        write(to_json(vars(pushed)))
    elif not quiet:
        write(f"{printable(remote)} has the branch as it is here now: {pushed.commit[:10]}\n")
        bytes_go = when_bytes_go(backups(project.repo), project.config.backup_days, now())
        if bytes_go:
            note(bytes_go)
    for line in came_back(pushed.came_back):
        note(line, "yellow")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Tell]:
    if quiet:
        yield lambda *_: None
        return
    line = ProgressStages(Console(stderr=True))
    try:
        yield line.tell
    finally:
        line.close()


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(epilog=examples("gtrack push", "gtrack push backup", "gtrack push --experiment churn"))(push)
    app.command(epilog=examples("gtrack pull", "gtrack pull https://example.org/team/churn.git"))(pull)
    app.command(epilog=examples("gtrack sync", "gtrack sync upstream --json"))(sync)
