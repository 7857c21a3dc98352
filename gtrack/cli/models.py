"""``gtrack models``: what is in which stage of which model, and ``predict``, which asks one.

The list is what is asked for most: what only ``predict`` needs is imported there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gtrack.cli import model_views
from gtrack.cli.options import Csv, Json, Markdown, one_format
from gtrack.cli.session import examples, note, now, open_project, out, write
from gtrack.errors import UsageError
from gtrack.formats.words import plural
from gtrack.ops.model_stages import placings
from gtrack.render.data import rows_csv, to_json
from gtrack.render.markdown import columns_markdown
from gtrack.render.models import model_columns, model_data, model_rows, write_models
from gtrack.render.values import printable

_STDOUT = "-"


def list_models(ctx: typer.Context, json: Json = False, csv: Csv = False, markdown: Markdown = False) -> None:
    """List the registered models and what is in their stages.

    A line for each stage: the version in it, the metric that says most of it, since when it is there and who put it there.
    A latest version that is in no stage has a line of its own.
    """
    if ctx.invoked_subcommand is not None:
        return
    one_format(json=json, csv=csv, markdown=markdown)
    ledger = open_project(ctx).registry_reader.ledger()
    found = {name: placings(model, ledger.events[name]) for name, model in ledger.models.items()}
    rows = [one for there in found.values() for one in there]
    if json:
        write(to_json([model_data(ledger.models[name], there) for name, there in found.items()]))
    elif csv:
        write(rows_csv(model_rows(rows)))
    elif markdown:
        write(columns_markdown(model_columns(rows, now(), terminal=False)) if rows else "")
    elif rows:
        write_models(out(), rows, now())
    else:
        note("No models yet. 'gtrack register RUN --model NAME' registers the model of a run.")
    for problem in ledger.problems:
        note(f"The tag {printable(problem.tag)} is passed over: {problem.text}.", "yellow")


def predict(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="runs:/RUN/PATH, models:/NAME/VERSION, models:/NAME/STAGE, NAME@VERSION, NAME#STAGE, or a directory.",
        ),
    ],
    table: Annotated[
        Path,
        typer.Option(
            "--input", "-i", metavar="FILE", help="The table: .csv, .tsv, .json or .parquet.", show_default=False
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to, in the format that the suffix says; - is CSV on stdout."
        ),
    ] = _STDOUT,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Run whatever code the model holds; needed for pickles that were not logged here."
        ),
    ] = False,
) -> None:
    """Predict for each row of a table.

    The columns are found by their names and put into the order of the model's signature; others are left out. The output has
    one row for each row, and is written whole or not at all.
    """
    from gtrack.ops.load_model import open_pyfunc  # noqa: PLC0415 - see the module
    from gtrack.ops.predict import predict_table, write_whole  # noqa: PLC0415 - see the module

    target = None if output == _STDOUT else Path(output)
    if target is not None and target.exists() and table.exists() and target.samefile(table):
        raise UsageError(f"{target} is the input; give another file with --output.")
    loaded = open_pyfunc(model, lambda: open_project(ctx), trust=trust)
    data, rows = predict_table(loaded, table, output if target is not None else "stdout.csv")
    if target is None:
        sys.stdout.write(data.decode())
        return
    write_whole(target, data)
    note(f"{plural(rows, 'prediction')} in {target}", "none")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    models = typer.Typer(rich_markup_mode=None)
    models.callback(
        invoke_without_command=True,
        epilog=examples(
            "gtrack models",
            "gtrack models --json",
            "gtrack models show churn#production",
            "gtrack models predict runs:/last/model -i new.csv",
        ),
    )(list_models)
    model_views.register(models)
    models.command(
        epilog=examples(
            "gtrack models predict runs:/last/model --input new.csv --output predictions.csv",
            "gtrack models predict models:/churn/production -i new.parquet -o out.parquet",
            "gtrack models predict runs:/best:f1/model -i new.csv | head",
        )
    )(predict)
    app.add_typer(models, name="models")
