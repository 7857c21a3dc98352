"""``gtrack verify``: whether runs, the history of their branch, and the registry are what they should be."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from gtrack.cli.options import Json
from gtrack.cli.session import complete_run, examples, open_project, out, resolve, write
from gtrack.errors import GTrackError, UsageError
from gtrack.formats.words import plural
from gtrack.ops.checks.verify_registry import Verification, verify_registry
from gtrack.ops.checks.verify_runs import RunVerification, verify_runs
from gtrack.project import Project
from gtrack.render.data import to_json
from gtrack.render.progress import ProgressLine, ProgressStages
from gtrack.render.verification import (
    run_verification_data,
    verification_data,
    write_run_verification,
    write_verification,
)

_REGISTRY = "registry"


def verify(
    ctx: typer.Context,
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", autocompletion=complete_run, help="The runs: see 'gtrack --help' [default: all]."
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Verify all runs, the branch's history and the registry; so without RUN.")
    ] = False,
    registry: Annotated[bool, typer.Option("--registry", help="Verify the model registry alone.")] = False,
    large: Annotated[
        bool, typer.Option("--large", help="Take a large artifact that is not here for an error, not a note.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Take the registry's tags as they are now for the known state, whatever was changed or removed.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Verify runs, their branch's history, and the registry.

    Runs: the directory is as the format says, and its files agree with each other; the code is here, and the run's own
    commit is that code and the run; large artifacts are what their pointers say. History: each commit only added or
    edited whole runs. Registry: every tag is understood and agrees with what it is on, no number is missing, signatures
    hold, nothing was changed or removed since the last time.

    Nothing is fetched. The exit code is 1 when there are errors; notes are only good to know.
    """
    if refs and (all_ or registry or accept):
        raise UsageError("RUN names some runs, and --all, --registry and --accept are about all: give one of them.")
    if registry and (all_ or large):
        raise UsageError("--registry looks at the registry alone; leave it away to verify all.")
    project = open_project(ctx)
    runs = None if registry else _runs(project, refs, large=large)
    tags = None if refs else _tags(project, accept=accept)
    if json:
        write(to_json(_data(runs, tags)))
    else:
        if runs is not None:
            write_run_verification(out(), runs)
        if tags is not None and (registry or tags.tags or tags.findings):
            write_verification(out(), tags)
    _fail(runs, tags)


def _runs(project: Project, refs: list[str] | None, *, large: bool) -> RunVerification:
    chosen = {resolve(project, ref).id for ref in refs} if refs else None
    stages = ProgressStages(Console(stderr=True))
    try:
        return verify_runs(project, chosen, large=large, tell=stages.tell)
    finally:
        stages.close()


def _tags(project: Project, *, accept: bool) -> Verification:
    line = ProgressLine(Console(stderr=True), "Verifying signatures")
    try:
        return verify_registry(project, accept=accept, progress=line.tell)
    finally:
        line.close()


def _data(runs: RunVerification | None, tags: Verification | None) -> dict[str, Any]:
    if runs is None and tags is not None:
        return verification_data(tags)
    data = run_verification_data(runs) if runs is not None else {}
    return {**data, _REGISTRY: verification_data(tags)} if tags is not None else data


def _fail(runs: RunVerification | None, tags: Verification | None) -> None:
    found = [
        f"{what} {plural(len(one.errors), 'error')}"
        for what, one in (("the runs have", runs), ("the registry has", tags))
        if one is not None and one.errors
    ]
    if found:
        text = ", ".join(found)
        raise GTrackError(f"{text[0].upper()}{text[1:]}.")


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        epilog=examples(
            "gtrack verify",
            "gtrack verify last --large",
            "gtrack verify --registry",
            "gtrack verify --json > verification.json",
            "gtrack verify --accept",
        )
    )(verify)
