"""``gtrack ls``: the runs, one line each.

The command that is called most: what only some of its options need is imported for them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gtrack.cli.options import Count, Json, Markdown, Where, one_format, shown_limit
from gtrack.cli.session import examples, note, now, open_project, out, ready_index, write
from gtrack.ops.listing import list_runs
from gtrack.ops.search import Choice, find_runs
from gtrack.project import Project
from gtrack.records import Status
from gtrack.render.data import run_data, to_csv, to_json
from gtrack.render.listing import damage_legend, listing_columns, write_listing
from gtrack.render.markdown import columns_markdown


def ls(
    ctx: typer.Context,
    count: Count = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="Only the runs of this experiment.")
    ] = None,
    status: Annotated[Status | None, typer.Option("--status", "-s", help="Only the runs with this status.")] = None,
    where: Where = None,
    sort: Annotated[
        list[str] | None,
        typer.Option(
            "--sort", metavar="LIST", help="By what to sort, separated by commas; the greatest first after a -."
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option("--group-by", metavar="LIST", help="One line for all runs that have the same of these."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", "-c", metavar="LIST", help="What to show, separated by commas; * stands for any text."
        ),
    ] = None,
    json: Json = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Write CSV, with everything that is known unless --columns says.")
    ] = False,
    markdown: Markdown = False,
) -> None:
    """List runs, newest first.

    Shown are the parameters that differ between the listed runs, and the metrics. What does not fit the terminal is left
    out, and named below the table; a pipe gets everything. docs/search.md tells what a filter can say.
    """
    one_format(json=json, csv=csv, markdown=markdown)
    project = ready_index(open_project(ctx))
    console = out()
    limit = shown_limit(count, for_a_screen=console.is_terminal and not (json or csv or markdown))
    choice = Choice(
        where or "", None if experiment is None else (experiment,), None if status is None else (status.value,)
    )
    if group_by is not None:
        from gtrack.cli.grouping import write_grouping  # noqa: PLC0415 - see the module
        from gtrack.ops.group import group_runs  # noqa: PLC0415 - see the module

        grouping = group_runs(project, group_by, choice, metrics=columns, order=",".join(sort or ()), limit=limit)
        write_grouping(grouping, json=json, csv=csv, markdown=markdown)
        return
    runs = find_runs(project, choice, sort or (), None if limit is None else limit + 1)
    listing = list_runs(runs, limit=limit, columns=columns, which="first" if sort else "newest")
    if json:
        write(to_json([run_data(run) for run in listing.runs]))
    elif csv:
        write(to_csv(listing))
    elif markdown:
        write(columns_markdown(listing_columns(listing, now())))
    elif listing.runs:
        write_listing(console, listing, now())
        if not console.is_terminal and damage_legend(listing):
            note(damage_legend(listing))
    else:
        note(_no_runs(project, choice))


def _no_runs(project: Project, choice: Choice) -> str:
    names = sorted({name for name, *_ in project.index.experiments()})
    if choice.experiments is not None and choice.experiments[0] not in names:
        return f"There is no run of the experiment {choice.experiments[0]!r}. Experiments: {', '.join(names) or 'none yet'}."
    if choice.where and names:
        return "No run fulfils that filter."
    if choice.statuses is not None:
        return f"No run is {choice.statuses[0]}."
    return "No runs yet. 'gtrack run SCRIPT.py' makes one."


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        epilog=examples(
            "gtrack ls",
            "gtrack ls -e churn --status failed",
            "gtrack ls --where 'metrics.f1 > 0.9 and params.depth = 5' --sort -f1",
            "gtrack ls --group-by params.max_depth --columns metrics.f1",
            "gtrack ls --columns 'name,params.optimizer.*,metrics.f1,tags.team'",
            "gtrack ls --csv > runs.csv",
        )
    )(ls)
