"""``gtrack register``, ``promote``: versions of models, and the stages that they are in."""

from __future__ import annotations

from typing import Annotated

import typer

from gtrack.cli.reading import Json, RunRef
from gtrack.cli.session import examples, note, open_project, resolve, write
from gtrack.fluent.registry import register_run
from gtrack.render.data import to_json
from gtrack.render.models import version_data
from gtrack.render.values import printable

Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the tag.")]


def register_(
    ctx: typer.Context,
    run: RunRef,
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="The model that it is a version of.")],
    artifact: Annotated[
        str, typer.Option("--artifact", "-a", metavar="PATH", help="Where the model is among the run's artifacts.")
    ] = "model",
    bump: Annotated[
        str, typer.Option("--bump", metavar="PART", help="What the version raises: major, minor or patch.")
    ] = "major",
    version: Annotated[
        str | None, typer.Option("--version", metavar="V", help="The version itself instead, such as v1.4.0.")
    ] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Register the model of a run as the next version of a model.

    It becomes an annotated git tag on the run's commit: 'git push --tags' publishes it.
    """
    project = open_project(ctx)
    found = resolve(project, run)
    made = register_run(project, found, artifact, model, bump=bump, version=version, reason=reason)
    if json:
        write(to_json({"model": made.name, **version_data(made)}))
        return
    when = f" (tag {made.tag})" if made.tag else ", when the run has ended"
    note(f"{printable(found.name)} is version {made.version} of {made.name}{when}", "none")


def promote(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="churn@3, churn@v1.4.0, churn#staging, or churn for its latest version."),
    ],
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The stage, such as staging or production.")],
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Put a version of a model into a stage.

    What was in production makes room. Promoting an earlier version again is how one rolls back.
    """
    registry = open_project(ctx).registry
    found = registry.version(model)
    made = registry.assign(found.name, found.semver, stage, reason=reason)
    if json:
        write(to_json({"model": made.name, **version_data(made)}))
        return
    note(f"{made.name} v{made.version} is in {', '.join(made.stages)}", "none")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        "register",
        epilog=examples(
            "gtrack register best:f1 --model churn",
            "gtrack register last -m churn -a forest --bump minor --reason simpler",
        ),
    )(register_)
    app.command(
        epilog=examples("gtrack promote churn production", "gtrack promote churn@2 production --reason rollback")
    )(promote)
