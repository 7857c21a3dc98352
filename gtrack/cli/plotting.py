"""``gtrack plot``: pictures of many runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gtrack.charts.bars import draw_bars
from gtrack.charts.grid import draw_grid
from gtrack.charts.history import draw_histories
from gtrack.charts.parallel import draw_parallel
from gtrack.charts.scatter import draw_scatter
from gtrack.charts.style import Picture, picture
from gtrack.cli.session import complete_run, examples, note, open_project, out
from gtrack.errors import UsageError
from gtrack.ops import plot as plots
from gtrack.ops.curves import STEP, histories, read_histories
from gtrack.project import Project
from gtrack.records import Run
from gtrack.render.plots import write_bars, write_grid, write_histories, write_parallel, write_scatter
from gtrack.render.values import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN", autocompletion=complete_run, help="The runs [default: all]."),
]
Experiment = Annotated[
    str | None, typer.Option("--experiment", "-e", metavar="NAME", help="All runs of this experiment.")
]
Where = Annotated[str | None, typer.Option("--where", metavar="FILTER", help="Only the runs that this filter takes.")]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="The picture, .png or .svg; - writes a PNG to stdout."),
]
Show = Annotated[bool, typer.Option("--show", help="Draw in the terminal.")]
Metric = Annotated[
    str | None,
    typer.Option("--metric", "-m", metavar="NAME", help="The metric [default: the experiment's objective]."),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", "-m", metavar="NAME", help="A metric; repeat it for more [default: the experiment's objective]."
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME", help="A parameter; repeat it for more [default: those that vary]."),
]
LogX = Annotated[bool, typer.Option("--log-x", help="A logarithmic x axis.")]
LogY = Annotated[bool, typer.Option("--log-y", help="A logarithmic y axis.")]


def history(
    ctx: typer.Context,
    runs: Runs = None,
    metric: Metrics = None,
    x: Annotated[
        str, typer.Option("--x", metavar="WHAT", help="What is across: step, time, or a metric such as epoch.")
    ] = STEP,
    smooth: Annotated[
        float, typer.Option("--smooth", metavar="WEIGHT", help="A moving average, from 0 (none) to below 1, e.g. 0.9.")
    ] = 0.0,
    log_x: LogX = False,
    log_y: LogY = False,
    experiment: Experiment = None,
    where: Where = None,
    output: Output = None,
    show: Show = False,
) -> None:
    """Draw the curves of metrics over the steps.

    Of more than 12 runs, the six that ended best stand out and the others are grey.
    """
    target = _target(output, show=show)
    project = open_project(ctx)
    chosen = _runs(project, runs, experiment, where)
    metrics = [plots.chosen_metric(project, chosen, name) for name in (metric or (None,))]
    rows = read_histories(project, chosen)
    chart = histories(chosen, rows, metrics, x=x, smoothing=smooth, log_x=log_x, log_y=log_y)
    _give(target, lambda: draw_histories(chart), lambda console: write_histories(console, chart))


def scatter(
    ctx: typer.Context,
    x: Annotated[
        str, typer.Argument(metavar="X", help="A parameter or metric, e.g. params.lr; also duration, started.")
    ],
    y: Annotated[str, typer.Argument(metavar="Y", help="The same, for the other axis.")],
    runs: Runs = None,
    color: Annotated[
        str | None, typer.Option("--color", "-c", metavar="WHAT", help="A parameter or metric that colours the points.")
    ] = None,
    log_x: LogX = False,
    log_y: LogY = False,
    experiment: Experiment = None,
    where: Where = None,
    output: Output = None,
    show: Show = False,
) -> None:
    """Draw one thing against another, a point per run."""
    target = _target(output, show=show)
    project = open_project(ctx)
    chosen = _runs(project, runs, experiment, where)
    chart = plots.scatter(project, chosen, x, y, color, log_x=log_x, log_y=log_y)
    _give(target, lambda: draw_scatter(chart), lambda console: write_scatter(console, chart))


def parallel(
    ctx: typer.Context,
    runs: Runs = None,
    metric: Metric = None,
    param: Params = None,
    experiment: Experiment = None,
    where: Where = None,
    output: Output = None,
    show: Show = False,
) -> None:
    """Draw parallel coordinates.

    An axis for each parameter and a line for each run, that ends in the metric and is the darker the better it is there.
    """
    target = _target(output, show=show)
    project = open_project(ctx)
    chart = plots.parallel(project, _runs(project, runs, experiment, where), metric, param or ())
    _give(target, lambda: draw_parallel(chart), lambda console: write_parallel(console, chart))


def importance(
    ctx: typer.Context,
    runs: Runs = None,
    metric: Metric = None,
    param: Params = None,
    experiment: Experiment = None,
    where: Where = None,
    output: Output = None,
    show: Show = False,
) -> None:
    """Draw which parameters moved a metric.

    A random forest learns to predict the metric from the parameters; a parameter is important when shuffling its values
    makes the forest worse on runs that it has not seen. R², which is printed too, says how well it predicts those: near 0
    the bars mean nothing. Fewer than 12 runs, or than two for each parameter, are refused.
    """
    target = _target(output, show=show)
    project = open_project(ctx)
    found = plots.importance_of(project, _runs(project, runs, experiment, where), metric, param or ())
    chart = plots.importance_bars(found)
    _give(target, lambda: draw_bars(chart), lambda console: write_bars(console, chart))
    note(f"Cross-validated R² over {found.runs} runs: {found.r2:.2f}.")
    if not found.says_something:
        note("The parameters do not explain the metric here: the bars are mostly chance.", "yellow")


def grid(
    ctx: typer.Context,
    x: Annotated[str, typer.Argument(metavar="X", help="The parameter across, e.g. params.lr.")],
    y: Annotated[str, typer.Argument(metavar="Y", help="The parameter upwards.")],
    runs: Runs = None,
    metric: Metric = None,
    experiment: Experiment = None,
    where: Where = None,
    output: Output = None,
    show: Show = False,
) -> None:
    """Draw a heat map of a metric over two parameters.

    Each cell is the mean of the runs with its two values; numbers with more than 12 values stand in 8 ranges.
    """
    target = _target(output, show=show)
    project = open_project(ctx)
    chart = plots.grid(project, _runs(project, runs, experiment, where), x, y, metric)
    _give(target, lambda: draw_grid(chart), lambda console: write_grid(console, chart))


def bars(
    ctx: typer.Context,
    runs: Runs = None,
    metric: Metrics = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="PARAM", help="A bar for each value of a parameter: mean and standard deviation."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("-n", metavar="N", min=0, help="How many bars at the most, 0 for all [default: 50].")
    ] = None,
    experiment: Experiment = None,
    where: Where = None,
    output: Output = None,
    show: Show = False,
) -> None:
    """Draw metrics of each run as bars, the best first."""
    target = _target(output, show=show)
    project = open_project(ctx)
    chart = plots.bars(project, _runs(project, runs, experiment, where), metric or (), by, count)
    _give(target, lambda: draw_bars(chart), lambda console: write_bars(console, chart))


def _runs(project: Project, refs: list[str] | None, experiment: str | None, where: str | None) -> list[Run]:
    return plots.chosen_runs(project, refs or [], experiment, where, note)


_Target = tuple[str | None, Picture, bool]


def _target(output: str | None, *, show: bool) -> _Target:
    """Return where a chart goes, and as what, before anything is read for it."""
    if output is None and not show:
        raise UsageError("Say where the picture goes: -o FILE.png, -o FILE.svg, or --show for the terminal.")
    if output == "-":
        if show:
            raise UsageError("--show and -o - both write to stdout: choose one.")
        if sys.stdout.isatty():
            raise UsageError("-o - writes a PNG, which a terminal cannot show: send it somewhere, or use --show.")
        return output, "png", show
    suffix = Path(output or "chart.png").suffix.lower()
    if suffix not in {".png", ".svg"}:
        raise UsageError(f"{output!r} must end in .png or .svg.")
    return output, "svg" if suffix == ".svg" else "png", show


def _give(target: _Target, draw: Callable[[], Figure], write: Callable[[Console], None]) -> None:
    output, kind, show = target
    if show:
        write(out())
    if output is None:
        return
    data = picture(draw(), kind)
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    note(f"{printable(str(path))} written.", "none")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    plot = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        epilog=examples("gtrack plot history last last~1 -m loss -o loss.png", "gtrack plot COMMAND --help"),
    )
    plot.command(
        epilog=examples(
            "gtrack plot history last last~1 -m loss -o loss.png",
            "gtrack plot history -e churn -m loss -m val/loss --smooth 0.9 --log-y -o curves.svg",
            "gtrack plot history last -m loss --x epoch --show",
        )
    )(history)
    plot.command(
        epilog=examples("gtrack plot scatter params.lr metrics.f1 --color params.depth --log-x -e churn -o lr.png")
    )(scatter)
    plot.command(epilog=examples("gtrack plot parallel -e churn -m f1 -o parallel.png"))(parallel)
    plot.command(epilog=examples("gtrack plot importance -e churn -m f1 -o importance.png"))(importance)
    plot.command(epilog=examples("gtrack plot grid params.lr params.depth -m f1 -e churn -o grid.png"))(grid)
    plot.command(
        epilog=examples(
            "gtrack plot bars -e churn -m f1 -m auc -o bars.png", "gtrack plot bars -m f1 --by params.depth --show"
        )
    )(bars)
    app.add_typer(plot, name="plot", help="Draw pictures of runs: PNG, SVG, or in the terminal.")
