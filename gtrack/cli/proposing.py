"""``gtrack promote --propose``, ``--check`` and ``--apply``: promotions in pull requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gtrack.cli.session import note, now, open_project, out, write
from gtrack.errors import GTrackError, UsageError
from gtrack.formats.words import plural
from gtrack.git.remotes import default_remote, without_secrets
from gtrack.ops.predict import write_whole
from gtrack.ops.proposals.apply import apply
from gtrack.ops.proposals.check import check
from gtrack.ops.proposals.proposal import Proposal, propose, propose_empty
from gtrack.ops.proposals.proposed import PATH
from gtrack.project import Project
from gtrack.registry.policy import unmet
from gtrack.registry.tag_names import check_model, parse_reference
from gtrack.render.data import to_json
from gtrack.render.proposal import (
    applied_data,
    applied_text,
    check_data,
    check_markdown,
    entry_text,
    proposal_commands,
    proposal_data,
    write_check,
)

Propose = Annotated[bool, typer.Option("--propose", help=f"Write it into {PATH} instead, for a pull request.")]
Check = Annotated[bool, typer.Option("--check", help=f"Judge what {PATH} of HEAD proposes; without MODEL and STAGE.")]
Apply = Annotated[
    bool, typer.Option("--apply", help=f"Make the tags that {PATH} of HEAD asks for; without MODEL and STAGE.")
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="REV",
        help="What it is merged into (--check), or what the branch was before (--apply): its settings count.",
    ),
]
MarkdownFile = Annotated[
    str | None,
    typer.Option("--markdown", metavar="FILE", help="With --check: write a comment for the pull request; - is stdout."),
]

_FITTING: Mapping[str, frozenset[str]] = {
    "--propose": frozenset({"--reason", "--dry-run"}),
    "--check": frozenset({"--base", "--markdown", "--approved-by"}),
    "--apply": frozenset({"--base", "--push", "--remote", "--sign", "--approved-by", "--dry-run"}),
}
"""Which other options each of the three takes, beside ``--json``."""
_WHY = {
    "--run": "Register it first: gtrack register RUN --model MODEL.",
    "--approved-by": "Approvals are said in the commits: Approved-By: Name <address>.",
    "--push": "Commit the file on a branch, and push that.",
    "--force": "A pull request is merged or not.",
}


@dataclass(frozen=True)
class Asked:
    """What was asked for beside MODEL and STAGE.

    Attributes:
        propose: write a proposal.
        check: judge what is proposed.
        apply: make the tags.
        base: what it is merged into, or was before.
        markdown: where the comment is to be written to.
    """

    propose: bool = False
    check: bool = False
    apply: bool = False
    base: str | None = None
    markdown: str | None = None

    @property
    def given(self) -> list[str]:
        """Those of the three that are asked for."""
        asked = {"--propose": self.propose, "--check": self.check, "--apply": self.apply}
        return [name for name, is_asked in asked.items() if is_asked]


def check_fitting(ctx: typer.Context, asked: Asked) -> None:
    """Check that the options and arguments of a command go together.

    Raises:
        UsageError: they do not.
    """
    if len(asked.given) > 1:
        raise UsageError(f"{' and '.join(asked.given)} exclude each other.")
    if not asked.given:
        if asked.base is not None or asked.markdown is not None:
            raise UsageError("--base and --markdown are for --check and --apply.")
        return
    [which] = asked.given
    given = [one for one in ctx.command.params if _is_given(ctx, str(one.name))]
    options = [one.opts[0] for one in given if one.opts[0].startswith("-")]
    unfit = [name for name in options if name not in _FITTING[which] | {which, "--json"}]
    if unfit:
        raise UsageError(f"{' and '.join(unfit)} cannot go with {which}. {_WHY.get(unfit[0], '')}".rstrip())
    if which != "--propose" and len(options) < len(given):
        raise UsageError(f"{which} looks at all of {PATH}: leave MODEL and STAGE away.")


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def run_propose(
    ctx: typer.Context, model: str, stage: str, *, reason: str | None, dry_run: bool, json: bool, empty: bool = False
) -> None:
    """Write a proposal, and say what the stage demands and how it goes on."""
    project = open_project(ctx)
    if empty:
        wanted = project.registry.version(model) if parse_reference(model) else None
        name = wanted.name if wanted is not None else check_model(model)
        found = propose_empty(project, name, stage, version=wanted, reason=reason, dry_run=dry_run)
    else:
        found = propose(project, project.registry.version(model), stage, reason=reason, dry_run=dry_run)
    if json:
        write(to_json(proposal_data(found)))
        return
    for one in found.verdicts:
        note(str(one), "green" if one.met else "red")
    failed = unmet(found.verdicts)
    if failed:
        note(
            f"{len(failed)} of {plural(len(found.verdicts), 'condition')} {'is' if len(failed) == 1 else 'are'} not met here and "
            "now. The check of the pull request decides.",
            "yellow",
        )
    _said(found, dry_run=dry_run)


def _said(found: Proposal, *, dry_run: bool) -> None:
    says = entry_text(found.entry, found.version)
    if not found.changed:
        note(f"{PATH} says so already: {says}.", "none")
    elif dry_run:
        note(f"Would write into {PATH}: {says}.", "none")
    else:
        note(f"{PATH} says: {says}. Nothing is promoted yet. Commit it on a branch, for a pull request:", "none")
        for command in proposal_commands(found):
            note(f"  {command}")


def run_check(ctx: typer.Context, asked: Asked, *, approvals: Sequence[str] | None, json: bool) -> None:
    """Judge what is proposed; exit code 1 when something of it is not to be merged."""
    if json and asked.markdown == "-":
        raise UsageError("--json and --markdown - both write to stdout: give --markdown a file.")
    project = open_project(ctx)
    found = check(project, base=asked.base, approvals=tuple(approvals or ()))
    if asked.markdown is not None:
        text = check_markdown(found, now())
        if asked.markdown == "-":
            write(text)
        else:
            write_whole(Path(asked.markdown), text.encode())
    if json:
        write(to_json(check_data(found)))
    elif asked.markdown != "-":
        write_check(out(), found)
    if not found.may:
        raise typer.Exit(1)


def run_apply(
    ctx: typer.Context,
    asked: Asked,
    *,
    push: bool,
    remote: str | None,
    sign: bool | None,
    approvals: Sequence[str] | None,
    dry_run: bool,
    json: bool,
) -> None:
    """Make the tags; exit code 1 when one that is asked for is not made."""
    if remote is not None and not push:
        raise UsageError("--remote says where --push goes: give both.")
    project = open_project(ctx)
    # What a host says was there before the first push of a branch.
    base = None if asked.base is not None and not asked.base.strip("0") else asked.base
    where = _remote(project, remote) if push else None
    done = apply(project, base=base, sign=sign, remote=where, approvals=tuple(approvals or ()), dry_run=dry_run)
    if json:
        write(to_json(applied_data(done, dry_run=dry_run)))
    for one in done if not json else ():
        text, style = applied_text(one, dry_run=dry_run, remote=without_secrets(where) if where else None)
        note(text, style or "none")
        for verdict in one.verdicts:
            note(f"    {verdict}", "green" if verdict.met else "red")
    for again in [again for one in done for again in one.renumbered]:
        note(again.told(without_secrets(where or "")), "yellow")
    if not done and not json:
        note(f"{PATH} of HEAD asks for nothing.")
    failed = [one for one in done if one.problem]
    if failed:
        raise GTrackError(
            f"{len(failed)} of {len(done)} {'entry' if len(done) == 1 else 'entries'} of {PATH} could not be applied."
        )


def _remote(project: Project, remote: str | None) -> str:
    return remote if remote is not None else default_remote(project.repo)
