"""``gtrack register``, ``promote``, ``demote``, ``deprecate``: versions of models, and the stages that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from gtrack.cli.options import Json
from gtrack.cli.proposing import (
    Apply,
    Asked,
    Base,
    Check,
    MarkdownFile,
    Propose,
    check_fitting,
    run_apply,
    run_check,
    run_propose,
)
from gtrack.cli.session import complete_run, examples, note, open_project, resolve, write
from gtrack.errors import RunNotFound, UsageError
from gtrack.fluent.registry import register_run
from gtrack.git.remotes import default_remote, without_secrets
from gtrack.ops.known_stage import check_known_stage
from gtrack.ops.register_directory import is_model_directory, register_directory
from gtrack.project import Project
from gtrack.records import ModelVersion
from gtrack.registry.policy import PolicyFailed, Verdict, unmet
from gtrack.registry.registry import Outlook
from gtrack.registry.renaming import Renamed
from gtrack.registry.tag_names import check_model, check_stage, parse_reference
from gtrack.registry.writing import Terms
from gtrack.render.data import to_json
from gtrack.render.models import version_data
from gtrack.render.values import printable

Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept with the tag.")]
Sign = Annotated[
    bool | None,
    typer.Option("--sign/--no-sign", help="Sign the tag with git's own settings; as tag.gpgSign says, without either."),
]
Push = Annotated[bool, typer.Option("--push", help="Publish it at once; nothing is kept that the remote refuses.")]
Remote = Annotated[
    str | None, typer.Option("--remote", metavar="NAME", help="Where --push goes; origin, or the only one there is.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Do it against the stage's conditions, where its settings allow that.")
]
Approved = Annotated[
    list[str] | None,
    typer.Option("--approved-by", metavar="WHO", help="Somebody who approves, 'Name <address>'; may be repeated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done, and whether it may be.")]
Artifact = Annotated[
    str, typer.Option("--artifact", "-a", metavar="PATH", help="Where the model is among the run's artifacts.")
]
Bump = Annotated[str, typer.Option("--bump", metavar="PART", help="What the version raises: major, minor or patch.")]
Version = Annotated[
    str | None, typer.Option("--version", metavar="V", help="The version itself instead, such as v1.4.0.")
]


def _terms(
    project: Project,
    *,
    sign: bool | None,
    push: bool,
    remote: str | None,
    force: bool = False,
    approvals: Sequence[str] | None = None,
) -> tuple[Terms, list[Renamed]]:
    """Return how tags are made, and where it will stand which ones could not be published as they were made."""
    if remote is not None and not push:
        raise UsageError("--remote says where --push goes: give both.")
    again: list[Renamed] = []
    terms = Terms(
        sign=sign,
        remote=(remote or default_remote(project.repo)) if push else None,
        approvals=tuple(approvals or ()),
        force=force,
        tell=again.append,
    )
    return terms, again


def _told(made: ModelVersion, terms: Terms, again: Sequence[Renamed], *, json: bool, said: str) -> None:
    if json:
        write(to_json({"model": made.name, **version_data(made), "renumbered": [vars(one) for one in again]}))
    else:
        note(said, "none")
    _tell_again(again, terms)


def _tell_again(again: Sequence[Renamed], terms: Terms) -> None:
    for one in again:
        note(one.told(without_secrets(terms.remote or "")), "yellow")


def _pushed(terms: Terms) -> str:
    return f", pushed to {printable(without_secrets(terms.remote))}" if terms.remote else ""


def register_(
    ctx: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run: an id, a name, last, best:METRIC …; or a model directory, which gets a run of its own.",
            autocompletion=complete_run,
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="The model that it is a version of.")],
    artifact: Artifact = "model",
    bump: Bump = "major",
    version: Version = None,
    reason: Reason = None,
    sign: Sign = None,
    push: Push = False,
    remote: Remote = None,
    json: Json = False,
) -> None:
    """Register the model of a run as the next version of a model.

    It becomes an annotated git tag on the run's commit, which --push, or 'git push --tags' later, publishes.
    """
    project = open_project(ctx)
    terms, again = _terms(project, sign=sign, push=push, remote=remote)
    try:
        found = resolve(project, run)
    except RunNotFound:
        if not is_model_directory(run):
            raise
        made = register_directory(project, run, model, bump=bump, version=version, reason=reason, terms=terms)
        said = f"{printable(run)} is version {made.version} of {made.name} (tag {made.tag}){_pushed(terms)}"
        _told(made, terms, again, json=json, said=said)
        return
    known = project.registry.ledger(check_model(model)).models.get(model)
    before = {one.tag for one in known.versions} if known is not None else set()
    made = register_run(project, found, artifact, model, bump=bump, version=version, reason=reason, terms=terms)
    already = "already " if made.tag in before else ""
    when = f" {already}(tag {made.tag}){_pushed(terms)}" if made.tag else ", when the run has ended"
    said = f"{printable(found.name)} is version {made.version} of {made.name}{when}"
    _told(made, terms, again, json=json, said=said)


def promote(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="churn@3, churn@v1.4.0, churn#staging, or churn for its latest version."),
    ] = None,
    stage: Annotated[
        str | None, typer.Argument(metavar="STAGE", help="The stage, such as staging or production.")
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN", help="Register the model of this run first.", autocompletion=complete_run),
    ] = None,
    artifact: Artifact = "model",
    bump: Bump = "major",
    version: Version = None,
    reason: Reason = None,
    approved_by: Approved = None,
    sign: Sign = None,
    push: Push = False,
    remote: Remote = None,
    force: Force = False,
    dry_run: DryRun = False,
    propose: Propose = False,
    check: Check = False,
    apply: Apply = False,
    base: Base = None,
    markdown: MarkdownFile = None,
    json: Json = False,
) -> None:
    """Put a version of a model into a stage.

    What was in production makes room. Promoting an earlier version again is how one rolls back. Every condition that the
    settings have for the stage is told; when one is not met nothing is promoted, and the exit code is 1.

    In pull requests: --propose writes what is wanted into .gtrack/stages.yaml, --check judges what a branch changes there, and
    --apply makes the tags after the merge.
    """
    asked = Asked(propose, check, apply, base, markdown)
    check_fitting(ctx, asked)
    if check:
        run_check(ctx, asked, approvals=approved_by, json=json)
        return
    if apply:
        run_apply(ctx, asked, push=push, remote=remote, sign=sign, approvals=approved_by, dry_run=dry_run, json=json)
        return
    if model is None or stage is None:
        raise UsageError("Say what shall be promoted and where to: gtrack promote MODEL STAGE.")
    if propose:
        run_propose(ctx, model, stage, reason=reason, dry_run=dry_run, json=json)
        return
    project = open_project(ctx)
    terms, again = _terms(
        project, sign=sign, push=push and not dry_run, remote=remote, force=force, approvals=approved_by
    )
    registry, into = project.registry, check_stage(stage)
    check_known_stage(registry, into)
    if run is not None:
        name, run_id = check_model(model), resolve(project, run).id
        look = partial(registry.outlook_of_run, name, run_id, into, artifact, bump=bump, version=version, reason=reason)
        do = partial(
            registry.register_and_assign, name, run_id, into, artifact, bump=bump, version=version, reason=reason
        )
    else:
        found = registry.version(model)
        name = found.name
        look = partial(registry.outlook, name, found.semver, into, reason=reason)
        do = partial(registry.assign, name, found.semver, into, reason=reason)
    outlook = look(terms=terms)
    _verdicts(outlook.verdicts)
    if dry_run:
        _foreseen(outlook, name, into, force=force and registry.rules.of(into).force, json=json)
        return
    try:
        made = do(terms=terms)
    except PolicyFailed as error:
        note(f"Error: {str(error).splitlines()[0]}", "red")
        raise typer.Exit(error.exit_code) from None
    before = outlook.current if into in registry.exclusive else None
    took = f", in place of v{before.version}" if before is not None and before.version != made.version else ""
    said = f"{name} v{made.version} is in {', '.join(made.stages)}{took}{_pushed(terms)}"
    _told(made, terms, again, json=json, said=said)


def _verdicts(verdicts: Sequence[Verdict]) -> None:
    """Tell what the stage demands; that the run finished is no news where that is all."""
    if len(verdicts) > 1 or unmet(verdicts):
        for one in verdicts:
            note(str(one), "green" if one.met else "red")


def _foreseen(outlook: Outlook, name: str, stage: str, *, force: bool, json: bool) -> None:
    may = force or not unmet(outlook.verdicts)
    if json:
        told = [{"condition": one.condition, "met": one.met, "found": one.found} for one in outlook.verdicts]
        write(to_json({"model": name, "stage": stage, "may": may, "tags": list(outlook.tags), "conditions": told}))
    elif not may:
        note(f"{name} v{outlook.version.version} would not be promoted to {stage}.", "red")
    elif outlook.tags:
        note(f"Would make {' and '.join(outlook.tags)}.", "none")
    else:
        note(f"Nothing to do: {name} v{outlook.version.version} is in {stage} already.", "none")
    if not may:
        raise typer.Exit(1)


def demote(
    ctx: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="churn for what is in the stage, or churn@3, churn@v1.4.0.")
    ],
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The stage that it leaves.")],
    reason: Reason = None,
    sign: Sign = None,
    push: Push = False,
    remote: Remote = None,
    force: Force = False,
    propose: Propose = False,
    json: Json = False,
) -> None:
    """Take a version of a model out of a stage.

    An exclusive stage, such as production, is empty then; to put another version there, promote that one instead.
    """
    if propose:
        check_fitting(ctx, Asked(propose))
        run_propose(ctx, model, stage, reason=reason, dry_run=False, json=json, empty=True)
        return
    project = open_project(ctx)
    registry, out_of = project.registry, check_stage(stage)
    terms, again = _terms(project, sign=sign, push=push, remote=remote, force=force)
    found = registry.version(model if parse_reference(model) else f"{check_model(model)}#{out_of}")
    made = registry.unassign(found.name, found.semver, out_of, reason=reason, terms=terms)
    left = f"; it is in {', '.join(made.stages)}" if made.stages else ""
    said = f"{made.name} v{made.version} left {out_of}{left}{_pushed(terms)}"
    _told(made, terms, again, json=json, said=said)


def deprecate(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="churn for the whole model, or churn@3, churn@v1.4.0 for one version."),
    ],
    reason: Reason = None,
    sign: Sign = None,
    push: Push = False,
    remote: Remote = None,
    force: Force = False,
) -> None:
    """Retire a model, or take one version of it back.

    A retired model stays, with its versions and stages, and says that it should not be used, until it is promoted or
    registered again. A version that is taken back leaves its stages, and nothing else is ever called so.
    """
    project = open_project(ctx)
    terms, again = _terms(project, sign=sign, push=push, remote=remote, force=force)
    if parse_reference(model) is None:
        retired = project.registry.deprecate(check_model(model), reason=reason, terms=terms)
        note(f"{retired.name} is deprecated{_pushed(terms)}", "none")
        _tell_again(again, terms)
        return
    found = project.registry.version(model)
    project.registry.deregister(found.name, found.semver, reason=reason, terms=terms)
    note(f"{found.name} v{found.version} ({found.semver}) is taken back{_pushed(terms)}", "none")
    _tell_again(again, terms)


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        "register",
        epilog=examples(
            "gtrack register best:f1 --model churn",
            "gtrack register last -m churn -a forest --bump minor --reason simpler",
            "gtrack register exported/model -m churn --push",
        ),
    )(register_)
    app.command(
        epilog=examples(
            "gtrack promote churn staging --run best:f1",
            "gtrack promote churn production --reason 'f1 0.91, was 0.88' --push",
            "gtrack promote churn@2 production --reason rollback",
            "gtrack promote churn production --reason 'f1 0.91' --propose",
            "gtrack promote --check --base origin/main --markdown comment.md",
        )
    )(promote)
    app.command(epilog=examples("gtrack demote churn staging", "gtrack demote churn@2 qa --reason 'it drifts'"))(demote)
    app.command(epilog=examples("gtrack deprecate churn --reason 'see churn-2'", "gtrack deprecate churn@2"))(deprecate)
