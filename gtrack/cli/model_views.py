"""``gtrack models show``, ``history``, ``diff``: look at a model and its versions.

Each imports what it alone needs: they are all defined whenever ``gtrack models`` lists the models.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gtrack.cli.options import Code, Csv, Everything, Json, Markdown, one_format, shown_limit
from gtrack.cli.session import examples, note, now, open_project, out, write
from gtrack.errors import GTrackError, UsageError
from gtrack.project import Project
from gtrack.registry.tag_names import parse_reference
from gtrack.render.data import comparison_csv, rows_csv, to_json
from gtrack.render.markdown import columns_markdown


def complete_version(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer models to the shell; once one is typed, its stages and versions."""
    try:
        models = open_project(ctx, recover=False).registry_reader.models()
    except GTrackError:  # a shell that completes must not be told of errors
        return []
    typed = incomplete.partition("#")[0].partition("@")[0]
    offered = [model.name for model in models]
    for model in models:
        if model.name == typed:
            offered += [f"{typed}#{stage}" for stage in model.stages]
            offered += [f"{typed}@{one.version}" for one in reversed(model.versions)]
    return [name for name in offered if name.startswith(incomplete)]


Count = Annotated[
    int | None,
    typer.Option(
        "-n", metavar="N", min=0, help="How many at the most, 0 for all [default: 30 on a terminal, else all]."
    ),
]


def show(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=complete_version,
            help="A model, or one version of it: churn@3, churn@v1.4.0, churn@latest, churn#production.",
        ),
    ],
    count: Count = None,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Show a model with all its versions, or where one version comes from.

    Of a version: its tag and who registered it, the run with its parameters, metrics and data, the code, the model itself,
    the stages that it was in, and how to load and deploy it; all of it as the tag's own commit holds it.
    """
    one_format(json=json, csv=csv, markdown=markdown)
    project = open_project(ctx)
    if "@" in model or "#" in model:
        if csv or markdown or count is not None:
            raise UsageError("-n, --csv and --markdown are for the table of a model's versions: give the model alone.")
        _show_version(project, model, json=json)
        return
    from gtrack.ops.model_overview import model_overview  # noqa: PLC0415 - see the module
    from gtrack.render.model_versions import overview_data, version_columns, version_rows, write_overview  # noqa: PLC0415 - see the module

    console = out()
    limit = shown_limit(count, for_a_screen=console.is_terminal and not (json or csv or markdown))
    found = model_overview(project, model, limit)
    if json:
        write(to_json(overview_data(found)))
    elif csv:
        write(rows_csv(version_rows(found)))
    elif markdown:
        write(columns_markdown(version_columns(found, now(), terminal=False)))
    else:
        write_overview(console, found, now())


def _show_version(project: Project, ref: str, *, json: bool) -> None:
    from gtrack.ops.lineage import lineage  # noqa: PLC0415 - see the module
    from gtrack.render.lineage import lineage_data, write_lineage  # noqa: PLC0415 - see the module

    found = lineage(project, ref)
    if json:
        write(to_json(lineage_data(found)))
    else:
        write_lineage(out(), found, now())


def history(
    ctx: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", autocompletion=complete_version, help="The model, without a version.")
    ],
    count: Count = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The oldest first.")] = False,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Show what was done to a model, the newest first: when, by whom, what and why.

    Where there is any: who approved it, the conditions that were passed over by force, and whether the signature of the
    tag holds.
    """
    from gtrack.ops.model_history import model_history  # noqa: PLC0415 - see the module
    from gtrack.render.model_history import history_columns, history_data, history_rows, write_history  # noqa: PLC0415 - see the module

    one_format(json=json, csv=csv, markdown=markdown)
    wanted = parse_reference(model)
    if wanted is not None:
        raise UsageError(f"{model!r} is a version, and history tells of a model: gtrack models history {wanted.model}.")
    project = open_project(ctx)
    console = out()
    limit = shown_limit(count, for_a_screen=console.is_terminal and not (json or csv or markdown))
    found = model_history(project, model, limit)
    more = limit is not None and len(found) == limit and len(project.registry_reader.events(model)) > limit
    if reverse:
        found.reverse()
    if json:
        write(to_json(history_data(found)))
    elif csv:
        write(rows_csv(history_rows(found)))
    elif markdown:
        write(columns_markdown(history_columns(found, now(), terminal=False)))
    else:
        write_history(console, found, now(), more=more)


def diff(
    ctx: typer.Context,
    versions: Annotated[
        list[str],
        typer.Argument(
            metavar="VERSION",
            autocompletion=complete_version,
            help="Two or more: churn@3, churn#production, or churn for its latest; the first is compared with.",
        ),
    ],
    everything: Everything = False,
    code: Code = False,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Show what differs between model versions: what 'gtrack diff' shows of their runs, as their tags hold them."""
    one_format(json=json, csv=csv, markdown=markdown)
    if code and (json or csv or markdown):
        raise UsageError("--code writes a patch: leave --json, --csv and --markdown away.")
    from gtrack.ops.compare_versions import compare_versions  # noqa: PLC0415 - see the module

    project = open_project(ctx)
    found = compare_versions(project, versions)
    for problem in found.problems:
        note(problem, "yellow")
    if code:
        from gtrack.cli.patches import write_patches  # noqa: PLC0415 - see the module

        write_patches(project.repo, list(found.comparison.runs))
        return
    from gtrack.render.model_versions import (  # noqa: PLC0415 - see the module
        version_comparison_data,
        version_comparison_markdown,
        write_version_comparison,
    )

    if json:
        write(to_json(version_comparison_data(found, everything=everything)))
    elif csv:
        write(comparison_csv(found.comparison, everything=everything))
    elif markdown:
        write(version_comparison_markdown(found, now(), everything=everything))
    else:
        write_version_comparison(out(), found, now(), everything=everything)


def register(models: typer.Typer) -> None:
    """Add these commands to ``gtrack models``."""
    models.command(
        epilog=examples(
            "gtrack models show churn",
            "gtrack models show churn#production",
            "gtrack models show churn@3 --json | jq .lineage.run.params",
        )
    )(show)
    models.command(epilog=examples("gtrack models history churn", "gtrack models history churn --reverse --markdown"))(
        history
    )
    models.command(
        epilog=examples(
            "gtrack models diff churn#production churn@5",
            "gtrack models diff churn@4 churn --markdown > comparison.md",
        )
    )(diff)
