"""``gtrack ls``, ``show``, ``diff``, ``log``, ``get``, ``status``: look at runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gtrack.cli.session import complete_run, examples, note, now, open_project, out, ready_index, resolve, write
from gtrack.errors import FormatError, UsageError
from gtrack.formats.words import size
from gtrack.git.repo import Repository
from gtrack.ops import code as codes
from gtrack.ops.compare import compare
from gtrack.ops.get import Written, bring, choose, write_out
from gtrack.ops.group import Grouping, group_runs
from gtrack.ops.listing import list_runs
from gtrack.ops.report import last_lines, output, report
from gtrack.ops.search import Choice, find_runs
from gtrack.ops.status import status as status_of
from gtrack.project import Project
from gtrack.records import Run, Status, Value
from gtrack.render.comparison import run_titles, write_comparison
from gtrack.render.data import (
    comparison_csv,
    comparison_data,
    report_data,
    rows_csv,
    run_data,
    status_data,
    to_csv,
    to_json,
)
from gtrack.render.groups import group_columns, group_data, group_rows, write_groups
from gtrack.render.listing import damage_legend, listing_columns, write_listing
from gtrack.render.markdown import columns_markdown, comparison_markdown
from gtrack.render.progress import ProgressStages
from gtrack.render.report import write_report
from gtrack.render.status import write_status
from gtrack.render.values import harmless, printable

_ON_A_SCREEN = 30

RunRef = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=complete_run, help="The run: see 'gtrack --help'.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Write CSV.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Write GitHub-flavoured Markdown.")]
Where = Annotated[
    str | None,
    typer.Option("--where", "-w", metavar="FILTER", help="Only the runs that it takes: 'metrics.f1 > 0.9'."),
]


def one_format(*, json: bool, csv: bool, markdown: bool) -> None:
    """Refuse two formats at once.

    Raises:
        UsageError: two were asked for.
    """
    asked = [name for name, wanted in (("--json", json), ("--csv", csv), ("--markdown", markdown)) if wanted]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} exclude each other.")


def shown_limit(count: int | None, *, for_a_screen: bool) -> int | None:
    """Return how many lines to show when ``count`` was asked for: 0 means all, None what fits a screen, if it is one."""
    return count or (None if count == 0 or not for_a_screen else _ON_A_SCREEN)


def ls(
    ctx: typer.Context,
    count: Annotated[
        int | None,
        typer.Option(
            "-n", metavar="N", min=0, help="How many at the most, 0 for all [default: 30 on a terminal, else all]."
        ),
    ] = None,
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
        grouping = group_runs(project, group_by, choice, metrics=columns, order=",".join(sort or ()), limit=limit)
        _write_groups(console, grouping, json=json, csv=csv, markdown=markdown)
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


def _write_groups(console: Console, grouping: Grouping, *, json: bool, csv: bool, markdown: bool) -> None:
    if json:
        write(to_json(group_data(grouping)))
    elif csv:
        write(rows_csv(group_rows(grouping)))
    elif markdown:
        write(columns_markdown(group_columns(grouping, terminal=False)))
    elif grouping.groups:
        write_groups(console, grouping)
    else:
        note("No run is in any group.")


def _no_runs(project: Project, choice: Choice) -> str:
    names = sorted({name for name, *_ in project.index.experiments()})
    if choice.experiments is not None and choice.experiments[0] not in names:
        return f"There is no run of the experiment {choice.experiments[0]!r}. Experiments: {', '.join(names) or 'none yet'}."
    if choice.where and names:
        return "No run fulfils that filter."
    if choice.statuses is not None:
        return f"No run is {choice.statuses[0]}."
    return "No runs yet. 'gtrack run SCRIPT.py' makes one."


def show(
    ctx: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", autocompletion=complete_run, help="The run [default: last].")
    ] = "last",
    json: Json = False,
) -> None:
    """Show everything about one run.

    Parameters, metrics with the course of each, inputs, tags, notes, artifacts and environment; of a run that failed also
    the end of its output.
    """
    project = open_project(ctx)
    found = report(project, resolve(project, run))
    if json:
        write(to_json(report_data(found)))
    else:
        write_report(out(), found, now())


def diff(
    ctx: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            autocompletion=complete_run,
            help="Two or more; the first is what the others are compared with.",
        ),
    ],
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    code: Annotated[bool, typer.Option("--code", help="Show the code as a patch, and nothing else.")] = False,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Show what differs between runs.

    Parameters, metrics with their change, inputs, tags, environment, packages and code. Green, or a triangle that points
    up, is better in the sense of the metric's goal; red, or one that points down, is worse.
    """
    one_format(json=json, csv=csv, markdown=markdown)
    if code and (json or csv or markdown):
        raise UsageError("--code writes a patch: leave --json, --csv and --markdown away.")
    project = open_project(ctx)
    found = _different_runs(project, runs)
    if code:
        write_patches(project.repo, found)
        return
    comparison = compare(found, [_environment(project, run) for run in found])
    changes = [codes.code_change(project.repo, found[0], run) for run in found[1:]]
    if json:
        write(to_json(comparison_data(comparison, changes, everything=everything)))
    elif csv:
        write(comparison_csv(comparison, everything=everything))
    elif markdown:
        write(comparison_markdown(comparison, changes, everything=everything))
    else:
        write_comparison(out(), comparison, changes, now(), everything=everything)


def _different_runs(project: Project, refs: list[str]) -> list[Run]:
    if len(refs) < 2:
        raise UsageError("diff compares two runs or more: gtrack diff A B.")
    found: dict[str, tuple[str, Run]] = {}
    for ref in refs:
        run = resolve(project, ref)
        if run.id in found:
            raise UsageError(f"{found[run.id][0]!r} and {ref!r} are the same run, {run.name} ({run.short_id}).")
        found[run.id] = ref, run
    return [run for _, run in found.values()]


def _environment(project: Project, run: Run) -> Mapping[str, Value]:
    try:
        return project.environment(run.id)
    except FormatError as error:
        note(f"{printable(run.name)}: {error}", "yellow")
        return {}


def write_patches(repo: Repository, runs: list[Run]) -> None:
    """Write the patches from the code of the first run to that of each other one."""
    console = out()
    colour = console.is_terminal and not console.no_color and console.color_system is not None
    titles = run_titles(runs)
    for title, run in zip(titles[1:], runs[1:], strict=True):
        change = codes.code_change(repo, runs[0], run)
        if change.problem:
            note(f"The code of {titles[0]} and {title} cannot be compared: {change.problem}.", "yellow")
        elif not change.files:
            note(f"{titles[0]} and {title} ran the same code.")
        if len(runs) > 2:
            note(f"{titles[0]} → {title}", "bold")
        _write_bytes(codes.patch(repo, runs[0], run, colour=colour))


def _write_bytes(data: bytes) -> None:
    """Write what a run or its author wrote: byte for byte to a pipe, without what could steer the terminal to one."""
    if sys.stdout.isatty():
        write(harmless(data.decode(errors="replace")))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)


def log(
    ctx: typer.Context,
    run: RunRef,
    lines: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="Only the last N lines.")] = None,
) -> None:
    """Print what a run wrote to stdout and stderr."""
    project = open_project(ctx)
    found = resolve(project, run)
    data = output(project, found.id)
    if not data:
        note(
            f"Nothing is kept of the output of {printable(found.name)}: 'gtrack run' keeps it, a run of its own does not."
        )
    elif lines is not None:
        _write_bytes("".join(f"{line}\n" for line in last_lines(data, lines)).encode())
    else:
        _write_bytes(data)


def get(
    ctx: typer.Context,
    run: RunRef,
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="An artifact, or a folder of them [default: all].")
    ] = None,
    directory: Annotated[
        str, typer.Option("--output", "-o", metavar="DIR", help="Where to write; - writes one artifact to stdout.")
    ] = ".",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace files that are there and differ.")] = False,
) -> None:
    """Write artifacts of a run out as files.

    Each file is written below DIR under its own path. A file that is there and differs is kept, unless --force. What is not
    here is fetched: large files from the store or LFS server that they were pushed to.
    """
    project = open_project(ctx)
    found = resolve(project, run)
    artifacts = choose(project, found, path)
    if directory == "-" and len(artifacts) != 1:
        raise UsageError(f"Only one artifact can be written to stdout, and there are {len(artifacts)}: name one.")
    stages = ProgressStages(Console(stderr=True))
    try:
        bring(project, found, artifacts, tell=stages.tell)
    finally:
        stages.close()
    if directory == "-":
        content = project.artifact(found.id, artifacts[0].path)
        sys.stdout.flush()
        for piece in content.chunks():
            sys.stdout.buffer.write(piece)
        return
    write_out(project, found, artifacts, Path(directory), force=force, tell=_tell_written)


def _tell_written(one: Written) -> None:
    note(f"{one.path} ({size(one.path.stat().st_size)}{'' if one.changed else ', already there'})", "none")


def status(ctx: typer.Context, json: Json = False) -> None:
    """Show where things stand.

    The repository, its runs by status, live runs, and what a run would record now.
    """
    found = status_of(open_project(ctx))
    if json:
        write(to_json(status_data(found)))
    else:
        write_status(out(), found, now())


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
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
    app.command(epilog=examples("gtrack show", "gtrack show calm-otter-12", "gtrack show best:f1 --json | jq .params"))(
        show
    )
    app.command(
        epilog=examples(
            "gtrack diff last~1 last",
            "gtrack diff best:f1 last --code",
            "gtrack diff 6f1c 09ab 77de --markdown > comparison.md",
        )
    )(diff)
    app.command(epilog=examples("gtrack log last", "gtrack log calm-otter-12 -n 20"))(log)
    app.command(
        epilog=examples(
            "gtrack get last",
            "gtrack get calm-otter-12 figures -o report",
            "gtrack get best:f1 scores.json -o - | jq .f1",
        )
    )(get)
    app.command(epilog=examples("gtrack status", "gtrack -C ../other status --json"))(status)
