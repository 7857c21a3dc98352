"""``gtrack best``, ``experiments``, ``index``: answers over all runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gtrack.cli.options import Count, Csv, Json, Markdown, Where, one_format, shown_limit
from gtrack.cli.session import examples, note, now, open_project, out, ready_index, write
from gtrack.errors import UsageError
from gtrack.formats.words import plural, size
from gtrack.ops.experiments import list_experiments
from gtrack.ops.listing import ColumnSpec, Listing, list_runs
from gtrack.ops.search import Choice, best_runs
from gtrack.records import Goal
from gtrack.render.data import rows_csv, run_data, to_csv, to_json
from gtrack.render.groups import experiment_columns, experiment_data, experiment_rows, write_experiments
from gtrack.render.listing import listing_columns, write_listing
from gtrack.render.markdown import columns_markdown
from gtrack.render.values import duration

_BEST = 5


def best(
    ctx: typer.Context,
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="The metric that decides.")],
    count: Annotated[
        int,
        typer.Option(
            "-n", metavar="N", min=0, help="How many at the most, 0 for all [default: 5].", show_default=False
        ),
    ] = _BEST,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="Only the runs of this experiment.")
    ] = None,
    where: Where = None,
    least: Annotated[bool, typer.Option("--min", help="Less is better.")] = False,
    greatest: Annotated[bool, typer.Option("--max", help="More is better.")] = False,
    columns: Annotated[
        str | None, typer.Option("--columns", "-c", metavar="LIST", help="What to show, as for 'gtrack ls'.")
    ] = None,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """List the runs with the best value of a metric.

    Which direction is better says the experiment's objective, else what the runs defined, else the metric's name (a loss
    is better when it is less), else more is better. Runs that failed, were killed or pruned count only with --where "status = …".
    """
    one_format(json=json, csv=csv, markdown=markdown)
    if least and greatest:
        raise UsageError("--min and --max exclude each other.")
    goal = Goal.MINIMIZE if least else Goal.MAXIMIZE if greatest else None
    project = ready_index(open_project(ctx))
    choice = Choice(where or "", None if experiment is None else (experiment,))
    runs = best_runs(project, metric, choice, goal=goal, count=count + 1 if count else None)
    listing = _metric_first(list_runs(runs, limit=count or None, columns=columns, which="best"), metric)
    if json:
        write(to_json([run_data(run) for run in listing.runs]))
    elif csv:
        write(to_csv(listing))
    elif markdown:
        write(columns_markdown(listing_columns(listing, now())))
    else:
        write_listing(out(), listing, now())


def _metric_first(listing: Listing, metric: str) -> Listing:
    """Put the metric that decides before all others, so that a narrow terminal shows it."""
    decides = ColumnSpec("metrics", metric)
    if listing.chosen or decides not in listing.columns:
        return listing
    others = [column for column in listing.columns if column != decides]
    at = next((at for at, column in enumerate(others) if column.group == "metrics"), len(others))
    return Listing(listing.runs, listing.more, (*others[:at], decides, *others[at:]), listing.chosen, listing.which)


def experiments(
    ctx: typer.Context,
    count: Count = None,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """List the experiments, the latest activity first.

    Shown are how many runs each has, when one of them last started or ended, its best run by its objective, and its
    purpose.
    """
    one_format(json=json, csv=csv, markdown=markdown)
    console = out()
    limit = shown_limit(count, for_a_screen=console.is_terminal and not (json or csv or markdown))
    found = list_experiments(ready_index(open_project(ctx)))
    shown = found[:limit]
    if json:
        write(to_json([experiment_data(one) for one in shown]))
    elif csv:
        write(rows_csv(experiment_rows(shown)))
    elif markdown:
        write(columns_markdown(experiment_columns(shown, now(), terminal=False)))
    elif shown:
        write_experiments(console, shown, now())
        if len(shown) < len(found):
            note(f"{plural(len(found) - len(shown), 'more experiment')}; -n 0 shows all")
    else:
        note("No experiments yet. 'gtrack run SCRIPT.py' makes one.")


def index(
    ctx: typer.Context,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build it anew from nothing.")] = False,
    json: Json = False,
) -> None:
    """Bring the index up to date, and say how large it is.

    Every command that needs the index does this by itself. The index is a cache of what is in git: it is made anew when it
    is missing, damaged or of another version of gtrack, and deleting it loses nothing.
    """
    project = open_project(ctx)
    start = time.perf_counter()
    ready_index(project, rebuild=rebuild)
    seconds = time.perf_counter() - start
    found = project.index
    stored = found.path.stat().st_size if found.is_stored else None
    if json:
        path = str(found.path) if found.is_stored else None
        write(to_json({"path": path, "runs": found.count(), "bytes": stored, "seconds": round(seconds, 3)}))
        return
    where = "in memory, since it cannot be written" if stored is None else f"{size(stored)} in {found.path}"
    note(f"{plural(found.count(), 'run')}, {where}; ready after {duration(seconds)}", "none")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(
        epilog=examples(
            "gtrack best f1",
            "gtrack best val/loss -n 1 --json",
            "gtrack best f1 -e churn --where 'params.n_estimators < 200'",
        )
    )(best)
    app.command(epilog=examples("gtrack experiments", "gtrack experiments --json | jq '.[].best'"))(experiments)
    app.command(epilog=examples("gtrack index", "gtrack index --rebuild"))(index)
